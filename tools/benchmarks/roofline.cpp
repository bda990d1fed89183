// SPDX-License-Identifier: Apache-2.0
// tinyfin-roofline: what this machine can do at most (multiply-adds, memory), and how near to that the products of
// matrices come, at one thread and at all. Prints one JSON object; takes some five seconds on a machine that is idle.
// "share" is the fastest product to the fastest multiply-adds, each measured by itself. A core that also moves data
// draws more power and runs at a lower clock, for milliseconds afterwards too: "share_at_clock" says how much of the
// rest that is, from multiply-adds measured in turns with the product (the median of the turns). f32 is measured as it
// is chosen and by vectors: with AMX the former are six products of bf16 parts, and may exceed what f32 multiply-adds
// can do. The peak of bf16 is that of tiles that change, numbers from the first cache: all multiplication there is runs
// at that rate, while tiles that hold constants draw less power and run at a higher clock.
#include "runtime/HugePages.h"
#include "runtime/ThreadPool.h"
#include "runtime/kernels/amx/AmxMachine.h"
#include "runtime/kernels/matmul/Matmul.h"
#include "runtime/kernels/matmul/MatmulTile.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace tinyfin;

namespace {

using Vector = gemm::Vector<float>;
using Clock = std::chrono::steady_clock;

/// The shortest of some runs, in seconds.
template <class F> double bestTime(int runs, F &&body) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    Clock::time_point begin = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// Runs body(thread) once on each thread of the pool, at the same time.
template <class F> void onAll(ThreadPool &pool, F &&body) {
  pool.parallelFor(pool.threads(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

/// Enough sums to hide the latency of a multiply-add, each in a register.
TINYFIN_WIDE_VECTORS void multiplyAdds(int64_t rounds) {
  constexpr int sums = gemm::kVectorBytes == 64 ? 24 : 12;
  Vector sum[sums] = {}, factor = gemm::splat<float>(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+v"(factor));
#pragma unroll
    for (int j = 0; j < sums; ++j) sum[j] += factor * factor;
#pragma unroll
    for (int j = 0; j < sums; ++j) asm volatile("" : "+v"(sum[j]));
  }
}

constexpr int64_t kPieces = 16; // of a thread: who comes late leaves little behind, as in a product

/// A second, of `each` a piece; some half a millisecond of pieces is run.
template <class F> double rateOfPieces(ThreadPool &pool, double each, F &&piece) {
  const int64_t pieces = kPieces * pool.threads();
  return each * pieces / bestTime(1, [&] {
           pool.parallelFor(pieces, 1, [&](int64_t begin, int64_t end) {
             for (int64_t i = begin; i < end; ++i) piece();
           });
         });
}

double vectorFlops(ThreadPool &pool) {
  constexpr int64_t rounds = 12500, sums = gemm::kVectorBytes == 64 ? 24 : 12;
  return rateOfPieces(pool, 2.0 * rounds * sums * gemm::kLanes<float>, [] { multiplyAdds(rounds); });
}

/// Values in [-0.5, 0.5] of either dtype: zeros draw less power, and multiply at a higher clock.
void fill(void *memory, DType dtype, int64_t count) {
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    float value = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if (dtype == DType::F32)
      static_cast<float *>(memory)[i] = value;
    else
      static_cast<uint16_t *>(memory)[i] = static_cast<uint16_t>(bits >> 16);
  }
}

#ifdef TINYFIN_AMX_TARGETS
constexpr int64_t kTileBytes = 1024, kWalkBytes = 16 << 10; // two operands of so many bytes stay in the first cache

/// Products of 2 x 2 tiles whose operands are numbers from the first cache, other ones in each step: there are eight
/// tiles, so that a product of matrices loads one for each multiplication. Nothing is waited for.
TINYFIN_TARGET_AMX void multiplyTiles(const char *a, const char *b, int64_t rounds) {
  amx::TileScope scope(amx::Isa::Amx);
  for (int64_t i = 0; i < rounds; ++i) {
    const char *rows = a + i * 2 * kTileBytes % kWalkBytes, *columns = b + i * 2 * kTileBytes % kWalkBytes;
    _tile_loadd(4, rows, 64);
    _tile_loadd(6, columns, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, columns + kTileBytes, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, rows + kTileBytes, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

/// The same of tiles that never change.
TINYFIN_TARGET_AMX void multiplyOneTile(const char *operand, int64_t rounds) {
  amx::TileScope scope(amx::Isa::Amx);
  _tile_loadd(4, operand, 64);
  _tile_loadd(5, operand, 64);
  for (int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
}

struct TileOperands {
  alignas(64) char a[kWalkBytes], b[kWalkBytes];
  TileOperands() {
    for (char *operand : {a, b}) fill(operand, DType::BF16, kWalkBytes / sizeof(uint16_t));
  }
};
const TileOperands &tileOperands() {
  static const TileOperands operands;
  return operands;
}

constexpr int64_t kTileRounds = 2500;
constexpr double kTileWork = 4.0 * 2 * 16 * 16 * 32 * kTileRounds;

double tileFlops(ThreadPool &pool) {
  const TileOperands &of = tileOperands();
  return rateOfPieces(pool, kTileWork, [&] { multiplyTiles(of.a, of.b, kTileRounds); });
}

double constantTileFlops(ThreadPool &pool) {
  return rateOfPieces(pool, kTileWork, [&of = tileOperands()] { multiplyOneTile(of.a, kTileRounds); });
}
#endif

/// Zeros on huge pages, touched.
float *allocate(int64_t count) {
  size_t bytes = (static_cast<size_t>(count) * sizeof(float) + kHugePage - 1) & ~(kHugePage - 1);
  void *memory = std::aligned_alloc(kHugePage, bytes);
  if (!memory) std::abort();
  madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return static_cast<float *>(memory);
}

constexpr int64_t kStream = 32 << 20; // elements of an array: far more than any cache's share

/// a = b + c past the caches: bytes that move a second.
double triadBytes(ThreadPool &pool, float *a, const float *b, const float *c) {
  int64_t part = kStream / pool.threads() / 64 * 64;
  double time = bestTime(6, [&] {
    onAll(pool, [&](int64_t thread) {
      for (int64_t i = thread * part; i < (thread + 1) * part; i += gemm::kLanes<float>)
        __builtin_nontemporal_store(*reinterpret_cast<const Vector *>(b + i) + *reinterpret_cast<const Vector *>(c + i),
                                    reinterpret_cast<Vector *>(a + i));
    });
  });
  return 3.0 * sizeof(float) * part * pool.threads() / time;
}

double readBytes(ThreadPool &pool, const float *a) {
  int64_t part = kStream / pool.threads() / 64 * 64;
  double time = bestTime(6, [&] {
    onAll(pool, [&](int64_t thread) {
      Vector sums[4] = {};
      for (int64_t i = thread * part; i < (thread + 1) * part; i += 4 * gemm::kLanes<float>)
        for (int j = 0; j < 4; ++j) sums[j] += *reinterpret_cast<const Vector *>(a + i + j * gemm::kLanes<float>);
      for (int j = 0; j < 4; ++j) asm volatile("" : "+v"(sums[j]));
    });
  });
  return 1.0 * sizeof(float) * part * pool.threads() / time;
}

using PeakFn = double (*)(ThreadPool &);

double bestPeak(PeakFn peak, ThreadPool &pool) {
  double best = 0;
  for (int i = 0; i < 30; ++i) best = std::max(best, peak(pool));
  return best;
}

struct ProductRate {
  double flops = 0;        // of the fastest run
  double shareAtClock = 0; // of multiply-adds in turns with it, median
};

/// What is multiplied and by which instructions; the peak is that of multiply-adds of the dtype.
struct Form {
  DType dtype;
  bool byVectors;
  const char *name;
  PeakFn peak;
};

ProductRate gemmRate(ThreadPool &pool, const Form &form, int64_t n, void *lhs, void *rhs, void *result) {
  const int64_t dims[] = {n, n};
  auto spec = MatmulSpec::from(form.dtype, dims, dims, false, false);
  if (!spec.isOk()) return {};
  const MatmulPlan plan = MatmulPlan::create(
      spec.value(), form.byVectors ? MatmulBlocking::choose(spec.value(), gemm::ownProduct(form.dtype), pool.threads())
                                   : MatmulBlocking::choose(spec.value(), pool.threads()));
  auto flopsOf = [&](int runs) {
    return 2.0 * n * n * n / bestTime(runs, [&] { (void)plan.execute(lhs, rhs, result, pool); });
  };
  ProductRate rate{flopsOf(40)};
  std::vector<double> shares;
  for (int i = 0; i < 20; ++i) {
    double most = form.peak(pool);
    shares.push_back(flopsOf(1) / most);
  }
  rate.shareAtClock = median(std::move(shares));
  return rate;
}

struct Peaks {
  double f32 = 0, bf16 = 0, constantBf16 = 0, triad = 0, read = 0;
};

/// {"1": ..., "4": ...} of one member; "null" where the machine has no such thing.
std::string byThreads(const std::vector<int> &threads, const std::vector<Peaks> &peaks, double Peaks::*member) {
  std::string text = "{";
  for (size_t i = 0; i < threads.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof(number), peaks[i].*member > 0 ? "%.4g" : "null", peaks[i].*member);
    text += (i ? ", \"" : "\"") + std::to_string(threads[i]) + "\": " + number;
  }
  return text + "}";
}

} // namespace

int main() {
  constexpr int64_t size = 1024;
  std::vector<int> threads = {1};
  if (int all = ThreadPool::defaultThreads(); all > 1) threads.push_back(all);
  float *arrays[] = {allocate(kStream), allocate(kStream), allocate(kStream)};
  bool hasTiles = amx::machineIsa() == amx::Isa::Amx;
  std::vector<Peaks> peaks;
  std::string products;
  for (int count : threads) {
    ThreadPool pool(count);
    Peaks peak{bestPeak(vectorFlops, pool), 0, 0, triadBytes(pool, arrays[0], arrays[1], arrays[2]),
               readBytes(pool, arrays[1])};
#ifdef TINYFIN_AMX_TARGETS
    if (hasTiles) peak.bf16 = bestPeak(tileFlops, pool), peak.constantBf16 = bestPeak(constantTileFlops, pool);
#endif
    PeakFn tiles = vectorFlops; // without tiles bf16 is converted to f32
#ifdef TINYFIN_AMX_TARGETS
    if (hasTiles) tiles = tileFlops;
#endif
    const Form forms[] = {{DType::F32, false, "f32", vectorFlops},
                          {DType::F32, true, "f32 by vectors", vectorFlops},
                          {DType::BF16, false, "bf16", tiles}};
    for (const Form &form : forms) {
      for (float *array : arrays) fill(array, form.dtype, size * size);
      ProductRate rate = gemmRate(pool, form, size, arrays[0], arrays[1], arrays[2]);
      char line[200];
      std::snprintf(line, sizeof(line),
                    "%s{\"n\": %d, \"form\": \"%s\", \"threads\": %d, \"flops\": %.4g, \"share\": %.3f, "
                    "\"share_at_clock\": %.3f}",
                    products.empty() ? "" : ", ", static_cast<int>(size), form.name, count, rate.flops,
                    rate.flops / (form.peak == vectorFlops ? peak.f32 : peak.bf16), rate.shareAtClock);
      products += line;
    }
    peaks.push_back(peak);
  }
  std::printf("{\"peaks\": {\"f32_flops\": %s, \"bf16_flops\": %s, \"bf16_flops_of_constants\": %s, \"triad_bytes\": "
              "%s, \"read_bytes\": %s}, \"gemm\": [%s]}\n",
              byThreads(threads, peaks, &Peaks::f32).c_str(), byThreads(threads, peaks, &Peaks::bf16).c_str(),
              byThreads(threads, peaks, &Peaks::constantBf16).c_str(), byThreads(threads, peaks, &Peaks::triad).c_str(),
              byThreads(threads, peaks, &Peaks::read).c_str(), products.c_str());
  return 0;
}
