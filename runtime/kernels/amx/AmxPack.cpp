// SPDX-License-Identifier: Apache-2.0
// Packing by tile: an operand lies either in lines along k (16 lines of 32 words a tile) or across it (32 lines of 16).
#include "runtime/kernels/amx/AmxPack.h"
#include <algorithm>
#ifdef TINYFIN_AMX_TARGETS
#include <immintrin.h>
#endif

namespace tinyfin::amx {

#ifdef TINYFIN_AMX_TARGETS
namespace {

constexpr int64_t kTileBytes = kStepBytes / 2;

/// `stride` words apart.
using PackTile = void (*)(char *to, const uint16_t *from, int64_t stride);

TINYFIN_TARGET_AVX512 inline void put(char *to, int64_t line, __m512i value) {
  _mm512_store_si512(to + line * 64, value);
}

/// A in lines along k: as it lies.
TINYFIN_TARGET_AVX512 void copyLines(char *to, const uint16_t *from, int64_t stride) {
#pragma unroll
  for (int i = 0; i < 16; ++i) put(to, i, _mm512_loadu_si512(from + i * stride));
}

/// The 128-bit pieces at from, from + step, + 2 step and + 3 step.
TINYFIN_TARGET_AVX512 inline __m512i gatherPieces(const uint16_t *from, int64_t step) {
  auto piece = [](const uint16_t *at) __attribute__((target("avx512f"))) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(at));
  };
  __m512i all = _mm512_castsi128_si512(piece(from));
  all = _mm512_inserti32x4(all, piece(from + step), 1);
  all = _mm512_inserti32x4(all, piece(from + 2 * step), 2);
  return _mm512_inserti32x4(all, piece(from + 3 * step), 3);
}

/// A in lines across k: 32 x 16 words are transposed, in each lane the 8 x 8 of lines 8 L to 8 L + 7.
TINYFIN_TARGET_AVX512 void transposeWords(char *to, const uint16_t *from, int64_t stride) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    __m512i line[8], pairs[8], fours[8];
#pragma unroll
    for (int s = 0; s < 8; ++s) line[s] = gatherPieces(from + s * stride + half * 8, 8 * stride);
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      pairs[s] = _mm512_unpacklo_epi16(line[2 * s], line[2 * s + 1]);     // words 0 to 3 of lines 2s, 2s + 1
      pairs[s + 4] = _mm512_unpackhi_epi16(line[2 * s], line[2 * s + 1]); // 4 to 7
    }
#pragma unroll
    for (int s = 0; s < 8; s += 2) { // words 0, 1 | 2, 3 | ... of four lines
      fours[s] = _mm512_unpacklo_epi32(pairs[s], pairs[s + 1]);
      fours[s + 1] = _mm512_unpackhi_epi32(pairs[s], pairs[s + 1]);
    }
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      int low = s / 2 * 4 + s % 2; // the same words of the lower and upper four lines
      put(to, half * 8 + s * 2, _mm512_unpacklo_epi64(fours[low], fours[low + 2]));
      put(to, half * 8 + s * 2 + 1, _mm512_unpackhi_epi64(fours[low], fours[low + 2]));
    }
  }
}

/// B in lines across k: the words of two lines alternate.
TINYFIN_TARGET_AVX512 void interleaveLines(char *to, const uint16_t *from, int64_t stride) {
#pragma unroll
  for (int pair = 0; pair < 16; ++pair, from += 2 * stride) {
    __m512i even = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
    __m512i odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + stride)));
    put(to, pair, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
  }
}

/// A whole step of B in lines across k, eight pairs of lines: 32 columns at a time. Reading so, lines far apart leave
/// L1 only when both of their tiles have been made.
TINYFIN_TARGET_AVX512 void interleaveEight(char *to, const uint16_t *from, int64_t stride) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
#pragma unroll
  for (int pair = 0; pair < 8; ++pair, from += 2 * stride) {
    __m512i even = _mm512_loadu_si512(from), odd = _mm512_loadu_si512(from + stride);
    __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
    put(to, pair, _mm512_permutex2var_epi64(low, first, high));
    put(to + kTileBytes, pair, _mm512_permutex2var_epi64(low, second, high));
  }
}

/// A tile at an edge: `lines` of `words` exist; the others are zeros.
TINYFIN_TARGET_AVX512 void packEdge(PackTile pack, char *to, const uint16_t *from, int64_t stride, int64_t lines,
                                    int64_t words) {
  alignas(64) uint16_t patch[32 * 32];
  auto mask = static_cast<__mmask32>((uint64_t(1) << std::clamp<int64_t>(words, 0, 32)) - 1);
  for (int64_t i = 0; i < 32; ++i)
    _mm512_store_si512(patch + i * 32, i < lines ? _mm512_maskz_loadu_epi16(mask, from + i * stride) : __m512i{});
  pack(to, patch, 32);
}

/// An operand as lines of one direction: along k or across it.
struct Lines {
  const uint16_t *from;
  int64_t stride; // words from one line to the next
  bool alongK;
  PackTile pack;
  int64_t extent, k; // extent: rows of A or columns of B

