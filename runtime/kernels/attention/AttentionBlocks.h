// SPDX-License-Identifier: Apache-2.0
// The pieces of attention's inner loops. Scores are kept transposed, [keys, panel of queries]: a query is a vector's lane,
// so that maxima, sums and exponentials need no horizontal steps, and the scores are the right operand of the next product
// as they lie.
#pragma once
#include "runtime/kernels/VectorMath.h"
#include "runtime/kernels/attention/Attention.h"
#include "runtime/kernels/matmul/MatmulPack.h"
#include <algorithm>
#include <cstring>
#include <limits>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace tinyfin::attention {

/// Queries a panel.
template <class Acc> inline constexpr int64_t kPanel = gemm::kTileCols<Acc>;

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

/// c[queries, depth] = weights.T * rows of weights[keys, panel] and rows[keys, depth], whose rows are `row` apart: whole
/// vectors, as are those of c.
template <class Acc>
void multiplyWeights(int64_t queries, int64_t keys, const Acc *weights, const Acc *rows, int64_t row, Acc *c) {
  for (int64_t column = 0; column < row; column += kPanel<Acc>)
    multiplyPanel(Left::Columns, queries, keys, weights, kPanel<Acc>, rows + column, row, c + column, row,
                  row - column > gemm::kLanes<Acc> ? 2 : 1, false);
}
/// The length of rows of whole vectors.
template <class Acc> int64_t wholeVectors(int64_t depth) {
  return (depth + gemm::kLanes<Acc> - 1) / gemm::kLanes<Acc> * gemm::kLanes<Acc>;
}

/// to[j * toRow + p] = from[j * row + p] * factors[j]
template <class Acc, class T>
void storeRows(T *to, int64_t toRow, const Acc *from, int64_t row, int64_t count, int64_t depth, const Acc *factors) {
  for (int64_t j = 0; j < count; ++j)
    for (int64_t p = 0; p < depth; ++p) to[j * toRow + p] = store<T>(from[j * row + p] * factors[j]);
}

/// to[p * panel + j] = from[j * row + p] * factor for j < used; the other lanes repeat the last one.
template <class Acc, class T>
void packLanes(Acc *to, const T *from, int64_t row, int64_t used, int64_t depth, Acc factor) {
  gemm::packTransposed(to, kPanel<Acc>, used, depth, from, row);
  for (int64_t i = 0; i < depth * kPanel<Acc>; ++i) to[i] *= factor;
}

/// Whether a vector of Acc is rounded to T by one instruction.
#if defined(__AVX512BF16__)
template <class T, class Acc> inline constexpr bool hasVectorStore = std::is_same_v<T, BFloat16> && std::is_same_v<Acc, float>;
#else
template <class T, class Acc> inline constexpr bool hasVectorStore = false;
#endif

/// to[i] = from[i] for a vector of them.
template <class T, class Acc> void storeVector([[maybe_unused]] T *to, [[maybe_unused]] const Acc *from) {
#if defined(__AVX512BF16__)
  if constexpr (hasVectorStore<T, Acc>) _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
#endif
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
      if (columns == lanes && hasVectorStore<T, Acc>) {
        for (int64_t i = 0; i < queries; ++i) storeVector(place + i * row, square + i * lanes);
        continue;
      }
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t c = 0; c < columns; ++c) place[i * row + c] = store<T>(square[i * lanes + c]);
    }
}

/// Rows as the products read them: dense, in the accumulator's type and padded with zeros. Far apart, as heads of a
/// projection are, they would be waited for again and again.
template <class Acc, class T>
void copyRows(Acc *to, int64_t toRow, const T *from, int64_t row, int64_t count, int64_t depth) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t p = 0; p < depth; ++p) to[i * toRow + p] = load<T>(from[i * row + p]);
    std::fill(to + i * toRow + depth, to + (i + 1) * toRow, Acc(0));
  }
}

/// exp(x) for x <= 0; what would be denormal is 0. By vectors, so that sums beside it stay in registers.
[[gnu::always_inline]] inline gemm::Vector<float> weight(gemm::Vector<float> x) {
  using V = gemm::Vector<float>;
  [[maybe_unused]] typedef int32_t I __attribute__((vector_size(sizeof(V))));
  const V shifter = gemm::splat(12582912.0f); // 1.5 * 2**23: adding it rounds to an integer
#if defined(__AVX512F__)
  const V bounded = x; // what vanishes is chosen by the scaling
#else
  const V zero{};
  const auto vanishes = x < gemm::splat(-87.0f);
  const V bounded = vanishes ? zero : x;
#endif
  const V shifted = bounded * 1.44269504088896341f + shifter, n = shifted - shifter;
  const V r = bounded - n * 0.693359375f + n * 2.12194440e-4f;
  V p = r * 1.9875691500e-4f + 1.3981999507e-3f; // the coefficients of vectormath::scaledExp
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
#if defined(__AVX512F__)
  return (V)_mm512_maskz_scalef_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ), (__m512)p, (__m512)n);
