// SPDX-License-Identifier: Apache-2.0
// Some outputs by as many inputs are rows of neighbours: `taps` squares, each transposed in registers.
#include "runtime/kernels/conv/ConvWeights.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/matmul/MatmulPack.h"

namespace tinyfin {
namespace {

constexpr int64_t kLanes = WeightBlock::kLanes;

template <class T> void loadSquares(const T *weights, const WeightBlock &block, float *to) {
  const T *from = weights + block.first();
  for (int64_t i = 0; i < block.row(); i += kLanes)
    gemm::transposeSquare(to + i * kLanes, kLanes, from + i, block.inputs * block.taps, kLanes);
}

} // namespace

void loadOutputLanes(const float *weights, const WeightBlock &block, float *to) { loadSquares(weights, block, to); }
void loadOutputLanes(const BFloat16 *weights, const WeightBlock &block, float *to) { loadSquares(weights, block, to); }

void swapLanes(const float *from, const WeightBlock &block, float *to) {
  for (int64_t tap = 0; tap < block.taps; ++tap)
    gemm::transposeSquare(to + tap * kLanes, block.row(), from + tap * kLanes, block.row(), kLanes);
}

void storeOutputLanes(const float *from, const WeightBlock &block, float *weights) {
  float *to = weights + block.first();
  for (int64_t i = 0; i < block.row(); i += kLanes)
    gemm::transposeSquare(to + i, block.inputs * block.taps, from + i * kLanes, kLanes, kLanes);
}

void storeOutputLanes(const float *from, const WeightBlock &block, BFloat16 *weights) {
  float *wide = scratch<float>(ScratchUse::Weight, block.floats());
  for (int64_t i = 0; i < block.row(); i += kLanes)
    gemm::transposeSquare(wide + i, block.row(), from + i * kLanes, kLanes, kLanes);
  for (int64_t o = 0; o < kLanes; ++o) {
    BFloat16 *to = weights + block.first() + o * block.inputs * block.taps;
    for (int64_t i = 0; i < block.row(); ++i) to[i] = store<BFloat16>(wide[o * block.row() + i]);
  }
}

} // namespace tinyfin