  /// Two tiles: 32 of the extent from i, 32 of k from p.
  void packStep(char *to, int64_t i, int64_t p) const {
    for (int64_t tile = 0; tile < 2; ++tile, to += kTileBytes, i += kTile) {
      int64_t used = std::min(kTile, extent - i), depth = std::min(kDepth, k - p);
      const uint16_t *first = from + (alongK ? i * stride + p : p * stride + i);
      if (used == kTile && depth == kDepth)
        pack(to, first, stride);
      else
        packEdge(pack, to, first, stride, alongK ? used : depth, alongK ? depth : used);
    }
  }

  /// B in lines across k: in each eight pairs of lines all panels, but for the edges.
  void interleavePanels(char *to, const PackRange &range) const {
    const int64_t endStep = stepsOf(range.depthEnd), wholeSteps = range.depthEnd / kDepth;
    const int64_t wholePanels = std::min(range.panelEnd, extent / kSquare);
    for (int64_t step = range.depthBegin / kDepth; step < endStep; ++step) {
      const int64_t whole = step < wholeSteps ? wholePanels : range.panelBegin;
      auto at = [&](int64_t panel) { return to + panel * panelBytes(k) + step * kStepBytes; };
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t panel = range.panelBegin; panel < whole; ++panel)
          interleaveEight(at(panel) + half * 8 * 64, from + (step * kDepth + half * 16) * stride + panel * kSquare,
                          stride);
      for (int64_t panel = std::max(whole, range.panelBegin); panel < range.panelEnd; ++panel)
        packStep(at(panel), panel * kSquare, step * kDepth);
    }
  }

  /// Lines are read in pieces as long as may be: all of k within a panel, or all panels within a step.
  void packPanels(char *to, const PackRange &range) const {
    const int64_t firstStep = range.depthBegin / kDepth, endStep = stepsOf(range.depthEnd);
    auto packAt = [&](int64_t panel, int64_t step) {
      packStep(to + panel * panelBytes(k) + step * kStepBytes, panel * kSquare, step * kDepth);
    };
    if (pack == interleaveLines) return interleavePanels(to, range);
    if (alongK)
      for (int64_t panel = range.panelBegin; panel < range.panelEnd; ++panel)
        for (int64_t step = firstStep; step < endStep; ++step) packAt(panel, step);
    else
      for (int64_t step = firstStep; step < endStep; ++step)
        for (int64_t panel = range.panelBegin; panel < range.panelEnd; ++panel) packAt(panel, step);
  }
};

Lines linesOf(PackTile along, PackTile across, const BFloat16 *data, int64_t extentStride, int64_t depthStride,
              int64_t extent, int64_t k) {
  const bool alongK = depthStride == 1;
  const auto *from = reinterpret_cast<const uint16_t *>(data);
  return {from, alongK ? extentStride : depthStride, alongK, alongK ? along : across, extent, k};
}

} // namespace

// Lanes of a register hold lines r, r + 4, r + 8 and r + 12.
TINYFIN_TARGET_AVX512 void transposePairs(char *to, const uint16_t *from, int64_t stride) {
#pragma unroll
  for (int quarter = 0; quarter < 4; ++quarter) {
    // After this line r of lane L is line 4 L + r: those four become neighbours.
    __m512i r0 = gatherPieces(from + quarter * 8, 4 * stride),
            r1 = gatherPieces(from + stride + quarter * 8, 4 * stride);
    __m512i r2 = gatherPieces(from + 2 * stride + quarter * 8, 4 * stride);
    __m512i r3 = gatherPieces(from + 3 * stride + quarter * 8, 4 * stride);
    __m512i a = _mm512_unpacklo_epi32(r0, r1), b = _mm512_unpackhi_epi32(r0, r1);
    __m512i c = _mm512_unpacklo_epi32(r2, r3), d = _mm512_unpackhi_epi32(r2, r3);
    put(to, quarter * 4, _mm512_unpacklo_epi64(a, c));
    put(to, quarter * 4 + 1, _mm512_unpackhi_epi64(a, c));
    put(to, quarter * 4 + 2, _mm512_unpacklo_epi64(b, d));
    put(to, quarter * 4 + 3, _mm512_unpackhi_epi64(b, d));
  }
}

void packA(void *to, const Strided &a, int64_t m, int64_t k, const PackRange &range) {
  linesOf(copyLines, transposeWords, a.data, a.row, a.column, m, k).packPanels(static_cast<char *>(to), range);
}

void packB(void *to, const Strided &b, int64_t k, int64_t n, const PackRange &range) {
  linesOf(transposePairs, interleaveLines, b.data, b.column, b.row, n, k).packPanels(static_cast<char *>(to), range);
}

#else

void packA(void *, const Strided &, int64_t, int64_t, const PackRange &) {}
void packB(void *, const Strided &, int64_t, int64_t, const PackRange &) {}

#endif

} // namespace tinyfin::amx
