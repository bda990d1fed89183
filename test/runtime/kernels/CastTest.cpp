// SPDX-License-Identifier: Apache-2.0
// fin.cast between all dtypes, and what it makes of values the target cannot hold.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

const std::vector<DType> kAll = {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64,
                                 DType::I32, DType::I8,  DType::U8,   DType::Bool};

TEST(Cast, everyPairKeepsSmallIntegers) {
  for (DType from : kAll)
    for (DType to : kAll) {
      KernelTensor x = KernelTensor::from(from, {100}, [](int64_t i) { return i; });
      KernelTensor out = run<"fin.cast">({x}, to, {100});
      for (int64_t i = 0; i < 100; ++i)
        ASSERT_EQ(out.get(i), from == DType::Bool || to == DType::Bool ? i != 0 : i)
            << nameOf(from) << " to " << nameOf(to);
    }
}

TEST(Cast, floatsTruncateTowardsZero) {
  for (DType from : kFloats)
    for (DType to : {DType::I64, DType::I32, DType::I8}) {
      KernelTensor x = KernelTensor::from(from, {2}, [](int64_t i) { return i ? -2.75 : 2.75; });
      KernelTensor out = run<"fin.cast">({x}, to, {2});
      EXPECT_EQ(out.get(0), 2);
      EXPECT_EQ(out.get(1), -2);
    }
}

template <class T> void checkSaturation(const KernelTensor &x) {
  KernelTensor out = run<"fin.cast">({x}, dtypeOf<T>(), {5});
  EXPECT_EQ(out.at<T>(0), std::numeric_limits<T>::max());
  EXPECT_EQ(out.at<T>(1), std::numeric_limits<T>::min());
  EXPECT_EQ(out.at<T>(2), std::numeric_limits<T>::max());
  EXPECT_EQ(out.at<T>(3), std::numeric_limits<T>::min());
  EXPECT_EQ(out.at<T>(4), 0);
}
TEST(Cast, outOfRangeSaturatesAndNanIsZero) {
  const double inf = std::numeric_limits<double>::infinity();
  for (DType from : {DType::F32, DType::F64, DType::BF16}) {
    KernelTensor x =
        KernelTensor::from(from, {5}, [&](int64_t i) { return std::vector<double>{1e30, -1e30, inf, -inf, NAN}[i]; });
    checkSaturation<int64_t>(x);
    checkSaturation<int32_t>(x);
    checkSaturation<int8_t>(x);
    checkSaturation<uint8_t>(x);
  }
}
TEST(Cast, boundariesAreExact) {
  KernelTensor x = KernelTensor::of<double>({4}, {127.9, 128, -128.9, -129});
  EXPECT_EQ((run<"fin.cast">({x}, DType::I8, {4}).values<int8_t>()), (std::vector<int8_t>{127, 127, -128, -128}));
  KernelTensor wide = KernelTensor::of<double>({2}, {2147483647, -2147483648.0});
  EXPECT_EQ((run<"fin.cast">({wide}, DType::I32, {2}).values<int32_t>()),
            (std::vector<int32_t>{2147483647, -2147483647 - 1}));
}
TEST(Cast, integersWrap) {
  KernelTensor x = KernelTensor::of<int64_t>({3}, {300, -1, (int64_t(1) << 40) + 7});
  EXPECT_EQ((run<"fin.cast">({x}, DType::U8, {3}).values<uint8_t>()), (std::vector<uint8_t>{44, 255, 7}));
  EXPECT_EQ((run<"fin.cast">({x}, DType::I32, {3}).values<int32_t>()), (std::vector<int32_t>{300, -1, 7}));
}
TEST(Cast, nanIsTrue) {
  KernelTensor x = KernelTensor::of<float>({3}, {NAN, 0.25f, -0.0f});
  EXPECT_EQ((run<"fin.cast">({x}, DType::Bool, {3}).values<bool>()), (std::vector<bool>{1, 1, 0}));
}

TEST(Cast, halvesRoundToNearestEven) {
  KernelTensor x = KernelTensor::of<float>({5}, {1 + 0x1p-11f, 1 + 3 * 0x1p-11f, 65520, 0x1p-25f, 0x1.8p-25f});
  KernelTensor half = run<"fin.cast">({x}, DType::F16, {5});
  EXPECT_EQ(half.get(0), 1);               // a tie, to even
  EXPECT_EQ(half.get(1), 1 + 4 * 0x1p-11); // a tie, to even
  EXPECT_TRUE(std::isinf(half.get(2)));
  EXPECT_EQ(half.get(3), 0);
  EXPECT_EQ(half.get(4), 0x1p-24); // denormals are kept
}

TEST(Cast, emptyAndScalar) {
  EXPECT_EQ((run<"fin.cast">({KernelTensor(DType::F32, {0, 4})}, DType::I64, {0, 4}).size()), 0);
  EXPECT_EQ((run<"fin.cast">({KernelTensor::of<float>({}, {3})}, DType::F64, {}).at<double>(0)), 3);
}

} // namespace
} // namespace tinyfin::test
