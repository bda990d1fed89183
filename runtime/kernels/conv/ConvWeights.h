// SPDX-License-Identifier: Apache-2.0
// Blocks of OIHW weights brought into and out of vectors of channels, and the register tiles that own convolutions use.
#pragma once
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/conv/OneDnn.h"
#include "runtime/kernels/matmul/MatmulTile.h"
#include <algorithm>

namespace tinyfin {

/// c[rows, kTileCols] (row stride ldc) = or += A * B with A(i, p) = a[i * aRow + p], B(p, j) = b[p * bRow + j].
template <class Acc>
void multiplyRows(const Acc *a, int64_t aRow, const Acc *b, int64_t bRow, int64_t depth, Acc *c, int64_t ldc, int64_t rows,
                  bool accumulate) {
  gemm::AheadLines nothingAhead;
  gemm::tileFor<Acc>(static_cast<int>(rows), 2, false)({a, aRow, b, bRow, depth}, c, ldc, accumulate, nothingAhead);
}
/// The same with A(i, p) = a[i + p * aColumn].
template <class Acc>
void multiplyNeighbours(const Acc *a, int64_t aColumn, const Acc *b, int64_t bRow, int64_t depth, Acc *c, int64_t ldc,
                        int64_t rows, bool accumulate) {
  gemm::AheadLines nothingAhead;
  gemm::tileFor<Acc>(static_cast<int>(rows), 2, true)({a, aColumn, b, bRow, depth}, c, ldc, accumulate, nothingAhead);
}

/// A convolution's weights [outputs][inputs][taps], and in them a block of kLanes outputs by kLanes inputs.
struct WeightBlock {
  static constexpr int64_t kLanes = gemm::kLanes<float>;
  int64_t inputs, taps, output, input;
  int64_t row() const { return taps * kLanes; } // of a block
  int64_t floats() const { return row() * kLanes; }
  int64_t first() const { return (output * inputs + input) * taps; }
};

/// to[input][tap][output] = the block.
void loadOutputLanes(const float *weights, const WeightBlock &block, float *to);
void loadOutputLanes(const BFloat16 *weights, const WeightBlock &block, float *to);
/// to[output][tap][input] of from[input][tap][output].
void swapLanes(const float *from, const WeightBlock &block, float *to);
/// The reverse of loadOutputLanes.
void storeOutputLanes(const float *from, const WeightBlock &block, float *weights);
void storeOutputLanes(const float *from, const WeightBlock &block, BFloat16 *weights);

/// Whether weights are made of whole blocks.
inline bool hasWeightSquares(int64_t outputs, int64_t inputs) {
  return outputs % WeightBlock::kLanes == 0 && inputs % WeightBlock::kLanes == 0 && outputs * inputs > 0;
}

struct WeightSquares {
  int64_t outputs, inputs, taps;
  bool sourceIsOutput; // in the input's gradient
};
/// Calls visit(first source, first target, square[source][tap][target] of kLanes channels each) for all blocks.
template <class T, class Visit>
void forEachWeightSquare(const T *weights, const WeightSquares &of, ThreadPool &pool, Visit visit) {
  constexpr int64_t lanes = WeightBlock::kLanes;
  const int64_t rows = of.inputs / lanes;
  pool.parallelFor(rows * (of.outputs / lanes), 4, [&](int64_t begin, int64_t end) {
    float *loaded = scratch<float>(ScratchUse::GemmA, of.taps * lanes * lanes), *swapped = nullptr;
    if (of.sourceIsOutput) swapped = scratch<float>(ScratchUse::GemmB, of.taps * lanes * lanes);
    for (int64_t i = begin; i < end; ++i) {
      WeightBlock block{of.inputs, of.taps, i / rows * lanes, i % rows * lanes};
      loadOutputLanes(weights, block, loaded);
      if (of.sourceIsOutput) swapLanes(loaded, block, swapped);
      visit(of.sourceIsOutput ? block.output : block.input, of.sourceIsOutput ? block.input : block.output,
            of.sourceIsOutput ? swapped : loaded);
    }
  });
}

/// Partial sums of a weight's gradient: `groups` of them, `stride` apart, each [tap][input][output] with rows `row` apart.
struct WeightSums {
  int64_t groups, stride, row;
};

/// dweight = the sum of the groups, in order.
template <class T, class Acc>
void storeWeightSums(const Acc *sums, const WeightSums &of, const ConvSpec &spec, T *result, ThreadPool &pool) {
  constexpr int64_t lanes = WeightBlock::kLanes;
  const int64_t taps = spec.kernel[0] * spec.kernel[1], channels = spec.inChannels;
  bool isWhole = false;
  if constexpr (std::is_same_v<Acc, float> && (std::is_same_v<T, float> || std::is_same_v<T, BFloat16>))
    isWhole = hasWeightSquares(spec.outChannels, channels);
  pool.parallelFor((spec.outChannels + lanes - 1) / lanes, 1, [&](int64_t begin, int64_t end) {
    Acc *square = scratch<Acc>(ScratchUse::GemmA, taps * lanes * lanes);
    for (int64_t o = begin * lanes; o < std::min(end * lanes, spec.outChannels); o += lanes) {
      int64_t count = std::min(lanes, spec.outChannels - o);
      for (int64_t c = 0; c < channels; c += lanes) {
        int64_t inputs = std::min(lanes, channels - c);
        for (int64_t i = 0; i < inputs; ++i)
          for (int64_t t = 0; t < taps; ++t) {
            Acc *to = square + (i * taps + t) * lanes;
            const Acc *from = sums + (t * channels + c + i) * of.row + o;
            for (int64_t k = 0; k < count; ++k) to[k] = from[k];
            for (int64_t group = 1; group < of.groups; ++group)
              for (int64_t k = 0; k < count; ++k) to[k] += from[group * of.stride + k];
          }
        if constexpr (std::is_same_v<Acc, float> && (std::is_same_v<T, float> || std::is_same_v<T, BFloat16>))
          if (isWhole) {
            storeOutputLanes(square, {channels, taps, o, c}, result);
            continue;
          }
        for (int64_t k = 0; k < count; ++k)
          for (int64_t i = 0; i < inputs * taps; ++i) result[((o + k) * channels + c) * taps + i] = store<T>(square[i * lanes + k]);
      }
    }
  });
}

} // namespace tinyfin
