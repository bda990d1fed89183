// SPDX-License-Identifier: Apache-2.0
// f32 products by AMX tiles against sums in long double and against products by vectors.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/amx/SplitPack.h"
#include "runtime/kernels/amx/SplitProduct.h"
#include "runtime/kernels/matmul/Matmul.h"
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

using namespace tinyfin;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

struct Matrices {
  int64_t m, n, k;
  bool left, right; // transposed
  std::vector<float> a, b;

  /// Normal values; `spread` multiplies each by e to a normal value times it.
  Matrices(int64_t m, int64_t n, int64_t k, bool left = false, bool right = false, float spread = 0)
      : m(m), n(n), k(k), left(left), right(right), a(m * k), b(k * n) {
    std::mt19937 random(static_cast<uint32_t>(m * 31 + n * 7 + k));
    std::normal_distribution<float> normal;
    for (std::vector<float> *values : {&a, &b})
      for (float &value : *values) value = normal(random) * std::exp(spread * normal(random));
  }
  float &lhs(int64_t i, int64_t p) { return a[left ? p * m + i : i * k + p]; }
  float &rhs(int64_t p, int64_t j) { return b[right ? j * k + p : p * n + j]; }
  MatmulSpec spec() const {
    const int64_t first[] = {left ? k : m, left ? m : k}, second[] = {right ? n : k, right ? k : n};
    return MatmulSpec::from(DType::F32, first, second, left, right).value();
  }
};

class Split : public testing::Test {
protected:
  void SetUp() override {
    before = Config::process().text(Setting::disable);
    disable("split-constants"); // which would take frozen operands of these sizes
    if (!split::product()) GTEST_SKIP() << "this machine has no AMX tiles for bf16, or the settings exclude them";
  }
  void TearDown() override { disable(before.c_str()); }
  static void disable(const char *names) { ASSERT_TRUE(Config::process().set("DISABLE", names).isOk()); }

  static MatmulBlocking cut(const MatmulSpec &spec, bool isSplit, int threads = 3) {
    MatmulBlocking blocking =
        MatmulBlocking::choose(spec, isSplit ? *split::product() : gemm::ownProduct(DType::F32), threads);
    blocking.product = isSplit ? split::product() : &gemm::ownProduct(DType::F32);
    return blocking;
  }
  static std::vector<float> run(const Matrices &in, const MatmulBlocking &blocking, bool prepacks = false) {
    std::vector<float> result(in.m * in.n, -7);
    ThreadPool pool(3);
    MatmulPlan plan = MatmulPlan::create(in.spec(), blocking);
    if (prepacks) EXPECT_TRUE(plan.prepack(in.b.data(), pool).isOk());
    EXPECT_TRUE(plan.execute(in.a.data(), prepacks ? nullptr : in.b.data(), result.data(), pool).isOk());
    return result;
  }
  /// Whether a frozen right operand is packed in parts; otherwise vectors are faster, for so many threads.
  static bool isPacked(const Matrices &in) { return MatmulBlocking::chooseForPacked(in.spec()).chunks > 0; }
  static std::vector<float> multiply(const Matrices &in, bool isSplit) { return run(in, cut(in.spec(), isSplit)); }

private:
  std::string before;
};

/// Of some elements, the error to the sum of magnitudes: root of the mean square, and the largest.
std::pair<double, double> errors(Matrices &in, const std::vector<float> &result) {
  double squares = 0, largest = 0;
  int count = 0;
  for (int64_t at = 0; at < in.m * in.n; at += std::max<int64_t>(1, in.m * in.n / 997), ++count) {
    long double sum = 0, magnitudes = 0;
    for (int64_t p = 0; p < in.k; ++p) {
      long double term = static_cast<long double>(in.lhs(at / in.n, p)) * in.rhs(p, at % in.n);
      sum += term, magnitudes += std::abs(term);
    }
    double error = static_cast<double>(std::abs(result[at] - sum) / magnitudes);
    squares += error * error, largest = std::max(largest, error);
  }
  return {std::sqrt(squares / count), largest};
}

