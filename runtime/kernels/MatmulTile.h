// SPDX-License-Identifier: Apache-2.0
// The register tile of the own matrix product: up to kTileRows rows by kTileCols columns of C are kept in vector
// registers while k runs. Everything above it (packing, blocking, threads) is in MatmulGemm.h.
#pragma once
#include <cstdint>
#include <utility>

namespace tinyfin::gemm {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64, kTileRows = 14;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32, kTileRows = 6;
#else
inline constexpr int kVectorBytes = 16, kTileRows = 4;
#endif

template <class Acc> inline constexpr int kLanes = kVectorBytes / sizeof(Acc);
template <class Acc> inline constexpr int kTileCols = 2 * kLanes<Acc>;

/// Unaligned vector of Acc that may alias Acc.
template <class Acc> struct VectorOf {
  typedef Acc type __attribute__((vector_size(kVectorBytes), aligned(sizeof(Acc)), may_alias));
};
template <class Acc> using Vector = typename VectorOf<Acc>::type;

/// What happens to a tile of A*B on its way into C. `bias` points at the tile's first column, or is null.
template <class Acc> struct TileStore {
  const Acc *bias = nullptr;
  bool relu = false;
  bool accumulate = false;
};

/// Where the tile's operands are: A(i, p) = a[i * aRow + p * aCol], B(p, j) = b[p * bRow + j].
template <class Acc> struct TileInputs {
  const Acc *a;
  int64_t aRow, aCol;
  const Acc *b;
  int64_t bRow, k;
};

template <class Acc, int rows, int vectors>
#if defined(__AVX512F__)
__attribute__((min_vector_width(512)))
#endif
void multiplyTile(const TileInputs<Acc> &in, Acc *c, int64_t cRow, const TileStore<Acc> &store) {
  constexpr int lanes = kLanes<Acc>;
  using V = Vector<Acc>;
  V sums[rows][vectors];
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int h = 0; h < vectors; ++h) sums[i][h] = V{};
  const Acc *a = in.a, *b = in.b;
  const int64_t aRow = in.aRow, aCol = in.aCol, bRow = in.bRow;
  for (int64_t p = in.k; p > 0; --p, a += aCol, b += bRow) {
    V columns[vectors];
#pragma unroll
    for (int h = 0; h < vectors; ++h) columns[h] = *reinterpret_cast<const V *>(b + h * lanes);
#pragma unroll
    for (int i = 0; i < rows; ++i)
#pragma unroll
      for (int h = 0; h < vectors; ++h) sums[i][h] += a[i * aRow] * columns[h];
  }
  V bias[vectors] = {};
  if (store.bias)
#pragma unroll
    for (int h = 0; h < vectors; ++h) bias[h] = *reinterpret_cast<const V *>(store.bias + h * lanes);
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int h = 0; h < vectors; ++h) {
      V *out = reinterpret_cast<V *>(c + i * cRow + h * lanes);
      V value = sums[i][h] + bias[h];
      if (store.accumulate) value += *out;
      if (store.relu) value = value < V{} ? V{} : value; // a NaN stays
      *out = value;
    }
}

template <class Acc> using TileFn = void (*)(const TileInputs<Acc> &, Acc *, int64_t, const TileStore<Acc> &);

/// The tile function for `rows` in [1, kTileRows] and one or two vectors of columns.
template <class Acc> TileFn<Acc> tileFor(int rows, int vectors) {
  static constexpr auto table = []<int... i>(std::integer_sequence<int, i...>) {
    struct Table {
      TileFn<Acc> entries[2][kTileRows];
    };
    return Table{{{multiplyTile<Acc, i + 1, 1>...}, {multiplyTile<Acc, i + 1, 2>...}}};
  }(std::make_integer_sequence<int, kTileRows>());
  return table.entries[vectors - 1][rows - 1];
}

} // namespace tinyfin::gemm
