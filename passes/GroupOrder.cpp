// SPDX-License-Identifier: Apache-2.0
#include "passes/GroupOrder.h"
#include "llvm/ADT/STLExtras.h"
#include <numeric>

namespace tinyfin::fin {

static constexpr int64_t kGap = int64_t(1) << 24; // between labels of neighbours, to begin with

GroupOrder::GroupOrder(std::vector<Numbers> needed)
    : needs(std::move(needed)), members(needs.size()), parent(needs.size()), previous(needs.size() + 1), next(needs.size() + 1),
      label(needs.size() + 1), seenIn(needs.size(), 0) {
  std::iota(parent.begin(), parent.end(), 0u);
  unsigned end = needs.size();
  for (unsigned i = 0; i < end; ++i) members[i] = {i};
  for (unsigned i = 0; i <= end; ++i) previous[i] = i ? i - 1 : end, next[i] = i < end ? i + 1 : 0;
  relabel();
  findClosure();
}

void GroupOrder::findClosure() {
  closure.resize(rowOf(needs.size()));
  for (size_t i = 0; i < needs.size(); ++i)
    for (unsigned need : needs[i]) {
      closure[rowOf(i) + need / 64] |= uint64_t(1) << need % 64;
      for (size_t word = 0; word <= need / 64; ++word) closure[rowOf(i) + word] |= closure[rowOf(need) + word];
    }
}

void GroupOrder::relabel() {
  int64_t value = 0;
  unsigned end = needs.size();
  for (unsigned at = next[end]; at != end; at = next[at]) label[at] = value += kGap;
  label[end] = value + kGap;
}

unsigned GroupOrder::rootOf(unsigned node) {
  while (parent[node] != node) node = parent[node] = parent[parent[node]];
  return node;
}

bool GroupOrder::hasDetour(unsigned a, unsigned b) {
  auto [early, late] = label[a] < label[b] ? std::pair(a, b) : std::pair(b, a);
  between.clear();
  for (unsigned need : needs[late]) {
    unsigned third = rootOf(need);
    if (third == early || third == late || label[third] < label[early]) continue;
    if (llvm::any_of(members[early], [&, need = need](unsigned member) { return isNeeded(need, member); })) return true;
  }
  ++search;
  for (size_t at = 0; at <= between.size(); ++at) { // the later group, then what was found
    bool isLate = at == 0;
    for (unsigned need : needs[isLate ? late : between[at - 1]]) {
      unsigned third = rootOf(need);
      if (third == early && !isLate) return true;
      if (third == early || third == late || label[third] < label[early] || seenIn[third] == search) continue;
      seenIn[third] = search;
      between.push_back(third);
    }
  }
  return false;
}

void GroupOrder::unlink(unsigned root) {
  next[previous[root]] = next[root];
  previous[next[root]] = previous[root];
}

void GroupOrder::placeBefore(llvm::ArrayRef<unsigned> roots, unsigned root) {
  for (unsigned moved : roots) unlink(moved);
  unsigned front = previous[root];
  int64_t low = front == needs.size() ? 0 : label[front], step = (label[root] - low) / static_cast<int64_t>(roots.size() + 1);
  for (unsigned moved : roots) {
    next[front] = moved, previous[moved] = front;
    label[moved] = low += step;
    front = moved;
  }
  next[front] = root, previous[root] = front;
  if (step == 0) relabel();
}

unsigned GroupOrder::merge(unsigned a, unsigned b) {
  auto [early, late] = label[a] < label[b] ? std::pair(a, b) : std::pair(b, a);
  llvm::sort(between, [&](unsigned x, unsigned y) { return label[x] < label[y]; });
  if (!between.empty()) placeBefore(between, early);
  unlink(late);
  unsigned root = std::min(a, b), child = std::max(a, b);
  if (root == late) { // the root goes where the earlier group is
    label[late] = label[early];
    previous[late] = previous[early], next[late] = next[early];
    next[previous[late]] = previous[next[late]] = late;
  }
  parent[child] = root;
  Numbers both;
  std::merge(members[a].begin(), members[a].end(), members[b].begin(), members[b].end(), std::back_inserter(both));
  members[root] = std::move(both);
  needs[root].append(needs[child].begin(), needs[child].end());
  return root;
}

} // namespace tinyfin::fin
