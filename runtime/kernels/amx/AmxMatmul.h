// SPDX-License-Identifier: Apache-2.0
// The product of a block of rows and a block of columns of bf16 in the calling thread: B comes packed (AmxPack.h), A
// lies as it is and is packed into scratch of the thread where tiles cannot read it in place. Sums are f32; a result
// depends on k alone, not on the blocks' extents. Callers ask amx::isa() first: nothing here runs without AVX512-BF16.
#pragma once
#include "runtime/kernels/amx/AmxPack.h"

namespace tinyfin::amx {

struct Block {
  Isa isa;
  int64_t m, n, k;
  Strided a;
  const void *b;                 // the panel of the block's first column; n may end within a panel. Null: `unpackedB`
  int64_t rowsAfter = 0;         // rows of A behind these that are probably next
  Strided unpackedB = {};        // from the block's first column: packed some panels and a block of k at a time
};

/// c[m][n] = or += A * B in f32, rows ldc apart.
void multiply(const Block &block, float *c, int64_t ldc, bool accumulate = false);

void multiply(const Block &block, BFloat16 *c, int64_t ldc, const Store &store);

} // namespace tinyfin::amx
