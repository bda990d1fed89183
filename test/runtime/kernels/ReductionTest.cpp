// SPDX-License-Identifier: Apache-2.0
// Reductions over every pattern of axes, their accuracy, NaN, and that threads change no bit.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Case {
  Dims dims, axes;
};
Words attrsOf(const Dims &axes) {
  Words words;
  AttrWriter(words).list(axes).flag(false);
  return words;
}
Dims keptOf(const Case &c) {
  Dims kept;
  for (size_t i = 0; i < c.dims.size(); ++i)
    if (std::find(c.axes.begin(), c.axes.end(), static_cast<int64_t>(i)) == c.axes.end()) kept.push_back(c.dims[i]);
  return kept;
}
/// The result element that operand element `i` goes to.
int64_t targetOf(int64_t i, const Case &c) {
  int64_t target = 0, stride = 1;
  for (size_t axis = c.dims.size(); axis-- > 0; i /= c.dims[axis]) {
    if (std::find(c.axes.begin(), c.axes.end(), static_cast<int64_t>(axis)) != c.axes.end()) continue;
    target += i % c.dims[axis] * stride;
    stride *= c.dims[axis];
  }
  return target;
}

const std::vector<Case> kCases = {{{}, {}},
                                  {{7}, {0}},
                                  {{7}, {}},
                                  {{3, 4}, {0, 1}},
                                  {{3, 4}, {0}},
                                  {{3, 4}, {1}},
                                  {{5, 1, 3}, {1}},
                                  {{2, 3, 4, 5}, {0, 2}},
                                  {{2, 3, 4, 5}, {1, 3}},
                                  {{40, 50, 60}, {1}},
                                  {{40, 50, 60}, {0, 2}},
                                  {{100003}, {0}},
                                  {{3, 70001}, {1}},
                                  {{70001, 3}, {0}},
                                  {{1000, 300}, {0}},
                                  {{300, 1000}, {1}},
                                  {{4, 9, 5000}, {0, 1}},
                                  {{200, 4, 300}, {0, 2}}};

TEST(Reduction, sumAndMeanOfEveryPatternAndDtype) {
  for (const Case &c : kCases)
    for (DType dtype : {DType::F32, DType::F64, DType::I64, DType::I32}) {
      KernelTensor x = KernelTensor::from(dtype, c.dims, [](int64_t i) { return i * 31 % 17 - 5; });
      KernelTensor sum = run<"fin.sum">({x}, dtype, keptOf(c), attrsOf(c.axes));
      std::vector<double> want(static_cast<size_t>(sum.size()));
      for (int64_t i = 0; i < x.size(); ++i) want[targetOf(i, c)] += x.get(i);
      for (int64_t i = 0; i < sum.size(); ++i) ASSERT_EQ(sum.get(i), want[i]) << nameOf(dtype); // integers: exact
      if (!isFloat(dtype)) continue;
      KernelTensor mean = run<"fin.mean">({x}, dtype, keptOf(c), attrsOf(c.axes));
      const double count = static_cast<double>(x.size()) / static_cast<double>(sum.size());
      for (int64_t i = 0; i < sum.size(); ++i)
        ASSERT_EQ(mean.get(i), dtype == DType::F32 ? static_cast<float>(want[i] / count) : want[i] / count);
    }
}

TEST(Reduction, extremesOfEveryPatternAndDtype) {
  for (const Case &c : kCases)
    for (DType dtype : kNumbers) {
      KernelTensor x =
          KernelTensor::from(dtype, c.dims, [&](int64_t i) { return i * 37 % 101 - (dtype == DType::U8 ? 0 : 50); });
      KernelTensor largest = run<"fin.reduce_max">({x}, dtype, keptOf(c), attrsOf(c.axes));
      KernelTensor smallest = run<"fin.reduce_min">({x}, dtype, keptOf(c), attrsOf(c.axes));
      std::vector<double> high(static_cast<size_t>(largest.size()), -1e9), low(high.size(), 1e9);
      for (int64_t i = 0; i < x.size(); ++i) {
        high[targetOf(i, c)] = std::max(high[targetOf(i, c)], x.get(i));
        low[targetOf(i, c)] = std::min(low[targetOf(i, c)], x.get(i));
      }
      for (size_t i = 0; i < high.size(); ++i) {
        ASSERT_EQ(largest.get(i), high[i]) << nameOf(dtype);
        ASSERT_EQ(smallest.get(i), low[i]) << nameOf(dtype);
      }
    }
}

