// SPDX-License-Identifier: Apache-2.0
// The cheapest set of nodes that separates a source from a sink.
#pragma once
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <limits>
#include <vector>

namespace tinyfin::fin {

class MinCut {
public:
  static constexpr int64_t kInfinite = std::numeric_limits<int64_t>::max() / 4;

  explicit MinCut(unsigned nodes) : count(nodes), edges(2 * nodes + 2) {}
  /// What it costs to cut a node.
  void setCost(unsigned node, int64_t cost) { connect(into(node), outOf(node), cost); }
  void addPath(unsigned from, unsigned to) { connect(outOf(from), into(to), kInfinite); }
  void addSource(unsigned node) { connect(source(), into(node), kInfinite); }
  void addSink(unsigned node) { connect(outOf(node), sink(), kInfinite); }

  /// For each node whether it is cut. Of the cheapest cuts the one nearest to the sink.
  std::vector<bool> cut();

private:
  struct Edge {
    unsigned to, back; // back: the reverse edge's place among those of `to`
    int64_t left;
  };
  unsigned into(unsigned node) const { return 2 * node; }
  unsigned outOf(unsigned node) const { return 2 * node + 1; }
  unsigned source() const { return 2 * count; }
  unsigned sink() const { return 2 * count + 1; }
  void connect(unsigned from, unsigned to, int64_t capacity);
  bool findLevels();
  int64_t push(unsigned from, int64_t amount);

  unsigned count;
  std::vector<llvm::SmallVector<Edge, 4>> edges;
  std::vector<int> level;
  std::vector<unsigned> next;
};

} // namespace tinyfin::fin
