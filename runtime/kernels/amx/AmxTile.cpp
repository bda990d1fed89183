// SPDX-License-Identifier: Apache-2.0
// The two forms of the innermost product.
#include "runtime/kernels/amx/AmxTile.h"

namespace tinyfin::amx {

#ifdef TINYFIN_AMX_TARGETS
namespace {

constexpr int64_t kTileBytes = 1024;
constexpr int64_t kFewSteps = 16; // of k: then what is stored takes them all, so that memory keeps up

/// What the steps of a square carry along.
struct Walk {
  const char *a, *b, *ahead, *target;
  __m512 awake;
};

/// What is done in a step besides: lines of C that are stored and that are fetched.
struct Pace {
  int64_t rows, targets;
};

/// Stores of tiles go through the floating point units, which fall asleep after 2000 cycles without work and then take
/// 800 to wake up: one multiply-add a step keeps them awake.
TINYFIN_TARGET_AMX inline void stayAwake(__m512 &awake) {
  awake = _mm512_fmadd_ps(awake, awake, awake);
  asm volatile("" : "+v"(awake));
}

#define TINYFIN_LOAD_TILE(through, tile, from, row)                                                                    \
  if constexpr (through)                                                                                               \
    _tile_loadd(tile, from, row);                                                                                      \
  else                                                                                                                 \
    _tile_stream_loadd(tile, from, row)

/// Which of A's two tiles are loaded through L1, to stay there.
enum class Held { None, First, Both };

/// Tiles 0 to 3 hold C, 4 and 5 A, 6 and 7 B. Loads with the t1 hint bypass L1: from L2 they are as fast, and what is
/// held in L1 stays there. Tiles 4 and 6 have been loaded by the step before, but for the first one: loads that the
/// next products wait for come before products that nobody waits for.
template <int rowTiles, int colTiles, Held held, bool last>
TINYFIN_TARGET_AMX inline void multiplyStep(const SquareInputs &in, Walk &walk, PendingRows &pending,
                                            const Pace &pace) {
  constexpr bool two = rowTiles == 2, wide = colTiles == 2;
  const char *ahead = walk.ahead;
#pragma unroll 1
  for (int64_t q = in.aheadLines; q > 0; --q, ahead += in.aheadLine) __builtin_prefetch(ahead, 0, 2);
  walk.ahead += in.aheadStep;
#pragma unroll 1
  for (int64_t q = 0; q < pace.targets; ++q, walk.target += in.targetRow) __builtin_prefetch(walk.target, 1, 3);
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (wide) _tile_stream_loadd(7, walk.b + kTileBytes, 64);
  if constexpr (wide) _tile_dpbf16ps(1, 4, 7);
  if constexpr (two) {
    TINYFIN_LOAD_TILE(held == Held::Both, 5, walk.a + in.aTile, in.aRow);
  }
  walk.a += in.aStep, walk.b += in.bStep;
  if constexpr (!last) {
    TINYFIN_LOAD_TILE(held != Held::None, 4, walk.a, in.aRow);
  }
  if constexpr (two) _tile_dpbf16ps(2, 5, 6);
  if constexpr (!last) _tile_stream_loadd(6, walk.b, 64);
  if constexpr (two && wide) _tile_dpbf16ps(3, 5, 7);
  stayAwake(walk.awake);
  if (pending.rows) [[unlikely]]
    storeRows(pending, pace.rows);
}

template <int rowTiles, int colTiles>
TINYFIN_TARGET_AMX void multiplyTiles(const SquareInputs &in, float *c, int64_t cRow, bool accumulate,
                                      PendingRows &pending) {
  char *c0 = reinterpret_cast<char *>(c), *c1 = c0 + kTile * cRow;
  constexpr bool two = rowTiles == 2, wide = colTiles == 2;
  if (accumulate) {
    _tile_loadd(0, c0, cRow);
    if constexpr (wide) _tile_loadd(1, c0 + 64, cRow);
    if constexpr (two) _tile_loadd(2, c1, cRow);
    if constexpr (two && wide) _tile_loadd(3, c1 + 64, cRow);
  } else {
    _tile_zero(0);
    if constexpr (wide) _tile_zero(1);
    if constexpr (two) _tile_zero(2);
    if constexpr (two && wide) _tile_zero(3);
  }
  Walk walk{in.a, in.b, in.ahead, in.target, _mm512_setzero_ps()};
  const Pace pace{std::max((pending.rows + in.steps - 1) / in.steps, in.steps > kFewSteps ? kTile : 0),
                  (in.targetRows + in.steps - 1) / in.steps};
  const int64_t both = std::min(in.heldSteps, in.steps - 1), rest = in.steps - 1 - both;
  auto walkSteps = [&]<Held held, bool last>(int64_t steps) TINYFIN_TARGET_AMX {
    for (; steps > 0; --steps) multiplyStep<rowTiles, colTiles, held, last>(in, walk, pending, pace);
  };
  _tile_stream_loadd(6, walk.b, 64);
  _tile_loadd(4, walk.a, in.aRow);
  walkSteps.template operator()<Held::Both, false>(both);
  if (in.holdsFirst)
    walkSteps.template operator()<Held::First, false>(rest);
  else
    walkSteps.template operator()<Held::None, false>(rest);
  walkSteps.template operator()<Held::None, true>(1);
  _tile_stored(0, c0, cRow);
  if constexpr (wide) _tile_stored(1, c0 + 64, cRow);
  if constexpr (two) _tile_stored(2, c1, cRow);
  if constexpr (two && wide) _tile_stored(3, c1 + 64, cRow);
}

/// Eight rows of C by 16 * colTiles columns.
template <int colTiles>
TINYFIN_TARGET_BF16 void multiplyRows(const SquareInputs &in, const char *a, char *c, int64_t cRow, bool accumulate) {
  constexpr int rows = 8;
  __m512 sums[rows][colTiles];
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int u = 0; u < colTiles; ++u)
      sums[i][u] = accumulate ? _mm512_loadu_ps(c + i * cRow + u * 64) : _mm512_setzero_ps();
  const char *b = in.b;
  for (int64_t s = in.steps; s > 0; --s, a += in.aStep, b += in.bStep)
    for (int64_t pair = 0; pair < kDepth / 2; ++pair) {
      __m512bh columns[colTiles];
#pragma unroll
      for (int u = 0; u < colTiles; ++u)
        columns[u] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + u * kTileBytes + pair * 64));
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        int32_t both;
        __builtin_memcpy(&both, a + i * in.aRow + pair * 4, 4);
        auto row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
#pragma unroll
        for (int u = 0; u < colTiles; ++u) sums[i][u] = _mm512_dpbf16_ps(sums[i][u], row, columns[u]);
      }
    }
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int u = 0; u < colTiles; ++u) _mm512_storeu_ps(c + i * cRow + u * 64, sums[i][u]);
}

