// SPDX-License-Identifier: Apache-2.0
// Splitting and packing, a tile of each part at a time. Where lines run the other way than a tile's rows, tiles of the
// other operand's form are made first, and their 16 x 16 pairs are transposed.
#include "runtime/kernels/amx/SplitPack.h"
#include <algorithm>
#include <array>
#include <bit>
#ifdef TINYFIN_AMX_TARGETS
#include <immintrin.h>
#endif

namespace tinyfin::split {

#ifdef TINYFIN_AMX_TARGETS
namespace {

using amx::kTile;

struct Parts {
  __m512i of[kParts]; // f32 whose lower halves are zeros
};

/// Rounds to nearest, ties away: what is left has eight bits less. All of it stands in the last part.
TINYFIN_TARGET_AVX512 inline Parts splitVector(__m512i bits, __m512i &magnitude) {
  const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  magnitude = _mm512_max_epu32(magnitude, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
  Parts parts;
  __m512 left = _mm512_castsi512_ps(bits);
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    parts.of[part] = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(left), half), upper);
    left = _mm512_sub_ps(left, _mm512_castsi512_ps(parts.of[part]));
  }
  return parts;
}

TINYFIN_TARGET_AVX512 inline __m512i loadBits(const float *from) { return _mm512_loadu_si512(from); }
TINYFIN_TARGET_AVX512 inline void put(char *to, int64_t line, __m512i value) {
  _mm512_store_si512(to + line * 64, value);
}

/// 16 lines along k of 32 words: A's tiles, `partBytes` apart.
TINYFIN_TARGET_AVX512 void splitAlong(char *to, int64_t partBytes, const float *from, int64_t stride,
                                      __m512i &magnitude) {
  alignas(64) static constexpr auto odd = [] {
    std::array<uint16_t, 32> words{};
    for (int i = 0; i < 32; ++i) words[i] = static_cast<uint16_t>(2 * i + 1);
    return words;
  }();
  const __m512i upperWords = _mm512_load_si512(odd.data());
  for (int64_t line = 0; line < kTile; ++line, from += stride) {
    Parts low = splitVector(loadBits(from), magnitude), high = splitVector(loadBits(from + 16), magnitude);
#pragma unroll
    for (int part = 0; part < kParts; ++part)
      put(to + part * partBytes, line, _mm512_permutex2var_epi16(low.of[part], upperWords, high.of[part]));
  }
}

/// 32 lines across k of 16 words: B's tiles.
TINYFIN_TARGET_AVX512 void splitAcross(char *to, int64_t partBytes, const float *from, int64_t stride,
                                       __m512i &magnitude) {
  for (int64_t line = 0; line < kTile; ++line, from += 2 * stride) {
    Parts even = splitVector(loadBits(from), magnitude), odd = splitVector(loadBits(from + stride), magnitude);
#pragma unroll
    for (int part = 0; part < kParts; ++part)
      put(to + part * partBytes, line, _mm512_or_si512(_mm512_srli_epi32(even.of[part], 16), odd.of[part]));
  }
}

/// One tile of each part: 16 of the extent, 32 of k.
TINYFIN_TARGET_AVX512 void packTile(Side side, bool alongK, char *to, const float *from, int64_t stride,
                                    __m512i &magnitude) {
  auto *split = alongK ? splitAlong : splitAcross;
  if (alongK == (side == Side::A)) return split(to, kPartBytes, from, stride, magnitude);
  alignas(64) uint16_t turned[kParts][kTileBytes / 2];
  split(reinterpret_cast<char *>(turned), kTileBytes, from, stride, magnitude);
  for (int part = 0; part < kParts; ++part) amx::transposePairs(to + part * kPartBytes, turned[part], kDepth);
}