TEST(Reduction, ofNothing) {
  EXPECT_EQ((run<"fin.sum">({KernelTensor(DType::F32, {0})}, DType::F32, {}, attrsOf({0})).at<float>(0)), 0);
  EXPECT_EQ((run<"fin.sum">({KernelTensor(DType::I64, {2, 0})}, DType::I64, {2}, attrsOf({1})).values<int64_t>()),
            (std::vector<int64_t>{0, 0}));
  EXPECT_TRUE(std::isnan(run<"fin.mean">({KernelTensor(DType::BF16, {0})}, DType::BF16, {}, attrsOf({0})).get(0)));
  EXPECT_EQ((run<"fin.sum">({KernelTensor(DType::F32, {0, 3})}, DType::F32, {0}, attrsOf({1})).size()), 0);
  EXPECT_EQ((run<"fin.reduce_max">({KernelTensor(DType::F32, {3, 0})}, DType::F32, {0}, attrsOf({0})).size()), 0);
}

TEST(Reduction, nanWinsWhereverItStands) {
  for (DType dtype : kFloats)
    for (int64_t place : {0, 1, 31, 32, 63, 70000})
      for (const Case &c : {Case{{70001, 1}, {0}}, Case{{70001, 2}, {0}}}) {
        const int64_t columns = c.dims[1];
        KernelTensor x = KernelTensor::from(dtype, c.dims, [&](int64_t i) { return i == place * columns ? kNaN : i % 7; });
        EXPECT_TRUE(std::isnan(run<"fin.reduce_max">({x}, dtype, {columns}, attrsOf(c.axes)).get(0)));
        EXPECT_TRUE(std::isnan(run<"fin.reduce_min">({x}, dtype, {columns}, attrsOf(c.axes)).get(0)));
        EXPECT_TRUE(std::isnan(run<"fin.sum">({x}, dtype, {columns}, attrsOf(c.axes)).get(0)));
        if (columns == 2) EXPECT_EQ((run<"fin.reduce_max">({x}, dtype, {columns}, attrsOf(c.axes)).get(1)), 6);
      }
}
TEST(Reduction, extremesOfInfinities) {
  const float inf = std::numeric_limits<float>::infinity();
  KernelTensor low = KernelTensor::from(DType::F32, {100}, [&](int64_t) { return -inf; });
  EXPECT_EQ((run<"fin.reduce_max">({low}, DType::F32, {}, attrsOf({0})).at<float>(0)), -inf);
  KernelTensor high = KernelTensor::from(DType::F32, {100}, [&](int64_t) { return inf; });
  EXPECT_EQ((run<"fin.reduce_min">({high}, DType::F32, {}, attrsOf({0})).at<float>(0)), inf);
}

