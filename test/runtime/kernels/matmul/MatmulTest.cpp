// SPDX-License-Identifier: Apache-2.0
// fin.matmul and MatmulPlan against sums in f64.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/conv/OneDnn.h"
#include "runtime/kernels/matmul/Matmul.h"
#include <atomic>

namespace tinyfin::test {
namespace {

struct Case {
  Dims lhs, rhs, result;
  bool transposeLhs = false, transposeRhs = false;
};

/// Index of the batch of an operand that belongs to batch `index` of the result.
int64_t operandBatch(const Dims &operand, const Dims &result, int64_t index) {
  int64_t found = 0, step = 1;
  for (size_t axis = 3; axis <= result.size(); ++axis) {
    int64_t extent = result[result.size() - axis], at = index % extent;
    index /= extent;
    if (axis > operand.size()) continue;
    int64_t own = operand[operand.size() - axis];
    found += (own == 1 ? 0 : at) * step;
    step *= own;
  }
  return found;
}

std::vector<double> product(const Case &c, const TestTensor &lhs, const TestTensor &rhs) {
  int64_t m = c.result[c.result.size() - 2], n = c.result.back(), k = c.lhs[c.lhs.size() - (c.transposeLhs ? 2 : 1)];
  int64_t batches = 1;
  for (size_t i = 0; i + 2 < c.result.size(); ++i) batches *= c.result[i];
  std::vector<double> result(batches * m * n, 0.0);
  for (int64_t b = 0; b < batches; ++b) {
    int64_t left = operandBatch(c.lhs, c.result, b) * m * k, right = operandBatch(c.rhs, c.result, b) * k * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t p = 0; p < k; ++p)
          result[(b * m + i) * n + j] += lhs[left + (c.transposeLhs ? p * m + i : i * k + p)] *
                                         rhs[right + (c.transposeRhs ? j * k + p : p * n + j)];
  }
  return result;
}

void check(const Case &c, DType dtype) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(c.lhs) << " "
                                  << testing::PrintToString(c.rhs) << " transposed " << c.transposeLhs
                                  << c.transposeRhs);
  TestTensor lhs = TestTensor::random(dtype, c.lhs, 1), rhs = TestTensor::random(dtype, c.rhs, 2),
             result(dtype, c.result);
  ASSERT_TRUE(
      runKernel<"fin.matmul">(Attributes().flag(c.transposeLhs).flag(c.transposeRhs), {&lhs, &rhs}, {&result}).isOk());
  // Partial sums grow with the root of their number, and their roundings add up: the error grows with the depth.
  const double depth = static_cast<double>(c.lhs[c.lhs.size() - (c.transposeLhs ? 2 : 1)]);
  expectNear(result, product(c, lhs, rhs), toleranceOf(dtype) * std::max(1.0, depth / 512));
  TestTensor again(dtype, c.result);
  ASSERT_TRUE(runKernel<"fin.matmul">(Attributes().flag(c.transposeLhs).flag(c.transposeRhs), {&lhs, &rhs}, {&again}, 1)
                  .isOk());
  EXPECT_EQ(result, again) << "the number of threads changed the result";
}

TEST(Matmul, AllShapesOfTiles) {
  const int64_t sizes[][3] = {{1, 1, 1},     {3, 5, 7},    {14, 32, 16}, {15, 33, 17},  {29, 31, 64},
                              {64, 10, 130}, {130, 1, 65}, {1, 129, 40}, {70, 100, 401}};
  for (auto [m, n, k] : sizes)
    for (int flags = 0; flags < 4; ++flags)
      for (DType dtype : kFloatDTypes) {
        bool left = flags & 1, right = flags & 2;
        check({left ? Dims{k, m} : Dims{m, k}, right ? Dims{n, k} : Dims{k, n}, {m, n}, left, right}, dtype);
      }
}

TEST(Matmul, LargeEnoughForSeveralChunks) {
  for (DType dtype : kFloatDTypes)
    for (int flags = 0; flags < 4; ++flags) {
      bool left = flags & 1, right = flags & 2;
      check({left ? Dims{150, 333} : Dims{333, 150}, right ? Dims{411, 150} : Dims{150, 411}, {333, 411}, left, right},
            dtype);
    }
}

