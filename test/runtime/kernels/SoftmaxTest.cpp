// SPDX-License-Identifier: Apache-2.0
// fin.softmax, fin.log_softmax and fin.gelu against f64.
#include "TestTensor.h"

namespace tinyfin::test {
namespace {

std::vector<double> softmax(const TestTensor &x, int64_t axis, bool logarithm) {
  int64_t inner = 1, extent = x.dims[axis];
  for (size_t i = axis + 1; i < x.dims.size(); ++i) inner *= x.dims[i];
  std::vector<double> y(x.count());
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t start = i / (extent * inner) * extent * inner + i % inner;
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < extent; ++j) top = std::max(top, x[start + j * inner]);
    for (int64_t j = 0; j < extent; ++j) sum += std::exp(x[start + j * inner] - top);
    y[i] = logarithm ? x[i] - top - std::log(sum) : std::exp(x[i] - top) / sum;
  }
  return y;
}

TEST(Softmax, EveryAxisAndDType) {
  const Dims shapes[] = {{5}, {1, 1}, {3, 384}, {70, 33}, {2, 5, 7}, {3, 130, 67}, {2, 3, 4, 65}};
  for (DType dtype : kFloatDTypes)
    for (const Dims &dims : shapes)
      for (int64_t axis = 0; axis < static_cast<int64_t>(dims.size()); ++axis) {
        SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(dims) << " axis " << axis);
        TestTensor x = TestTensor::random(dtype, dims, 1, 8), y(dtype, dims), z(dtype, dims);
        ASSERT_TRUE(runKernel<"fin.softmax">(Attributes().integer(axis), {&x}, {&y}).isOk());
        expectNear(y, softmax(x, axis, false));
        ASSERT_TRUE(runKernel<"fin.log_softmax">(Attributes().integer(axis), {&x}, {&z}).isOk());
        expectNear(z, softmax(x, axis, true));
      }
}

TEST(Softmax, LargeAndInfiniteInputs) {
  TestTensor x(DType::F32, {2, 3}, {1000, 1000, -INFINITY, 88, -1e30, 88}), y(DType::F32, {2, 3});
  ASSERT_TRUE(runKernel<"fin.softmax">(Attributes().integer(1), {&x}, {&y}).isOk());
  expectNear(y, {0.5, 0.5, 0, 0.5, 0, 0.5});
}

TEST(Softmax, NaNSpreadsOverItsRowOnly) {
  for (int64_t axis : {0, 1}) {
    TestTensor x(DType::F32, {2, 2}, {NAN, 1, 0, 0}), y(DType::F32, {2, 2});
    ASSERT_TRUE(runKernel<"fin.softmax">(Attributes().integer(axis), {&x}, {&y}).isOk());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_TRUE(std::isnan(y[axis == 1 ? 1 : 2]));
    EXPECT_FALSE(std::isnan(y[3]));
  }
}

TEST(Softmax, EmptyTensors) {
  for (Dims dims : {Dims{0, 3}, Dims{3, 0}})
    for (int64_t axis : {0, 1}) {
      TestTensor x(DType::F32, dims), y(DType::F32, dims);
      EXPECT_TRUE(runKernel<"fin.softmax">(Attributes().integer(axis), {&x}, {&y}).isOk());
    }
}

TEST(Gelu, BothFormulas) {
  for (DType dtype : kFloatDTypes) {
    TestTensor x = TestTensor::random(dtype, {20011}, 1, 6), exact(dtype, {20011}), byTanh(dtype, {20011});
    std::vector<double> wantedExact, wantedTanh;
    for (int64_t i = 0; i < x.count(); ++i) {
      wantedExact.push_back(x[i] * 0.5 * std::erfc(-x[i] * M_SQRT1_2));
      wantedTanh.push_back(0.5 * x[i] * (1 + std::tanh(std::sqrt(2 / M_PI) * (x[i] + 0.044715 * x[i] * x[i] * x[i]))));
    }
    ASSERT_TRUE(runKernel<"fin.gelu">(Attributes().flag(false), {&x}, {&exact}).isOk());
    ASSERT_TRUE(runKernel<"fin.gelu">(Attributes().flag(true), {&x}, {&byTanh}).isOk());
    expectNear(exact, wantedExact);
    expectNear(byTanh, wantedTanh);
  }
}

} // namespace
} // namespace tinyfin::test
