// SPDX-License-Identifier: Apache-2.0
// Groups of ops that are merged step by step, and whether merging two would make a cycle.
//   1. Groups are kept in a topological order (a list with labels): a group that needs another stands behind it. Two groups
//      make a cycle if the later one needs a third that needs the earlier one, and such thirds stand between them.
//   2. What one op needs of another, directly or not, is found once for all pairs: merging only adds to it. So most
//      cycles are seen at once; else the groups between the two are searched, usually none or a few.
//   3. A merged group takes the earlier one's place. What the later one needs moves in front of it.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <vector>

namespace tinyfin::fin {

class GroupOrder {
public:
  using Numbers = llvm::SmallVector<unsigned, 4>;
  /// `needs[i]`: the nodes that node i needs, all of them before i. Each node starts as a group of its own.
  explicit GroupOrder(std::vector<Numbers> needs);

  /// A group is known by one of its nodes.
  unsigned rootOf(unsigned node);
  /// Ascending.
  llvm::ArrayRef<unsigned> membersOf(unsigned root) const { return members[root]; }
  /// What the nodes of a group need; its own nodes may be among them.
  llvm::ArrayRef<unsigned> needsOf(unsigned root) const { return needs[root]; }
  /// Whether some third group needs one of two and is needed by the other. Both are roots.
  bool hasDetour(unsigned a, unsigned b);
  /// Merges the two that hasDetour was just asked about; it said no. Returns the root, the lesser of the two.
  unsigned merge(unsigned a, unsigned b);

private:
  bool isNeeded(unsigned by, unsigned node) const {
    return node < by && (closure[rowOf(by) + node / 64] >> node % 64 & 1);
  }
  static size_t rowOf(size_t node) { // rows of (i + 64) / 64 words: nodes need earlier ones alone
    size_t blocks = node / 64;
    return 64 * (blocks * (blocks + 1) / 2) + (node % 64) * (blocks + 1);
  }
  void findClosure();
  void unlink(unsigned root);
  void placeBefore(llvm::ArrayRef<unsigned> roots, unsigned root);
  void relabel();

  std::vector<Numbers> needs, members;
  std::vector<uint64_t> closure;
  std::vector<unsigned> parent, previous, next; // the list's end is node number size()
  std::vector<int64_t> label;
  std::vector<unsigned> seenIn; // the search that saw a group last
  unsigned search = 0;
  llvm::SmallVector<unsigned> between; // of the last search: groups that the later one needs, behind the earlier one
};

} // namespace tinyfin::fin
