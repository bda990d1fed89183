// SPDX-License-Identifier: Apache-2.0
// Packing and block products of bf16 by AMX tiles and AVX512-BF16 vectors against sums in f64.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/amx/AmxMatmul.h"
#include "runtime/kernels/amx/AmxProduct.h"
#include "runtime/kernels/matmul/Matmul.h"
#include <thread>

namespace tinyfin::test {
namespace {

using amx::Isa;

/// What this machine can run; empty where it has neither.
std::vector<Isa> isas() {
  std::vector<Isa> found;
  for (Isa isa : {Isa::Avx512Bf16, Isa::Amx})
    if (isa <= amx::machineIsa()) found.push_back(isa);
  return found;
}

struct Product {
  int64_t m, n, k;
  bool transposeLhs = false, transposeRhs = false;
  amx::Store store; // its bias is a flag here

  TestTensor lhs() const { return TestTensor::random(DType::BF16, transposeLhs ? Dims{k, m} : Dims{m, k}, 1); }
  TestTensor rhs() const { return TestTensor::random(DType::BF16, transposeRhs ? Dims{n, k} : Dims{k, n}, 2); }
  amx::Strided viewOf(TestTensor &tensor, bool transposed, int64_t rows, int64_t columns) const {
    return {tensor.arg().as<BFloat16>(), transposed ? 1 : columns, transposed ? rows : 1};
  }
};

std::vector<double> sumsOf(const Product &p, const TestTensor &lhs, const TestTensor &rhs) {
  std::vector<double> sums(p.m * p.n, 0.0);
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t q = 0; q < p.k; ++q) {
      double left = lhs[p.transposeLhs ? q * p.m + i : i * p.k + q];
      for (int64_t j = 0; j < p.n; ++j) sums[i * p.n + j] += left * rhs[p.transposeRhs ? j * p.k + q : q * p.n + j];
    }
  return sums;
}

/// 64-byte aligned memory filled with NaN, so that what packing leaves out is seen in the result.
struct Packed {
  std::vector<float> memory;
  explicit Packed(int64_t bytes) : memory(bytes / 4 + 16, std::nanf("")) {}
  void *data() { return reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(memory.data()) + 63) & ~uintptr_t(63)); }
};

/// Inputs of bf16 multiply exactly in f32: what is left are the k roundings of sums of up to k.
double toleranceOfSums(int64_t k) { return 1e-7 * static_cast<double>(k + 8); }

void checkWide(const Product &p, Isa isa) {
  TestTensor lhs = p.lhs(), rhs = p.rhs(), result(DType::F32, {p.m, p.n});
  Packed packed(amx::panelsOf(p.n) * amx::panelBytes(p.k));
  amx::packB(packed.data(), p.viewOf(rhs, p.transposeRhs, p.k, p.n), p.k, p.n);
  amx::Block block{isa, p.m, p.n, p.k, p.viewOf(lhs, p.transposeLhs, p.m, p.k), packed.data()};
  amx::multiply(block, result.arg().as<float>(), p.n);
  expectNear(result, sumsOf(p, lhs, rhs), toleranceOfSums(p.k));
}

void checkNarrow(const Product &p, Isa isa) {
  TestTensor lhs = p.lhs(), rhs = p.rhs(), bias = TestTensor::random(DType::BF16, {p.n}, 3),
             result = TestTensor::random(DType::BF16, {p.m, p.n}, 4);
  std::vector<double> wanted = sumsOf(p, lhs, rhs);
  for (int64_t i = 0; i < p.m * p.n; ++i) {
    if (p.store.bias) wanted[i] += bias[i % p.n];
    if (p.store.accumulate) wanted[i] += result[i];
    if (p.store.relu) wanted[i] = std::max(wanted[i], 0.0);
  }
  Packed packed(amx::panelsOf(p.n) * amx::panelBytes(p.k));
  amx::packB(packed.data(), p.viewOf(rhs, p.transposeRhs, p.k, p.n), p.k, p.n);
  amx::Store store = p.store;
  if (store.bias) store.bias = bias.arg().as<BFloat16>();
  amx::Block block{isa, p.m, p.n, p.k, p.viewOf(lhs, p.transposeLhs, p.m, p.k), packed.data()};
  amx::multiply(block, result.arg().as<BFloat16>(), p.n, store);
  expectNear(result, wanted, toleranceOfSums(p.k) + 1.0 / 256); // half a unit in the last of 8 places
}

template <class Check> void forAllForms(int64_t m, int64_t n, int64_t k, Check check) {
  for (Isa isa : isas())
    for (int flags = 0; flags < 4; ++flags) {
      SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << " transposed " << flags << " isa "
                                      << int(isa));
      check(Product{m, n, k, bool(flags & 1), bool(flags & 2), {}}, isa);
      if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Amx, AllTails) {
  for (int64_t extent = 1; extent <= 33; ++extent) {
    forAllForms(extent, 40, 40, checkWide);
    forAllForms(40, extent, 40, checkWide);
    forAllForms(40, 40, extent, checkWide);
    forAllForms(extent, 34 - extent, extent, checkNarrow);
  }
}

