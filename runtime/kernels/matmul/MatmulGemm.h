// SPDX-License-Identifier: Apache-2.0
// The own matrix product of one block of C: packs panels of A and B in the accumulator's type into scratch of the
// thread and runs register tiles over them. Results depend on the block's shape alone.
#pragma once
#include "runtime/DType.h"
#include <cstdint>

namespace tinyfin::gemm {

/// C[m, n] (row stride ldc) = A * B, where A(i, p) = a[i * aRow + p * aCol] and B(p, j) = b[p * bRow + j * bCol].
/// One of each pair of strides is 1. Strides count elements; all operands have the block's dtype (but see `wide`).
struct Block {
  int64_t m, n, k;
  const void *a;
  int64_t aRow, aCol;
  const void *b;
  int64_t bRow, bCol;
  void *c;
  int64_t ldc;
  bool accumulate = false; // adds to what C holds
  bool wide = false;       // C has the accumulator's type: f32 for bf16 and f16
};

/// Float dtypes only; f32, bf16 and f16 accumulate in f32, f64 in f64. A and B are packed on the way (bf16 with AMX:
/// about an eighth of the time for 256 rows of A, more for fewer); who multiplies by one B often packs it once
/// (PackedProduct.h).
void multiply(DType dtype, const Block &block);
/// The same without instructions that are chosen while the program runs.
void multiplyOwn(DType dtype, const Block &block);

/// Elements of the accumulator's type that `multiply` takes of ScratchUse::GemmA, GemmB and (bf16 and f16 alone) GemmC.
struct ScratchNeed {
  int64_t a, b, c;
};
ScratchNeed scratchNeed(DType dtype, int64_t m, int64_t n, int64_t k);

} // namespace tinyfin::gemm
