// SPDX-License-Identifier: Apache-2.0
// A chunk: for each of its panels of B, for each block of k, for each panel of 32 rows: a square of C, added to from
// the second block of k on. Chunks of one block of rows follow each other, so that a thread finds the rows packed that
// it packed for the chunk before.
#include "runtime/kernels/amx/SplitConstant.h"
#include "runtime/Config.h"
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/SplitProduct.h"
#include "runtime/kernels/amx/SplitTile.h"
#include "runtime/kernels/matmul/PackedMemory.h"
#include "runtime/kernels/matmul/PackedScratch.h"
#include <atomic>

namespace tinyfin {
namespace {

using namespace split;

constexpr int64_t kLeastRows = 32, kMostRows = 1536; // of C; fewer: vectors wait for less; more: blocks of SplitProduct
constexpr int64_t kLeastCols = 64, kLeastDepth = 64;
constexpr int64_t kLeastWork = 1 << 23;     // multiply-adds; what threads share costs more where it is less
constexpr int64_t kMostPanels = 4;          // of rows in a block
constexpr int64_t kBlockBytes = 1300 << 10; // of them, packed: they stay in the second cache
constexpr int64_t kGroupPanels = 12, kThreadsChunks = 3; // of a chunk; and chunks a thread, at least

/// Panels of the rows packed in this thread's scratch whose values parts cannot stand for, a bit each.
thread_local uint32_t inexact = 0;

} // namespace

/// What one execution hands to its chunks.
struct SplitConstant::Call {
  const float *lhs;
  float *result;
  const TileConsumer *consumer;
  uint64_t number; // of the execution
};

/// A block of rows of A, packed.
struct SplitConstant::Rows {
  int64_t first, count;
  const char *packed;
  uint32_t inexact;
};

bool SplitConstant::suits(const MatmulSpec &spec) {
  return split::product() && !config::isDisabled("split-constants") && spec.dtype == DType::F32 &&
         spec.batchRank == 0 && !spec.transposeLhs && spec.m >= kLeastRows && spec.m <= kMostRows &&
         5 * roundUp(spec.m, kSquare) <= 8 * spec.m && spec.n >= kLeastCols && spec.k >= kLeastDepth &&
         spec.m * spec.n * spec.k >= kLeastWork && panelBytes(spec.k) <= kBlockBytes;
}

StatusOr<std::shared_ptr<const SplitConstant>> SplitConstant::create(const MatmulSpec &spec, const void *rhs,
                                                                     ThreadPool &pool) {
  auto product = std::make_shared<SplitConstant>();
  product->m = spec.m, product->n = spec.n, product->k = spec.k;
  product->cut(pool.threads());
  auto memory = packedMemory(product->packedBytes());
  if (!memory.isOk()) return memory.status();
  product->packed = std::static_pointer_cast<char>(memory.value());
  if (!product->pack(static_cast<const float *>(rhs), spec.transposeRhs, pool)) product.reset();
  return std::shared_ptr<const SplitConstant>(std::move(product));
}

/// As many blocks of rows as there are threads. Blocks of more rows would read B less often, but then threads share
/// rows: a line that one other core has read costs 5 times as much to write again, one that three have 30 times.
void SplitConstant::cut(int64_t threads) {
  panels = panelsOf(n);
  const int64_t fitting = std::min(kMostPanels, kBlockBytes / panelBytes(k));
  rowBlocks = ceilDiv(panelsOf(m), std::min(fitting, ceilDiv(panelsOf(m), threads)));
  groups = std::min(panels, std::max(ceilDiv(panels, kGroupPanels), ceilDiv(kThreadsChunks * threads, rowBlocks)));
}

/// Whether all of it is in range.
bool SplitConstant::pack(const float *rhs, bool isTransposed, ThreadPool &pool) {
  const Lines lines{rhs, isTransposed ? k : n, isTransposed, n, k};
  std::atomic<bool> exact{true};
  pool.parallelFor(panels, 1, [&](int64_t begin, int64_t end) {
    split::pack(Side::B, packed.get(), panelBytes(k), lines, {begin, end, 0, k});
    for (; begin < end; ++begin)
      if (!isExact(largest(packed.get() + begin * panelBytes(k), stepsOf(k)))) exact = false;
  });
  return exact;
}

SplitConstant::Rows SplitConstant::packRows(const Call &call, int64_t block) const {
  const int64_t first = panelsOf(m) * block / rowBlocks * kSquare,
                end = std::min(m, panelsOf(m) * (block + 1) / rowBlocks * kSquare), bytes = panelBytes(k);
  char *to = scratch<char>(ScratchUse::GemmPacked, panelsOf(end - first) * bytes);
  if (!gemm::holdsPacked(call.number, block)) {
    split::pack(Side::A, to, bytes, {call.lhs + first * k, k, true, end - first, k}, {0, panelsOf(end - first), 0, k});
    inexact = 0;
    for (int64_t i = 0; i < panelsOf(end - first); ++i)
      if (!isExact(largest(to + i * bytes, stepsOf(k)))) inexact |= 1u << i;
  }
  return {first, end - first, to, inexact};
}

/// To whole panels of C, or to as many columns as there are.
void SplitConstant::multiply(const Rows &rows, int64_t panel, int64_t endPanel, float *c, int64_t ldc,
                             bool isWhole) const {
  const int64_t depth = blockDepth(k), bytes = panelBytes(k);
  alignas(64) float sums[2][kSquare * kSquare];
  int turn = 0;
  PendingSums pending;
  const int64_t ahead = farAhead();
  amx::TileScope tiles(amx::Isa::Amx);
  for (; panel < endPanel; ++panel, c += kSquare) {
    const int64_t width = isWhole ? kSquare : std::min(kSquare, n - panel * kSquare);
    for (int64_t k0 = 0; k0 < k; k0 += depth) {
      const int64_t steps = stepsOf(std::min(depth, k - k0)), offset = k0 / kDepth * kStepBytes;
      for (int64_t i = 0; i < rows.count; i += kSquare) {
        const PendingSums next{sums[turn ^= 1],
                               c + i * ldc,
                               ldc,
                               std::min(kSquare, rows.count - i),
                               static_cast<uint32_t>((uint64_t(1) << width) - 1),
                               k0 > 0};
        multiplySquare(rows.packed + i / kSquare * bytes + offset, packed.get() + panel * bytes + offset, steps, next,
                       pending, i == 0 ? ahead : 0);
        pending = next;
      }
    }
  }
  storePending(pending);
}

/// Squares of rows that parts cannot stand for.
void SplitConstant::multiplyInexact(const Call &call, const Rows &rows, int64_t panel, int64_t endPanel, float *c,
                                    int64_t ldc) const {
  for (; panel < endPanel; ++panel, c += kSquare)
    for (int64_t i = 0; i < rows.count; i += kSquare)
      if (rows.inexact >> (i / kSquare) & 1)
        multiplyByVectors({call.lhs + (rows.first + i) * k, k, true, std::min(kSquare, rows.count - i), k},
                          {nullptr, 0, false, std::min(kSquare, n - panel * kSquare), k},
                          packed.get() + panel * panelBytes(k), c + i * ldc, ldc);
}

void SplitConstant::runChunk(const Call &call, int64_t index) const {
  const int64_t group = index % groups, panel = panels * group / groups, endPanel = panels * (group + 1) / groups;
  const Rows rows = packRows(call, index / groups);
  const int64_t width = (endPanel - panel) * kSquare;
  float *c = call.consumer ? scratch<float>(ScratchUse::GemmC, rows.count * width)
                           : call.result + rows.first * n + panel * kSquare;
  const int64_t ldc = call.consumer ? width : n;
  multiply(rows, panel, endPanel, c, ldc, call.consumer != nullptr);
  if (rows.inexact) multiplyInexact(call, rows, panel, endPanel, c, ldc);
  if (!call.consumer) return;
  const int64_t tile[] = {width, panel * kSquare, std::min(n, endPanel * kSquare)};
  finishBlock(*call.consumer, c, tile, rows.first, rows.first + rows.count);
}

void SplitConstant::execute(const void *lhs, void *result, ThreadPool &pool, const TileConsumer *consumer) const {
  const Call call{static_cast<const float *>(lhs), static_cast<float *>(result), consumer,
                  gemm::newExecution()};
  pool.parallelFor(chunks(), 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) runChunk(call, begin);
  });
}

} // namespace tinyfin
