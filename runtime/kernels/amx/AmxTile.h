// SPDX-License-Identifier: Apache-2.0
// The innermost product of bf16: up to 32 x 32 of C, by AMX tiles or AVX512-BF16 vectors. Both read the same layouts.
// Denormal operands and results count as zero; sums are f32.
#pragma once
#include "runtime/kernels/amx/AmxStore.h"

namespace tinyfin::amx {

inline constexpr int64_t kTile = 16;  // rows of A, columns of B and both of C in a tile
inline constexpr int64_t kDepth = 32; // of k in a tile of A or B
inline constexpr int64_t kSquare = 2 * kTile;

/// A's tile (t, s), t < 2, s < steps, starts at a + t * aTile + s * aStep; its rows of 32 lie aRow apart. B's tile (s,
/// u), u < 2, starts at b + s * bStep + u * 1024 and holds 16 rows of 16 pairs: [k / 2][column][k % 2]. Bytes
/// throughout.
struct SquareInputs {
  const char *a;
  int64_t aRow, aTile, aStep;
  const char *b;
  int64_t bStep, steps;
  const char *ahead = nullptr; // lines that are fetched into L2 meanwhile: in each step aheadLines, aheadLine apart
  int64_t aheadLine = 0, aheadLines = 0, aheadStep = 0;
  const char *target = nullptr; // rows of a line each that will be stored to: fetched as well
  int64_t targetRow = 0, targetRows = 0;
  // A's first steps are loaded through L1, to stay there, and of the others the first tile if it `holdsFirst`; the rest
  // of A and B past it.
  int64_t heldSteps = 0;
  bool holdsFirst = false;
};

/// c[32][32], rows cRow bytes apart, = or += A * B; meanwhile what is pending is stored. `rowTiles`, `colTiles` of 1
/// leave out the second.
using SquareFn = void (*)(const SquareInputs &in, float *c, int64_t cRow, bool accumulate, PendingRows &pending);

/// `isa` is not None. A TileScope of it must be open.
SquareFn squareFor(Isa isa, int rowTiles, int colTiles);

} // namespace tinyfin::amx