/// Several blocks of columns, of which each would pack the rows of A again; and blocks of k.
TEST(Matmul, LeftOperandsThatArePackedFirst) {
  for (DType dtype : {DType::F32, DType::BF16}) {
    check({{600, 200}, {600, 700}, {200, 700}, true, false}, dtype);
    check({{200, 1024}, {1024, 600}, {200, 600}}, dtype);
    check({{200, 1024}, {601, 1024}, {200, 601}, false, true}, dtype);
    check({{1200, 300}, {1200, 1030}, {300, 1030}, true, false}, dtype); // B by the threads
  }
}

/// Panels of B that no block keeps in the second cache.
TEST(Matmul, LongProducts) {
  for (DType dtype : {DType::F32, DType::BF16}) check({{140, 9001}, {9001, 260}, {140, 260}}, dtype);
}

TEST(Matmul, EverySettingOfBf16Products) {
  Config &config = Config::process();
  std::string before = config.text(Setting::bf16Products);
  for (const char *choice : {"convert", "avx512", "amx"}) {
    ASSERT_TRUE(config.set("BF16_PRODUCTS", choice).isOk());
    for (int flags = 0; flags < 4; ++flags) {
      bool left = flags & 1, right = flags & 2;
      check({left ? Dims{70, 140} : Dims{140, 70}, right ? Dims{200, 70} : Dims{70, 200}, {140, 200}, left, right},
            DType::BF16);
      check({left ? Dims{3, 33, 5} : Dims{3, 5, 33}, {33, 40}, {3, 5, 40}, left, false}, DType::BF16);
    }
  }
  ASSERT_TRUE(config.set("BF16_PRODUCTS", before).isOk());
}

/// oneDNN configures tiles of its own in the thread that runs it.
TEST(Matmul, AlternatesWithConvolutionsOfBf16) {
  ConvSpec spec;
  spec.dtype = DType::BF16;
  spec.images = 2, spec.inChannels = 32, spec.outChannels = 32;
  spec.input = {16, 16}, spec.kernel = {3, 3}, spec.padding = {1, 1};
  auto plan = ConvPlan::cached(spec);
  ASSERT_TRUE(plan.isOk());
  TestTensor x = TestTensor::random(DType::BF16, {2, 32, 16, 16}, 1),
             weight = TestTensor::random(DType::BF16, {32, 32, 3, 3}, 2), first(DType::BF16, {2, 32, 16, 16});
  ThreadPool pool(1);
  ASSERT_TRUE(plan.value()->execute(x.arg().data, weight.arg().data, first.arg().data, pool).isOk());
  for (int round = 0; round < 5; ++round) {
    check({{100, 96}, {96, 130}, {100, 130}}, DType::BF16);
    TestTensor again(DType::BF16, first.dims);
    ASSERT_TRUE(plan.value()->execute(x.arg().data, weight.arg().data, again.arg().data, pool).isOk());
    EXPECT_EQ(first, again);
  }
}

TEST(Matmul, FewRowsOfEveryCount) {
  for (DType dtype : {DType::F32, DType::F64})
    for (int64_t m = 1; m <= 18; ++m)
      for (auto [n, k] : {std::array<int64_t, 2>{1, 16}, {5, 17}, {25, 100}, {70, 15}, {13, 31}})
        for (bool right : {false, true}) check({{m, k}, right ? Dims{n, k} : Dims{k, n}, {m, n}, false, right}, dtype);
}

/// A thread packs a slice of columns for itself and goes through blocks of rows: slices, batches and calls that
/// follow each other on one thread must not be mixed up.
TEST(MatmulPlan, SlicesOfOneThreadAreKeptApart) {
  Dims lhsDims{3, 400, 64}, rhsDims{3, 64, 700}, resultDims{3, 400, 700};
  auto plan = MatmulPlan::create(MatmulSpec::from(DType::F32, lhsDims, rhsDims, false, false).value());
  ASSERT_TRUE(plan.isOk());
  ThreadPool pool(1);
  for (uint32_t seed : {1, 2}) {
    TestTensor lhs = TestTensor::random(DType::F32, lhsDims, seed),
               rhs = TestTensor::random(DType::F32, rhsDims, seed + 7);
    TestTensor result(DType::F32, resultDims);
    ASSERT_TRUE(plan->execute(lhs.arg().data, rhs.arg().data, result.arg().data, pool).isOk());
    expectNear(result, product({lhsDims, rhsDims, resultDims}, lhs, rhs));
  }
}

