// SPDX-License-Identifier: Apache-2.0
// A chunk: for each of its panels, for each block of k, for each tile of rows: a register tile, added to C from the
// second block of k on. The packed operand is read front to back: while a block of it is multiplied, the next one is
// fetched, evenly, as lines that all come at once would hold up what the tiles read.
#include "runtime/kernels/matmul/ConstantProduct.h"
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/matmul/MatmulPack.h"
#include "runtime/kernels/matmul/PackedMemory.h"
#include <algorithm>

namespace tinyfin {
namespace {

using namespace gemm;

constexpr int64_t kWidth = kTileCols<float>;
constexpr int64_t kOneBlock = 48;            // rows that are not cut
constexpr int64_t kFewRows = 256;            // up to here blocks are low: a thread finds its rows in its own cache
constexpr int64_t kLowRows = 32, kRows = 98; // of a block, about
constexpr int64_t kBlockElements = 1 << 18;  // of the left operand: they stay in the second cache
constexpr int64_t kLowDepth = 128,
                  kDepth = 384; // of k in one go: C is not read too often, the first block not waited for too long
constexpr int64_t kLowPanels = 3, kPanels = 12; // of a chunk
constexpr int64_t kEnoughChunks = 32;           // so that a thread that is held up leaves little behind
constexpr int64_t kLine = 64 / sizeof(float);

/// Rows that lie 4 KiB apart fall into the same set of the first cache and push each other out.
bool liesBadly(int64_t stride) {
  int64_t distance = stride * static_cast<int64_t>(sizeof(float)) % 4096;
  return std::min(distance, 4096 - distance) < 128;
}

/// Pieces of about equal size, none larger than `most`.
struct Pieces {
  int64_t extent, count;
  Pieces(int64_t extent, int64_t most) : extent(extent), count(std::max<int64_t>(1, ceilDiv(extent, most))) {}
  int64_t begin(int64_t piece) const { return extent * piece / count; }
};

/// What is fetched at each step of k: `lines` lines, which move on by `step` bytes.
template <int lines> struct Stream {
  const char *at;
  int64_t step;
  void fetch() {
#pragma unroll
    for (int i = 0; i < lines; ++i) __builtin_prefetch(at + 64 * i, 0, 2);
    at += step;
  }
};

template <int lines> using StreamFn = void (*)(const TileInputs<float> &, float *, int64_t, bool, Stream<lines> &);
template <int lines> StreamFn<lines> tileOf(int64_t rows) {
  static constexpr auto table = []<int... i>(std::integer_sequence<int, i...>) {
    return std::array<StreamFn<lines>, sizeof...(i)>{multiplyTile<float, i + 1, 2, false, Stream<lines>>...};
  }(std::make_integer_sequence<int, kTileRows>());
  return table[rows - 1];
}

/// Rows of A times a block of a panel of B, into C.
struct Strip {
  const float *a;
  int64_t stride, rows;
  const float *b;
  int64_t depth;
  float *c;
  int64_t ldc, cols; // cols < kWidth: what lies behind them in C must stay
  bool accumulate;
};

template <int lines> void multiplyStrip(const Strip &s) {
  const Pieces tiles(s.rows, kTileRows);
  const int64_t block = s.depth * kWidth * sizeof(float);
  Stream<lines> next{reinterpret_cast<const char *>(s.b) + block, ceilDiv(block, tiles.count * s.depth)};
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t from = tiles.begin(tile), count = tiles.begin(tile + 1) - from;
    const TileInputs<float> in{s.a + from * s.stride, s.stride, s.b, kWidth, s.depth};
    float *c = s.c + from * s.ldc;
    if (s.cols == kWidth) {
      tileOf<lines>(count)(in, c, s.ldc, s.accumulate, next);
      continue;
    }
    alignas(64) float sums[kTileRows * kWidth];
    tileOf<lines>(count)(in, sums, kWidth, false, next);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < s.cols; ++j)
        c[i * s.ldc + j] = (s.accumulate ? c[i * s.ldc + j] : 0) + sums[i * kWidth + j];
  }
}

} // namespace

/// What one execution hands to its chunks.
struct ConstantProduct::Call {
  const float *lhs;
  int64_t stride; // of its rows
  float *result;
  const TileConsumer *consumer;
};

bool ConstantProduct::suits(const MatmulSpec &spec) {
  return spec.dtype == DType::F32 && spec.batchRank == 0 && !spec.transposeLhs && spec.m > 0 && spec.n > 0 &&
         spec.k > 0;
}

