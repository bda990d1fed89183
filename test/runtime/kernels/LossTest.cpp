// SPDX-License-Identifier: Apache-2.0
// Losses and fin.embedding against f64, and the errors their index checks report.
#include "TestTensor.h"

namespace tinyfin::test {
namespace {

/// The elements of a loss under `reduction`.
std::vector<double> reduced(const std::vector<double> &losses, int64_t reduction) {
  if (reduction == 0) return losses;
  double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
  return {reduction == 1 ? sum / static_cast<double>(losses.size()) : sum};
}

TEST(CrossEntropy, ReductionsAndDTypes) {
  for (DType dtype : kFloatDTypes)
    for (DType labelType : {DType::I64, DType::I32})
      for (auto [rows, classes] : {std::pair<int64_t, int64_t>{1, 1}, {64, 10}, {7, 1000}, {300, 65}})
        for (int64_t reduction : {0, 1, 2}) {
          SCOPED_TRACE(testing::Message()
                       << nameOf(dtype) << " " << rows << "x" << classes << " reduction " << reduction);
          TestTensor logits = TestTensor::random(dtype, {rows, classes}, 1, 10);
          std::vector<int64_t> indices;
          std::vector<double> losses;
          for (int64_t row = 0; row < rows; ++row) {
            indices.push_back(row * 7 % classes);
            double top = -INFINITY, sum = 0;
            for (int64_t i = 0; i < classes; ++i) top = std::max(top, logits[row * classes + i]);
            for (int64_t i = 0; i < classes; ++i) sum += std::exp(logits[row * classes + i] - top);
            losses.push_back(std::log(sum) + top - logits[row * classes + indices.back()]);
          }
          TestTensor labels = TestTensor::labels({rows}, indices, labelType),
                     result(dtype, reduction == 0 ? Dims{rows} : Dims{});
          ASSERT_TRUE(
              runKernel<"fin.cross_entropy">(Attributes().integer(reduction), {&logits, &labels}, {&result}).isOk());
          expectNear(result, reduced(losses, reduction));
        }
}

TEST(CrossEntropy, LabelsOutOfRangeAreErrors) {
  TestTensor logits = TestTensor::random(DType::F32, {3, 10}, 1), result(DType::F32, {});
  for (int64_t label : {int64_t(12), int64_t(10), int64_t(-1)}) {
    TestTensor labels = TestTensor::labels({3}, {0, label, 2});
    Status status = runKernel<"fin.cross_entropy">(Attributes().integer(1), {&logits, &labels}, {&result});
    EXPECT_EQ(status.code(), StatusCode::OutOfRange);
    EXPECT_EQ(status.message(), "label " + std::to_string(label) + " is out of range for 10 classes");
  }
  TestTensor noLogits(DType::F32, {1, 0}), labels = TestTensor::labels({1}, {0});
  EXPECT_EQ(runKernel<"fin.cross_entropy">(Attributes().integer(1), {&noLogits, &labels}, {&result}).message(),
            "label 0 is out of range for 0 classes");
}

TEST(CrossEntropy, EmptyBatch) {
  TestTensor logits(DType::F32, {0, 10}), labels = TestTensor::labels({0}, {}), mean(DType::F32, {}),
                                          sum(DType::F32, {});
  ASSERT_TRUE(runKernel<"fin.cross_entropy">(Attributes().integer(1), {&logits, &labels}, {&mean}).isOk());
  ASSERT_TRUE(runKernel<"fin.cross_entropy">(Attributes().integer(2), {&logits, &labels}, {&sum}).isOk());
  EXPECT_TRUE(std::isnan(mean[0]));
  EXPECT_EQ(sum[0], 0);
}

template <OpName name, class F> void checkPairLoss(F loss) {
  for (DType dtype : kFloatDTypes)
    for (Dims dims : {Dims{}, Dims{7, 13}, Dims{40000}})
      for (int64_t reduction : {0, 1, 2}) {
        SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(dims) << " reduction "
                                        << reduction);
        TestTensor x = TestTensor::random(dtype, dims, 1, 3), target = TestTensor::random(dtype, dims, 2);
        if (reduction == 2 && dtype == DType::F16 && x.count() > 10000) continue; // the sum is beyond f16
        std::vector<double> losses;
        for (int64_t i = 0; i < x.count(); ++i) losses.push_back(loss(x[i], target[i]));
        TestTensor result(dtype, reduction == 0 ? dims : Dims{});
        ASSERT_TRUE(runKernel<name>(Attributes().integer(reduction), {&x, &target}, {&result}).isOk());
        expectNear(result, reduced(losses, reduction));
      }
}

TEST(MseLoss, ReductionsAndDTypes) {
  checkPairLoss<"fin.mse_loss">([](double x, double t) { return (x - t) * (x - t); });
}
TEST(BceWithLogits, ReductionsAndDTypes) {
  checkPairLoss<"fin.bce_with_logits">(
      [](double x, double t) { return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x))); });
}

TEST(BceWithLogits, IsStable) {
  for (DType dtype : {DType::F32, DType::F64}) {
    TestTensor x(dtype, {5}, {1000, -1000, -20, 0, NAN}), target(dtype, {5}, {1, 1, 0, 1, 0}), result(dtype, {5});
    ASSERT_TRUE(runKernel<"fin.bce_with_logits">(Attributes().integer(0), {&x, &target}, {&result}).isOk());
    expectNear(result, {0, 1000, 2.0611536181902037e-9, std::log(2.0), NAN});
    EXPECT_NEAR(result[2] / 2.0611536181902037e-9, 1, 1e-5) << "log(1 + exp(x)) lost its digits";
  }
}

TEST(Embedding, RowsByIndex) {
  for (DType dtype : kFloatDTypes)
    for (DType indexType : {DType::I64, DType::I32}) {
      TestTensor weight = TestTensor::random(dtype, {5, 33}, 1),
                 indices = TestTensor::labels({2, 3}, {4, 0, 0, 2, 1, 4}, indexType), result(dtype, {2, 3, 33});
      ASSERT_TRUE(runKernel<"fin.embedding">({}, {&weight, &indices}, {&result}).isOk());
      std::vector<double> wanted;
      for (int64_t row : {4, 0, 0, 2, 1, 4})
        for (int64_t i = 0; i < 33; ++i) wanted.push_back(weight[row * 33 + i]);
      expectNear(result, wanted, 0);
    }
}

TEST(Embedding, IndicesOutOfRangeAreErrors) {
  TestTensor weight = TestTensor::random(DType::F32, {5, 3}, 1), result(DType::F32, {1, 3});
  for (int64_t index : {5, -1}) {
    TestTensor indices = TestTensor::labels({1}, {index});
    Status status = runKernel<"fin.embedding">({}, {&weight, &indices}, {&result});
    EXPECT_EQ(status.code(), StatusCode::OutOfRange);
    EXPECT_EQ(status.message(), "index " + std::to_string(index) + " is out of range for 5 rows");
  }
}

} // namespace
} // namespace tinyfin::test