TEST(Amx, SeveralBlocksOfK) {
  for (int64_t k : {513, 1024, 1056, 1100, 2080}) {
    forAllForms(70, 70, k, checkWide);
    forAllForms(70, 70, k, checkNarrow);
    forAllForms(64, 64, k, checkNarrow);
  }
}

TEST(Amx, EmptyK) {
  for (Isa isa : isas()) {
    checkWide({40, 50, 0, false, false, {}}, isa);
    checkNarrow({40, 50, 0, false, false, {}}, isa);
  }
}

TEST(Amx, Stores) {
  static const BFloat16 present{};
  for (Isa isa : isas())
    for (int flags = 0; flags < 8; ++flags)
      for (int64_t k : {0, 30, 600}) {
        SCOPED_TRACE(testing::Message() << "flags " << flags << " k " << k);
        checkNarrow({50, 75, k, false, true, {flags & 1 ? &present : nullptr, bool(flags & 2), bool(flags & 4)}}, isa);
      }
}

TEST(Amx, StoresRoundToNearestEvenAndKeepNaN) {
  // Sums of 1 + d: halfway between neighbours of bf16 (2^-7 apart) and just above.
  const double nan = std::nan("");
  struct {
    double tail, wanted;
  } cases[] = {{1.0 / 256, 1.0}, {3.0 / 256, 1 + 4.0 / 256}, {1.0 / 256 + 1.0 / 16384, 1 + 2.0 / 256}, {nan, nan}};
  for (Isa isa : isas())
    for (bool relu : {false, true})
      for (auto [tail, wanted] : cases) {
        TestTensor lhs(DType::BF16, {1, 3}, {1, std::isnan(tail) ? nan : std::floor(tail * 256) / 256, tail}),
            rhs(DType::BF16, {3, 1}, {1, 1, 0}), result(DType::BF16, {1, 1});
        if (!std::isnan(tail)) { // the part beyond 8 bits in a term of its own
          lhs.set(2, tail - std::floor(tail * 256) / 256);
          rhs.set(2, 1);
        }
        Packed packed(amx::panelBytes(3));
        amx::packB(packed.data(), {rhs.arg().as<BFloat16>(), 1, 1}, 3, 1);
        amx::multiply({isa, 1, 1, 3, {lhs.arg().as<BFloat16>(), 3, 1}, packed.data()}, result.arg().as<BFloat16>(), 1,
                      {nullptr, false, relu});
        expectNear(result, {wanted}, 0);
      }
}

TEST(Amx, PackingInPartsIsPackingTheWhole) {
  if (isas().empty()) GTEST_SKIP() << "the processor has no AVX512-BF16";
  for (bool transposed : {false, true}) {
    Product p{1, 150, 100, false, transposed, {}};
    TestTensor rhs = p.rhs();
    amx::Strided view = p.viewOf(rhs, transposed, p.k, p.n);
    int64_t bytes = amx::panelsOf(p.n) * amx::panelBytes(p.k);
    Packed whole(bytes), parts(bytes);
    amx::packB(whole.data(), view, p.k, p.n);
    for (int64_t panel : {0, 2})
      for (int64_t depth : {0, 64})
        amx::packB(parts.data(), view, p.k, p.n, {panel, panel ? 5 : 2, depth, depth ? 100 : 64});
    EXPECT_EQ(std::memcmp(whole.data(), parts.data(), bytes), 0);
  }
}

TEST(Amx, BlocksOfAnyExtentGiveTheSameSums) {
  for (Isa isa : isas())
    for (int64_t k : {100, 1200}) {
      Product p{90, 130, k, false, false, {}};
      TestTensor lhs = p.lhs(), rhs = p.rhs(), whole(DType::F32, {p.m, p.n}), parts(DType::F32, {p.m, p.n});
      Packed packed(amx::panelsOf(p.n) * amx::panelBytes(k));
      amx::packB(packed.data(), p.viewOf(rhs, false, k, p.n), k, p.n);
      amx::Block block{isa, p.m, p.n, k, p.viewOf(lhs, false, p.m, k), packed.data()};
      amx::multiply(block, whole.arg().as<float>(), p.n);
      for (int64_t row : {0, 17, 60})
        for (int64_t column : {0, 64}) {
          amx::Block part = block;
          part.m = (row == 0 ? 17 : row == 17 ? 60 : 90) - row, part.n = column ? p.n - 64 : 64;
          part.a.data += row * k;
          part.b = static_cast<const char *>(packed.data()) + column / 32 * amx::panelBytes(k);
          amx::multiply(part, parts.arg().as<float>() + row * p.n + column, p.n);
        }
      EXPECT_EQ(whole, parts) << "k " << k;
    }
}