StatusOr<std::shared_ptr<const ConstantProduct>> ConstantProduct::create(const MatmulSpec &spec, const void *rhs,
                                                                         ThreadPool &pool) {
  auto product = std::make_shared<ConstantProduct>();
  product->m = spec.m, product->n = spec.n, product->k = spec.k;
  product->cut();
  product->bytes = product->panels * kWidth * spec.k * sizeof(float);
  auto memory = packedMemory(product->bytes);
  if (!memory.isOk()) return memory.status();
  product->packed = std::static_pointer_cast<float>(memory.value());
  product->pack(static_cast<const float *>(rhs), spec.transposeRhs, pool);
  return std::shared_ptr<const ConstantProduct>(std::move(product));
}

/// Chunks of one block of rows follow each other, so that a thread mostly meets rows that it wrote itself, in the
/// kernel before: lines from another core's cache cost more than reading all of the packed operand from the third one.
/// Few rows are one block, a chunk is a panel. Many: a chunk's blocks of both operands and of C stay in the second
/// cache, and what finishes them meets long rows.
void ConstantProduct::cut() {
  panels = ceilDiv(n, kWidth);
  const int64_t most = std::max<int64_t>(2 * kTileRows, kBlockElements / k), wanted = m <= kFewRows ? kLowRows : kRows;
  rowBlocks = m <= kOneBlock ? 1 : ceilDiv(m, std::min(most, wanted));
  groupPanels = rowBlocks == 1 ? 1 : std::min(panels, m <= kFewRows ? kLowPanels : kPanels);
  while (groupPanels > 1 && rowBlocks * ceilDiv(panels, groupPanels) < kEnoughChunks)
    groupPanels = (groupPanels + 1) / 2;
  groups = ceilDiv(panels, groupPanels);
}

const float *ConstantProduct::panelAt(int64_t panel) const { return packed.get() + panel * k * kWidth; }

void ConstantProduct::pack(const float *rhs, bool isTransposed, ThreadPool &pool) {
  const int64_t row = isTransposed ? 1 : n, col = isTransposed ? k : 1;
  pool.parallelFor(panels, 1, [&](int64_t panel, int64_t end) {
    for (; panel < end; ++panel)
      packPanel(packed.get() + panel * k * kWidth, kWidth, std::min(kWidth, n - panel * kWidth), k,
                rhs + panel * kWidth * col, row, col);
  });
}

/// The left operand with its rows a line further apart.
const float *ConstantProduct::spreadRows(const float *lhs, int64_t stride, ThreadPool &pool) const {
  auto *spread = scratch<float>(ScratchUse::GemmPackedRows, m * stride);
  pool.parallelFor(m, std::max<int64_t>(1, (1 << 14) / k), [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) std::copy_n(lhs + begin * k, k, spread + begin * stride);
  });
  return spread;
}

void ConstantProduct::multiply(const Call &call, int64_t row, int64_t rows, int64_t panel, int64_t endPanel, float *c,
                               int64_t ldc) const {
  const bool isOneTile = rows <= kTileRows;
  const Pieces depths(k, !isOneTile && rows <= kOneBlock ? kLowDepth : kDepth);
  for (; panel < endPanel; ++panel, c += kWidth) {
    const int64_t cols = call.consumer ? kWidth : std::min(kWidth, n - panel * kWidth);
    for (int64_t block = 0; block < depths.count; ++block) {
      const int64_t begin = depths.begin(block), depth = depths.begin(block + 1) - begin;
      Strip strip{call.lhs + row * call.stride + begin,
                  call.stride,
                  rows,
                  panelAt(panel) + begin * kWidth,
                  depth,
                  c,
                  ldc,
                  cols,
                  block > 0};
      isOneTile ? multiplyStrip<2>(strip) : multiplyStrip<1>(strip);
    }
  }
}

void ConstantProduct::runChunk(const Call &call, int64_t index) const {
  const int64_t block = index / groups, panel = index % groups * groupPanels;
  const int64_t row = m * block / rowBlocks, rows = m * (block + 1) / rowBlocks - row;
  const int64_t endPanel = std::min(panels, panel + groupPanels), width = (endPanel - panel) * kWidth;
  if (!call.consumer) return multiply(call, row, rows, panel, endPanel, call.result + row * n + panel * kWidth, n);
  auto *c = scratch<float>(ScratchUse::GemmC, rows * width);
  multiply(call, row, rows, panel, endPanel, c, width);
  const int64_t tile[] = {width, panel * kWidth, std::min(n, endPanel * kWidth)};
  finishBlock(*call.consumer, c, tile, row, row + rows);
}

void ConstantProduct::execute(const void *lhs, void *result, ThreadPool &pool, const TileConsumer *consumer) const {
  Call call{static_cast<const float *>(lhs), k, static_cast<float *>(result), consumer};
  if (m > kTileRows / 2 && liesBadly(k)) {
    call.stride = k + kLine;
    call.lhs = spreadRows(call.lhs, call.stride, pool);
  }
  pool.parallelFor(chunks(), 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) runChunk(call, begin);
  });
}

} // namespace tinyfin
