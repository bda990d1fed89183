// SPDX-License-Identifier: Apache-2.0
// Blocking and packing for MatmulGemm.h, after the scheme of Goto and van de Geijn (ACM TOMS 34(3), 2008):
//   for each block of k (kept short enough that panels stay in the inner caches)
//     pack all of B's columns into panels of kTileCols; for each panel of up to kTileRows rows of A: pack, run tiles.
#include "runtime/kernels/MatmulGemm.h"
#include "runtime/kernels/Half.h"
#include "runtime/kernels/MatmulTile.h"
#include "runtime/kernels/Scratch.h"
#include <algorithm>
#include <type_traits>

namespace tinyfin::gemm {
namespace {

constexpr int64_t kDepth = 384; // of k a block: a panel of B and one of A fit into 64 KiB

/// One step of a transposition by perfect shuffles: rows i and i + L/2 are interleaved into rows 2i and 2i + 1.
template <class V, int... j> V interleave(V low, V high, bool upper, std::integer_sequence<int, j...>) {
  constexpr int lanes = sizeof...(j);
  return upper ? __builtin_shufflevector(low, high, (lanes / 2 + j / 2 + (j % 2) * lanes)...)
               : __builtin_shufflevector(low, high, (j / 2 + (j % 2) * lanes)...);
}

/// to[j * toRow + i] = from[i * fromRow + j] for a square of kLanes x kLanes: log2(kLanes) perfect shuffles.
template <class Acc>
#if defined(__AVX512F__)
__attribute__((min_vector_width(512)))
#endif
void transposeSquare(Acc *to, int64_t toRow, const Acc *from, int64_t fromRow) {
  constexpr int lanes = kLanes<Acc>;
  using V = Vector<Acc>;
  using Lanes = std::make_integer_sequence<int, lanes>;
  V rows[lanes], next[lanes];
#pragma unroll
  for (int i = 0; i < lanes; ++i) rows[i] = *reinterpret_cast<const V *>(from + i * fromRow);
#pragma unroll
  for (int stage = 1; stage < lanes; stage *= 2) {
#pragma unroll
    for (int i = 0; i < lanes / 2; ++i) {
      next[2 * i] = interleave(rows[i], rows[i + lanes / 2], false, Lanes());
      next[2 * i + 1] = interleave(rows[i], rows[i + lanes / 2], true, Lanes());
    }
#pragma unroll
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
#pragma unroll
  for (int i = 0; i < lanes; ++i) *reinterpret_cast<V *>(to + i * toRow) = rows[i];
}

/// to[p * width + j] = from[p + j * stride] for p < depth, j < used.
template <class Acc, class T>
void packTransposed(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t stride) {
  int64_t squareRows = 0, squareDepth = 0;
  if constexpr (std::is_same_v<Acc, T>) {
    constexpr int64_t lanes = kLanes<Acc>;
    squareRows = used / lanes * lanes;
    squareDepth = depth / lanes * lanes;
    for (int64_t j = 0; j < squareRows; j += lanes)
      for (int64_t p = 0; p < squareDepth; p += lanes)
        transposeSquare(to + p * width + j, width, from + j * stride + p, stride);
  }
  for (int64_t j = 0; j < used; ++j)
    for (int64_t p = j < squareRows ? squareDepth : 0; p < depth; ++p)
      to[p * width + j] = load<T>(from[j * stride + p]);
}

/// to[p * width + j] = from[p * stride + j] for p < depth, j < used. While enough rows follow, whole vectors are
/// copied: what a row writes too much, the next ones write over, and what it reads too much lies in the next ones.
template <class Acc, class T>
void packRows(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t stride) {
  int64_t p = 0;
  if constexpr (std::is_same_v<Acc, T>) {
    constexpr int64_t most = std::max<int64_t>(kTileCols<Acc>, kTileRows), lanes = kLanes<Acc>;
    for (; p < depth - most; ++p)
      for (int64_t j = 0; j < used; j += lanes)
        *reinterpret_cast<Vector<Acc> *>(to + p * width + j) =
            *reinterpret_cast<const Vector<Acc> *>(from + p * stride + j);
  }
  for (; p < depth; ++p)
    for (int64_t j = 0; j < used; ++j) to[p * width + j] = load<T>(from[p * stride + j]);
}

/// to[p * width + j] = from[p * depthStride + j * widthStride] for p < depth, j < used; zeros for used <= j < width.
template <class Acc, class T>
void packPanel(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t depthStride,
               int64_t widthStride) {
  if (widthStride == 1)
    packRows(to, width, used, depth, from, depthStride);
  else
    packTransposed(to, width, used, depth, from, widthStride);
  if (used == width) return;
  for (int64_t p = 0; p < depth; ++p) std::fill(to + p * width + used, to + (p + 1) * width, Acc(0));
}

/// One tile whose columns or type do not fit C: computed into scratch, then stored element by element.
template <class Acc, class T, class R>
void storeThroughScratch(TileFn<Acc> tile, const TileInputs<Acc> &in, int64_t rows, int64_t cols, R *c, int64_t ldc,
                         const T *bias, const TileStore<Acc> &finish) {
  constexpr int width = kTileCols<Acc>;
  alignas(64) Acc sums[kTileRows * width];
  tile(in, sums, width, {});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) {
      Acc value = sums[i * width + j];
      if (bias) value += load<T>(bias[j]);
      if (finish.accumulate) value += load<R>(c[i * ldc + j]);
      if (finish.relu) value = value < 0 ? Acc(0) : value;
      c[i * ldc + j] = store<R>(value);
    }
}

/// Rows are spread evenly over the fewest panels, so that no tile is left with a row or two.
struct RowPanels {
  int64_t m, count;
  explicit RowPanels(int64_t m) : m(m), count((m + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t panel) const { return m * panel / count; }
};

/// Operands of type T, accumulated in Acc, stored as R.
template <class Acc, class T, class R> class BlockProduct {
public:
  explicit BlockProduct(const Block &block) : block(block) {
    // Storage narrower than the accumulator must not be rounded between blocks of k.
    depth = std::is_same_v<Acc, R> ? std::min(kDepth, block.k) : block.k;
    panels = (block.n + width - 1) / width;
    packedB = scratch<Acc>(ScratchUse::GemmB, panels * width * depth);
    packedA = scratch<Acc>(ScratchUse::GemmA, kTileRows * depth);
  }

  void run() {
    for (int64_t k0 = 0; k0 < block.k; k0 += depth) {
      int64_t count = std::min(depth, block.k - k0);
      packB(k0, count);
      RowPanels rows(block.m);
      for (int64_t panel = 0; panel < rows.count; ++panel)
        multiplyRows(rows.begin(panel), rows.begin(panel + 1) - rows.begin(panel), k0, count);
    }
  }

private:
  static constexpr int64_t width = kTileCols<Acc>;

  /// Rows of B that already lie as a panel would are read in place.
  bool readsBInPlace() const {
    return std::is_same_v<Acc, T> && block.bCol == 1 && (block.m <= 2 * kTileRows || block.n == width);
  }

  void packB(int64_t k0, int64_t count) {
    const T *b = static_cast<const T *>(block.b) + k0 * block.bRow;
    for (int64_t panel = 0; panel < panels; ++panel) {
      int64_t used = std::min(width, block.n - panel * width);
      if (used == width && readsBInPlace()) continue;
      packPanel(packedB + panel * width * count, width, used, count, b + panel * width * block.bCol, block.bRow,
                block.bCol);
    }
  }

  void multiplyRows(int64_t row, int64_t rows, int64_t k0, int64_t count) {
    const T *a = static_cast<const T *>(block.a) + row * block.aRow + k0 * block.aCol;
    TileInputs<Acc> in{packedA, 1, rows, nullptr, width, count};
    bool inPlace = false;
    if constexpr (std::is_same_v<Acc, T>) {
      inPlace = block.aCol == 1 || block.n <= 2 * width;
      if (inPlace) in.a = a, in.aRow = block.aRow, in.aCol = block.aCol;
    }
    if (!inPlace) packPanel(packedA, rows, rows, count, a, block.aCol, block.aRow);
    for (int64_t panel = 0; panel < panels; ++panel) multiplyPanel(row, rows, k0, count, panel, in);
  }

  void multiplyPanel(int64_t row, int64_t rows, int64_t k0, int64_t count, int64_t panel, TileInputs<Acc> in) {
    int64_t column = panel * width, cols = std::min(width, block.n - column);
    bool last = k0 + count == block.k;
    TileFn<Acc> tile = tileFor<Acc>(rows, cols <= kLanes<Acc> ? 1 : 2);
    R *c = static_cast<R *>(block.c) + row * block.ldc + column;
    const T *bias = last && block.bias ? static_cast<const T *>(block.bias) + column : nullptr;
    TileStore<Acc> finish{nullptr, last && block.relu, block.accumulate || k0 > 0};
    in.b = packedB + panel * width * count;
    if constexpr (std::is_same_v<Acc, T>)
      if (cols == width && readsBInPlace())
        in.b = static_cast<const T *>(block.b) + k0 * block.bRow + column, in.bRow = block.bRow;
    if constexpr (std::is_same_v<Acc, R>)
      if (cols == width && (!bias || std::is_same_v<Acc, T>)) {
        finish.bias = reinterpret_cast<const Acc *>(bias);
        return tile(in, c, block.ldc, finish);
      }
    storeThroughScratch<Acc, T, R>(tile, in, rows, cols, c, block.ldc, bias, finish);
  }

  const Block &block;
  int64_t depth, panels;
  Acc *packedA, *packedB;
};

/// With k = 0 the product is zero: only the epilogue remains.
template <class Acc, class T, class R> void storeEmptyProduct(const Block &block) {
  const T *bias = static_cast<const T *>(block.bias);
  for (int64_t i = 0; i < block.m; ++i) {
    R *row = static_cast<R *>(block.c) + i * block.ldc;
    for (int64_t j = 0; j < block.n; ++j) {
      Acc value = bias ? load<T>(bias[j]) : Acc(0);
      if (block.accumulate) value += load<R>(row[j]);
      row[j] = store<R>(block.relu && value < 0 ? Acc(0) : value);
    }
  }
}

template <class Acc, class T, class R> void multiplyInto(const Block &block) {
  if (block.m == 0 || block.n == 0) return;
  if (block.k == 0) return storeEmptyProduct<Acc, T, R>(block);
  BlockProduct<Acc, T, R>(block).run();
}

template <class Acc, class T> void multiplyAs(const Block &block) {
  if (block.wide)
    multiplyInto<Acc, T, Acc>(block);
  else
    multiplyInto<Acc, T, T>(block);
}

} // namespace

void multiply(DType dtype, const Block &block) {
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

int64_t columnMultiple(DType dtype) { return dtype == DType::F64 ? kTileCols<double> : kTileCols<float>; }

} // namespace tinyfin::gemm
