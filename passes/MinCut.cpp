// SPDX-License-Identifier: Apache-2.0
// Dinic's algorithm; then, backwards from the sink, what still has room to it.
#include "passes/MinCut.h"
#include <algorithm>

namespace tinyfin::fin {

void MinCut::connect(unsigned from, unsigned to, int64_t capacity) {
  edges[from].push_back({to, static_cast<unsigned>(edges[to].size()), capacity});
  edges[to].push_back({from, static_cast<unsigned>(edges[from].size() - 1), 0});
}

bool MinCut::findLevels() {
  level.assign(edges.size(), -1);
  std::vector<unsigned> queue = {source()};
  level[source()] = 0;
  for (size_t at = 0; at < queue.size(); ++at)
    for (const Edge &edge : edges[queue[at]])
      if (edge.left > 0 && level[edge.to] < 0) level[edge.to] = level[queue[at]] + 1, queue.push_back(edge.to);
  return level[sink()] >= 0;
}

/// Depth first along the levels; paths are as long as the graph is deep, so the stack is one of our own.
int64_t MinCut::push(unsigned from, int64_t amount) {
  std::vector<unsigned> path = {from};
  while (!path.empty()) {
    unsigned at = path.back();
    if (at == sink()) {
      for (size_t i = 0; i + 1 < path.size(); ++i) amount = std::min(amount, edges[path[i]][next[path[i]]].left);
      for (size_t i = 0; i + 1 < path.size(); ++i) {
        Edge &edge = edges[path[i]][next[path[i]]];
        edge.left -= amount;
        edges[edge.to][edge.back].left += amount;
      }
      return amount;
    }
    for (; next[at] < edges[at].size(); ++next[at]) {
      const Edge &edge = edges[at][next[at]];
      if (edge.left > 0 && level[edge.to] == level[at] + 1) break;
    }
    if (next[at] < edges[at].size()) {
      path.push_back(edges[at][next[at]].to);
    } else {
      path.pop_back();
      if (!path.empty()) ++next[path.back()];
    }
  }
  return 0;
}

std::vector<bool> MinCut::cut() {
  while (findLevels()) {
    next.assign(edges.size(), 0);
    while (push(source(), kInfinite)) {}
  }
  std::vector<bool> reachesSink(edges.size());
  std::vector<unsigned> queue = {sink()};
  reachesSink[sink()] = true;
  for (size_t at = 0; at < queue.size(); ++at)
    for (const Edge &edge : edges[queue[at]])
      if (!reachesSink[edge.to] && edges[edge.to][edge.back].left > 0) reachesSink[edge.to] = true, queue.push_back(edge.to);
  std::vector<bool> result(count);
  for (unsigned node = 0; node < count; ++node) result[node] = !reachesSink[into(node)] && reachesSink[outOf(node)];
  return result;
}

} // namespace tinyfin::fin
