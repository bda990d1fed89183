// SPDX-License-Identifier: Apache-2.0
// Attention of bf16 by AMX tiles or AVX512-BF16: one head at a time. Scores, sums and exponentials are f32; weights are
// rounded to bf16 for the products that read them.
#pragma once
#include "runtime/kernels/attention/AttentionBlocks.h"

namespace tinyfin::attention {

/// Whether this machine and the settings have such products.
bool hasTiles();

/// Queries [begin, end) of head h of batch b; begin is a multiple of 32.
void forwardByTiles(const AttentionSpec &spec, HeadParts<const void *> x, const void *mask, void *output, void *lse,
                    NextHead &next, int64_t b, int64_t h, int64_t begin, int64_t end);

void backwardByTiles(const AttentionSpec &spec, const void *dy, HeadParts<const void *> x, const void *lse,
                     const void *delta, const void *mask, HeadParts<void *> d, NextHead &next, int64_t b, int64_t h);

} // namespace tinyfin::attention
