// SPDX-License-Identifier: Apache-2.0
// Attention's gradients. The weights are computed again from lse, a panel of queries at a time:
//   p = exp(q k^T - lse)    ds = p (dy v^T - delta)    dq = ds k    dk += ds^T q    dv += p^T dy
// One chunk owns a head, whose dk and dv are summed in scratch.
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/AmxMachine.h"
#include "runtime/kernels/attention/AttentionBlocks.h"
#include "runtime/kernels/attention/AttentionTiles.h"

namespace tinyfin {
namespace {

using namespace attention;

template <class T> class Backward {
public:
  using Acc = Compute<T>;

  Backward(const AttentionSpec &spec, const void *dy, HeadParts<const void *> x, const void *lse, const void *delta,
           const void *mask, HeadParts<void *> d)
      : spec(spec), dy(static_cast<const T *>(dy)), q(static_cast<const T *>(x.q)), k(static_cast<const T *>(x.k)),
        v(static_cast<const T *>(x.v)), lse(static_cast<const Acc *>(lse)), delta(static_cast<const Acc *>(delta)),
        mask(mask), dq(static_cast<T *>(d.q)), dk(static_cast<T *>(d.k)), dv(static_cast<T *>(d.v)) {}

  /// The head that comes next on this thread.
  NextHead next;
  void setNext(int64_t b, int64_t h) {
    next.add(q + spec.q.at(b, h), spec.queries, spec.depth, spec.q.row);
    next.add(k + spec.k.at(b, h), spec.keys, spec.depth, spec.k.row);
    next.add(v + spec.v.at(b, h), spec.keys, spec.valueDepth, spec.v.row);
    next.add(dy + spec.output.at(b, h), spec.queries, spec.valueDepth, spec.output.row);
    next.add(dq + spec.q.at(b, h), spec.queries, spec.depth, spec.q.row);
    next.add(dk + spec.k.at(b, h), spec.keys, spec.depth, spec.k.row);
    next.add(dv + spec.v.at(b, h), spec.keys, spec.valueDepth, spec.v.row);
    next.shareOut(fetchesAHead(spec, kPanel<float>, std::is_same_v<T, BFloat16> && hasTiles() ? 2 : 1));
  }

  void run(int64_t b, int64_t h) {
    allocate();
    HeadMask<Acc, T> seen(spec, mask, b, h);
    copyRows(keyRows, depthRow, k + spec.k.at(b, h), spec.k.row, spec.keys, spec.depth);
    copyRows(valueRows, valueRow, v + spec.v.at(b, h), spec.v.row, spec.keys, spec.valueDepth);
    std::fill(keySums, keySums + spec.keys * depthRow, Acc(0));
    std::fill(valueSums, valueSums + spec.keys * valueRow, Acc(0));
    for (int64_t begin = 0; begin < spec.queries; begin += panel)
      runPanel(b, h, begin, std::min(panel, spec.queries - begin), seen);
    storeSums(dk + spec.k.at(b, h), spec.k.row, keySums, depthRow, spec.depth);
    storeSums(dv + spec.v.at(b, h), spec.v.row, valueSums, valueRow, spec.valueDepth);
  }

private:
  static constexpr int64_t panel = kPanel<Acc>;

  void allocate() {
    depthRow = wholeVectors<Acc>(spec.depth), valueRow = wholeVectors<Acc>(spec.valueDepth);
    const int64_t both = depthRow + valueRow;
    Acc *at = scratch<Acc>(ScratchUse::Attention, 2 * spec.keys * both + 3 * both * panel + 2 * spec.keys * panel);
    auto take = [&](int64_t count) { return std::exchange(at, at + count); };
    keyRows = take(spec.keys * depthRow), valueRows = take(spec.keys * valueRow);
    keySums = take(spec.keys * depthRow), valueSums = take(spec.keys * valueRow);
    queryLanes = take(depthRow * panel), dyLanes = take(valueRow * panel), sums = take(depthRow * panel);
    queryRows = take(depthRow * panel), dyRows = take(valueRow * panel);
    scores = take(spec.keys * panel), products = take(spec.keys * panel);
  }

  void runPanel(int64_t b, int64_t h, int64_t begin, int64_t used, const HeadMask<Acc, T> &seen) {
    const int64_t keys = seen.keysBefore(begin + used);
    const int vectors = used <= panel / 2 ? 1 : 2;
    const T *query = q + spec.q.at(b, h, begin), *dyRow = dy + spec.output.at(b, h, begin);
    const Acc scale = static_cast<Acc>(spec.scale);
    packLanes(queryLanes, query, spec.q.row, used, spec.depth, scale);
    packLanes(dyLanes, dyRow, spec.output.row, used, spec.valueDepth, Acc(1));
    multiplyPanel(Left::Rows, keys, spec.depth, keyRows, depthRow, queryLanes, panel, scores, panel, vectors, false);
    seen.apply(scores, keys, begin, used);
    multiplyPanel(Left::Rows, keys, spec.valueDepth, valueRows, valueRow, dyLanes, panel, products, panel, vectors,
                  false);
    makeWeights(keys, lse + spec.rows.at(b, h, begin), delta + spec.rows.at(b, h, begin), used);
    copyScaled(queryRows, depthRow, query, spec.q.row, used, spec.depth, scale);
    copyScaled(dyRows, valueRow, dyRow, spec.output.row, used, spec.valueDepth, Acc(1));
    addToSums(keySums, depthRow, keys, used, products, queryRows);
    addToSums(valueSums, valueRow, keys, used, scores, dyRows);
    multiplyWeights(used, keys, products, keyRows, depthRow, sums);
    Acc factors[panel];
    std::fill(factors, factors + panel, scale);
    storeRows(dq + spec.q.at(b, h, begin), spec.q.row, sums, depthRow, used, spec.depth, factors);
  }

  /// scores = exp(score - lse), products = scores * (product - delta); zeros in lanes without a query.
  void makeWeights(int64_t keys, const Acc *lseRow, const Acc *deltaRow, int64_t used) {
    Acc top[panel], shift[panel];
    std::fill(top, top + panel, std::numeric_limits<Acc>::infinity());
    std::fill(shift, shift + panel, Acc(0));
    for (int64_t j = 0; j < used; ++j) top[j] = lseRow[j * spec.rows.row], shift[j] = deltaRow[j * spec.rows.row];
    const auto lseLanes = Lanes<Acc>::at(top), deltaLanes = Lanes<Acc>::at(shift);
    for (int64_t key = 0; key < keys; ++key) {
      next.fetch();
      const auto score = Lanes<Acc>::at(scores + key * panel), product = Lanes<Acc>::at(products + key * panel);
      const auto power = mapLanes<Acc>([&](int i) { return weight(score.half[i] - lseLanes.half[i]); });
      power.storeTo(scores + key * panel);
      mapLanes<Acc>([&](int i) {
        return power.half[i] * (product.half[i] - deltaLanes.half[i]);
      }).storeTo(products + key * panel);
    }
  }

  /// sums[keys, row] += weights[keys, queries] * rows[queries, row], where `row` is whole vectors.
  void addToSums(Acc *to, int64_t row, int64_t keys, int64_t used, const Acc *weights, const Acc *rows) {
    constexpr int64_t lanes = gemm::kLanes<Acc>;
    for (int64_t column = 0; column < row; column += panel)
      multiplyPanel(Left::Rows, keys, used, weights, panel, rows + column, row, to + column, row,
                    row - column > lanes ? 2 : 1, true);
  }

  /// Rows in the accumulator's type, times a factor, with zeros up to whole vectors.
  static void copyScaled(Acc *to, int64_t toRow, const T *from, int64_t row, int64_t count, int64_t depth, Acc factor) {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t p = 0; p < depth; ++p) to[i * toRow + p] = load<T>(from[i * row + p]) * factor;
      std::fill(to + i * toRow + depth, to + (i + 1) * toRow, Acc(0));
    }
  }
  void storeSums(T *to, int64_t row, const Acc *from, int64_t fromRow, int64_t depth) const {
    for (int64_t i = 0; i < spec.keys; ++i)
      for (int64_t p = 0; p < depth; ++p) to[i * row + p] = store<T>(from[i * fromRow + p]);
  }

