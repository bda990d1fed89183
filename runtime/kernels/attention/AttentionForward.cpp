// SPDX-License-Identifier: Apache-2.0
// Attention's forward pass. A panel of queries at a time: its whole rows of scores stay in the cache, so that nothing is
// rescaled; then softmax, then the product with v, divided by the sums when it is stored.
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/AmxMachine.h"
#include "runtime/kernels/attention/AttentionBlocks.h"
#include "runtime/kernels/attention/AttentionTiles.h"

namespace tinyfin {
namespace {

using namespace attention;

template <class T> class Forward {
public:
  using Acc = Compute<T>;

  Forward(const AttentionSpec &spec, HeadParts<const void *> x, const void *mask, void *output, void *lse)
      : spec(spec), q(static_cast<const T *>(x.q)), k(static_cast<const T *>(x.k)), v(static_cast<const T *>(x.v)),
        mask(mask), output(static_cast<T *>(output)), lse(static_cast<Acc *>(lse)) {}

  /// The head that comes next on this thread.
  NextHead next;
  void setNext(int64_t b, int64_t h) {
    next = {};
    next.add(q + spec.q.at(b, h), spec.queries, spec.depth, spec.q.row);
    next.add(k + spec.k.at(b, h), spec.keys, spec.depth, spec.k.row);
    next.add(v + spec.v.at(b, h), spec.keys, spec.valueDepth, spec.v.row);
    next.add(output + spec.output.at(b, h), spec.queries, spec.valueDepth, spec.output.row);
    next.shareOut(fetchesAHead(spec, kPanel<float>, std::is_same_v<T, BFloat16> && hasTiles() ? 2 : 1));
  }

  /// Queries [begin, end) of one head; begin is a multiple of the panel.
  void run(int64_t b, int64_t h, int64_t begin, int64_t end) {
    valueRow = wholeVectors<Acc>(spec.valueDepth);
    const int64_t copied = spec.keys * (spec.depth + valueRow);
    Acc *memory = scratch<Acc>(ScratchUse::Attention, copied + (spec.depth + valueRow + spec.keys) * panel);
    HeadMask<Acc, T> seen(spec, mask, b, h);
    const int64_t keys = seen.keysBefore(end);
    keyRows = memory, valueRows = memory + spec.keys * spec.depth;
    copyRows(keyRows, spec.depth, k + spec.k.at(b, h), spec.k.row, keys, spec.depth);
    copyRows(valueRows, valueRow, v + spec.v.at(b, h), spec.v.row, keys, spec.valueDepth);
    queries = memory + copied, sums = queries + spec.depth * panel, scores = sums + valueRow * panel;
    for (; begin < end; begin += panel) runPanel(b, h, begin, std::min(panel, end - begin), seen);
  }

private:
  static constexpr int64_t panel = kPanel<Acc>;

  void runPanel(int64_t b, int64_t h, int64_t begin, int64_t used, const HeadMask<Acc, T> &seen) {
    const int64_t keys = seen.keysBefore(begin + used);
    const int vectors = used <= panel / 2 ? 1 : 2;
    packLanes(queries, q + spec.q.at(b, h, begin), spec.q.row, used, spec.depth, static_cast<Acc>(spec.scale));
    multiplyPanel(Left::Rows, keys, spec.depth, keyRows, spec.depth, queries, panel, scores, panel, vectors, false);
    seen.apply(scores, keys, begin, used);
    Acc divisors[panel];
    softmax(keys, divisors, lse + spec.rows.at(b, h, begin), used);
    multiplyWeights(used, keys, scores, valueRows, valueRow, sums);
    storeRows(output + spec.output.at(b, h, begin), spec.output.row, sums, valueRow, used, spec.valueDepth, divisors);
  }

  /// Makes scores exp(score - max); 1 / sum and log(sum) + max of each lane.
  void softmax(int64_t keys, Acc *factors, Acc *lseRow, int64_t used) {
    constexpr Acc infinity = std::numeric_limits<Acc>::infinity();
    const Lanes<Acc> largest = largestScores(scores, keys);
    Lanes<Acc> total = Lanes<Acc>::of(0);
    for (int64_t key = 0; key < keys; ++key) {
      next.fetch();
      const auto score = Lanes<Acc>::at(scores + key * panel);
      const auto power = mapLanes<Acc>([&](int i) { return weight(score.half[i] - largest.half[i]); });
      power.storeTo(scores + key * panel);
      total = mapLanes<Acc>([&](int i) { return total.half[i] + power.half[i]; });
    }
    Acc top[panel], sum[panel];
    largest.storeTo(top);
    total.storeTo(sum);
    std::fill(factors, factors + panel, Acc(0));
    for (int64_t j = 0; j < used; ++j) {
      factors[j] = sum[j] == 0 ? Acc(0) : 1 / sum[j];
      lseRow[j * spec.rows.row] = sum[j] == 0 ? infinity : std::log(sum[j]) + top[j];
    }
  }

  const AttentionSpec &spec;
  const T *q, *k, *v;
  const void *mask;
  int64_t valueRow = 0;
  T *output;
  Acc *lse;
  Acc *keyRows, *valueRows, *queries, *sums, *scores;
};

/// Few heads are cut into ranges of queries too.
int64_t panelsPerChunk(const AttentionSpec &spec, int64_t panels) {
  constexpr int64_t chunks = 16;
  const int64_t heads = spec.batch * spec.heads;
  return heads >= chunks ? panels : std::max<int64_t>(1, panels * heads / chunks);
}

} // namespace

void AttentionPlan::forward(HeadParts<const void *> x, const void *mask, void *output, void *lse,
                            ThreadPool &pool) const {
  visitFloat(spec.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    constexpr int64_t panel = kPanel<Compute<T>>;
    const int64_t panels = (spec.queries + panel - 1) / panel, perChunk = panelsPerChunk(spec, panels);
    const int64_t ranges = panels ? (panels + perChunk - 1) / perChunk : 0;
    const bool byTiles = std::is_same_v<T, BFloat16> && hasTiles();
    auto body = [&](int64_t begin, int64_t end) {
      Forward<T> head(spec, x, mask, output, lse);
      amx::TileScope tiles(byTiles ? amx::isa() : amx::Isa::None);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t range = i % ranges, h = i / ranges;
        if (i + 1 < end && ranges == 1)
          head.setNext((h + 1) / spec.heads, (h + 1) % spec.heads);
        else
          head.next = {};
        const int64_t first = range * perChunk * panel, last = std::min(spec.queries, first + perChunk * panel);
        if (byTiles)
          forwardByTiles(spec, x, mask, output, lse, head.next, h / spec.heads, h % spec.heads, first, last);
        else
          head.run(h / spec.heads, h % spec.heads, first, last);
      }
    };
    pool.parallelFor(spec.batch * spec.heads * ranges, ranges == 1 ? headsPerChunk(spec) : 1, body);
    return 0;
  });
}

} // namespace tinyfin
