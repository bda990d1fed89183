// SPDX-License-Identifier: Apache-2.0
// How products are cut: what is chosen for a shape, and that the choice does not show in the result.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/matmul/Matmul.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <cstring>

using namespace tinyfin;
using test::TestTensor;

namespace {

MatmulSpec specOf(int64_t m, int64_t n, int64_t k, bool transposeLhs) {
  const int64_t lhs[] = {transposeLhs ? k : m, transposeLhs ? m : k}, rhs[] = {k, n};
  return MatmulSpec::from(DType::F32, lhs, rhs, transposeLhs, false).value();
}

MatmulBlocking chosen(const MatmulSpec &spec, int threads) {
  return MatmulBlocking::choose(spec, gemm::ownProduct(DType::F32), threads);
}

class Streaming : public testing::Test {
protected:
  void SetUp() override { before = Config::process().text(Setting::disable); }
  void TearDown() override { ASSERT_TRUE(Config::process().set("DISABLE", before).isOk()); }
  void disable(const char *names) { ASSERT_TRUE(Config::process().set("DISABLE", names).isOk()); }

private:
  std::string before;
};

/// The gradient of a weight: few rows, a long sum. Slices of B would be packed by threads that hardly use them.
TEST_F(Streaming, FiresForFewRowsAndLongSums) {
  disable("");
  MatmulBlocking blocking = chosen(specOf(384, 1152, 2048, true), 4);
  EXPECT_EQ(blocking.packing, MatmulPacking::Chunk);
  EXPECT_GE(blocking.chunks, 8);
  EXPECT_EQ(blocking.chunks % 4, 0);
}

TEST_F(Streaming, DoesNotFireForManyRowsOrWhenSwitchedOff) {
  disable("");
  EXPECT_EQ(chosen(specOf(2048, 1152, 384, false), 4).packing, MatmulPacking::Thread);
  disable("streamed-products");
  EXPECT_EQ(chosen(specOf(384, 1152, 2048, true), 4).packing, MatmulPacking::Thread);
}

TEST(MatmulBlocking, ChunksComeOutEvenForTheThreads) {
  for (int threads : {1, 2, 3, 4, 8, 16})
    for (auto [m, n, k] : {std::tuple{2048, 1152, 384}, {2048, 384, 1536}, {1024, 1024, 1024}}) {
      MatmulBlocking blocking = chosen(specOf(m, n, k, false), threads);
      EXPECT_GE(blocking.chunks, 2 * threads) << m << "x" << n << "x" << k << " on " << threads;
      EXPECT_EQ(blocking.chunks % threads, 0) << m << "x" << n << "x" << k << " on " << threads;
    }
}

TEST(MatmulBlocking, EveryChunkHasRowsAndColumns) {
  for (int threads : {1, 4, 7, 64})
    for (int64_t m : {256, 257, 300, 1000, 4099})
      for (int64_t n : {1, 31, 97, 640, 30522}) {
        MatmulBlocking b = chosen(specOf(m, n, 700, false), threads);
        EXPECT_GT(m, (b.rowBlocks - 1) * b.rows);
        EXPECT_LE(m, b.rowBlocks * b.rows);
        EXPECT_GT(n, (b.colBlocks - 1) * b.cols);
        EXPECT_LE(n, b.colBlocks * b.cols);
        EXPECT_EQ(b.chunks, b.rowBlocks * b.colBlocks);
      }
}

/// Plans for other numbers of threads cut otherwise; the bits are the same.
TEST(MatmulBlocking, TheCutDoesNotShowInTheResult) {
  for (bool transposed : {false, true})
    for (auto [m, n, k] : {std::tuple{300, 333, 1100}, {520, 97, 2048}, {1030, 200, 500}}) {
      MatmulSpec spec = specOf(m, n, k, transposed);
      TestTensor lhs = TestTensor::random(DType::F32, {transposed ? k : m, transposed ? m : k}, 1);
      TestTensor rhs = TestTensor::random(DType::F32, {k, n}, 2);
      TestTensor first(DType::F32, {m, n}), other(DType::F32, {m, n});
      ThreadPool pool(3);
      auto run = [&](int threads, TestTensor &result) {
        MatmulPlan plan = MatmulPlan::create(spec, chosen(spec, threads));
        ASSERT_TRUE(plan.execute(lhs.arg().data, rhs.arg().data, result.arg().data, pool).isOk());
      };
      run(1, first);
      for (int threads : {2, 3, 4, 6, 8, 12}) {
        run(threads, other);
        EXPECT_EQ(std::memcmp(first.arg().data, other.arg().data, m * n * sizeof(float)), 0)
            << m << "x" << n << "x" << k << " cut for " << threads;
      }
    }
}

} // namespace
