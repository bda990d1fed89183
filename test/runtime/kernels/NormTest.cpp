// SPDX-License-Identifier: Apache-2.0
// fin.layer_norm, fin.batch_norm and fin.batch_norm_inference against two-pass f64.
#include "TestTensor.h"

namespace tinyfin::test {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};
template <class At> Moments momentsOf(int64_t count, At at) {
  Moments moments;
  for (int64_t i = 0; i < count; ++i) moments.mean += at(i) / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i)
    moments.variance += (at(i) - moments.mean) * (at(i) - moments.mean) / static_cast<double>(count);
  return moments;
}

void checkLayerNorm(DType dtype, const Dims &dims, int64_t axis) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(dims) << " axis " << axis);
  Dims inner(dims.begin() + axis, dims.end()), kept = dims;
  std::fill(kept.begin() + axis, kept.end(), 1);
  TestTensor x = TestTensor::random(dtype, dims, 1, 3), weight = TestTensor::random(dtype, inner, 2),
             bias = TestTensor::random(dtype, inner, 3);
  TestTensor y(dtype, dims), mean(dtype, kept), rstd(dtype, kept);
  ASSERT_TRUE(
      runKernel<"fin.layer_norm">(Attributes().integer(axis).real(1e-5), {&x, &weight, &bias}, {&y, &mean, &rstd})
          .isOk());
  int64_t cols = weight.count(), rows = mean.count();
  std::vector<double> wanted(x.count()), means, rstds;
  for (int64_t row = 0; row < rows; ++row) {
    Moments m = momentsOf(cols, [&](int64_t i) { return x[row * cols + i]; });
    means.push_back(m.mean);
    rstds.push_back(1 / std::sqrt(m.variance + 1e-5));
    for (int64_t i = 0; i < cols; ++i)
      wanted[row * cols + i] = (x[row * cols + i] - m.mean) * rstds.back() * weight[i] + bias[i];
  }
  expectNear(y, wanted);
  expectNear(mean, means);
  expectNear(rstd, rstds);
}

TEST(LayerNorm, ShapesAxesAndDTypes) {
  for (DType dtype : kFloatDTypes) {
    checkLayerNorm(dtype, {300, 384}, 1);
    checkLayerNorm(dtype, {4, 5, 33}, 2);
    checkLayerNorm(dtype, {4, 5, 33}, 1);
    checkLayerNorm(dtype, {37}, 0);
    checkLayerNorm(dtype, {0, 5}, 1);
  }
}

TEST(LayerNorm, FarFromZero) {
  TestTensor x(DType::F32, {1, 4}, {10000, 10001, 10002, 10003}), weight(DType::F32, {4}, {1, 1, 1, 1}),
      bias(DType::F32, {4}, {0, 0, 0, 0});
  TestTensor y(DType::F32, {1, 4}), mean(DType::F32, {1, 1}), rstd(DType::F32, {1, 1});
  ASSERT_TRUE(
      runKernel<"fin.layer_norm">(Attributes().integer(1).real(0), {&x, &weight, &bias}, {&y, &mean, &rstd}).isOk());
  expectNear(y, {-1.3416407865, -0.4472135955, 0.4472135955, 1.3416407865}, 1e-6);
}

void checkBatchNorm(DType dtype, const Dims &dims) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(dims));
  int64_t channels = dims[1], spatial = 1;
  for (size_t i = 2; i < dims.size(); ++i) spatial *= dims[i];
  TestTensor x = TestTensor::random(dtype, dims, 1, 3), weight = TestTensor::random(dtype, {channels}, 2),
             bias = TestTensor::random(dtype, {channels}, 3);
  TestTensor y(dtype, dims), mean(dtype, {channels}), var(dtype, {channels}), inferred(dtype, dims);
  ASSERT_TRUE(runKernel<"fin.batch_norm">(Attributes().real(1e-5), {&x, &weight, &bias}, {&y, &mean, &var}).isOk());
  std::vector<double> wanted(x.count()), means, variances;
  for (int64_t c = 0; c < channels; ++c) {
    auto at = [&](int64_t i) { return (i / spatial * channels + c) * spatial + i % spatial; };
    Moments m = momentsOf(dims[0] * spatial, [&](int64_t i) { return x[at(i)]; });
    means.push_back(m.mean), variances.push_back(m.variance);
    for (int64_t i = 0; i < dims[0] * spatial; ++i)
      wanted[at(i)] = (x[at(i)] - m.mean) / std::sqrt(m.variance + 1e-5) * weight[c] + bias[c];
  }
  expectNear(y, wanted);
  expectNear(mean, means);
  expectNear(var, variances);
  ASSERT_TRUE(
      runKernel<"fin.batch_norm_inference">(Attributes().real(1e-5), {&x, &weight, &bias, &mean, &var}, {&inferred})
          .isOk());
  expectNear(inferred, wanted);
}

TEST(BatchNorm, RanksTwoToFive) {
  for (DType dtype : kFloatDTypes) {
    checkBatchNorm(dtype, {33, 70});
    checkBatchNorm(dtype, {5, 3, 17});
    checkBatchNorm(dtype, {4, 7, 9, 11});
    checkBatchNorm(dtype, {6, 2, 3, 4, 5});
    checkBatchNorm(dtype, {9, 5, 1, 1});
    checkBatchNorm(dtype, {8, 4, 40, 50});
    checkBatchNorm(dtype, {3, 0, 4});
  }
}

TEST(BatchNorm, ResultsDoNotDependOnThreads) {
  TestTensor x = TestTensor::random(DType::F32, {16, 6, 60, 60}, 1), weight = TestTensor::random(DType::F32, {6}, 2),
             bias = TestTensor::random(DType::F32, {6}, 3);
  std::vector<TestTensor> results;
  for (int threads : {1, 4}) {
    TestTensor y(DType::F32, x.dims), mean(DType::F32, {6}), var(DType::F32, {6});
    ASSERT_TRUE(
        runKernel<"fin.batch_norm">(Attributes().real(1e-5), {&x, &weight, &bias}, {&y, &mean, &var}, threads).isOk());
    results.push_back(y);
  }
  EXPECT_EQ(results[0], results[1]);
}

} // namespace
} // namespace tinyfin::test