bool sameBits(const std::vector<float> &x, const std::vector<float> &y) {
  return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

TEST_F(Split, IsAsExactAsMultiplyAdds) {
  for (float spread : {0.0f, 3.0f})
    for (auto [m, n, k] : {std::tuple{256, 256, 64}, {300, 97, 384}, {257, 130, 1500}, {512, 64, 2048}})
      for (int transposed = 0; transposed < 4; ++transposed) {
        Matrices in(m, n, k, transposed & 1, transposed & 2, spread);
        auto [rms, most] = errors(in, multiply(in, true));
        auto [rmsOwn, mostOwn] = errors(in, multiply(in, false));
        EXPECT_LT(rms, 1.3 * rmsOwn) << m << "x" << n << "x" << k << " transposed " << transposed;
        EXPECT_LT(most, 2 * mostOwn) << m << "x" << n << "x" << k << " transposed " << transposed;
      }
}

TEST_F(Split, SmallIntegersAreExact) {
  Matrices in(320, 96, 600);
  for (std::vector<float> *values : {&in.a, &in.b})
    for (float &value : *values) value = std::round(value * 40);
  EXPECT_EQ(multiply(in, true), multiply(in, false));
}

TEST_F(Split, PartsAddUpToWhatTheyWereMadeOf) {
  const int64_t n = 45, k = 70;
  std::vector<float> b(k * n), back(k * split::kSquare);
  std::mt19937 random(3);
  for (float &value : b) // all bits are random but for the upper two of the exponent
    do {
      uint32_t bits = random();
      std::memcpy(&value, &bits, 4);
    } while (!(std::abs(value) > 0x1p-100f && std::abs(value) < 0x1p64f));
  std::vector<char> memory(2 * split::panelBytes(k) + 64);
  char *packed = memory.data() + 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
  split::pack(split::Side::B, packed, split::panelBytes(k), {b.data(), n, false, n, k}, {0, 2, 0, k});
  for (int64_t panel = 0; panel < 2; ++panel) {
    split::unpackB(back.data(), packed + panel * split::panelBytes(k), k);
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = panel * 32; j < std::min(n, panel * 32 + 32); ++j)
        ASSERT_EQ(back[p * 32 + j % 32], b[p * n + j]) << p << ", " << j;
  }
}

/// Rows 40 and columns 70 have values that bf16 parts cannot stand for: their squares are multiplied by vectors.
TEST_F(Split, ValuesOutOfRangeComeOutAsFromVectors) {
  for (float odd : {kInfinity, -kInfinity, kNaN, 3.4e38f, 1e30f})
    for (bool prepacks : {false, true}) {
      Matrices in(512, 256, 700);
      if (prepacks && !isPacked(in)) continue;
      in.lhs(40, 650) = odd;
      if (!prepacks) in.rhs(3, 70) = odd;
      std::vector<float> found = run(in, cut(in.spec(), true), prepacks), wanted = multiply(in, false);
      for (int64_t at = 0; at < in.m * in.n; ++at) {
        if (at / in.n / 32 == 1 || (!prepacks && at % in.n / 32 == 2))
          ASSERT_EQ(std::memcmp(&found[at], &wanted[at], 4), 0) << odd << " at " << at << ": " << found[at];
        else
          ASSERT_NEAR(found[at], wanted[at], 1e-3);
      }
    }
}