template <int rowTiles, int colTiles>
TINYFIN_TARGET_BF16 void multiplyVectors(const SquareInputs &in, float *c, int64_t cRow, bool accumulate,
                                         PendingRows &pending) {
  storeRows(pending, pending.rows);
  for (int half = 0; half < 2 * rowTiles; ++half)
    multiplyRows<colTiles>(in, in.a + half / 2 * in.aTile + half % 2 * 8 * in.aRow,
                           reinterpret_cast<char *>(c) + half * 8 * cRow, cRow, accumulate);
}

} // namespace

SquareFn squareFor(Isa isa, int rowTiles, int colTiles) {
  static constexpr SquareFn tiles[2][2] = {{multiplyTiles<1, 1>, multiplyTiles<1, 2>},
                                           {multiplyTiles<2, 1>, multiplyTiles<2, 2>}};
  static constexpr SquareFn vectors[2][2] = {{multiplyVectors<1, 1>, multiplyVectors<1, 2>},
                                             {multiplyVectors<2, 1>, multiplyVectors<2, 2>}};
  return (isa == Isa::Amx ? tiles : vectors)[rowTiles - 1][colTiles - 1];
}

#else

SquareFn squareFor(Isa, int, int) { return nullptr; } // isa() is None: nobody asks

#endif

} // namespace tinyfin::amx
