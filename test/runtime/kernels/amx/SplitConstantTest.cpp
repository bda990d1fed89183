// SPDX-License-Identifier: Apache-2.0
// f32 products by a frozen right operand in three bf16 parts, against sums in long double and other products.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/amx/SplitConstant.h"
#include "runtime/kernels/amx/SplitProduct.h"
#include "runtime/kernels/amx/SplitTile.h"
#include "runtime/kernels/matmul/MatmulGemm.h"
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace tinyfin::test {
namespace {

struct Operands {
  int64_t m, n, k;
  bool right; // transposed
  std::vector<float> a, b;

  /// Normal values; `spread` multiplies each by e to a normal value times it.
  Operands(int64_t m, int64_t n, int64_t k, bool right = false, float spread = 0)
      : m(m), n(n), k(k), right(right), a(m * k), b(k * n) {
    std::mt19937 random(static_cast<uint32_t>(m * 31 + n * 7 + k));
    std::normal_distribution<float> normal;
    for (std::vector<float> *values : {&a, &b})
      for (float &value : *values) value = normal(random) * std::exp(spread * normal(random));
  }
  float &rhs(int64_t p, int64_t j) { return b[right ? j * k + p : p * n + j]; }
  MatmulSpec spec() const {
    return MatmulSpec::from(DType::F32, Dims{m, k}, right ? Dims{n, k} : Dims{k, n}, false, right).value();
  }
};

/// Copies blocks to a result and counts how often each element is handed out: args are (block, result, columns,
/// visits).
void copyBlock(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) {
  auto &visits = *static_cast<std::vector<std::atomic<int>> *>(args[3]);
  for (int64_t row = rowBegin; row < rowEnd; ++row)
    for (int64_t col = tile[1]; col < tile[2]; ++col) {
      const int64_t to = row * *static_cast<const int64_t *>(args[2]) + col;
      ++visits[to];
      static_cast<float *>(args[1])[to] =
          static_cast<const float *>(args[0])[(row - rowBegin) * tile[0] + col - tile[1]];
    }
}

class ConstantInParts : public testing::Test {
protected:
  void SetUp() override {
    before = Config::process().text(Setting::disable);
    disable("");
    if (!split::product()) GTEST_SKIP() << "this machine has no AMX tiles for bf16, or the settings exclude them";
  }
  void TearDown() override { disable(before.c_str()); }
  static void disable(const char *names) { ASSERT_TRUE(Config::process().set("DISABLE", names).isOk()); }

  static std::shared_ptr<const SplitConstant> packed(const Operands &in, ThreadPool &pool) {
    auto made = SplitConstant::create(in.spec(), in.b.data(), pool);
    EXPECT_TRUE(made.isOk());
    return made.isOk() ? made.value() : nullptr;
  }
  static std::vector<float> stored(const Operands &in, int threads = 4) {
    ThreadPool pool(threads);
    std::vector<float> result(in.m * in.n, -7);
    auto product = packed(in, pool);
    if (product) product->execute(in.a.data(), result.data(), pool, nullptr);
    return result;
  }
  static std::vector<float> finished(const Operands &in, int threads = 4) {
    ThreadPool pool(threads);
    std::vector<float> result(in.m * in.n, -7);
    std::vector<std::atomic<int>> visits(in.m * in.n);
    int64_t columns = in.n;
    void *const args[] = {nullptr, result.data(), &columns, &visits};
    const TileConsumer consumer{copyBlock, args, 4};
    if (auto product = packed(in, pool)) product->execute(in.a.data(), nullptr, pool, &consumer);
    for (const auto &count : visits) EXPECT_EQ(count.load(), 1);
    return result;
  }
  /// By vectors, whatever the number of rows.
  static std::vector<float> byVectors(const Operands &in) {
    ThreadPool pool(2);
    std::vector<float> result(in.m * in.n);
    MatmulPlan plan = MatmulPlan::create(in.spec(), MatmulBlocking::choose(in.spec(), gemm::ownProduct(DType::F32), 2));
    EXPECT_TRUE(plan.execute(in.a.data(), in.b.data(), result.data(), pool).isOk());
    return result;
  }
  /// Of a plan whose right operand is frozen.
  static std::vector<float> planned(const Operands &in) {
    ThreadPool pool(4);
    std::vector<float> result(in.m * in.n, -7);
    auto plan = MatmulPlan::create(in.spec());
    EXPECT_TRUE(plan.isOk() && plan->prepack(in.b.data(), pool).isOk() &&
                plan->execute(in.a.data(), nullptr, result.data(), pool).isOk());
    return result;
  }

private:
  std::string before;
};

bool sameBits(const std::vector<float> &x, const std::vector<float> &y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

/// The error to the sum of magnitudes: root of the mean square, and the largest.
std::pair<double, double> errors(Operands &in, const std::vector<float> &result) {
  double squares = 0, largest = 0;
  int count = 0;
  for (int64_t at = 0; at < in.m * in.n; at += std::max<int64_t>(1, in.m * in.n / 997), ++count) {
    long double sum = 0, magnitudes = 0;
    for (int64_t p = 0; p < in.k; ++p) {
      const long double term = static_cast<long double>(in.a[at / in.n * in.k + p]) * in.rhs(p, at % in.n);
      sum += term, magnitudes += std::abs(term);
    }
    const auto error = static_cast<double>(std::abs(result[at] - sum) / magnitudes);
    squares += error * error, largest = std::max(largest, error);
  }
  return {std::sqrt(squares / count), largest};
}

TEST_F(ConstantInParts, IsAsExactAsMultiplyAdds) {
  for (float spread : {0.0f, 3.0f})
    for (auto [m, n, k] : {std::tuple{128, 384, 384}, {32, 100, 64}, {77, 65, 1536}, {200, 97, 1000}, {33, 64, 4000}})
      for (bool right : {false, true}) {
        SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << " transposed " << right << " spread "
                                        << spread);
        Operands in(m, n, k, right, spread);
        auto [rms, most] = errors(in, stored(in));
        auto [rmsOwn, mostOwn] = errors(in, byVectors(in));
        EXPECT_LT(rms, 1.3 * rmsOwn);
        EXPECT_LT(most, 2 * mostOwn);
      }
}

TEST_F(ConstantInParts, NeitherThreadsNorConsumersShowInTheResult) {
  for (auto [m, n, k] : {std::tuple{128, 384, 400}, {40, 70, 1536}, {129, 333, 520}, {511, 64, 90}}) {
    Operands in(m, n, k, true);
    in.a[35 * k + 7] = std::numeric_limits<float>::infinity();
    const std::vector<float> first = stored(in, 1);
    for (int threads : {1, 2, 3, 4, 9}) {
      EXPECT_TRUE(sameBits(stored(in, threads), first)) << m << ", " << threads << " threads";
      EXPECT_TRUE(sameBits(finished(in, threads), first)) << m << ", finished by " << threads << " threads";
    }
  }
}

TEST_F(ConstantInParts, SumsAreThoseOfOtherSplitProducts) {
  Operands in(300, 256, 1100);
  ThreadPool pool(2);
  std::vector<float> result(in.m * in.n);
  MatmulPlan plan = MatmulPlan::create(in.spec(), MatmulBlocking::choose(in.spec(), *split::product(), 2));
  ASSERT_TRUE(plan.execute(in.a.data(), in.b.data(), result.data(), pool).isOk());
  EXPECT_TRUE(sameBits(result, stored(in)));
}

/// One plan run again and again, by rows that change: what a thread packed belongs to one execution.
TEST_F(ConstantInParts, RowsArePackedAnewEachTime) {
  Operands in(96, 128, 200);
  ThreadPool pool(3);
  auto product = packed(in, pool);
  ASSERT_TRUE(product);
  for (int turn = 0; turn < 4; ++turn) {
    for (float &value : in.a) value += 1;
    std::vector<float> result(in.m * in.n);
    product->execute(in.a.data(), result.data(), pool, nullptr);
    EXPECT_TRUE(sameBits(result, stored(in)));
  }
}

/// The panel of row 40 is multiplied by vectors; products by what else out of range is in other panels stay as they
/// are.
TEST_F(ConstantInParts, RowsOutOfRangeComeOutAsFromVectors) {
  for (float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 3.4e38f, 1e30f}) {
    Operands in(100, 96, 600);
    in.a[40 * in.k + 550] = odd;
    const std::vector<float> wanted = byVectors(in);
    for (const std::vector<float> &found : {stored(in), finished(in)})
      for (int64_t at = 0; at < in.m * in.n; ++at)
        if (at / in.n / 32 == 1)
          ASSERT_EQ(std::memcmp(&found[at], &wanted[at], 4), 0) << odd << " at " << at << ": " << found[at];
        else
          ASSERT_NEAR(found[at], wanted[at], 1e-3);
  }
}

TEST_F(ConstantInParts, TinyRowsKeepTheirBits) {
  Operands in(64, 64, 512);
  for (float &value : in.a) value *= 0x1p-112f;
  EXPECT_TRUE(sameBits(stored(in), byVectors(in)));
}

/// Then plans take vectors: infinities come out where they belong.
TEST_F(ConstantInParts, WeightsOutOfRangeAreRefused) {
  Operands in(128, 256, 512);
  in.rhs(9, 9) = std::numeric_limits<float>::infinity();
  ThreadPool pool(2);
  EXPECT_EQ(packed(in, pool), nullptr);
  const std::vector<float> found = planned(in), wanted = byVectors(in);
  for (int64_t at = 0; at < in.m * in.n; ++at)
    if (at % in.n == 9)
      ASSERT_EQ(found[at], wanted[at]);
    else
      ASSERT_NEAR(found[at], wanted[at], 1e-3);
}

TEST_F(ConstantInParts, WhichProductsItSuits) {
  auto suits = [](int64_t m, int64_t n, int64_t k) { return SplitConstant::suits(Operands(m, n, k).spec()); };
  EXPECT_TRUE(suits(128, 384, 384));
  EXPECT_TRUE(suits(32, 1536, 384));
  EXPECT_TRUE(suits(1536, 384, 1536));
  EXPECT_FALSE(suits(16, 1536, 384)) << "few rows wait for the weights: fewer bytes are better";
  EXPECT_FALSE(suits(33, 1536, 384)) << "half of what tiles multiply would be zeros";
  EXPECT_FALSE(suits(64, 64, 64)) << "too little to share among threads";
  EXPECT_FALSE(suits(2048, 256, 256)) << "many rows are cut otherwise";
  EXPECT_FALSE(suits(64, 256, 8192)) << "a panel of rows does not stay in the second cache";
  EXPECT_FALSE(
      SplitConstant::suits(MatmulSpec::from(DType::BF16, Dims{128, 384}, Dims{384, 384}, false, false).value()));
  EXPECT_FALSE(SplitConstant::suits(MatmulSpec::from(DType::F32, Dims{384, 128}, Dims{384, 384}, true, false).value()));
  for (const char *off : {"split-constants", "split-products"}) {
    disable(off);
    EXPECT_FALSE(suits(128, 384, 384)) << off;
  }
}

TEST_F(ConstantInParts, FetchesFarPanelsAheadUnlessSwitchedOff) {
  Operands in(128, 256, 600);
  EXPECT_GT(split::farAhead(), 0);
  const std::vector<float> fetched = stored(in);
  disable("fetch-ahead");
  EXPECT_EQ(split::farAhead(), 0);
  EXPECT_TRUE(sameBits(stored(in), fetched));
}

/// The bits of a plan's result tell which product it took: parts and vectors round differently.
TEST_F(ConstantInParts, PlansTakeItForFrozenOperands) {
  Operands in(128, 384, 384, true);
  EXPECT_TRUE(sameBits(planned(in), stored(in)));
  disable("split-constants");
  EXPECT_FALSE(sameBits(planned(in), stored(in)));
}

} // namespace
} // namespace tinyfin::test