TEST(Matmul, BatchesBroadcast) {
  for (DType dtype : kFloatDTypes) {
    check({{2, 3, 4, 5}, {2, 3, 5, 6}, {2, 3, 4, 6}}, dtype);
    check({{4, 5}, {7, 5, 6}, {7, 4, 6}}, dtype);
    check({{7, 4, 5}, {5, 6}, {7, 4, 6}}, dtype);
    check({{7, 5, 4}, {5, 6}, {7, 4, 6}, true, false}, dtype);
    check({{3, 1, 4, 5}, {2, 5, 6}, {3, 2, 4, 6}}, dtype);
    check({{2, 1, 3, 4, 5}, {1, 2, 1, 6, 5}, {2, 2, 3, 4, 6}, false, true}, dtype);
  }
}

TEST(Matmul, EmptyOperands) {
  for (DType dtype : kFloatDTypes) {
    check({{3, 0}, {0, 4}, {3, 4}}, dtype); // zeros
    check({{0, 3}, {3, 4}, {0, 4}}, dtype);
    check({{3, 4}, {4, 0}, {3, 0}}, dtype);
    check({{0, 3, 4}, {0, 4, 2}, {0, 3, 2}}, dtype);
  }
}

TEST(Matmul, TooManyBroadcastGroupsAreRefused) {
  Dims lhs, rhs;
  for (int i = 0; i < 8; ++i) lhs.push_back(i % 2 ? 2 : 1), rhs.push_back(i % 2 ? 1 : 2);
  for (int i = 0; i < 2; ++i) lhs.push_back(2), rhs.push_back(2);
  auto spec = MatmulSpec::from(DType::F32, lhs, rhs, false, false);
  ASSERT_FALSE(spec.isOk());
  EXPECT_EQ(spec.status().message(), "matmul: the batch axes broadcast in more than 6 groups");
}

TEST(MatmulPlan, NaNAndInfinityArrive) {
  TestTensor lhs(DType::F32, {16, 16}, std::vector<double>(256, std::nan(""))),
      rhs = TestTensor::random(DType::F32, {16, 33}, 1);
  check({{16, 16}, {16, 33}, {16, 33}}, DType::F32);
  TestTensor result(DType::F32, {16, 33});
  ASSERT_TRUE(runKernel<"fin.matmul">(Attributes().flag(false).flag(false), {&lhs, &rhs}, {&result}).isOk());
  expectNear(result, std::vector<double>(16 * 33, std::nan("")));
}

TEST(MatmulPlan, PrepackedOperandsGiveTheSameResult) {
  const int64_t sizes[][3] = {{1, 1, 1}, {3, 70, 50}, {16, 384, 384}, {100, 33, 700}, {333, 411, 150}, {5, 3, 0}};
  for (DType dtype : kFloatDTypes)
    for (auto [m, n, k] : sizes)
      for (bool right : {false, true}) {
        SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << m << " x " << n << " x " << k << " " << right);
        Dims lhsDims{2, m, k}, rhsDims = right ? Dims{2, n, k} : Dims{2, k, n};
        TestTensor lhs = TestTensor::random(dtype, lhsDims, 1), rhs = TestTensor::random(dtype, rhsDims, 2);
        TestTensor plain(dtype, {2, m, n}), packed(dtype, {2, m, n});
        auto plan = MatmulPlan::create(MatmulSpec::from(dtype, lhsDims, rhsDims, false, right).value());
        ASSERT_TRUE(plan.isOk());
        ThreadPool pool(3);
        ASSERT_TRUE(plan->execute(lhs.arg().data, rhs.arg().data, plain.arg().data, pool).isOk());
        EXPECT_EQ(plan->prepackedBytes(), 0u);
        ASSERT_TRUE(plan->prepack(rhs.arg().data, pool).isOk());
        EXPECT_GE(plan->prepackedBytes(), 2 * n * k * sizeOf(dtype));
        ASSERT_TRUE(plan->execute(lhs.arg().data, nullptr, packed.arg().data, pool).isOk());
        expectNear(packed, product({lhsDims, rhsDims, {2, m, n}, false, right}, lhs, rhs));
        // Few rows and a transposed operand are scalar products unless it is packed: sums in another order.
        if (m > 16 || !right) EXPECT_EQ(plain, packed);
      }
}

