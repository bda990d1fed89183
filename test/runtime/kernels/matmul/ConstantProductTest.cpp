// SPDX-License-Identifier: Apache-2.0
// Products by constant right operands against sums in f64.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/matmul/ConstantProduct.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <atomic>

namespace tinyfin::test {
namespace {

MatmulSpec specOf(int64_t m, int64_t n, int64_t k, bool right) {
  return MatmulSpec::from(DType::F32, Dims{m, k}, right ? Dims{n, k} : Dims{k, n}, false, right).value();
}

std::vector<double> sums(const TestTensor &lhs, const TestTensor &rhs, int64_t m, int64_t n, int64_t k, bool right) {
  std::vector<double> result(m * n, 0.0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j) result[i * n + j] += lhs[i * k + p] * rhs[right ? j * k + p : p * n + j];
  return result;
}

/// Copies blocks to a result and counts how often each element is handed out: args are (block, result, visits).
void copyBlock(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) {
  TestTensor &result = *static_cast<TestTensor *>(args[1]);
  auto &visits = *static_cast<std::vector<std::atomic<int>> *>(args[2]);
  for (int64_t row = rowBegin; row < rowEnd; ++row)
    for (int64_t col = tile[1]; col < tile[2]; ++col) {
      int64_t to = row * result.dims.back() + col;
      ++visits[to];
      result.arg().as<float>()[to] = static_cast<const float *>(args[0])[(row - rowBegin) * tile[0] + col - tile[1]];
    }
}

void check(int64_t m, int64_t n, int64_t k, bool right) {
  SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << " transposed " << right);
  TestTensor lhs = TestTensor::random(DType::F32, {m, k}, 1),
             rhs = TestTensor::random(DType::F32, right ? Dims{n, k} : Dims{k, n}, 2), first(DType::F32, {m, n});
  for (int threads : {1, 4}) {
    ThreadPool pool(threads);
    auto product = ConstantProduct::create(specOf(m, n, k, right), rhs.arg().data, pool);
    ASSERT_TRUE(product.isOk());
    EXPECT_GE(product.value()->packedBytes(), n * k * sizeof(float));
    TestTensor stored(DType::F32, {m, n}), consumed(DType::F32, {m, n});
    product.value()->execute(lhs.arg().data, stored.arg().data, pool, nullptr);
    std::vector<std::atomic<int>> visits(m * n);
    void *const args[] = {nullptr, &consumed, &visits};
    TileConsumer consumer{copyBlock, args, 3};
    product.value()->execute(lhs.arg().data, nullptr, pool, &consumer);
    for (auto &count : visits) ASSERT_EQ(count.load(), 1);
    EXPECT_EQ(stored, consumed);
    if (threads == 1) {
      first = stored;
      expectNear(stored, sums(lhs, rhs, m, n, k, right), k > 1500 ? 1e-4 : 2e-5); // long sums in f32
    }
    EXPECT_EQ(first, stored) << "the number of threads changed the result";
  }
}

TEST(ConstantProduct, TilesOfEveryHeightAndEdgesOfPanels) {
  for (int64_t m : {1, 2, 5, 7, 8, 13, 14, 15, 16, 17, 28, 29, 48})
    for (int64_t n : {1, 31, 32, 33, 100})
      for (bool right : {false, true}) check(m, n, 70, right);
}

TEST(ConstantProduct, BlocksOfRowsAndOfDepth) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{49, 96, 384},
                         {128, 384, 200},
                         {257, 70, 129},
                         {300, 500, 400},
                         {700, 40, 33},
                         {40, 33, 1}})
    for (bool right : {false, true}) check(m, n, k, right);
}

/// Rows 4 KiB apart are moved; more of k than one block of rows may have.
TEST(ConstantProduct, DeepOperands) {
  for (auto [m, n, k] : {std::array<int64_t, 3>{20, 40, 1024}, {3, 40, 2048}, {130, 65, 3072}, {60, 33, 9000}})
    check(m, n, k, true);
}

TEST(ConstantProduct, WhichProductsItSuits) {
  EXPECT_TRUE(ConstantProduct::suits(specOf(3, 4, 5, true)));
  EXPECT_FALSE(ConstantProduct::suits(specOf(3, 4, 0, true)));
  EXPECT_TRUE(ConstantProduct::suits(MatmulSpec::from(DType::F32, Dims{2, 3, 5}, Dims{5, 4}, false, false).value()));
  EXPECT_FALSE(
      ConstantProduct::suits(MatmulSpec::from(DType::F32, Dims{2, 3, 5}, Dims{2, 5, 4}, false, false).value()));
  EXPECT_FALSE(ConstantProduct::suits(MatmulSpec::from(DType::F32, Dims{5, 3}, Dims{5, 4}, true, false).value()));
  EXPECT_FALSE(ConstantProduct::suits(MatmulSpec::from(DType::BF16, Dims{3, 5}, Dims{5, 4}, false, false).value()));
}

/// A plan uses it when its right operand is packed, unless it is switched off: the number of chunks tells.
TEST(ConstantProduct, PlansTakeItForPackedOperands) {
  Config &config = Config::process();
  std::string before = config.text(Setting::disable);
  TestTensor lhs = TestTensor::random(DType::F32, {16, 64}, 1), rhs = TestTensor::random(DType::F32, {64, 96}, 2);
  ThreadPool pool(2);
  int64_t chunks[2];
  for (bool isOff : {false, true}) {
    ASSERT_TRUE(config.set("DISABLE", isOff ? "constant-products" : "").isOk());
    auto plan = MatmulPlan::create(specOf(16, 96, 64, false));
    ASSERT_TRUE(plan.isOk() && plan->prepack(rhs.arg().data, pool).isOk());
    chunks[isOff] = plan->chunks();
    TestTensor result(DType::F32, {16, 96});
    ASSERT_TRUE(plan->execute(lhs.arg().data, nullptr, result.arg().data, pool).isOk());
    expectNear(result, sums(lhs, rhs, 16, 96, 64, false));
  }
  ASSERT_TRUE(config.set("DISABLE", before).isOk());
  const int64_t panels = 96 / gemm::ownProduct(DType::F32).panelCols;
  EXPECT_EQ(chunks[false], panels);
  EXPECT_NE(chunks[true], panels);
}

TEST(ConstantProduct, NaNAndInfinityStayInTheirRows) {
  TestTensor lhs = TestTensor::random(DType::F32, {20, 40}, 1), rhs = TestTensor::random(DType::F32, {40, 33}, 2);
  lhs.arg().as<float>()[7 * 40 + 3] = std::numeric_limits<float>::quiet_NaN();
  ThreadPool pool(2);
  auto product = ConstantProduct::create(specOf(20, 33, 40, false), rhs.arg().data, pool);
  ASSERT_TRUE(product.isOk());
  TestTensor result(DType::F32, {20, 33});
  product.value()->execute(lhs.arg().data, result.arg().data, pool, nullptr);
  for (int64_t i = 0; i < 20; ++i)
    for (int64_t j = 0; j < 33; ++j) EXPECT_EQ(std::isnan(result[i * 33 + j]), i == 7);
}

} // namespace
} // namespace tinyfin::test
