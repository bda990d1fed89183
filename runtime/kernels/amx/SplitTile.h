// SPDX-License-Identifier: Apache-2.0
// The innermost product of f32 by AMX tiles: 32 x 32 of C from three bf16 parts of each operand (SplitPack.h). Of the
// nine products of parts the six that count in f32 are added up: a0 b0 + a0 b1 + a1 b0 + a1 b1 + a0 b2 + a2 b0.
#pragma once
#include "runtime/kernels/amx/SplitPack.h"

namespace tinyfin::split {

/// Rows of sums that are still to be stored in C, or added to it.
struct PendingSums {
  float *sums = nullptr; // [32][32]
  float *c = nullptr;
  int64_t ldc = 0, rows = 0;
  uint32_t columns = 0; // a mask
  bool accumulate = false;
};

/// Bytes ahead of what is read of a B that comes from the third cache: there a line a page is fetched, from which the
/// core goes on by itself. 0 with TINYFIN_DISABLE=fetch-ahead.
int64_t farAhead();

/// next.sums = A * B for `steps` packed steps of a panel of each; meanwhile what is pending is stored, and lines of C
/// that come next are fetched, and pages of B that lie `ahead` bytes behind. An amx::TileScope must be open.
void multiplySquare(const char *a, const char *b, int64_t steps, const PendingSums &next, PendingSums &pending,
                    int64_t ahead = 0);
void storePending(PendingSums &pending);

} // namespace tinyfin::split
