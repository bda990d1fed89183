// SPDX-License-Identifier: Apache-2.0
// Packing of operands: a panel holds `width` neighbouring rows of A (or columns of B) side by side, in the
// accumulator's type, so that a register tile reads it front to back.
#pragma once
#include "runtime/kernels/Half.h"
#include "runtime/kernels/matmul/MatmulTile.h"
#include <algorithm>
#include <bit>
#include <type_traits>

namespace tinyfin::gemm {

/// A vector of accumulators from as many elements of storage.
template <class Acc, class T> TINYFIN_WIDE_VECTORS inline Vector<Acc> loadVector(const T *from) {
  constexpr int lanes = kLanes<Acc>;
  if constexpr (std::is_same_v<Acc, T>) {
    return *reinterpret_cast<const Vector<Acc> *>(from);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    typedef uint16_t Narrow __attribute__((vector_size(lanes * 2), aligned(2), may_alias));
    typedef uint32_t Wide __attribute__((vector_size(lanes * 4)));
    return reinterpret_cast<Vector<Acc>>(__builtin_convertvector(*reinterpret_cast<const Narrow *>(from), Wide) << 16);
  } else {
    typedef T Narrow __attribute__((vector_size(lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Narrow *>(from), Vector<Acc>);
  }
}

/// One step of a transposition by perfect shuffles: rows i and i + L/2 are interleaved into rows 2i and 2i + 1.
template <class V, int... j> V interleave(V low, V high, bool upper, std::integer_sequence<int, j...>) {
  constexpr int lanes = sizeof...(j);
  return upper ? __builtin_shufflevector(low, high, (lanes / 2 + j / 2 + (j % 2) * lanes)...)
               : __builtin_shufflevector(low, high, (j / 2 + (j % 2) * lanes)...);
}

/// to[p * toRow + i] = from[i * fromRow + p] for p < kLanes and i < kLanes, in ascending order of p. Of `from` only
/// `used` rows are read; the last one is repeated.
template <class Acc, class T>
TINYFIN_WIDE_VECTORS void transposeSquare(Acc *to, int64_t toRow, const T *from, int64_t fromRow, int64_t used) {
  constexpr int lanes = kLanes<Acc>;
  using V = Vector<Acc>;
  using Lanes = std::make_integer_sequence<int, lanes>;
  V rows[lanes], next[lanes];
#pragma unroll
  for (int i = 0; i < lanes; ++i) rows[i] = loadVector<Acc>(from + std::min<int64_t>(i, used - 1) * fromRow);
#pragma unroll
  for (int stage = 1; stage < lanes; stage *= 2) {
#pragma unroll
    for (int i = 0; i < lanes / 2; ++i) {
      next[2 * i] = interleave(rows[i], rows[i + lanes / 2], false, Lanes());
      next[2 * i + 1] = interleave(rows[i], rows[i + lanes / 2], true, Lanes());
    }
#pragma unroll
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
#pragma unroll
  for (int i = 0; i < lanes; ++i) *reinterpret_cast<V *>(to + i * toRow) = rows[i];
}

/// to[p * width + j] = from[p + j * stride] for p < depth, j < width; from `used` on the last j is repeated.
template <class Acc, class T>
void packTransposed(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t stride) {
  constexpr int64_t lanes = kLanes<Acc>;
  int64_t p = 0;
  for (; p + lanes <= depth; p += lanes) {
    // What a row writes too much, the next ones write over: one square at a time must go through a buffer.
    if (width <= lanes || width % lanes == 0) {
      for (int64_t j = 0; j < width; j += lanes)
        transposeSquare(to + p * width + j, width, from + std::min(j, used - 1) * stride + p, stride,
                        std::max<int64_t>(1, used - j));
      continue;
    }
    alignas(64) Acc square[lanes * (kTileRows + lanes)];
    int64_t row = (width + lanes - 1) / lanes * lanes;
    for (int64_t j = 0; j < width; j += lanes)
      transposeSquare(square + j, row, from + std::min(j, used - 1) * stride + p, stride,
                      std::max<int64_t>(1, used - j));
    for (int64_t i = 0; i < lanes; ++i) std::copy_n(square + i * row, width, to + (p + i) * width);
  }
  for (; p < depth; ++p)
    for (int64_t j = 0; j < width; ++j) to[p * width + j] = load<T>(from[std::min(j, used - 1) * stride + p]);
}

/// to[p * width + j] = from[p * stride + j] for p < depth, j < used; what lies between used and width is undefined.
/// Whole vectors are copied: what a row writes too much, the next ones write over; what it reads too much lies in the
/// next ones, which the last few therefore do not do.
template <class Acc, class T>
TINYFIN_WIDE_VECTORS void packRows(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t stride) {
  constexpr int64_t lanes = kLanes<Acc>;
  int64_t excess = (used + lanes - 1) / lanes * lanes - used;
  int64_t whole = std::max<int64_t>(0, depth - (excess + stride - 1) / std::max<int64_t>(stride, 1));
  int64_t p = 0;
  if (used <= lanes)
#pragma unroll 4
    for (; p < whole; ++p) *reinterpret_cast<Vector<Acc> *>(to + p * width) = loadVector<Acc>(from + p * stride);
  if (used == 2 * lanes)
#pragma unroll 2
    for (; p < whole; ++p) {
      *reinterpret_cast<Vector<Acc> *>(to + p * width) = loadVector<Acc>(from + p * stride);
      *reinterpret_cast<Vector<Acc> *>(to + p * width + lanes) = loadVector<Acc>(from + p * stride + lanes);
    }
  for (; p < whole; ++p)
    for (int64_t j = 0; j < used; j += lanes)
      *reinterpret_cast<Vector<Acc> *>(to + p * width + j) = loadVector<Acc>(from + p * stride + j);
  for (; p < depth; ++p)
    for (int64_t j = 0; j < used; ++j) to[p * width + j] = load<T>(from[p * stride + j]);
}

/// to[p * width + j] = from[p * depthStride + j * widthStride] for p < depth, j < used; the rest of a row holds
/// anything that is finite where the operand is. One of the strides is 1. Up to a vector behind the panel may be
/// overwritten.
template <class Acc, class T>
void packPanel(Acc *to, int64_t width, int64_t used, int64_t depth, const T *from, int64_t depthStride,
               int64_t widthStride) {
  if (widthStride != 1) return packTransposed(to, width, used, depth, from, widthStride);
  packRows(to, width, used, depth, from, depthStride);
  for (int64_t p = 0; used < width && p < depth; ++p) std::fill(to + p * width + used, to + (p + 1) * width, Acc(0));
}

} // namespace tinyfin::gemm
