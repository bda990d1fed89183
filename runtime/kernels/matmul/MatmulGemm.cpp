// SPDX-License-Identifier: Apache-2.0
// Blocking for MatmulGemm.h and PackedProduct.h, after the scheme of Goto and van de Geijn (ACM TOMS 34(3), 2008):
//   for each block of k (short enough that a block of A and some panels of B stay in the second cache)
//     pack the rows of A into panels of up to kTileRows, if they do not lie well as they are
//     for each panel of B, for each panel of A: a register tile, added to C from the second block of k on.
// B comes packed (multiplyPacked), or some panels of it are packed just before they are used (BlockProduct).
#include "runtime/kernels/matmul/MatmulGemm.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/matmul/MatmulDots.h"
#include "runtime/kernels/matmul/MatmulPack.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <algorithm>

namespace tinyfin::gemm {
namespace {

constexpr int64_t kDepth = 384;     // of k a block, at most: what is packed at a time stays in the second cache
constexpr int64_t kLoneDepth = 800; // up to here k is one block: C is not read again; longer sums round more
constexpr int64_t kBlockRows = 7 * kTileRows; // of A: larger blocks and their part of C leave the second cache sooner
constexpr int64_t kStreamRows = 384;          // of A, where B is packed for these rows alone
constexpr int64_t kStreamPanels = 4;          // of B that are packed at a time: rows of B lie in other pages each

/// k is spread evenly over its blocks.
struct DepthBlocks {
  int64_t k, count;
  explicit DepthBlocks(int64_t k) : k(k), count(k <= kLoneDepth ? 1 : (k + kDepth - 1) / kDepth) {}
  int64_t most() const { return (k + count - 1) / count; }
  int64_t begin(int64_t block) const { return std::min(k, block * most()); }
};

/// Rows are spread evenly over the fewest panels, so that no tile is left with a row or two.
struct RowPanels {
  int64_t m, count;
  explicit RowPanels(int64_t m) : m(m), count((m + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t panel) const { return m * panel / count; }
};

/// One tile whose columns do not fit C: computed into a buffer, of which `cols` are taken.
template <class Acc>
void multiplyEdge(TileFn<Acc> tile, const TileInputs<Acc> &in, int64_t rows, int64_t cols, Acc *c, int64_t ldc,
                  bool accumulate, AheadLines &ahead) {
  constexpr int width = kTileCols<Acc>;
  alignas(64) Acc sums[kTileRows * width];
  tile(in, sums, width, false, ahead);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j)
      c[i * ldc + j] = accumulate ? c[i * ldc + j] + sums[i * width + j] : sums[i * width + j];
}

/// The rows of A for one block of k: read where they lie, or packed into scratch panel behind panel.
template <class Acc> class PanelsOfA {
public:
  template <class T>
  PanelsOfA(const T *a, int64_t aRow, int64_t aCol, int64_t m, int64_t depth, bool packs) : rows(m), depth(depth) {
    if constexpr (std::is_same_v<Acc, T>) {
      if (!packs) {
        data = a, panelStride = aRow, step = aCol == 1 ? aRow : aCol, neighbours = aCol != 1;
        return;
      }
    }
    Acc *packed = scratch<Acc>(ScratchUse::GemmA, m * depth + kLanes<Acc>);
    for (int64_t panel = 0; panel < rows.count; ++panel) {
      int64_t begin = rows.begin(panel), count = rows.begin(panel + 1) - begin;
      packPanel(packed + begin * depth, count, count, depth, a + begin * aRow, aCol, aRow);
    }
    data = packed, panelStride = depth, step = 0, neighbours = true;
  }

  int64_t count() const { return rows.count; }
  int64_t begin(int64_t panel) const { return rows.begin(panel); }
  int64_t size(int64_t panel) const { return rows.begin(panel + 1) - rows.begin(panel); }
  bool areNeighbours() const { return neighbours; }
  TileInputs<Acc> inputs(int64_t panel, const Acc *b, int64_t bRow) const {
    return {data + rows.begin(panel) * panelStride, step ? step : size(panel), b, bRow, depth};
  }

private:
  RowPanels rows;
  int64_t depth;
  const Acc *data = nullptr;
  int64_t panelStride = 0, step = 0; // step 0: a panel's own width
  bool neighbours = false;
};

/// Rows that lie 4 KiB apart fall into the same set of the first cache and push each other out.
template <class Acc> bool liesBadly(int64_t aRow) {
  int64_t distance = aRow * static_cast<int64_t>(sizeof(Acc)) % 4096;
  return std::min(distance, 4096 - distance) < 128;
}

template <class Acc, class T> bool packsA(int64_t aRow, int64_t aCol, int64_t m, int64_t cols) {
  if (!std::is_same_v<Acc, T>) return true;
  if (cols <= 2 * kTileCols<Acc>) return false;
  return aCol != 1 || (m > kTileRows / 2 && liesBadly<Acc>(aRow));
}

/// The lines of an operand's part: `width` rows of A (or columns of B) `across` apart, `depth` elements `along` apart.
template <class T> AheadLines linesOf(const T *from, int64_t width, int64_t across, int64_t depth, int64_t along) {
  const int64_t size = sizeof(T);
  return along == 1 ? AheadLines(from, width, depth * size, across * size)
                    : AheadLines(from, depth, width * size, along * size);
}

/// C += or = all panels of A times one panel of B.
template <class Acc>
void multiplyPanel(const PanelsOfA<Acc> &a, const Acc *b, int64_t bRow, int64_t cols, Acc *c, int64_t ldc,
                   bool accumulate, AheadLines &ahead) {
  int vectors = cols <= kLanes<Acc> ? 1 : 2;
  for (int64_t panel = 0; panel < a.count(); ++panel) {
    TileFn<Acc> tile = tileFor<Acc>(a.size(panel), vectors, a.areNeighbours());
    TileInputs<Acc> in = a.inputs(panel, b, bRow);
    Acc *out = c + a.begin(panel) * ldc;
    if (cols == vectors * kLanes<Acc>)
      tile(in, out, ldc, accumulate, ahead);
    else
      multiplyEdge<Acc>(tile, in, a.size(panel), cols, out, ldc, accumulate, ahead);
  }
}

/// Panels are whole in k and follow each other.
template <class Acc, class T> void multiplyPacked(const PackedBlock &block) {
  constexpr int64_t width = kTileCols<Acc>;
  const Acc *packed = static_cast<const Acc *>(block.panels);
  Acc *c = static_cast<Acc *>(block.c);
  if (block.k == 0)
    for (int64_t i = 0; i < block.rows; ++i) std::fill_n(c + i * block.ldc, block.cols, Acc(0));
  bool packs = packsA<Acc, T>(block.a.row, block.a.col, block.rows, block.cols);
  DepthBlocks depths(block.k);
  for (int64_t i = 0, k0 = 0; k0 < block.k; k0 = depths.begin(++i)) {
    int64_t depth = depths.begin(i + 1) - k0;
    const T *from = static_cast<const T *>(block.a.data) + k0 * block.a.col;
    PanelsOfA<Acc> a(from, block.a.row, block.a.col, block.rows, depth, packs);
    int64_t next = k0 + depth < block.k ? block.rows : block.rowsAfter;
    from +=
        next == block.rows && k0 + depth < block.k ? depth * block.a.col : block.rows * block.a.row - k0 * block.a.col;
    const int64_t steps = a.count() * ((block.cols + width - 1) / width) * depth;
    AheadLines ahead = linesOf(from, next, block.a.row, depth, block.a.col).during(steps);
    for (int64_t column = 0; column < block.cols; column += width)
      multiplyPanel<Acc>(a, packed + column * block.k + k0 * width, width, std::min(width, block.cols - column),
                         c + column, block.ldc, i > 0, ahead);
  }
}

template <class Acc, class T> bool packsBlock(const MatrixView &a, int64_t rows, int64_t cols) {
  return packsA<Acc, T>(a.row, a.col, rows, cols);
}

template <class Acc> int64_t panelBytes(int64_t k) { return kTileCols<Acc> * k * static_cast<int64_t>(sizeof(Acc)); }

template <class Acc, class T>
void packPanels(const MatrixView &b, int64_t k, int64_t n, const PackRange &range, void *packed) {
  constexpr int64_t width = kTileCols<Acc>;
  // Rows of B lie in other pages each: few at a time, through all panels.
  int64_t piece = b.col == 1 ? 16 : range.depthEnd - range.depthBegin;
  for (int64_t depth = range.depthBegin; depth < range.depthEnd; depth += piece)
    for (int64_t panel = range.panelBegin; panel < range.panelEnd; ++panel)
      packPanel(static_cast<Acc *>(packed) + (panel * k + depth) * width, width, std::min(width, n - panel * width),
                std::min(piece, range.depthEnd - depth),
                static_cast<const T *>(b.data) + depth * b.row + panel * width * b.col, b.row, b.col);
}

/// Where a block product is: rows from `row` on, the block of k that begins at k0. At its end k0 is k.
struct BlockStep {
  int64_t row, rows, k0, depth;
};

/// A block whose B is packed here, if at all: some panels at a time, into memory that stays in the second cache while
/// all rows use them. Meanwhile the lines of the next panels, and a part of the next rows', are fetched.
template <class Acc, class T> class BlockProduct {
public:
  BlockProduct(const Block &block, Acc *c, int64_t ldc) : block(block), c(c), ldc(ldc), depths(block.k) {}

  void run(bool accumulate) const {
    for (BlockStep step = stepAt(0, 0); step.k0 < block.k; step = after(step))
      multiplyRows(step, accumulate || step.k0 > 0);
  }

  static ScratchNeed scratchNeed(int64_t m, int64_t n, int64_t k) {
    int64_t depth = DepthBlocks(k).most(), cols = std::min(kStreamPanels * width, (n + width - 1) / width * width);
    return {std::min(m, kStreamRows) * depth + kLanes<Acc>, cols * depth, std::min(m, kBlockRows) * n};
  }

private:
  static constexpr int64_t width = kTileCols<Acc>;

  BlockStep stepAt(int64_t row, int64_t k0) const {
    return {row, std::min(kStreamRows, block.m - row), k0, std::min(depths.most(), block.k - k0)};
  }
  BlockStep after(const BlockStep &step) const {
    bool isLast = step.row + step.rows == block.m;
    return stepAt(isLast ? 0 : step.row + step.rows, isLast ? step.k0 + step.depth : step.k0);
  }
  const T *aAt(int64_t row, int64_t k0) const {
    return static_cast<const T *>(block.a) + row * block.aRow + k0 * block.aCol;
  }
  const T *bAt(int64_t column, int64_t k0) const {
    return static_cast<const T *>(block.b) + k0 * block.bRow + column * block.bCol;
  }
  /// Few rows do not repay packing, and a single panel is read as it would be packed.
  bool readsInPlace() const {
    return std::is_same_v<Acc, T> && block.bCol == 1 && (block.m <= 2 * kTileRows || block.n == width);
  }
  const Acc *packB(const BlockStep &step, int64_t begin, int64_t end) const {
    Acc *packed = scratch<Acc>(ScratchUse::GemmB, scratchNeed(block.m, block.n, block.k).b);
    packPanels<Acc, T>({bAt(begin, step.k0), block.bRow, block.bCol}, step.depth, end - begin,
                       {0, (end - begin + width - 1) / width, 0, step.depth}, packed);
    return packed;
  }

  /// What is packed next of B, behind the columns that end here.
  AheadLines nextOfB(const BlockStep &step, const BlockStep &next, int64_t end) const {
    const bool isLast = end == block.n;
    if (isLast && next.k0 == block.k) return {};
    int64_t column = isLast ? 0 : end, cols = std::min(kStreamPanels * width, block.n - column);
    const BlockStep &at = isLast ? next : step;
    return linesOf(bAt(column, at.k0), cols, block.bCol, at.depth, block.bRow);
  }
  /// The part of the next rows of A that is due while columns [begin, end) are multiplied.
  AheadLines nextOfA(const BlockStep &next, int64_t begin, int64_t end) const {
    if (next.k0 == block.k) return {};
    const bool byRows = block.aCol == 1;
    int64_t extent = byRows ? next.rows : next.depth, from = extent * begin / block.n, to = extent * end / block.n;
    return byRows ? linesOf(aAt(next.row + from, next.k0), to - from, block.aRow, next.depth, block.aCol)
                  : linesOf(aAt(next.row, next.k0 + from), next.rows, block.aRow, to - from, block.aCol);
  }

  void multiplyRows(const BlockStep &step, bool accumulate) const {
    bool packs = packsA<Acc, T>(block.aRow, block.aCol, step.rows, block.n);
    PanelsOfA<Acc> a(aAt(step.row, step.k0), block.aRow, block.aCol, step.rows, step.depth, packs);
    const BlockStep next = after(step);
    Acc *out = c + step.row * ldc;
    for (int64_t begin = 0; begin < block.n; begin += kStreamPanels * width) {
      const int64_t end = std::min(block.n, begin + kStreamPanels * width);
      const int64_t packedFrom = readsInPlace() ? end / width * width : begin;
      const Acc *packed = packedFrom < end ? packB(step, packedFrom, end) : nullptr;
      AheadLines ahead[2];
      if (packed) {
        const int64_t steps = a.count() * ((end - begin + width - 1) / width) * step.depth / 2;
        ahead[0] = nextOfB(step, next, end).during(steps), ahead[1] = nextOfA(next, begin, end).during(steps);
      }
      for (int64_t column = begin, i = 0; column < end; column += width, ++i) {
        const Acc *b = nullptr;
        int64_t bRow = width;
        if (column >= packedFrom) b = packed + (column - packedFrom) * step.depth;
        if constexpr (std::is_same_v<Acc, T>)
          if (!b) b = bAt(column, step.k0), bRow = block.bRow;
        multiplyPanel<Acc>(a, b, bRow, std::min(width, end - column), out + column, ldc, accumulate, ahead[i % 2]);
      }
    }
  }

  const Block &block;
  Acc *c;
  int64_t ldc;
  DepthBlocks depths;
};

/// With k = 0 the product is zero.
template <class R> void storeEmptyProduct(const Block &block) {
  for (int64_t i = 0; i < block.m && !block.accumulate; ++i)
    std::fill_n(static_cast<R *>(block.c) + i * block.ldc, block.n, R{});
}

/// Storage narrower than the accumulator is rounded once, from a buffer of some rows.
template <class Acc, class T> void multiplyNarrow(const Block &block) {
  constexpr int64_t most = kBlockRows;
  for (int64_t row = 0; row < block.m; row += most) {
    Block part = block;
    part.m = std::min(most, block.m - row);
    part.a = static_cast<const T *>(block.a) + row * block.aRow;
    Acc *sums = scratch<Acc>(ScratchUse::GemmC, part.m * block.n);
    BlockProduct<Acc, T>(part, sums, block.n).run(false);
    for (int64_t i = 0; i < part.m; ++i) {
      T *to = static_cast<T *>(block.c) + (row + i) * block.ldc;
      for (int64_t j = 0; j < block.n; ++j)
        to[j] = store<T>(sums[i * block.n + j] + (block.accumulate ? load<T>(to[j]) : Acc(0)));
    }
  }
}

template <class Acc, class T> void multiplyAs(const Block &block) {
  if (block.m == 0 || block.n == 0) return;
  bool direct = block.wide || std::is_same_v<Acc, T>;
  if (block.k == 0) return direct ? storeEmptyProduct<Acc>(block) : storeEmptyProduct<T>(block);
  if constexpr (std::is_same_v<Acc, T>)
    if (block.m <= kDotRows && block.k >= kLanes<Acc> && block.aCol == 1 && block.bRow == 1 && block.bCol != 1)
      return multiplyByDots(static_cast<const Acc *>(block.a), block.aRow, static_cast<const Acc *>(block.b),
                            block.bCol, block.m, block.n, block.k, static_cast<Acc *>(block.c), block.ldc,
                            block.accumulate);
  if (direct) return BlockProduct<Acc, T>(block, static_cast<Acc *>(block.c), block.ldc).run(block.accumulate);
  multiplyNarrow<Acc, T>(block);
}

template <class Acc, class T>
constexpr PackedProduct kOwn = {.panelCols = kTileCols<Acc>,
                                .blockRows = kBlockRows,
                                .rowMultiple = 1,
                                .depthPiece = 128,
                                .chunkWork = 1 << 19,
                                .enoughChunks = 32,
                                .packingRows = 16,
                                .sliceBytes = 2 << 20,
                                .sharedBytes = 2 << 20,
                                .costs = {.ofA = 16, .ofTurnedA = 16, .intoSlice = 24, .intoGroup = 13},
                                .streamRows = kStreamRows,
                                .packsBlock = packsBlock<Acc, T>,
                                .panelBytes = panelBytes<Acc>,
                                .packPanels = packPanels<Acc, T>,
                                .multiplyBlock = multiplyPacked<Acc, T>,
                                .multiplyUnpacked = multiplyOwn};

} // namespace

void multiplyOwn(DType dtype, const Block &block) {
  switch (dtype) {
  case DType::F32:
    return multiplyAs<float, float>(block);
  case DType::F64:
    return multiplyAs<double, double>(block);
  case DType::BF16:
    return multiplyAs<float, BFloat16>(block);
  default:
    return multiplyAs<float, Float16>(block);
  }
}

ScratchNeed scratchNeed(DType dtype, int64_t m, int64_t n, int64_t k) {
  return dtype == DType::F64 ? BlockProduct<double, double>::scratchNeed(m, n, k)
                             : BlockProduct<float, float>::scratchNeed(m, n, k);
}

const PackedProduct &ownProduct(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return kOwn<float, float>;
  case DType::F64:
    return kOwn<double, double>;
  case DType::BF16:
    return kOwn<float, BFloat16>;
  default:
    return kOwn<float, Float16>;
  }
}

} // namespace tinyfin::gemm
