// SPDX-License-Identifier: Apache-2.0
// Reductions of one row and access to parameters of any float dtype, shared by softmax, norms and losses.
#pragma once
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Kernel.h"
#include "runtime/kernels/Scratch.h"

namespace tinyfin {

/// Elements worth handing to a thread.
inline constexpr int64_t kChunkElements = 16384;

/// Rows a chunk, by the row's length alone.
inline int64_t rowsPerChunk(int64_t rowLength) {
  return std::max<int64_t>(1, kChunkElements / std::max<int64_t>(rowLength, 1));
}

/// combine(... combine(initial, map(0)) ...) in lanes that become vectors; the order depends on `count` alone.
template <class C, class Map, class Combine> C reduceRow(int64_t count, C initial, Map map, Combine combine) {
  constexpr int lanes = 128 / sizeof(C);
  C partial[lanes];
  for (int lane = 0; lane < lanes; ++lane) partial[lane] = initial;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) partial[lane] = combine(partial[lane], map(i + lane));
  for (int lane = 0; i < count; ++i, ++lane) partial[lane] = combine(partial[lane], map(i));
  for (int step = lanes / 2; step > 0; step /= 2)
    for (int lane = 0; lane < step; ++lane) partial[lane] = combine(partial[lane], partial[lane + step]);
  return partial[0];
}

template <class C, class Map> C sumRow(int64_t count, Map map) {
  return reduceRow<C>(count, C(0), map, [](C a, C b) { return a + b; });
}

/// Sums in pieces of f32, the pieces in f64.
template <class C, class Map> double sumLongRow(int64_t count, Map map) {
  constexpr int64_t piece = 4096;
  double sum = 0;
  for (int64_t begin = 0; begin < count; begin += piece)
    sum += sumRow<C>(std::min(piece, count - begin), [&](int64_t i) { return map(begin + i); });
  return sum;
}

/// Element `i` of a tensor of any float dtype; not for inner loops.
inline double loadElement(const TensorArg &tensor, int64_t i) {
  return visitFloat(tensor.dtype, [&](auto tag) -> double { return load(tensor.as<ElementOf<decltype(tag)>>()[i]); });
}
inline void storeElement(const TensorArg &tensor, int64_t i, double value) {
  (void)visitFloat(tensor.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    tensor.as<T>()[i] = store<T>(static_cast<Compute<T>>(value));
    return true;
  });
}

/// The whole of a small tensor in compute type C: itself if it is stored so, else a copy in scratch.
template <class C> const C *widened(const TensorArg &tensor, ScratchUse use) {
  constexpr DType same = sizeof(C) == 8 ? DType::F64 : DType::F32;
  if (tensor.dtype == same) return tensor.as<const C>();
  int64_t count = tensor.numElements();
  C *copy = scratch<C>(use, count);
  for (int64_t i = 0; i < count; ++i) copy[i] = static_cast<C>(loadElement(tensor, i));
  return copy;
}

} // namespace tinyfin