/// Blocks that somebody finishes lie in scratch while their squares are multiplied once more.
TEST_F(Split, FinishedBlocksOfAPackedOperandHoldValuesOutOfRange) {
  Matrices in(512, 256, 700);
  if (!isPacked(in)) GTEST_SKIP() << "for so many threads vectors are faster";
  in.lhs(40, 650) = kInfinity;
  std::vector<float> found(in.m * in.n), wanted = multiply(in, false);
  int64_t length = in.n;
  void *args[] = {nullptr, found.data(), &length};
  TileConsumer consumer{[](void *const *args, const int64_t *tile, int64_t begin, int64_t end) {
                          for (int64_t row = begin; row < end; ++row)
                            std::copy_n(
                                static_cast<const float *>(args[0]) + (row - begin) * tile[0], tile[2] - tile[1],
                                static_cast<float *>(args[1]) + row * *static_cast<int64_t *>(args[2]) + tile[1]);
                        },
                        args, 3};
  ThreadPool pool(3);
  MatmulPlan plan = MatmulPlan::create(in.spec(), cut(in.spec(), true));
  ASSERT_TRUE(plan.prepack(in.b.data(), pool).isOk());
  ASSERT_TRUE(plan.execute(in.a.data(), nullptr, pool, consumer).isOk());
  for (int64_t at = 0; at < in.m * in.n; ++at)
    if (at / in.n == 40)
      ASSERT_EQ(found[at], wanted[at]) << at;
    else
      ASSERT_NEAR(found[at], wanted[at], 1e-3) << at;
}

TEST_F(Split, TinyValuesKeepTheirBits) {
  Matrices in(256, 64, 512);
  for (float &value : in.a) value *= 0x1p-112f;
  EXPECT_TRUE(sameBits(multiply(in, true), multiply(in, false)));
}

TEST_F(Split, APackedOperandOutOfRangeIsPackedOtherwise) {
  Matrices in(512, 256, 512);
  in.rhs(9, 9) = kInfinity;
  std::vector<float> found = run(in, cut(in.spec(), true), true), wanted = multiply(in, false);
  for (int64_t at = 0; at < in.m * in.n; ++at)
    if (at % in.n == 9)
      ASSERT_EQ(found[at], wanted[at]);
    else
      ASSERT_NEAR(found[at], wanted[at], 1e-3);
}

TEST_F(Split, TheCutDoesNotShowInTheResult) {
  for (auto [m, n, k] : {std::tuple{300, 333, 1100}, {520, 97, 2048}, {1030, 256, 500}}) {
    Matrices in(m, n, k);
    in.lhs(77, 3) = kInfinity;
    std::vector<float> first = run(in, cut(in.spec(), true, 1));
    for (int threads : {2, 3, 4, 8}) EXPECT_TRUE(sameBits(run(in, cut(in.spec(), true, threads)), first));
    if (isPacked(in)) EXPECT_TRUE(sameBits(run(in, cut(in.spec(), true), true), first)) << "packed before";
    in.rhs(3, 90) = kNaN;
    MatmulBlocking inAPhase = cut(in.spec(), true);
    inAPhase.packing = MatmulPacking::First;
    EXPECT_TRUE(sameBits(run(in, inAPhase), run(in, cut(in.spec(), true)))) << "packed in a phase of its own";
  }
}

TEST_F(Split, IsChosenForLargeProductsOnly) {
  Matrices large(2048, 384, 384), few(64, 384, 384), small(256, 64, 64);
  EXPECT_EQ(MatmulBlocking::choose(large.spec()).product, split::product());
  for (const Matrices *in : {&few, &small}) EXPECT_NE(MatmulBlocking::choose(in->spec()).product, split::product());
  EXPECT_GT(MatmulBlocking::chooseForPacked(large.spec(), 4).chunks, 0);
  EXPECT_EQ(MatmulBlocking::chooseForPacked(small.spec(), 4).chunks, 0);
  const gemm::PackedProduct *tiles = split::product();
  disable("split-products");
  EXPECT_EQ(split::product(), nullptr);
  EXPECT_NE(MatmulBlocking::choose(large.spec()).product, tiles);
  EXPECT_EQ(MatmulBlocking::chooseForPacked(large.spec(), 4).chunks, 0);
}

} // namespace