#else
  const I exponent = (I)shifted - (I)shifter; // vector casts keep the bits
  return vanishes ? zero : p * (V)((exponent + 127) << 23);
#endif
}
[[gnu::always_inline]] inline gemm::Vector<double> weight(gemm::Vector<double> x) {
  for (int i = 0; i < gemm::kLanes<double>; ++i) x[i] = vectormath::exp(x[i]);
  return x;
}

/// A number a query of a panel, in registers.
template <class Acc> struct Lanes {
  using V = gemm::Vector<Acc>;
  V half[2];
  static Lanes of(Acc value) { return {{gemm::splat(value), gemm::splat(value)}}; }
  static Lanes at(const Acc *from) {
    return {{reinterpret_cast<const V *>(from)[0], reinterpret_cast<const V *>(from)[1]}};
  }
  void storeTo(Acc *to) const { reinterpret_cast<V *>(to)[0] = half[0], reinterpret_cast<V *>(to)[1] = half[1]; }
};
template <class Acc, class F> [[gnu::always_inline]] inline Lanes<Acc> mapLanes(F &&f) { return {{f(0), f(1)}}; }

/// The largest score of each query; 0 where it sees none.
template <class Acc> Lanes<Acc> largestScores(const Acc *scores, int64_t keys) {
  constexpr Acc infinity = std::numeric_limits<Acc>::infinity();
  Lanes<Acc> top = Lanes<Acc>::of(-infinity);
  for (int64_t key = 0; key < keys; ++key) {
    const auto score = Lanes<Acc>::at(scores + key * kPanel<Acc>);
    top = mapLanes<Acc>([&](int i) { return score.half[i] > top.half[i] ? score.half[i] : top.half[i]; });
  }
  const auto none = gemm::splat(-infinity), zero = gemm::splat(Acc(0));
  return mapLanes<Acc>([&](int i) { return top.half[i] == none ? zero : top.half[i]; });
}

/// The rows of the head that comes next, read or written, fetched while this one is computed: they lie far apart. A row
/// at a time, as each is on a page of its own. TINYFIN_DISABLE=fetch-ahead fetches none.
class NextHead {
public:
  template <class T> void add(T *from, int64_t rows, int64_t depth, int64_t row) {
    if (rows > 0) pieces[count++] = {reinterpret_cast<uintptr_t>(from), rows, row * int64_t(sizeof(T)), depth * int64_t(sizeof(T)), !std::is_const_v<T>};
    total += rows;
  }
  /// Shares the rows out to as many calls of fetch().
  void shareOut(int64_t calls) { perCall = calls > 0 && gemm::fetchesAhead() ? (total + calls - 1) / calls : 0; }
  int64_t rowsACall() const { return perCall; }
  void fetch() {
    for (int64_t i = 0; i < perCall && current < count; ++i) fetchRow();
  }

private:
  struct Piece {
    uintptr_t at;
    int64_t rows, stride, bytes;
    bool isWritten;
  };
  void fetchRow() {
    Piece &piece = pieces[current];
    const char *row = reinterpret_cast<const char *>(piece.at);
    if (piece.isWritten)
      for (int64_t byte = 0; byte < piece.bytes; byte += 64) __builtin_prefetch(row + byte, 1, 2);
    else
      for (int64_t byte = 0; byte < piece.bytes; byte += 64) __builtin_prefetch(row + byte, 0, 2);
    piece.at += piece.stride;
    if (--piece.rows == 0) ++current;
  }
  Piece pieces[8] = {};
  int count = 0, current = 0;
  int64_t total = 0, perCall = 0;
};

/// Calls of NextHead::fetch() in a head: one a key that a panel of queries sees, `step` keys at once.
inline int64_t fetchesAHead(const AttentionSpec &spec, int64_t panel, int64_t step) {
  const int64_t panels = (spec.queries + panel - 1) / panel;
  return std::max<int64_t>(1, panels * spec.keys / (spec.isCausal ? 2 : 1) / step);
}

/// Heads a chunk: neighbours, so that the next one is known.
inline int64_t headsPerChunk(const AttentionSpec &spec) { return std::max<int64_t>(1, spec.batch * spec.heads / 16); }

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
