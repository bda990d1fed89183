// SPDX-License-Identifier: Apache-2.0
// Products of few rows with a right operand whose columns lie along k: scalar products, so that B is read once and
// where it lies.
#pragma once
#include "runtime/kernels/matmul/MatmulTile.h"
#include <algorithm>
#include <utility>

namespace tinyfin::gemm {

/// Up to this many rows, reading B in place beats packing it.
inline constexpr int64_t kDotRows = 16;

/// Each lane plus the one `step` further on, cyclically.
template <int step, class V, int... j> inline V addRotated(V value, std::integer_sequence<int, j...>) {
  return value + __builtin_shufflevector(value, value, ((j + step) % int(sizeof...(j)))...);
}

template <class Acc> TINYFIN_WIDE_VECTORS inline Acc sumOf(Vector<Acc> value) {
  using Lanes = std::make_integer_sequence<int, kLanes<Acc>>;
  if constexpr (kLanes<Acc> >= 16) value = addRotated<8>(value, Lanes());
  if constexpr (kLanes<Acc> >= 8) value = addRotated<4>(value, Lanes());
  if constexpr (kLanes<Acc> >= 4) value = addRotated<2>(value, Lanes());
  return addRotated<1>(value, Lanes())[0];
}

/// A vector of `count` elements, then zeros.
template <class Acc> TINYFIN_WIDE_VECTORS inline Vector<Acc> loadFirst(const Acc *from, int64_t count) {
  alignas(64) Acc padded[kLanes<Acc>] = {};
  std::copy_n(from, count, padded);
  return *reinterpret_cast<const Vector<Acc> *>(padded);
}

/// c[i * ldc + j] = or += the scalar product of rows a + i * aRow and b + j * bCol, for i < rows, j < cols.
template <class Acc, int rows, int cols>
TINYFIN_WIDE_VECTORS void multiplyDots(const Acc *a, int64_t aRow, const Acc *b, int64_t bCol, int64_t k, Acc *c,
                                       int64_t ldc, bool accumulate) {
  constexpr int lanes = kLanes<Acc>;
  using V = Vector<Acc>;
  V sums[rows][cols];
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int j = 0; j < cols; ++j) sums[i][j] = V{};
  auto add = [&](auto load) __attribute__((always_inline)) {
    V left[rows];
#pragma unroll
    for (int i = 0; i < rows; ++i) left[i] = load(a + i * aRow);
#pragma unroll
    for (int j = 0; j < cols; ++j) {
      V right = load(b + j * bCol);
#pragma unroll
      for (int i = 0; i < rows; ++i) sums[i][j] += left[i] * right;
    }
  };
  int64_t p = 0;
  for (; p + lanes <= k; p += lanes, a += lanes, b += lanes)
    add([](const Acc *from) __attribute__((always_inline)) { return *reinterpret_cast<const V *>(from); });
  if (p < k) add([&](const Acc *from) __attribute__((always_inline)) { return loadFirst(from, k - p); });
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int j = 0; j < cols; ++j) {
      Acc sum = sumOf<Acc>(sums[i][j]);
      c[i * ldc + j] = accumulate ? c[i * ldc + j] + sum : sum;
    }
}

/// Columns in groups that stay in the first cache while all rows pass.
template <class Acc, int rows, int cols>
void multiplyDotRows(const Acc *a, int64_t aRow, const Acc *b, int64_t bCol, int64_t count, int64_t n, int64_t k,
                     Acc *c, int64_t ldc, bool accumulate) {
  for (int64_t j = 0; j < n; j += cols) {
    bool whole = j + cols <= n;
    for (int64_t j1 = j; j1 < std::min(j + cols, n); j1 += whole ? cols : 1)
      for (int64_t i = 0; i < count; i += rows) {
        auto tile = whole ? multiplyDots<Acc, rows, cols> : multiplyDots<Acc, rows, 1>;
        tile(a + i * aRow, aRow, b + j1 * bCol, bCol, k, c + i * ldc + j1, ldc, accumulate);
      }
  }
}

template <class Acc, int cols> auto restRows(int64_t rows) {
  return rows == 1   ? multiplyDotRows<Acc, 1, 2 * cols>
         : rows == 2 ? multiplyDotRows<Acc, 2, cols>
         : rows == 3 ? multiplyDotRows<Acc, 3, cols>
                     : nullptr;
}

/// C = or += A * B with A(i, p) = a[i * aRow + p], B(p, j) = b[j * bCol + p].
template <class Acc>
void multiplyByDots(const Acc *a, int64_t aRow, const Acc *b, int64_t bCol, int64_t m, int64_t n, int64_t k, Acc *c,
                    int64_t ldc, bool accumulate) {
  constexpr bool isWide = kVectorBytes == 64; // 32 registers
  constexpr int most = isWide ? 4 : 2, cols = isWide ? 6 : 4;
  auto rest = restRows<Acc, cols>(m % most);
  const int64_t whole = m / most * most, group = 4 * cols; // columns, so that few rows are read again and again
  for (int64_t j = 0; j < n; j += group, b += group * bCol, c += group) {
    int64_t width = std::min<int64_t>(group, n - j);
    if (whole) multiplyDotRows<Acc, most, cols>(a, aRow, b, bCol, whole, width, k, c, ldc, accumulate);
    if (rest) rest(a + whole * aRow, aRow, b, bCol, m - whole, width, k, c + whole * ldc, ldc, accumulate);
  }
}

} // namespace tinyfin::gemm