TEST(Amx, ThreadsHaveTilesOfTheirOwn) {
  for (Isa isa : isas()) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([isa, i] {
        for (int round = 0; round < 20; ++round) checkNarrow({33 + i, 60, 90 + 64 * i, i % 2 == 1, false, {}}, isa);
      });
    for (std::thread &thread : threads) thread.join();
  }
}

TEST(Amx, TheSettingBoundsTheMachine) {
  Config &config = Config::process();
  std::string before = config.text(Setting::bf16Products);
  ASSERT_TRUE(config.set("BF16_PRODUCTS", "convert").isOk());
  EXPECT_EQ(amx::isa(), Isa::None);
  ASSERT_TRUE(config.set("BF16_PRODUCTS", "avx512").isOk());
  EXPECT_EQ(amx::isa(), std::min(amx::machineIsa(), Isa::Avx512Bf16));
  ASSERT_TRUE(config.set("BF16_PRODUCTS", "amx").isOk());
  EXPECT_TRUE(amx::isa() == amx::machineIsa() || amx::machineIsa() == Isa::Avx512Bf16);
  ASSERT_TRUE(config.set("BF16_PRODUCTS", before).isOk());
}

/// The blocking of transposed-left products m x n.
MatmulBlocking blockingOf(int64_t m, int64_t n, int64_t k = 2048) {
  const int64_t lhs[] = {k, m}, rhs[] = {k, n};
  return MatmulBlocking::choose(MatmulSpec::from(DType::BF16, lhs, rhs, true, false).value(), *amx::product());
}

TEST(Amx, LongSumsOfTurnedRowsPackBothOperandsByTheBlock) {
  if (amx::isa() != Isa::Amx) GTEST_SKIP() << "the sizes are those of AMX";
  for (const MatmulBlocking &streams : {blockingOf(384, 1152), blockingOf(384, 384), blockingOf(1536, 384)})
    EXPECT_EQ(streams.packing, MatmulPacking::Chunk) << streams.rows << "x" << streams.cols;
  EXPECT_EQ(blockingOf(30522, 256, 1024).packing, MatmulPacking::Thread); // one slice for all rows
  Config &config = Config::process();
  std::string before = config.text(Setting::disable);
  ASSERT_TRUE(config.set("DISABLE", "streamed-products").isOk());
  EXPECT_EQ(blockingOf(384, 1152).packing, MatmulPacking::Thread);
  ASSERT_TRUE(config.set("DISABLE", before).isOk());
}

/// Streams, slices and whole operands of products whose sums are in blocks of k: the same bits.
TEST(Amx, TheCutDoesNotShowInTheResult) {
  if (!amx::product()) GTEST_SKIP() << "neither AMX nor AVX512-BF16 is used here";
  ThreadPool pool(3);
  for (bool turned : {false, true})
    for (auto [m, n, k] : {std::tuple{300, 333, 2100}, {97, 520, 1024}, {384, 160, 1570}}) {
      const Dims left = turned ? Dims{k, m} : Dims{m, k}, right{k, n};
      const MatmulSpec spec = MatmulSpec::from(DType::BF16, left, right, turned, false).value();
      TestTensor lhs = TestTensor::random(DType::BF16, left, 1), rhs = TestTensor::random(DType::BF16, right, 2);
      TestTensor first(DType::BF16, {m, n}), other(DType::BF16, {m, n});
      auto run = [&](int64_t rows, int64_t cols, MatmulPacking packing, TestTensor &result) {
        MatmulBlocking cut{amx::product(), packing, rows, cols, (m + rows - 1) / rows, (n + cols - 1) / cols};
        cut.chunks = cut.rowBlocks * cut.colBlocks;
        EXPECT_TRUE(MatmulPlan::create(spec, cut).execute(lhs.arg().data, rhs.arg().data, result.arg().data, pool).isOk());
      };
      run(m, n, MatmulPacking::First, first);
      for (auto [rows, cols] : {std::pair{64, 96}, {384, 192}, {192, 544}})
        for (MatmulPacking packing : {MatmulPacking::Chunk, MatmulPacking::Thread}) {
          run(rows, cols, packing, other);
          EXPECT_EQ(first.bytes, other.bytes) << m << "x" << n << "x" << k << " by " << rows << "x" << cols;
        }
    }
}

TEST(Amx, BlocksOfLongProductsAreNarrowRatherThanLow) {
  if (amx::isa() != Isa::Amx) GTEST_SKIP() << "the sizes are those of AMX";
  auto blocking = [](int64_t k) {
    const int64_t lhs[] = {1024, k}, rhs[] = {k, 256};
    return MatmulBlocking::choose(MatmulSpec::from(DType::BF16, lhs, rhs, false, false).value(), *amx::product());
  };
  EXPECT_EQ(blocking(30522).rows, 128);
  EXPECT_EQ(blocking(30522).cols, 128);
  EXPECT_EQ(blocking(1024).rows, 64);
  EXPECT_EQ(blocking(1024).cols, 256);
}

} // namespace
} // namespace tinyfin::test