  const AttentionSpec &spec;
  const T *dy, *q, *k, *v;
  const Acc *lse, *delta;
  const void *mask;
  T *dq, *dk, *dv;
  int64_t depthRow = 0, valueRow = 0; // whole vectors
  Acc *keyRows, *valueRows, *keySums, *valueSums;
  Acc *queryLanes, *dyLanes, *sums, *queryRows, *dyRows, *scores, *products;
};

} // namespace

void AttentionPlan::backward(const void *dy, HeadParts<const void *> x, const void *lse, const void *delta,
                             const void *mask, HeadParts<void *> d, ThreadPool &pool) const {
  visitFloat(spec.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    const bool byTiles = std::is_same_v<T, BFloat16> && hasTiles();
    auto body = [&](int64_t begin, int64_t end) {
      Backward<T> head(spec, dy, x, lse, delta, mask, d);
      amx::TileScope tiles(byTiles ? amx::isa() : amx::Isa::None);
      for (int64_t i = begin; i < end; ++i) {
        head.next = {};
        if (i + 1 < end) head.setNext((i + 1) / spec.heads, (i + 1) % spec.heads);
        if (byTiles)
          backwardByTiles(spec, dy, x, lse, delta, mask, d, head.next, i / spec.heads, i % spec.heads);
        else
          head.run(i / spec.heads, i % spec.heads);
      }
    };
    pool.parallelFor(spec.batch * spec.heads, headsPerChunk(spec), body);
    return 0;
  });
}

} // namespace tinyfin
