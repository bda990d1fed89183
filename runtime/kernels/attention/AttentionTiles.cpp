// SPDX-License-Identifier: Apache-2.0
// As AttentionForward.cpp and AttentionBackward.cpp, with operands packed into tiles (AmxPack.h): k and v once a head,
// a panel of 32 queries when its turn comes. The weights are written where the next product reads them.
#include "runtime/kernels/attention/AttentionTiles.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/AmxPack.h"
#include "runtime/kernels/attention/AttentionBlocks.h"

namespace tinyfin::attention {
namespace {

constexpr int64_t kQueries = amx::kSquare;
constexpr int64_t kSquareFloats = kQueries * kQueries;
constexpr int64_t kGroup = 4; // panels of queries whose weights are summed into dk and dv together

int64_t wholeSquares(int64_t extent) { return amx::panelsOf(extent) * kQueries; }

/// Consecutive pieces of the thread's scratch, in whole cache lines. With null it only counts.
class Pieces {
public:
  explicit Pieces(char *from) : from(from) {}
  template <class T> T *take(int64_t count) {
    char *piece = from ? from + size : nullptr;
    size += (count * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T *>(piece);
  }
  size_t used() const { return size; }

private:
  char *from;
  size_t size = 0;
};

/// c[panels * 32, 32] = A * B, where A is packed and B one packed panel.
void multiplyPanels(amx::SquareFn square, const char *a, int64_t panelBytes, int64_t panels, const char *b,
                    int64_t steps, float *c) {
  amx::PendingRows nothing;
  for (int64_t i = 0; i < panels; ++i)
    square({a + i * panelBytes, 64, 1024, amx::kStepBytes, b, amx::kStepBytes, steps, nullptr, 0},
           c + i * kSquareFloats, kQueries * sizeof(float), false, nothing);
}

using Wide = Lanes<float>;
typedef uint32_t Bits __attribute__((vector_size(gemm::kVectorBytes), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(gemm::kVectorBytes / 2), aligned(2), may_alias));

inline Bits roundedBits(gemm::Vector<float> value) {
  const Bits bits = reinterpret_cast<Bits>(value); // std::bit_cast would take its argument to be aligned
  return (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
}

/// exp(scores - shift)
inline Wide weightsOf(const float *scores, const Wide &shift) {
  const Wide score = Wide::at(scores);
  return mapLanes<float>([&](int half) { return weight(score.half[half] - shift.half[half]); });
}

#if defined(__AVX512BF16__)
/// Of two vectors, the first in the lower half.
inline __m512i roundedWords(gemm::Vector<float> low, gemm::Vector<float> high) {
  return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
#endif

/// Row pair [2r, 2r + 1] of a right operand: 32 columns in two tiles, each word pair a column.
inline void storePair(char *to, const Wide &first, const Wide &second) {
  for (int half = 0; half < 2; ++half) {
#if defined(__AVX512BF16__)
    const __m512i low = _mm512_set1_epi32(0x00100000),
                  counted = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i turns = _mm512_add_epi32(low, _mm512_or_si512(counted, _mm512_slli_epi32(counted, 16))); // i, 16 + i
    _mm512_storeu_si512(to + half * 1024,
                        _mm512_permutexvar_epi16(turns, roundedWords(first.half[half], second.half[half])));
#else
    *reinterpret_cast<Bits *>(to + half * 1024) = roundedBits(first.half[half]) | roundedBits(second.half[half]) << 16;
#endif
  }
}
/// Where the pair of rows from `key` (even) of a right operand starts.
inline char *pairAt(char *to, int64_t key) { return to + key / 32 * amx::kStepBytes + key % 32 / 2 * 64; }

inline void storeRow(char *to, const Wide &values) {
#if defined(__AVX512BF16__)
  return _mm512_storeu_si512(to, roundedWords(values.half[0], values.half[1]));
#endif
  for (int half = 0; half < 2; ++half)
    reinterpret_cast<Halves *>(to)[half] = __builtin_convertvector(roundedBits(values.half[half]), Halves);
}

const BFloat16 *words(const void *from, int64_t at) { return static_cast<const BFloat16 *>(from) + at; }

struct Forward {
  const AttentionSpec &spec;
  amx::SquareFn square;
  char *keys, *values, *queries, *weights;
  float *scores, *sums;

  void place(Pieces pieces, size_t *bytes) {
    keys = pieces.take<char>(amx::panelsOf(spec.keys) * amx::panelBytes(spec.depth));
    values = pieces.take<char>(amx::panelsOf(spec.valueDepth) * amx::panelBytes(spec.keys));
    queries = pieces.take<char>(amx::panelBytes(spec.depth));
    weights = pieces.take<char>(amx::panelBytes(spec.keys));
    scores = pieces.take<float>(wholeSquares(spec.keys) * kQueries);
    sums = pieces.take<float>(wholeSquares(spec.valueDepth) * kQueries);
    if (bytes) *bytes = pieces.used();
  }

  /// Makes weights of scores; 1 / sum and log(sum) + max of each lane.
  void softmax(int64_t seen, NextHead &next, float *factors, float *lseRow, int64_t used) {
    const Wide largest = largestScores(scores, seen);
    Wide total = Wide::of(0);
    for (int64_t key = 0; key < amx::stepsOf(seen) * amx::kDepth; key += 2) {
      next.fetch();
      Wide rows[2];
      for (int64_t i = 0; i < 2; ++i) {
        rows[i] = key + i < seen ? weightsOf(scores + (key + i) * kQueries, largest) : Wide::of(0);
        total = mapLanes<float>([&](int half) { return total.half[half] + rows[i].half[half]; });
      }
      storePair(pairAt(weights, key), rows[0], rows[1]);
    }
    float top[kQueries], sum[kQueries];
    largest.storeTo(top);
    total.storeTo(sum);
    std::fill(factors, factors + kQueries, 0.0f);
    for (int64_t j = 0; j < used; ++j) {
      factors[j] = sum[j] == 0 ? 0.0f : 1 / sum[j];
      lseRow[j * spec.rows.row] = sum[j] == 0 ? vectormath::kInfinity : std::log(sum[j]) + top[j];
    }
  }
};

/// scores of `seen` keys, scaled and masked.
void finishScores(float *scores, int64_t seen, float scale, const HeadMask<float, BFloat16> &mask, int64_t begin,
                  int64_t used) {
  for (int64_t i = 0; i < seen * kQueries; ++i) scores[i] *= scale;
  mask.apply(scores, seen, begin, used);
}

} // namespace

bool hasTiles() { return kPanel<float> == kQueries && amx::isa() != amx::Isa::None; }

void forwardByTiles(const AttentionSpec &spec, HeadParts<const void *> x, const void *mask, void *output, void *lse,
                    NextHead &next, int64_t b, int64_t h, int64_t begin, int64_t end) {
  Forward head{.spec = spec, .square = amx::squareFor(amx::isa(), 2, 2)};
  size_t bytes = 0;
  head.place(Pieces(nullptr), &bytes);
  head.place(Pieces(static_cast<char *>(scratchBytes(ScratchUse::Attention, bytes))), nullptr);
  HeadMask<float, BFloat16> masked(spec, mask, b, h);
  const int64_t all = masked.keysBefore(end);
  amx::packA(head.keys, {words(x.k, spec.k.at(b, h)), spec.k.row, 1}, all, spec.depth);
  amx::packA(head.values, {words(x.v, spec.v.at(b, h)), 1, spec.v.row}, spec.valueDepth, all);
  for (; begin < end; begin += kQueries) {
    const int64_t used = std::min(kQueries, end - begin), seen = masked.keysBefore(begin + used);
    amx::packB(head.queries, {words(x.q, spec.q.at(b, h, begin)), 1, spec.q.row}, spec.depth, used);
    multiplyPanels(head.square, head.keys, amx::panelBytes(spec.depth), amx::panelsOf(seen), head.queries,
                   amx::stepsOf(spec.depth), head.scores);
    finishScores(head.scores, seen, static_cast<float>(spec.scale), masked, begin, used);
    float factors[kQueries];
    head.softmax(seen, next, factors, static_cast<float *>(lse) + spec.rows.at(b, h, begin), used);
    multiplyPanels(head.square, head.values, amx::panelBytes(all), amx::panelsOf(spec.valueDepth), head.weights,
                   amx::stepsOf(seen), head.sums);
    storeLanes(static_cast<BFloat16 *>(output) + spec.output.at(b, h, begin), spec.output.row, head.sums, used,
               spec.valueDepth, factors);
  }
}

namespace {

struct Backward {
  const AttentionSpec &spec;
  amx::SquareFn square;
  char *keys, *values, *keyColumns;                // left operands: k, v and k.T
  char *queries, *dyColumns;                       // right operands [depth, queries]: q.T and dy.T
  char *queryRows, *dyRows;                        // right operands [queries of a group, depth]: q and dy
  char *gradients, *groupWeights, *groupGradients; // ds as right operand; p and ds of a group as left operands
  float *scores, *products, *sums, *keySums, *valueSums;

  void place(Pieces pieces, size_t *bytes) {
    const int64_t keyPanels = amx::panelsOf(spec.keys), groupBytes = amx::panelBytes(kGroup * kQueries);
    const int64_t keyRows = wholeSquares(spec.keys);
    keys = pieces.take<char>(keyPanels * amx::panelBytes(spec.depth));
    values = pieces.take<char>(keyPanels * amx::panelBytes(spec.valueDepth));
    keyColumns = pieces.take<char>(amx::panelsOf(spec.depth) * amx::panelBytes(spec.keys));
    queries = pieces.take<char>(amx::panelBytes(spec.depth));
    dyColumns = pieces.take<char>(amx::panelBytes(spec.valueDepth));
    queryRows = pieces.take<char>(amx::panelsOf(spec.depth) * groupBytes);
    dyRows = pieces.take<char>(amx::panelsOf(spec.valueDepth) * groupBytes);
    gradients = pieces.take<char>(amx::panelBytes(spec.keys));
    groupWeights = pieces.take<char>(keyPanels * groupBytes);
    groupGradients = pieces.take<char>(keyPanels * groupBytes);
    scores = pieces.take<float>(keyRows * kQueries);
    products = pieces.take<float>(keyRows * kQueries);
    sums = pieces.take<float>(wholeSquares(spec.depth) * kQueries);
    keySums = pieces.take<float>(keyRows * wholeSquares(spec.depth));
    valueSums = pieces.take<float>(keyRows * wholeSquares(spec.valueDepth));
    if (bytes) *bytes = pieces.used();
  }

  /// Of panel `step` of a group of `steps`: p and ds of the keys up to `all`, zeros from `seen` on.
  void makeWeights(int64_t seen, int64_t all, const float *lseRow, const float *deltaRow, int64_t used, int64_t step,
                   int64_t steps, NextHead &next) {
    float top[kQueries], shift[kQueries];
    std::fill(top, top + kQueries, vectormath::kInfinity);
    std::fill(shift, shift + kQueries, 0.0f);
    for (int64_t j = 0; j < used; ++j) top[j] = lseRow[j * spec.rows.row], shift[j] = deltaRow[j * spec.rows.row];
    const Wide lseLanes = Wide::at(top), deltaLanes = Wide::at(shift);
    for (int64_t key = 0; key < wholeSquares(all); key += 2) {
      next.fetch();
      Wide ds[2];
      const int64_t at = (key / 32 * steps + step) * amx::kStepBytes + key % 32 * 64;
      for (int64_t i = 0; i < 2; ++i) {
        Wide p = Wide::of(0);
        ds[i] = p;
        if (key + i < seen) {
          const Wide product = Wide::at(products + (key + i) * kQueries);
          p = weightsOf(scores + (key + i) * kQueries, lseLanes);
          ds[i] =
              mapLanes<float>([&](int half) { return p.half[half] * (product.half[half] - deltaLanes.half[half]); });
        }
        storeRow(groupWeights + at + i * 64, p);
        storeRow(groupGradients + at + i * 64, ds[i]);
      }
      if (key < amx::stepsOf(seen) * amx::kDepth) storePair(pairAt(gradients, key), ds[0], ds[1]);
    }
  }

  /// to[keys, depth] += weights[keys, queries] * rows[queries, depth]
  void addToSums(float *to, int64_t depth, int64_t all, const char *weights, const char *rows, int64_t steps) const {
    const int64_t row = wholeSquares(depth), bytes = steps * amx::kStepBytes;
    amx::PendingRows nothing;
    for (int64_t column = 0; column < amx::panelsOf(depth); ++column)
      for (int64_t panel = 0; panel < amx::panelsOf(all); ++panel)
        square({weights + panel * bytes, 64, 1024, amx::kStepBytes, rows + column * bytes, amx::kStepBytes, steps,
                nullptr, 0},
               to + panel * kQueries * row + column * kQueries, row * sizeof(float), true, nothing);
  }

  void storeRows(void *to, int64_t at, int64_t row, const float *from, int64_t depth, float factor) const {
    BFloat16 *rows = static_cast<BFloat16 *>(to) + at;
    const int64_t fromRow = wholeSquares(depth);
    for (int64_t i = 0; i < spec.keys; ++i)
      for (int64_t p = 0; p < depth; ++p) rows[i * row + p] = store<BFloat16>(from[i * fromRow + p] * factor);
  }
};

} // namespace

void backwardByTiles(const AttentionSpec &spec, const void *dy, HeadParts<const void *> x, const void *lse,
                     const void *delta, const void *mask, HeadParts<void *> d, NextHead &next, int64_t b, int64_t h) {
  Backward head{.spec = spec, .square = amx::squareFor(amx::isa(), 2, 2)};
  size_t bytes = 0;
  head.place(Pieces(nullptr), &bytes);
  head.place(Pieces(static_cast<char *>(scratchBytes(ScratchUse::Attention, bytes))), nullptr);
  HeadMask<float, BFloat16> masked(spec, mask, b, h);
  const BFloat16 *k = words(x.k, spec.k.at(b, h)), *v = words(x.v, spec.v.at(b, h));
  amx::packA(head.keys, {k, spec.k.row, 1}, spec.keys, spec.depth);
  amx::packA(head.values, {v, spec.v.row, 1}, spec.keys, spec.valueDepth);
  amx::packA(head.keyColumns, {k, 1, spec.k.row}, spec.depth, spec.keys);
  std::fill_n(head.keySums, wholeSquares(spec.keys) * wholeSquares(spec.depth), 0.0f);
  std::fill_n(head.valueSums, wholeSquares(spec.keys) * wholeSquares(spec.valueDepth), 0.0f);
  const float scale = static_cast<float>(spec.scale);
  float factors[kQueries];
  std::fill(factors, factors + kQueries, scale);
  for (int64_t first = 0; first < spec.queries; first += kGroup * kQueries) {
    const int64_t count = std::min(kGroup * kQueries, spec.queries - first), steps = amx::stepsOf(count);
    const int64_t all = masked.keysBefore(first + count);
    amx::packB(head.queryRows, {words(x.q, spec.q.at(b, h, first)), spec.q.row, 1}, count, spec.depth);
    amx::packB(head.dyRows, {words(dy, spec.output.at(b, h, first)), spec.output.row, 1}, count, spec.valueDepth);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t begin = first + step * kQueries, used = std::min(kQueries, spec.queries - begin);
      const int64_t seen = masked.keysBefore(begin + used), panels = amx::panelsOf(seen);
      amx::packB(head.queries, {words(x.q, spec.q.at(b, h, begin)), 1, spec.q.row}, spec.depth, used);
      amx::packB(head.dyColumns, {words(dy, spec.output.at(b, h, begin)), 1, spec.output.row}, spec.valueDepth, used);
      multiplyPanels(head.square, head.keys, amx::panelBytes(spec.depth), panels, head.queries,
                     amx::stepsOf(spec.depth), head.scores);
      multiplyPanels(head.square, head.values, amx::panelBytes(spec.valueDepth), panels, head.dyColumns,
                     amx::stepsOf(spec.valueDepth), head.products);
      finishScores(head.scores, seen, scale, masked, begin, used);
      const int64_t rows = spec.rows.at(b, h, begin);
      head.makeWeights(seen, all, static_cast<const float *>(lse) + rows, static_cast<const float *>(delta) + rows,
                       used, step, steps, next);
      multiplyPanels(head.square, head.keyColumns, amx::panelBytes(spec.keys), amx::panelsOf(spec.depth),
                     head.gradients, amx::stepsOf(seen), head.sums);
      storeLanes(static_cast<BFloat16 *>(d.q) + spec.q.at(b, h, begin), spec.q.row, head.sums, used, spec.depth,
                 factors);
    }
    head.addToSums(head.keySums, spec.depth, all, head.groupGradients, head.queryRows, steps);
    head.addToSums(head.valueSums, spec.valueDepth, all, head.groupWeights, head.dyRows, steps);
  }
  head.storeRows(d.k, spec.k.at(b, h), spec.k.row, head.keySums, spec.depth, scale);
  head.storeRows(d.v, spec.v.at(b, h), spec.v.row, head.valueSums, spec.valueDepth, 1);
}

} // namespace tinyfin::attention
