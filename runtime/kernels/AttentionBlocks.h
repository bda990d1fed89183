// SPDX-License-Identifier: Apache-2.0
// The pieces of attention's inner loops. Scores are kept transposed, [keys, panel of queries]: a query is a vector's lane,
// so that maxima, sums and exponentials need no horizontal steps, and the scores are the right operand of the next product
// as they lie.
#pragma once
#include "runtime/kernels/Attention.h"
#include "runtime/kernels/MatmulPack.h"
#include "runtime/kernels/VectorMath.h"
#include <algorithm>
#include <cstring>
#include <limits>

namespace tinyfin::attention {

/// Queries a panel.
template <class Acc> inline constexpr int64_t kPanel = gemm::kTileCols<Acc>;

/// Rows of a matrix.
template <class T> struct Rows {
  const T *data;
  int64_t row;
};

/// What is A(i, p) of a product's left operand: a[i * step + p], or a[i + p * step].
enum class Left { Rows, Columns };

/// c[m, columns] = (or +=) A * b, for one or two vectors of columns.
template <class Acc>
void multiplyPanel(Left left, int64_t m, int64_t k, const Acc *a, int64_t aStep, const Acc *b, int64_t bRow, Acc *c,
                   int64_t cRow, int columnVectors, bool accumulate) {
  const bool neighbours = left == Left::Columns;
  const int64_t panels = (m + gemm::kTileRows - 1) / gemm::kTileRows;
  gemm::AheadLines nothingAhead;
  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t begin = m * panel / panels, rows = m * (panel + 1) / panels - begin;
    const gemm::TileInputs<Acc> in{a + begin * (neighbours ? 1 : aStep), aStep, b, bRow, k};
    gemm::tileFor<Acc>(static_cast<int>(rows), columnVectors, neighbours)(in, c + begin * cRow, cRow, accumulate,
                                                                          nothingAhead);
  }
}

/// to[p * panel + j] = from[j * row + p] * factor for j < used; the other lanes repeat the last one.
template <class Acc, class T>
void packLanes(Acc *to, const T *from, int64_t row, int64_t used, int64_t depth, Acc factor) {
  gemm::packTransposed(to, kPanel<Acc>, used, depth, from, row);
  for (int64_t i = 0; i < depth * kPanel<Acc>; ++i) to[i] *= factor;
}

/// to[j * row + p] = from[p * panel + j] * factors[j] for j < used. Changes `from`.
template <class Acc, class T>
void storeLanes(T *to, int64_t row, Acc *from, int64_t used, int64_t depth, const Acc *factors) {
  constexpr int64_t panel = kPanel<Acc>, lanes = gemm::kLanes<Acc>;
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t j = 0; j < panel; ++j) from[p * panel + j] *= factors[j];
  for (int64_t j = 0; j < used; j += lanes)
    for (int64_t p = 0; p < depth; p += lanes) {
      const int64_t queries = std::min(lanes, used - j), columns = std::min(lanes, depth - p);
      T *place = to + j * row + p;
      if constexpr (std::is_same_v<T, Acc>)
        if (queries == lanes && columns == lanes) {
          gemm::transposeSquare(place, row, from + p * panel + j, panel, lanes);
          continue;
        }
      alignas(64) Acc square[lanes * lanes];
      gemm::transposeSquare(square, lanes, from + p * panel + j, panel, columns);
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t c = 0; c < columns; ++c) place[i * row + c] = store<T>(square[i * lanes + c]);
    }
}

/// Rows as the products read them: where they lie, or converted into `to`.
template <class Acc, class T> Rows<Acc> asRows(Acc *to, const T *from, int64_t row, int64_t count, int64_t depth) {
  if constexpr (std::is_same_v<Acc, T>) {
    return {from, row};
  } else {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t p = 0; p < depth; ++p) to[i * depth + p] = load<T>(from[i * row + p]);
    return {to, depth};
  }
}

/// exp(x) for x <= 0; what would be denormal is 0.
[[gnu::always_inline]] inline float weight(float x) {
  const bool vanishes = x < -87.0f;
  const float value = vectormath::moderateExp(vanishes ? 0.0f : x);
  return vanishes ? 0.0f : value;
}
[[gnu::always_inline]] inline double weight(double x) { return vectormath::exp(x); }

/// One head: its mask, and which keys a panel of queries sees.
template <class Acc, class T> class HeadMask {
public:
  HeadMask(const AttentionSpec &spec, const void *mask, int64_t b, int64_t h) : spec(spec), mask(mask) {
    offset = b * spec.maskStrides[0] + h * spec.maskStrides[1];
  }

  /// Keys that some query before `end` sees.
  int64_t keysBefore(int64_t end) const { return spec.isCausal ? std::min(spec.keys, end) : spec.keys; }

  /// Applies the mask to scores[keys, panel] of queries [begin, begin + used).
  void apply(Acc *scores, int64_t keys, int64_t begin, int64_t used) const {
    if (spec.mask == MaskKind::Bool)
      applyItems(static_cast<const bool *>(mask) + offset, scores, keys, begin, used,
                 [](Acc score, bool takesPart) { return takesPart ? score : -std::numeric_limits<Acc>::infinity(); });
    else if (spec.mask == MaskKind::Number)
      applyItems(static_cast<const T *>(mask) + offset, scores, keys, begin, used,
                 [](Acc score, T item) { return score + load<T>(item); });
    if (!spec.isCausal) return;
    for (int64_t key = begin + 1; key < keys; ++key)
      for (int64_t j = 0; j < std::min(used, key - begin); ++j)
        scores[key * panel + j] = -std::numeric_limits<Acc>::infinity();
  }

private:
  static constexpr int64_t panel = kPanel<Acc>;

  template <class Item, class F>
  void applyItems(const Item *items, Acc *scores, int64_t keys, int64_t begin, int64_t used, F &&f) const {
    const int64_t byQuery = spec.maskStrides[2], byKey = spec.maskStrides[3];
    if (byQuery == 0) {
      for (int64_t key = 0; key < keys; ++key)
        for (int64_t j = 0; j < panel; ++j)
          scores[key * panel + j] = f(scores[key * panel + j], items[key * byKey]);
      return;
    }
    for (int64_t j = 0; j < used; ++j)
      for (int64_t key = 0; key < keys; ++key)
        scores[key * panel + j] = f(scores[key * panel + j], items[(begin + j) * byQuery + key * byKey]);
  }

  const AttentionSpec &spec;
  const void *mask;
  int64_t offset;
};

} // namespace tinyfin::attention
