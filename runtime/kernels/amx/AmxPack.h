// SPDX-License-Identifier: Apache-2.0
// Rearranges operands of bf16 products into the tiles that AmxTile.h reads, padded with zeros to whole tiles.
#pragma once
#include "runtime/kernels/Half.h"
#include "runtime/kernels/amx/AmxTile.h"
#include "runtime/kernels/matmul/PackedProduct.h"

namespace tinyfin::amx {

/// Element (i, p) of A and (p, j) of B: data[i * row + p * column], data[p * row + j * column]. One stride is 1.
struct Strided {
  const BFloat16 *data;
  int64_t row, column;
};

/// Panels of 32 rows of A or columns of B follow one another; in a panel steps of 32 of k, in a step two tiles.
constexpr int64_t stepsOf(int64_t k) { return (k + kDepth - 1) / kDepth; }
constexpr int64_t panelsOf(int64_t extent) { return (extent + kSquare - 1) / kSquare; }
constexpr int64_t kStepBytes = 2 * kTile * kDepth * 2;
constexpr int64_t panelBytes(int64_t k) { return stepsOf(k) * kStepBytes; }

using gemm::PackRange; // depths at multiples of 32, but for the end

/// Packs a part of A[m, k] to where it lies in a whole, 64-byte aligned, of panelsOf(m) * panelBytes(k) bytes.
void packA(void *to, const Strided &a, int64_t m, int64_t k, const PackRange &range);
inline void packA(void *to, const Strided &a, int64_t m, int64_t k) { packA(to, a, m, k, {0, panelsOf(m), 0, k}); }
/// The same of B[k, n]: panelsOf(n) * panelBytes(k) bytes.
void packB(void *to, const Strided &b, int64_t k, int64_t n, const PackRange &range);
inline void packB(void *to, const Strided &b, int64_t k, int64_t n) { packB(to, b, k, n, {0, panelsOf(n), 0, k}); }

#ifdef TINYFIN_AMX_TARGETS
/// A tile of 16 lines of 16 pairs of words, from lines `stride` words apart, transposed: pairs across the lines. Between
/// lines along k and B's tiles, and back.
TINYFIN_TARGET_AVX512 void transposePairs(char *to, const uint16_t *from, int64_t stride);
#endif

} // namespace tinyfin::amx
