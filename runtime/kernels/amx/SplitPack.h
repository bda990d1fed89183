// SPDX-License-Identifier: Apache-2.0
// Operands of f32 products as three bf16 parts each, in the tiles that SplitTile.h reads. x is exactly the sum of x
// rounded to bf16, the rest rounded to bf16, and what is left then (f32 has 24 bits, three times 8), unless x or a part
// of it is outside of bf16's range: the largest magnitude of each step is kept beside it to tell.
#pragma once
#include "runtime/kernels/amx/AmxPack.h"

namespace tinyfin::split {

inline constexpr int64_t kSquare = amx::kSquare, kDepth = amx::kDepth;
inline constexpr int64_t kTileBytes = amx::kStepBytes / 2;
inline constexpr int kParts = 3;
inline constexpr int64_t kPartBytes = 2 * kTileBytes;
/// A step: 32 of k of a panel of 32 rows of A or columns of B: the two tiles of each part, the roughest first, and a
/// line of the largest magnitudes (as bits of f32) in its lanes.
inline constexpr int64_t kStepBytes = kParts * kPartBytes + 64;

using amx::panelsOf;
using amx::stepsOf;
constexpr int64_t panelBytes(int64_t k) { return stepsOf(k) * kStepBytes; }

/// An operand as lines: of its extent (rows of A, columns of B) or of k, `stride` elements apart.
struct Lines {
  const float *from; // element (0, 0)
  int64_t stride;
  bool alongK; // a line is one of the extent, all of k
  int64_t extent, k;
  const float *at(int64_t i, int64_t p) const { return alongK ? from + i * stride + p : from + p * stride + i; }
};

/// Which operand it is: rows of A's tiles are lines along k, those of B's tiles hold pairs of k across.
enum class Side : uint8_t { A, B };

/// Packs a part of an operand to where it lies in a whole, 64-byte aligned, whose panels are `bytes` apart; its first
/// step of k is that of range.depthBegin if `first`, else that of 0. Missing rows, columns and k are zeros.
void pack(Side side, char *to, int64_t bytes, const Lines &lines, const amx::PackRange &range, int64_t firstStep = 0);

/// The `k` x 32 elements that a panel of B was made of, exactly if isExact.
void unpackB(float *to, const char *panel, int64_t k);

/// The largest magnitude among `steps` steps from `packed` on, as bits of f32.
uint32_t largest(const char *packed, int64_t steps);

/// Whether three parts multiply as exactly as f32 does, given the largest magnitude of a panel: there are no infinities
/// nor NaN, and parts that count as zero because they are denormal do not matter.
constexpr bool isExact(uint32_t largest) {
  constexpr uint32_t least = (127 - 100) << 23, most = (127 + 64) << 23; // 2^-100, 2^64
  return largest == 0 || (largest >= least && largest < most);
}

} // namespace tinyfin::split
