// SPDX-License-Identifier: Apache-2.0
// Tiles 0 to 3 hold C, 4 and 5 A, 6 and 7 B. 24 products of tiles take 14 loads: the order keeps one operand's part
// while the other's changes.
#include "runtime/kernels/amx/SplitTile.h"
#include "runtime/kernels/matmul/MatmulTile.h"
#include <algorithm>

namespace tinyfin::split {

int64_t farAhead() { return gemm::fetchesAhead() ? 3 * kStepBytes : 0; }

#ifdef TINYFIN_AMX_TARGETS
namespace {

constexpr int64_t kPage = 4096; // what a core fetches ahead by itself ends with a page

/// Loads a tile of a part of A (into 4 or 5) or of B (into 6 or 7): even ones hold the first of two.
template <int tile, int part> TINYFIN_TARGET_AMX inline void load(const char *operand) {
  _tile_loadd(tile, operand + part * kPartBytes + tile % 2 * kTileBytes, 64);
}

/// Products with another part of A; the tiles of B stay.
template <int part> TINYFIN_TARGET_AMX inline void multiplyByA(const char *a) {
  load<4, part>(a);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  load<5, part>(a);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

/// Products with another part of B; the tiles of A stay.
template <int part> TINYFIN_TARGET_AMX inline void multiplyByB(const char *b) {
  load<6, part>(b);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(2, 5, 6);
  load<7, part>(b);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(3, 5, 7);
}

TINYFIN_TARGET_AMX inline void storeRows(PendingSums &pending, int64_t count) {
  count = std::min(count, pending.rows);
  const float *sums = pending.sums;
  float *c = pending.c;
  pending.rows -= count, pending.sums += count * kSquare, pending.c += count * pending.ldc;
  const auto low = static_cast<__mmask16>(pending.columns), high = static_cast<__mmask16>(pending.columns >> 16);
  for (; count > 0; --count, sums += kSquare, c += pending.ldc) {
    __m512 first = _mm512_load_ps(sums), second = _mm512_load_ps(sums + 16);
    if (pending.accumulate) {
      first = _mm512_add_ps(first, _mm512_maskz_loadu_ps(low, c));
      second = _mm512_add_ps(second, _mm512_maskz_loadu_ps(high, c + 16));
    }
    _mm512_mask_storeu_ps(c, low, first);
    _mm512_mask_storeu_ps(c + 16, high, second);
  }
}

TINYFIN_TARGET_AMX void multiplyTiles(const char *a, const char *b, int64_t steps, const PendingSums &next,
                                      PendingSums &pending, int64_t ahead) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int64_t rowsAStep = (kSquare + steps - 1) / std::max<int64_t>(steps, 1);
  int64_t fetched = 0;
  __m512 awake = _mm512_setzero_ps(); // stores of tiles need the floating point units, which fall asleep
  for (; steps > 0; --steps, a += kStepBytes, b += kStepBytes) {
    for (const int64_t end = std::min(fetched + rowsAStep, next.rows); fetched < end; ++fetched) {
      __builtin_prefetch(next.c + fetched * next.ldc, 1, 2);
      __builtin_prefetch(next.c + fetched * next.ldc + 16, 1, 2);
    }
    if (ahead) __builtin_prefetch(b + ahead, 0, 2);
    load<6, 0>(b);
    load<4, 2>(a);
    _tile_dpbf16ps(0, 4, 6);
    load<7, 0>(b);
    _tile_dpbf16ps(1, 4, 7);
    load<5, 2>(a);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    multiplyByA<1>(a);
    multiplyByB<1>(b);
    if (pending.rows) storeRows(pending, rowsAStep);
    if (ahead) __builtin_prefetch(b + ahead + kPage, 0, 2);
    multiplyByA<0>(a);
    multiplyByB<2>(b);
    multiplyByB<0>(b);
    awake = _mm512_fmadd_ps(awake, awake, awake);
    asm volatile("" : "+v"(awake));
  }
  float *sums = next.sums;
  _tile_stored(0, sums, kSquare * sizeof(float));
  _tile_stored(1, sums + 16, kSquare * sizeof(float));
  _tile_stored(2, sums + 16 * kSquare, kSquare * sizeof(float));
  _tile_stored(3, sums + 16 * kSquare + 16, kSquare * sizeof(float));
}

TINYFIN_TARGET_AMX void storeAll(PendingSums &pending) { storeRows(pending, pending.rows); }

} // namespace

void multiplySquare(const char *a, const char *b, int64_t steps, const PendingSums &next, PendingSums &pending,
                    int64_t ahead) {
  multiplyTiles(a, b, steps, next, pending, ahead);
}
void storePending(PendingSums &pending) { storeAll(pending); }

#else

void multiplySquare(const char *, const char *, int64_t, const PendingSums &, PendingSums &, int64_t) {}
void storePending(PendingSums &) {}

#endif

} // namespace tinyfin::split
