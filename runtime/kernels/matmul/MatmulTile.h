// SPDX-License-Identifier: Apache-2.0
// The register tile of the own matrix product: up to kTileRows rows by kTileCols columns of C are kept in vector
// registers while k runs. Everything above it (packing, blocking, threads) is in MatmulGemm.h.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>
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

/// Steps of k between what a tile fetches ahead. Fetched faster, lines from far away would take all of the core's fill
/// buffers, and the panels' own lines wait behind them.
inline constexpr int64_t kFetchSteps = 8;

/// Whether TINYFIN_DISABLE does not name fetch-ahead. Libraries compiled ahead of time always fetch.
bool fetchesAhead();

/// Lines of memory that will be packed soon, fetched into the second cache while tiles multiply: a core that packs what
/// is far away waits for it. `count` pieces of `lines` neighbouring lines each: across pieces first, each line would be
/// in a page of its own, and finding pages costs more than all else.
struct AheadLines {
  const char *at = nullptr;
  int64_t step = 0; // from the last line of a piece to the first of the next one
  int64_t lines = 0, left = 0, count = 0;
  int64_t rate = 0; // lines each kFetchSteps steps of a tile
  AheadLines() = default;
  /// `pieces` of `bytes`, `stride` bytes apart.
  AheadLines(const void *from, int64_t pieces, int64_t bytes, int64_t stride)
      : at(static_cast<const char *>(from)), lines((bytes + 63) / 64), left(lines), count(pieces) {
    step = stride - 64 * (lines - 1);
    if (pieces <= 0 || bytes <= 0 || !fetchesAhead()) *this = AheadLines();
  }
  /// Chooses the rate at which `steps` steps of tiles suffice.
  AheadLines &during(int64_t steps) {
    rate = std::min(kFetchSteps, (lines * count * kFetchSteps + steps - 1) / std::max<int64_t>(steps, 1));
    return *this;
  }
  void fetch() {
    if (count == 0) return; // what is not mapped would be looked for each time
    __builtin_prefetch(at, 0, 2);
    at += 64;
    if (--left == 0) [[unlikely]]
      nextPiece();
  }
  void fetchSome() {
    for (int64_t i = 0; i < rate; ++i) fetch();
  }

private:
  void nextPiece() {
    at += step - 64;
    left = lines;
    if (--count == 0) rate = 0;
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
  // With A packed, panels of B come from the second cache and lines from far away in between: in groups of steps.
  constexpr bool paced = neighbours && std::is_same_v<Ahead, AheadLines>;
#pragma unroll 1
  for (int64_t left = in.k; left > 0; left -= paced ? kFetchSteps : left) {
    if constexpr (paced) lines.fetchSome();
#pragma unroll 1
    for (int64_t p = paced ? std::min(left, kFetchSteps) : left; p > 0; --p, a.advance(), b += bRow) {
      if constexpr (!paced) lines.fetch();
      V columns[vectors];
#pragma unroll
      for (int h = 0; h < vectors; ++h) {
        if constexpr (paced) __builtin_prefetch(b + kFetchSteps * bRow + h * lanes, 0, 3);
        columns[h] = *reinterpret_cast<const V *>(b + h * lanes);
      }
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        const V factor = splat<Acc>(a.at(i));
#pragma unroll
        for (int h = 0; h < vectors; ++h) sums[i][h] += factor * columns[h];
      }
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
