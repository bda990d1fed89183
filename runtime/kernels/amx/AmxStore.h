// SPDX-License-Identifier: Apache-2.0
// Sums in f32 on their way into C in bf16, while the tiles work on the next square.
#pragma once
#include "runtime/kernels/Half.h"
#include "runtime/kernels/amx/AmxMachine.h"
#include <algorithm>
#include <limits>
#ifdef TINYFIN_AMX_TARGETS
#include <immintrin.h>
#endif

namespace tinyfin::amx {

/// What happens to a sum: + bias of its column, + what C holds, relu, then it is rounded to nearest even.
struct Store {
  const BFloat16 *bias = nullptr;
  bool accumulate = false, relu = false;
};

/// Rows of up to 32 columns that are still to be stored.
struct PendingRows {
  const float *sums = nullptr;
  int64_t ldSums = 0;
  BFloat16 *c = nullptr;
  int64_t ldc = 0, rows = 0;
  uint32_t columns = 0; // a mask
  Store store;
};

#ifdef TINYFIN_AMX_TARGETS

TINYFIN_TARGET_BF16 inline __m512 loadWords(const BFloat16 *from, uint32_t mask) {
  __m256i words = _mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}

/// Stores up to `count` of the pending rows. Out of line: it would be most of the tiles' loop, which seldom needs it.
TINYFIN_TARGET_BF16 __attribute__((noinline)) inline void storeRows(PendingRows &pending, int64_t count) {
  const float *sums = pending.sums;
  BFloat16 *c = pending.c;
  const uint32_t mask = pending.columns;
  count = std::min(count, pending.rows);
  pending.rows -= count, pending.sums += count * pending.ldSums, pending.c += count * pending.ldc;
  if (!pending.store.bias && !pending.store.accumulate && !pending.store.relu) {
    for (; count > 0; --count, sums += pending.ldSums, c += pending.ldc)
      _mm512_mask_storeu_epi16(
          c, mask, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(sums + 16), _mm512_loadu_ps(sums))));
    return;
  }
  // A maximum whose second operand is NaN is NaN.
  const __m512 floor = _mm512_set1_ps(pending.store.relu ? 0.0f : -std::numeric_limits<float>::infinity());
  __m512 bias0 = _mm512_setzero_ps(), bias1 = bias0;
  if (const BFloat16 *bias = pending.store.bias)
    bias0 = loadWords(bias, mask), bias1 = loadWords(bias + 16, mask >> 16);
  for (; count > 0; --count, sums += pending.ldSums, c += pending.ldc) {
    __m512 low = _mm512_add_ps(_mm512_loadu_ps(sums), bias0), high = _mm512_add_ps(_mm512_loadu_ps(sums + 16), bias1);
    if (pending.store.accumulate)
      low = _mm512_add_ps(low, loadWords(c, mask)), high = _mm512_add_ps(high, loadWords(c + 16, mask >> 16));
    low = _mm512_max_ps(floor, low), high = _mm512_max_ps(floor, high);
    _mm512_mask_storeu_epi16(c, mask, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
}

#endif

} // namespace tinyfin::amx
