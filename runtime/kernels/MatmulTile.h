// SPDX-License-Identifier: Apache-2.0
// The register tile of the own matrix product: up to kTileRows rows by kTileCols columns of C are kept in vector
// registers while k runs. Everything above it (packing, blocking, threads) is in MatmulGemm.h.
#pragma once
#include <cstdint>
#include <utility>

namespace tinyfin::gemm {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64, kTileRows = 14;
#define TINYFIN_WIDE_VECTORS __attribute__((min_vector_width(512)))
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32, kTileRows = 6;
#define TINYFIN_WIDE_VECTORS
#else
inline constexpr int kVectorBytes = 16, kTileRows = 4;
#define TINYFIN_WIDE_VECTORS
#endif

template <class Acc> inline constexpr int kLanes = kVectorBytes / sizeof(Acc);
template <class Acc> inline constexpr int kTileCols = 2 * kLanes<Acc>;

/// Unaligned vector of Acc that may alias Acc.
template <class Acc> struct VectorOf {
  typedef Acc type __attribute__((vector_size(kVectorBytes), aligned(sizeof(Acc)), may_alias));
};
template <class Acc> using Vector = typename VectorOf<Acc>::type;

template <class Acc> TINYFIN_WIDE_VECTORS inline Vector<Acc> splat(Acc value) {
  return [&]<int... i>(std::integer_sequence<int, i...>) {
    return Vector<Acc>{((void)i, value)...};
  }(std::make_integer_sequence<int, kLanes<Acc>>());
}

/// Where the tile's operands are: B(p, j) = b[p * bRow + j]; A(i, p) = a[i + p * aStep] if the rows of the tile are
/// neighbours, else a[i * aStep + p].
template <class Acc> struct TileInputs {
  const Acc *a;
  int64_t aStep;
  const Acc *b;
  int64_t bRow, k;
};

/// Lines of memory that will be packed soon, fetched into the second cache one at each step of k: a core that packs
/// what is far away waits for it. `inner` lines `step` bytes apart, then the lines beside them, `columns` times.
struct AheadLines {
  const char *at = nullptr;
  int64_t step = 0, inner = 0, left = INT64_MAX, columns = 0;
  AheadLines() = default;
  /// `rows` pieces of `bytes`, `stride` bytes apart.
  AheadLines(const void *from, int64_t rows, int64_t bytes, int64_t stride)
      : at(static_cast<const char *>(from)), step(stride), inner(rows), left(rows), columns((bytes + 63) / 64) {
    if (rows <= 0 || bytes <= 0) *this = AheadLines();
  }
  void fetch() {
    __builtin_prefetch(at, 0, 2);
    at += step;
    if (--left == 0) [[unlikely]]
      nextColumn();
  }

private:
  void nextColumn() {
    at += 64 - inner * step;
    left = inner;
    if (--columns > 0) return;
    step = 0, left = INT64_MAX;
  }
};

/// Row i of A at the current p. Addresses are a base plus 0, 1 or 2 steps: x86 adds those for free, and five bases fit
/// into registers where fourteen would not.
template <class Acc, int rows, bool neighbours> class TileRows {
public:
  explicit TileRows(const TileInputs<Acc> &in) : step(in.aStep) {
#pragma unroll
    for (int i = 0; i < kBases; ++i) bases[i] = in.a + 3 * i * step;
  }
  Acc at(int i) const { return neighbours ? bases[0][i] : bases[i / 3][i % 3 * step]; }
  void advance() {
#pragma unroll
    for (int i = 0; i < kBases; ++i) {
      bases[i] += neighbours ? step : 1;
      asm("" : "+r"(bases[i])); // or the compiler would keep an address a row
    }
  }

private:
  static constexpr int kBases = neighbours ? 1 : (rows + 2) / 3;
  const Acc *bases[kBases];
  int64_t step;
};

/// C = A * B, or C += A * B.
template <class Acc, int rows, int vectors, bool neighbours, class Ahead = AheadLines>
TINYFIN_WIDE_VECTORS void multiplyTile(const TileInputs<Acc> &in, Acc *c, int64_t cRow, bool accumulate, Ahead &ahead) {
  constexpr int lanes = kLanes<Acc>;
  using V = Vector<Acc>;
  V sums[rows][vectors];
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int h = 0; h < vectors; ++h) sums[i][h] = V{};
#pragma unroll
  for (int i = 0; i < rows; ++i) {
    __builtin_prefetch(c + i * cRow, 1, 3);
    if constexpr (vectors > 1) __builtin_prefetch(c + i * cRow + lanes, 1, 3);
  }
  TileRows<Acc, rows, neighbours> a(in);
  const Acc *b = in.b;
  const int64_t bRow = in.bRow;
  Ahead lines = ahead;
#pragma unroll 1
  for (int64_t p = in.k; p > 0; --p, a.advance(), b += bRow) {
    lines.fetch();
    V columns[vectors];
#pragma unroll
    for (int h = 0; h < vectors; ++h) columns[h] = *reinterpret_cast<const V *>(b + h * lanes);
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      const V factor = splat<Acc>(a.at(i));
#pragma unroll
      for (int h = 0; h < vectors; ++h) sums[i][h] += factor * columns[h];
    }
  }
  ahead = lines;
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int h = 0; h < vectors; ++h) {
      V *out = reinterpret_cast<V *>(c + i * cRow + h * lanes);
      *out = accumulate ? *out + sums[i][h] : sums[i][h];
    }
}

template <class Acc> using TileFn = void (*)(const TileInputs<Acc> &, Acc *, int64_t, bool, AheadLines &);

/// The tile function for `rows` in [1, kTileRows] and one or two vectors of columns.
template <class Acc> TileFn<Acc> tileFor(int rows, int vectors, bool neighbours) {
  static constexpr auto table = []<int... i>(std::integer_sequence<int, i...>) {
    struct Table {
      TileFn<Acc> entries[2][2][kTileRows];
    };
    return Table{{{{multiplyTile<Acc, i + 1, 1, false>...}, {multiplyTile<Acc, i + 1, 2, false>...}},
                  {{multiplyTile<Acc, i + 1, 1, true>...}, {multiplyTile<Acc, i + 1, 2, true>...}}}};
  }(std::make_integer_sequence<int, kTileRows>());
  return table.entries[neighbours][vectors - 1][rows - 1];
}

} // namespace tinyfin::gemm
