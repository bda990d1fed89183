// SPDX-License-Identifier: Apache-2.0
// Arithmetic of unary, binary and ternary kernels: every dtype, broadcasting, overflow, NaN.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

/// Index of the operand element that NumPy's broadcasting pairs with result element `i`.
int64_t sourceOf(int64_t i, const Dims &out, const Dims &operand) {
  int64_t source = 0, stride = 1;
  for (size_t right = 0; right < out.size(); ++right) {
    int64_t extent = out[out.size() - 1 - right], at = i % extent;
    i /= extent;
    if (right >= operand.size()) continue;
    int64_t own = operand[operand.size() - 1 - right];
    if (own != 1) source += at * stride;
    stride *= own;
  }
  return source;
}

struct BroadcastCase {
  Dims lhs, rhs, out;
};
class Broadcasting : public testing::TestWithParam<BroadcastCase> {};

TEST_P(Broadcasting, addAndSelectPairElementsAsNumpy) {
  const auto &[lhs, rhs, out] = GetParam();
  KernelTensor a = KernelTensor::random(DType::F32, lhs, -1, 1, 1), b = KernelTensor::random(DType::F32, rhs, -1, 1, 2);
  KernelTensor condition = KernelTensor::from(DType::Bool, rhs, [](int64_t i) { return i % 3 == 0; });
  KernelTensor sum = run<"fin.add">({a, b}, DType::F32, out);
  KernelTensor difference = run<"fin.sub">({b, a}, DType::F32, out);
  KernelTensor chosen = run<"fin.select">({condition, a, b}, DType::F32, out);
  KernelTensor clamped = run<"fin.clamp">({a, b, a}, DType::F32, out);
  for (int64_t i = 0; i < sum.size(); ++i) {
    float x = a.at<float>(sourceOf(i, out, lhs)), y = b.at<float>(sourceOf(i, out, rhs));
    ASSERT_EQ(sum.at<float>(i), x + y) << i;
    ASSERT_EQ(difference.at<float>(i), y - x) << i;
    ASSERT_EQ(chosen.at<float>(i), sourceOf(i, out, rhs) % 3 == 0 ? x : y) << i;
    ASSERT_EQ(clamped.at<float>(i), std::min(std::max(x, y), x)) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, Broadcasting,
                         testing::Values(BroadcastCase{{}, {}, {}}, BroadcastCase{{7}, {}, {7}},
                                         BroadcastCase{{}, {3, 5}, {3, 5}}, BroadcastCase{{4, 5}, {5}, {4, 5}},
                                         BroadcastCase{{4, 1}, {4, 5}, {4, 5}}, BroadcastCase{{4, 1}, {1, 5}, {4, 5}},
                                         BroadcastCase{{2, 1, 3, 1}, {5, 1, 4}, {2, 5, 3, 4}},
                                         BroadcastCase{{6, 1, 2}, {1, 3, 2}, {6, 3, 2}},
                                         BroadcastCase{{0, 3}, {3}, {0, 3}}, BroadcastCase{{1, 3}, {0, 1}, {0, 3}},
                                         BroadcastCase{{300, 1, 7}, {50, 7}, {300, 50, 7}},
                                         BroadcastCase{{100000}, {1}, {100000}}, BroadcastCase{{1, 1}, {1}, {1, 1}}));

TEST(Elementwise, everyDtypeAddsSubtractsAndMultiplies) {
  for (DType dtype : kNumbers) {
    KernelTensor a = KernelTensor::from(dtype, {50}, [](int64_t i) { return 5 + i % 5; });
    KernelTensor b = KernelTensor::from(dtype, {50}, [](int64_t i) { return i % 6; });
    KernelTensor sum = run<"fin.add">({a, b}, dtype, {50}), difference = run<"fin.sub">({a, b}, dtype, {50});
    KernelTensor product = run<"fin.mul">({a, b}, dtype, {50}), square = run<"fin.square">({a}, dtype, {50});
    KernelTensor larger = run<"fin.maximum">({a, b}, dtype, {50}), smaller = run<"fin.minimum">({a, b}, dtype, {50});
    for (int64_t i = 0; i < 50; ++i) {
      double x = 5 + i % 5, y = i % 6;
      ASSERT_EQ(sum.get(i), x + y) << nameOf(dtype);
      ASSERT_EQ(difference.get(i), x - y) << nameOf(dtype);
      ASSERT_EQ(product.get(i), x * y) << nameOf(dtype);
      ASSERT_EQ(square.get(i), x * x) << nameOf(dtype);
      ASSERT_EQ(larger.get(i), std::max(x, y)) << nameOf(dtype);
      ASSERT_EQ(smaller.get(i), std::min(x, y)) << nameOf(dtype);
    }
  }
}

TEST(Elementwise, signsOfEveryDtype) {
  for (DType dtype : kNumbers) {
    if (dtype == DType::U8) continue;
    KernelTensor x = KernelTensor::from(dtype, {3}, [](int64_t i) { return 3 * (i - 1); });
    KernelTensor negated = run<"fin.neg">({x}, dtype, {3}), magnitude = run<"fin.abs">({x}, dtype, {3});
    KernelTensor sign = run<"fin.sign">({x}, dtype, {3}), relu = run<"fin.relu">({x}, dtype, {3});
    for (int64_t i = 0; i < 3; ++i) {
      double value = 3.0 * (i - 1);
      EXPECT_EQ(negated.get(i), -value) << nameOf(dtype);
      EXPECT_EQ(magnitude.get(i), std::abs(value)) << nameOf(dtype);
      EXPECT_EQ(sign.get(i), i - 1) << nameOf(dtype);
      EXPECT_EQ(relu.get(i), std::max(value, 0.0)) << nameOf(dtype);
    }
  }
}

TEST(Elementwise, halvesComputeInF32AndRoundOnceToEven) {
  for (DType dtype : {DType::BF16, DType::F16}) {
    KernelTensor a = KernelTensor::random(dtype, {1000}, -4, 4, 3), b = KernelTensor::random(dtype, {1000}, 0.5, 4, 4);
    KernelTensor product = run<"fin.mul">({a, b}, dtype, {1000}), quotient = run<"fin.div">({a, b}, dtype, {1000});
    KernelTensor expected(dtype, {1});
    for (int64_t i = 0; i < 1000; ++i) {
      expected.set(0, static_cast<float>(a.get(i)) * static_cast<float>(b.get(i)));
      ASSERT_EQ(product.get(i), expected.get(0));
      expected.set(0, static_cast<float>(a.get(i)) / static_cast<float>(b.get(i)));
      ASSERT_EQ(quotient.get(i), expected.get(0));
    }
  }
}

TEST(Half, bf16RoundsToNearestEvenAndKeepsNaN) {
  auto round = [](uint32_t bits) { return roundToBFloat16(std::bit_cast<float>(bits)).bits; };
  EXPECT_EQ(round(0x3f808000), 0x3f80); // a tie, to even below
  EXPECT_EQ(round(0x3f818000), 0x3f82); // a tie, to even above
  EXPECT_EQ(round(0x3f808001), 0x3f81);
  EXPECT_EQ(round(0x7f7fffff), 0x7f80); // overflow
  EXPECT_EQ(round(0x00018000), 0x0002); // denormals are kept
  EXPECT_TRUE(std::isnan(widen(roundToBFloat16(std::bit_cast<float>(0x7fffffffu)))));
  EXPECT_TRUE(std::isnan(widen(roundToBFloat16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Elementwise, integersWrap) {
  const int64_t most = std::numeric_limits<int64_t>::max(), least = std::numeric_limits<int64_t>::min();
  auto i64 = [](std::vector<int64_t> v) {
    Dims dims = {static_cast<int64_t>(v.size())};
    return KernelTensor::of<int64_t>(dims, v);
  };
  EXPECT_EQ((run<"fin.add">({i64({most}), i64({1})}, DType::I64, {1}).at<int64_t>(0)), least);
  EXPECT_EQ((run<"fin.sub">({i64({least}), i64({1})}, DType::I64, {1}).at<int64_t>(0)), most);
  EXPECT_EQ((run<"fin.mul">({i64({most}), i64({2})}, DType::I64, {1}).at<int64_t>(0)), -2);
  EXPECT_EQ((run<"fin.neg">({i64({least})}, DType::I64, {1}).at<int64_t>(0)), least);
  EXPECT_EQ((run<"fin.abs">({i64({least})}, DType::I64, {1}).at<int64_t>(0)), least);
  EXPECT_EQ((run<"fin.square">({i64({int64_t(1) << 32})}, DType::I64, {1}).at<int64_t>(0)), 0);
  KernelTensor big = KernelTensor::of<int8_t>({1}, {100}), byte = KernelTensor::of<uint8_t>({1}, {200});
  EXPECT_EQ((run<"fin.add">({big, big}, DType::I8, {1}).at<int8_t>(0)), -56);
  EXPECT_EQ((run<"fin.mul">({byte, byte}, DType::U8, {1}).at<uint8_t>(0)), 64);
  EXPECT_EQ((run<"fin.neg">({byte}, DType::U8, {1}).at<uint8_t>(0)), 56);
}

TEST(Division, integersRoundTowardsZero) {
  KernelTensor a = KernelTensor::of<int64_t>({4}, {7, -7, 7, -7}), b = KernelTensor::of<int64_t>({4}, {2, 2, -2, -2});
  EXPECT_EQ((run<"fin.div">({a, b}, DType::I64, {4}).values<int64_t>()), (std::vector<int64_t>{3, -3, -3, 3}));
}

TEST(Division, smallestIntegerByMinusOneWraps) {
  const int32_t least = std::numeric_limits<int32_t>::min();
  KernelTensor a = KernelTensor::of<int32_t>({2}, {least, 5}), b = KernelTensor::of<int32_t>({2}, {-1, -1});
  EXPECT_EQ((run<"fin.div">({a, b}, DType::I32, {2}).values<int32_t>()), (std::vector<int32_t>{least, -5}));
  KernelTensor narrow = KernelTensor::of<int8_t>({1}, {-128}), minusOne = KernelTensor::of<int8_t>({1}, {-1});
  EXPECT_EQ((run<"fin.div">({narrow, minusOne}, DType::I8, {1}).at<int8_t>(0)), -128);
}

TEST(Division, integerByZeroIsRefusedBeforeWriting) {
  for (DType dtype : kIntegers) {
    KernelTensor a = KernelTensor::from(dtype, {3}, [](int64_t) { return 6; });
    KernelTensor b = KernelTensor::from(dtype, {3}, [](int64_t i) { return 2 - i; });
    KernelTensor out(dtype, {3}), untouched(dtype, {3});
    Status status = tryRun<"fin.div">({a, b}, out);
    EXPECT_EQ(status.code(), StatusCode::InvalidArgument);
    EXPECT_EQ(status.message(), "integer division by zero");
    EXPECT_EQ(out.bytes, untouched.bytes);
  }
  KernelTensor none(DType::I64, {0}), zero = KernelTensor::of<int64_t>({1}, {0});
  EXPECT_EQ((run<"fin.div">({none, zero}, DType::I64, {0}).size()), 0);
}

TEST(Division, floatsFollowIeee) {
  KernelTensor a = KernelTensor::of<float>({3}, {1, -1, 0}), zero = KernelTensor::of<float>({}, {0});
  KernelTensor out = run<"fin.div">({a, zero}, DType::F32, {3});
  EXPECT_EQ(out.at<float>(0), kInf);
  EXPECT_EQ(out.at<float>(1), -kInf);
  EXPECT_TRUE(std::isnan(out.at<float>(2)));
}

TEST(NaN, isNeverLost) {
  for (DType dtype : kFloats) {
    KernelTensor x = KernelTensor::from(dtype, {2}, [](int64_t i) { return i ? 1.0 : double(kNaN); });
    KernelTensor y = KernelTensor::from(dtype, {2}, [](int64_t i) { return i ? double(kNaN) : 1.0; });
    KernelTensor one = KernelTensor::from(dtype, {}, [](int64_t) { return 1; });
    for (int64_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(std::isnan(run<"fin.maximum">({x, y}, dtype, {2}).get(i))) << nameOf(dtype);
      EXPECT_TRUE(std::isnan(run<"fin.minimum">({x, y}, dtype, {2}).get(i))) << nameOf(dtype);
      EXPECT_TRUE(std::isnan(run<"fin.clamp">({x, y, one}, dtype, {2}).get(i))) << nameOf(dtype);
      EXPECT_TRUE(std::isnan(run<"fin.clamp">({one, x, y}, dtype, {2}).get(i))) << nameOf(dtype);
    }
    EXPECT_TRUE(std::isnan(run<"fin.relu">({x}, dtype, {2}).get(0)));
    EXPECT_TRUE(std::isnan(run<"fin.sign">({x}, dtype, {2}).get(0)));
    EXPECT_TRUE(std::isnan(run<"fin.abs">({x}, dtype, {2}).get(0)));
  }
}

TEST(Elementwise, rootsAndReciprocal) {
  for (DType dtype : kFloats) {
    KernelTensor x = KernelTensor::random(dtype, {2000}, 0.01, 100, 7);
    KernelTensor root = run<"fin.sqrt">({x}, dtype, {2000}), inverse = run<"fin.rsqrt">({x}, dtype, {2000});
    KernelTensor reciprocal = run<"fin.reciprocal">({x}, dtype, {2000});
    for (int64_t i = 0; i < 2000; ++i) {
      const double value = x.get(i), tolerance = 1.5 * epsilonOf(dtype);
      ASSERT_NEAR(root.get(i) / std::sqrt(value), 1, tolerance);
      ASSERT_NEAR(inverse.get(i) * std::sqrt(value), 1, tolerance);
      ASSERT_NEAR(reciprocal.get(i) * value, 1, tolerance);
    }
  }
}

template <OpName name, class F> void checkPredicate(F expected) {
  for (DType dtype :
       {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool}) {
    KernelTensor a = KernelTensor::from(dtype, {4, 1}, [](int64_t i) { return i % 2; });
    KernelTensor b = KernelTensor::from(dtype, {5}, [](int64_t i) { return i % 2; });
    KernelTensor out = run<name>({a, b}, DType::Bool, {4, 5});
    for (int64_t i = 0; i < 20; ++i) ASSERT_EQ(out.at<bool>(i), expected(i / 5 % 2, i % 5 % 2)) << nameOf(dtype) << i;
  }
}
TEST(Compare, everyDtype) {
  checkPredicate<"fin.eq">(std::equal_to<int>());
  checkPredicate<"fin.ne">(std::not_equal_to<int>());
  checkPredicate<"fin.lt">(std::less<int>());
  checkPredicate<"fin.le">(std::less_equal<int>());
  checkPredicate<"fin.gt">(std::greater<int>());
  checkPredicate<"fin.ge">(std::greater_equal<int>());
}
TEST(Compare, nanIsUnequalToItself) {
  KernelTensor x = KernelTensor::of<float>({1}, {kNaN});
  EXPECT_FALSE((run<"fin.eq">({x, x}, DType::Bool, {1}).at<bool>(0)));
  EXPECT_TRUE((run<"fin.ne">({x, x}, DType::Bool, {1}).at<bool>(0)));
  EXPECT_FALSE((run<"fin.ge">({x, x}, DType::Bool, {1}).at<bool>(0)));
}
TEST(Compare, logic) {
  KernelTensor a = KernelTensor::of<bool>({4}, {false, false, true, true}),
             b = KernelTensor::of<bool>({4}, {false, true, false, true});
  EXPECT_EQ((run<"fin.logical_and">({a, b}, DType::Bool, {4}).values<bool>()), (std::vector<bool>{0, 0, 0, 1}));
  EXPECT_EQ((run<"fin.logical_or">({a, b}, DType::Bool, {4}).values<bool>()), (std::vector<bool>{0, 1, 1, 1}));
  EXPECT_EQ((run<"fin.logical_xor">({a, b}, DType::Bool, {4}).values<bool>()), (std::vector<bool>{0, 1, 1, 0}));
  EXPECT_EQ((run<"fin.logical_not">({a}, DType::Bool, {4}).values<bool>()), (std::vector<bool>{1, 1, 0, 0}));
}

TEST(Select, movesEveryDtype) {
  KernelTensor condition = KernelTensor::of<bool>({3}, {true, false, true});
  for (DType dtype : {DType::F64, DType::F16, DType::I8, DType::Bool, DType::I32}) {
    KernelTensor yes = KernelTensor::from(dtype, {3}, [](int64_t) { return 1; }),
               no = KernelTensor::from(dtype, {}, [](int64_t) { return 0; });
    KernelTensor out = run<"fin.select">({condition, yes, no}, dtype, {3});
    EXPECT_EQ(out.get(0), 1);
    EXPECT_EQ(out.get(1), 0);
    EXPECT_EQ(out.get(2), 1);
  }
}

} // namespace
} // namespace tinyfin::test