TEST(Reduction, f32SumsAreAccurateToAFewUlps) {
  for (const Case &c : {Case{{1 << 22, 1}, {0}}, Case{{1 << 21, 2}, {0}}, Case{{2, 1 << 21}, {1}}}) {
    KernelTensor x = KernelTensor::random(DType::F32, c.dims, 0, 1, 3);
    KernelTensor sum = run<"fin.sum">({x}, DType::F32, keptOf(c), attrsOf(c.axes));
    std::vector<double> want(static_cast<size_t>(sum.size()));
    for (int64_t i = 0; i < x.size(); ++i) want[targetOf(i, c)] += x.get(i);
    for (int64_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum.get(i) / want[i], 1, 2 * 0x1p-23);
  }
}
TEST(Reduction, halvesAccumulateInF32) {
  for (DType dtype : {DType::BF16, DType::F16}) {
    KernelTensor x = KernelTensor::from(dtype, {4096}, [](int64_t) { return 1; });
    EXPECT_EQ((run<"fin.sum">({x}, dtype, {}, attrsOf({0})).get(0)), 4096); // in bf16 it would stick at 256
    KernelTensor columns = KernelTensor::from(dtype, {4096, 3}, [](int64_t) { return 1; });
    EXPECT_EQ((run<"fin.sum">({columns}, dtype, {3}, attrsOf({0})).get(2)), 4096);
  }
}
TEST(Reduction, integerSumsWrap) {
  KernelTensor x = KernelTensor::from(DType::I8, {1000}, [](int64_t) { return 100; });
  EXPECT_EQ((run<"fin.sum">({x}, DType::I8, {}, attrsOf({0})).at<int8_t>(0)), static_cast<int8_t>(100000));
  KernelTensor wide = KernelTensor::of<int64_t>({2}, {std::numeric_limits<int64_t>::max(), 1});
  EXPECT_EQ((run<"fin.sum">({wide}, DType::I64, {}, attrsOf({0})).at<int64_t>(0)), std::numeric_limits<int64_t>::min());
}

TEST(Reduction, threadsChangeNoBit) {
  ThreadPool one(1), four(4);
  for (const Case &c : kCases) {
    KernelTensor x = KernelTensor::random(DType::F32, c.dims, -1, 1, 11), a(DType::F32, keptOf(c)), b = a;
    ASSERT_TRUE((runOn<"fin.sum">(one, {x}, a, attrsOf(c.axes)).isOk()));
    ASSERT_TRUE((runOn<"fin.sum">(four, {x}, b, attrsOf(c.axes)).isOk()));
    EXPECT_EQ(a.bytes, b.bytes);
  }
}

Words argmaxAttrs(int64_t axis) {
  Words words;
  AttrWriter(words).integer(axis).flag(false);
  return words;
}
TEST(Argmax, firstLargestAlongEachAxis) {
  const Dims dims = {5, 30, 70};
  for (DType dtype : kNumbers)
    for (int64_t axis : {0, 1, 2}) {
      KernelTensor x = KernelTensor::from(dtype, dims, [](int64_t i) { return i * 7919 % 113; });
      const Case c = {dims, {axis}};
      KernelTensor out = run<"fin.argmax">({x}, DType::I64, keptOf(c), argmaxAttrs(axis));
      std::vector<int64_t> want(static_cast<size_t>(out.size()), -1);
      std::vector<double> best(want.size());
      int64_t inner = 1;
      for (size_t i = axis + 1; i < 3; ++i) inner *= dims[i];
      for (int64_t i = 0; i < x.size(); ++i) {
        const int64_t target = targetOf(i, c);
        if (want[target] < 0 || x.get(i) > best[target]) want[target] = i / inner % dims[axis], best[target] = x.get(i);
      }
      ASSERT_EQ(out.values<int64_t>(), want) << nameOf(dtype) << axis;
    }
}
TEST(Argmax, firstNanWins) {
  for (DType dtype : kFloats) {
    KernelTensor x = KernelTensor::from(dtype, {300}, [](int64_t i) { return i == 170 || i == 250 ? kNaN : i; });
    EXPECT_EQ((run<"fin.argmax">({x}, DType::I64, {}, argmaxAttrs(0)).at<int64_t>(0)), 170);
    KernelTensor columns =
        KernelTensor::from(dtype, {300, 2}, [](int64_t i) { return i == 341 || i == 501 ? kNaN : i / 2; });
    EXPECT_EQ((run<"fin.argmax">({columns}, DType::I64, {2}, argmaxAttrs(0)).values<int64_t>())[1], 170);
  }
}
TEST(Argmax, ofNoRowsIsEmpty) {
  EXPECT_EQ((run<"fin.argmax">({KernelTensor(DType::F32, {0, 3})}, DType::I64, {0}, argmaxAttrs(1)).size()), 0);
}

} // namespace
} // namespace tinyfin::test
