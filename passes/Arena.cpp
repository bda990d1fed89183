// SPDX-License-Identifier: Apache-2.0
// Three orders of greedy best-fit, cheapest first, each tried only when the one before left memory unused (in large graphs:
// more than a tenth of it, as the latter two take quadratic time):
//   1. in order of time (linear)
//   2. largest first
//   3. largest area (bytes x lifetime) first
#include "passes/Arena.h"
#include "llvm/ADT/STLExtras.h"
#include <map>
#include <queue>
#include <set>

namespace tinyfin::fin {
namespace {

constexpr size_t kMany = 4096; // lifetimes: 4 ms for an order

struct Death {
  unsigned last;
  size_t which;
  bool operator>(const Death &other) const { return last > other.last; }
};
using Deaths = std::priority_queue<Death, std::vector<Death>, std::greater<Death>>;

/// Free memory below `end`, by offset and by size; neighbours are always merged.
class FreeList {
public:
  int64_t take(int64_t bytes) {
    auto fit = bySize.lower_bound({bytes, 0});
    if (fit == bySize.end()) return grow(bytes);
    auto [size, offset] = *fit;
    erase(offset, size);
    if (size > bytes) insert(offset + bytes, size - bytes);
    return offset;
  }
  void give(int64_t offset, int64_t bytes) {
    auto next = byOffset.lower_bound(offset);
    if (next != byOffset.end() && next->first == offset + bytes) {
      auto [at, size] = *next;
      erase(at, size);
      bytes += size;
    }
    next = byOffset.lower_bound(offset);
    if (next != byOffset.begin() && std::prev(next)->first + std::prev(next)->second == offset) {
      auto [at, size] = *std::prev(next);
      erase(at, size);
      offset = at, bytes += size;
    }
    insert(offset, bytes);
  }
  int64_t end = 0;

private:
  // Nothing fits: a free block at the end is extended before new memory is taken.
  int64_t grow(int64_t bytes) {
    int64_t offset = end;
    if (!byOffset.empty() && byOffset.rbegin()->first + byOffset.rbegin()->second == end) {
      auto [at, size] = *byOffset.rbegin();
      erase(at, size);
      offset = at;
    }
    end = offset + bytes;
    return offset;
  }
  void insert(int64_t offset, int64_t bytes) { byOffset[offset] = bytes, bySize.insert({bytes, offset}); }
  void erase(int64_t offset, int64_t bytes) { byOffset.erase(offset), bySize.erase({bytes, offset}); }
  std::map<int64_t, int64_t> byOffset;
  std::set<std::pair<int64_t, int64_t>> bySize;
};

ArenaLayout inOrderOfTime(llvm::ArrayRef<Lifetime> lifetimes) {
  ArenaLayout layout;
  FreeList free;
  Deaths deaths;
  for (auto [i, lifetime] : llvm::enumerate(lifetimes)) {
    for (; !deaths.empty() && deaths.top().last < lifetime.first; deaths.pop())
      if (lifetimes[deaths.top().which].bytes) free.give(layout.offsets[deaths.top().which], lifetimes[deaths.top().which].bytes);
    layout.offsets.push_back(lifetime.bytes ? free.take(lifetime.bytes) : 0);
    deaths.push({lifetime.last, i});
  }
  layout.bytes = free.end;
  return layout;
}

/// The lowest gap that is just large enough among what is placed already and lives at the same time.
int64_t bestGap(llvm::ArrayRef<Lifetime> lifetimes, llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<unsigned> placed,
                const Lifetime &wanted) {
  int64_t best = -1, bestSize = INT64_MAX, end = 0;
  for (unsigned other : placed) { // sorted by offset
    const Lifetime &lifetime = lifetimes[other];
    if (lifetime.last < wanted.first || wanted.last < lifetime.first) continue;
    int64_t gap = offsets[other] - end;
    if (gap >= wanted.bytes && gap < bestSize) best = end, bestSize = gap;
    end = std::max(end, offsets[other] + lifetime.bytes);
  }
  return best < 0 ? end : best;
}

template <class Weight> ArenaLayout heaviestFirst(llvm::ArrayRef<Lifetime> lifetimes, Weight weight) {
  llvm::SmallVector<unsigned> order(lifetimes.size()), placed;
  for (unsigned i = 0; i < order.size(); ++i) order[i] = i;
  llvm::sort(order, [&](unsigned a, unsigned b) {
    int64_t left = weight(lifetimes[a]), right = weight(lifetimes[b]);
    return left != right ? left > right : a < b;
  });
  ArenaLayout layout;
  layout.offsets.resize(lifetimes.size(), 0);
  for (unsigned i : order) {
    int64_t offset = layout.offsets[i] = bestGap(lifetimes, layout.offsets, placed, lifetimes[i]);
    layout.bytes = std::max(layout.bytes, offset + lifetimes[i].bytes);
    auto above = llvm::upper_bound(placed, offset, [&](int64_t o, unsigned other) { return o < layout.offsets[other]; });
    placed.insert(above, i);
  }
  return layout;
}

} // namespace

int64_t maxLiveBytes(llvm::ArrayRef<Lifetime> lifetimes) {
  Deaths deaths;
  int64_t live = 0, most = 0;
  for (auto [i, lifetime] : llvm::enumerate(lifetimes)) {
    for (; !deaths.empty() && deaths.top().last < lifetime.first; deaths.pop()) live -= lifetimes[deaths.top().which].bytes;
    most = std::max(most, live += lifetime.bytes);
    deaths.push({lifetime.last, i});
  }
  return most;
}

ArenaLayout layOutArena(llvm::ArrayRef<Lifetime> lifetimes) {
  int64_t floor = maxLiveBytes(lifetimes), goodEnough = floor + floor / (lifetimes.size() > kMany ? 10 : 500);
  ArenaLayout best = inOrderOfTime(lifetimes);
  auto tryLayout = [&](auto weight) {
    if (best.bytes <= goodEnough) return;
    ArenaLayout layout = heaviestFirst(lifetimes, weight);
    if (layout.bytes < best.bytes) best = std::move(layout);
  };
  tryLayout([](const Lifetime &lifetime) { return lifetime.bytes; });
  tryLayout([](const Lifetime &lifetime) { return lifetime.bytes * (lifetime.last - lifetime.first + 1); });
  return best;
}

} // namespace tinyfin::fin