/// A consumer that stores what it is handed, and counts: args are (block, result, visits).
void storeBlock(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) {
  TestTensor &result = *static_cast<TestTensor *>(args[1]);
  std::vector<std::atomic<int>> &visits = *static_cast<std::vector<std::atomic<int>> *>(args[2]);
  for (int64_t row = rowBegin; row < rowEnd; ++row)
    for (int64_t col = tile[1]; col < tile[2]; ++col) {
      int64_t from = (row - rowBegin) * tile[0] + col - tile[1], to = row * result.dims.back() + col;
      ++visits[to];
      if (result.dtype == DType::F64)
        result.arg().as<double>()[to] = static_cast<const double *>(args[0])[from];
      else
        result.arg().as<float>()[to] = static_cast<const float *>(args[0])[from];
    }
}

void checkConsumer(const Case &c, DType dtype) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << testing::PrintToString(c.lhs) << " "
                                  << testing::PrintToString(c.rhs) << " transposed " << c.transposeLhs
                                  << c.transposeRhs);
  TestTensor lhs = TestTensor::random(dtype, c.lhs, 1), rhs = TestTensor::random(dtype, c.rhs, 2);
  auto spec = MatmulSpec::from(dtype, c.lhs, c.rhs, c.transposeLhs, c.transposeRhs);
  auto plan = MatmulPlan::create(spec.value());
  ASSERT_TRUE(plan.isOk());
  DType wide = dtype == DType::F64 ? DType::F64 : DType::F32;
  TestTensor first(wide, c.result);
  for (int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    TestTensor result(wide, c.result);
    std::vector<std::atomic<int>> visits(result.count());
    void *const args[] = {nullptr, &result, &visits};
    ASSERT_TRUE(plan->execute(lhs.arg().data, rhs.arg().data, pool, {storeBlock, args, 3}).isOk());
    for (std::atomic<int> &visit : visits) ASSERT_EQ(visit, 1);
    if (threads == 1) expectNear(first = result, product(c, lhs, rhs));
    EXPECT_EQ(result, first) << "the number of threads changed the result";
  }
  if (dtype != wide) return;
  TestTensor stored(dtype, c.result);
  ThreadPool pool(3);
  ASSERT_TRUE(plan->execute(lhs.arg().data, rhs.arg().data, stored.arg().data, pool).isOk());
  EXPECT_EQ(stored, first) << "a consumer sees other bits than are stored without one";
}

TEST(MatmulPlan, ConsumersGetEveryElementOnce) {
  for (DType dtype : kFloatDTypes) {
    for (int flags = 0; flags < 4; ++flags) {
      bool left = flags & 1, right = flags & 2;
      for (auto [m, n, k] : {std::array<int64_t, 3>{333, 411, 150}, {5, 1100, 64}, {300, 3, 40}, {1, 1, 1}})
        checkConsumer({left ? Dims{k, m} : Dims{m, k}, right ? Dims{n, k} : Dims{k, n}, {m, n}, left, right}, dtype);
    }
    checkConsumer({{2, 3, 4, 5}, {2, 3, 5, 6}, {2, 3, 4, 6}}, dtype);
    checkConsumer({{3, 150, 70}, {3, 70, 90}, {3, 150, 90}}, dtype);
    checkConsumer({{7, 4, 5}, {5, 6}, {7, 4, 6}}, dtype);
    checkConsumer({{3, 0}, {0, 4}, {3, 4}}, dtype);
    checkConsumer({{0, 3}, {3, 4}, {0, 4}}, dtype);
  }
}

TEST(MatmulPlan, TooManyConsumerArgumentsAreRefused) {
  auto spec = MatmulSpec::from(DType::F32, Dims{4, 4}, Dims{4, 4}, false, false);
  ThreadPool pool(1);
  Status status = MatmulPlan::create(spec.value())->execute(nullptr, nullptr, pool, {storeBlock, nullptr, 34});
  EXPECT_EQ(status.message(), "matmul: a consumer of 34 arguments, wanted 1 to 33");
}

} // namespace
} // namespace tinyfin::test