/// A tile at an edge: what does not exist is zero.
TINYFIN_TARGET_AVX512 void packEdge(Side side, const Lines &lines, char *to, int64_t i, int64_t p, __m512i &magnitude) {
  alignas(64) float patch[32 * 32];
  const int64_t used = std::clamp<int64_t>(lines.extent - i, 0, kTile),
                depth = std::clamp<int64_t>(lines.k - p, 0, kDepth);
  const int64_t count = lines.alongK ? used : depth, words = lines.alongK ? depth : used;
  const auto mask = static_cast<uint32_t>((uint64_t(1) << words) - 1);
  for (int64_t line = 0; line < 32; ++line) {
    const float *from = line < count ? lines.at(i, p) + line * lines.stride : nullptr;
    auto part = [&](int64_t half) __attribute__((target("avx512f"))) {
      const auto lanes = static_cast<__mmask16>(mask >> (16 * half));
      return from && lanes ? _mm512_maskz_loadu_ps(lanes, from + 16 * half) : _mm512_setzero_ps();
    };
    _mm512_store_ps(patch + line * 32, part(0));
    _mm512_store_ps(patch + line * 32 + 16, part(1));
  }
  packTile(side, lines.alongK, to, patch, 32, magnitude);
}

TINYFIN_TARGET_AVX512 void packStep(Side side, const Lines &lines, char *to, int64_t i, int64_t p) {
  __m512i magnitude = _mm512_setzero_si512();
  for (int64_t tile = 0; tile < 2; ++tile, i += kTile) {
    if (i + kTile <= lines.extent && p + kDepth <= lines.k)
      packTile(side, lines.alongK, to + tile * kTileBytes, lines.at(i, p), lines.stride, magnitude);
    else
      packEdge(side, lines, to + tile * kTileBytes, i, p, magnitude);
  }
  put(to + kParts * kPartBytes, 0, magnitude);
}

TINYFIN_TARGET_AVX512 uint32_t largestOf(const char *packed, int64_t steps) {
  __m512i magnitude = _mm512_setzero_si512();
  for (; steps > 0; --steps, packed += kStepBytes)
    magnitude = _mm512_max_epu32(magnitude, _mm512_load_si512(packed + kParts * kPartBytes));
  return _mm512_reduce_max_epu32(magnitude);
}

} // namespace

void pack(Side side, char *to, int64_t bytes, const Lines &lines, const amx::PackRange &range, int64_t firstStep) {
  const int64_t begin = range.depthBegin / kDepth, end = stepsOf(range.depthEnd);
  auto packAt = [&](int64_t panel, int64_t step) {
    packStep(side, lines, to + panel * bytes + (step - firstStep) * kStepBytes, panel * kSquare, step * kDepth);
  };
  // Lines are read in pieces as long as may be: all of k within a panel, or all panels within a step.
  if (lines.alongK)
    for (int64_t panel = range.panelBegin; panel < range.panelEnd; ++panel)
      for (int64_t step = begin; step < end; ++step) packAt(panel, step);
  else
    for (int64_t step = begin; step < end; ++step)
      for (int64_t panel = range.panelBegin; panel < range.panelEnd; ++panel) packAt(panel, step);
}

uint32_t largest(const char *packed, int64_t steps) { return largestOf(packed, steps); }

void unpackB(float *to, const char *panel, int64_t k) {
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < kSquare; ++j) {
      const char *step = panel + p / kDepth * kStepBytes + j / kTile * kTileBytes;
      const int64_t word = p % kDepth / 2 * kDepth + j % kTile * 2 + p % 2;
      float sum = 0;
      for (int part = kParts; part-- > 0;) {
        const auto bits = static_cast<uint32_t>(reinterpret_cast<const uint16_t *>(step + part * kPartBytes)[word])
                          << 16;
        sum += std::bit_cast<float>(bits);
      }
      to[p * kSquare + j] = sum;
    }
}

#else

void unpackB(float *, const char *, int64_t) {}

void pack(Side, char *, int64_t, const Lines &, const amx::PackRange &, int64_t) {}
uint32_t largest(const char *, int64_t) { return 0; }

#endif

} // namespace tinyfin::split
