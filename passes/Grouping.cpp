// SPDX-License-Identifier: Apache-2.0
// Greedy merging of groups without making a cycle.
//   1. The block is cut into windows, so that the reachability matrix stays small: a path that leaves a window
//      leads to earlier ones and never comes back.
//   2. reach[g] is the set of groups that g needs, directly or not. A and B may merge if no group between them needs
//      one and is needed by the other.
//   3. In program order each op's group is merged with its producers' groups, then with siblings that share an input.
#include "passes/Grouping.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Operation.h"
#include "passes/Region.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kWindow = 2048;
constexpr size_t kMostSiblings = 8; // groups that share an input and are tried pairwise

using Ops = SmallVector<Operation *>;

class Window {
public:
  Window(ArrayRef<Operation *> nodes, Ambition ambition) : nodes(nodes), ambition(ambition) {
    for (auto [i, node] : llvm::enumerate(nodes)) numbers[node] = i;
    groups.resize(nodes.size());
    for (unsigned i = 0; i < nodes.size(); ++i) {
      groups[i].parent = i;
      groups[i].members = {i};
      groups[i].isFusable = isFusable(nodes[i]);
      groups[i].reach.resize(nodes.size());
      findNeeds(nodes[i], groups[i].needs);
      for (unsigned need : groups[i].needs) {
        groups[i].reach.set(need);
        groups[i].reach |= groups[need].reach;
      }
    }
  }

  void mergeProducers() {
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!groups[i].isFusable) continue;
      SmallVector<unsigned> producers(groups[i].needs);
      for (unsigned producer : producers) tryMerge(rootOf(i), rootOf(producer));
    }
  }

  // Groups that read the same large value; a broadcast operand is no reason to merge.
  void mergeSiblings() {
    llvm::MapVector<Value, SmallVector<unsigned>> readers;
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!groups[i].isFusable) continue;
      for (Value operand : nodes[i]->getOperands()) {
        bool isFull = operand.getType() != nodes[i]->getResult(0).getType() ? isReducedBy(nodes[i]) : true;
        if (isFull) readers[operand].push_back(i);
      }
    }
    for (auto &[value, users] : readers) {
      size_t most = std::min(users.size(), kMostSiblings);
      for (size_t a = 0; a < most; ++a)
        for (size_t b = a + 1; b < most; ++b) tryMerge(rootOf(users[b]), rootOf(users[a]));
    }
  }

  void collect(SmallVectorImpl<Ops> &result) {
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (rootOf(i) != i || !groups[i].isFusable) continue;
      Ops ops = opsOf(groups[i].members);
      if (analyzeRegion(ops)) result.push_back(std::move(ops));
    }
  }

private:
  struct Group {
    unsigned parent;
    SmallVector<unsigned> members, needs; // node numbers, members ascending
    llvm::BitVector reach;                // roots and former roots
    bool isFusable;
  };

  static bool isReducedBy(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp, CastOp>(op); }

  unsigned rootOf(unsigned i) {
    while (groups[i].parent != i) i = groups[i].parent = groups[groups[i].parent].parent;
    return i;
  }

  // Producers in the window, through ops that regions copy and views.
  void findNeeds(Operation *op, SmallVectorImpl<unsigned> &needs) {
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (!producer) continue;
      if (isCopiedIntoRegions(producer) || isa<ReshapeOp>(producer)) {
        findNeeds(producer, needs);
        continue;
      }
      auto number = numbers.find(producer);
      if (number != numbers.end() && !llvm::is_contained(needs, number->second)) needs.push_back(number->second);
    }
  }

  Ops opsOf(ArrayRef<unsigned> members) const {
    Ops ops;
    for (unsigned member : members) ops.push_back(nodes[member]);
    return ops;
  }

  /// Whether some third group lies on a path from `from` to `to`.
  bool hasDetour(unsigned from, unsigned to) {
    for (unsigned member : groups[from].members)
      for (unsigned need : groups[member].needs) {
        unsigned between = rootOf(need);
        if (between != from && between != to && groups[between].reach.test(to)) return true;
      }
    return false;
  }

  bool isWithinAmbition(llvm::StringRef kind) const {
    switch (ambition) {
    case Ambition::Normalizations: return true;
    case Ambition::Reductions: return kind != "normalization";
    case Ambition::Maps: return kind == "map";
    case Ambition::None: return false;
    }
    return false;
  }

  void tryMerge(unsigned a, unsigned b) {
    if (a == b || !groups[a].isFusable || !groups[b].isFusable || hasDetour(a, b) || hasDetour(b, a)) return;
    SmallVector<unsigned> members;
    std::merge(groups[a].members.begin(), groups[a].members.end(), groups[b].members.begin(), groups[b].members.end(),
               std::back_inserter(members));
    std::optional<Region> region = analyzeRegion(opsOf(members));
    if (!region || !isWithinAmbition(region->kind)) return;
    unsigned root = std::min(a, b), child = std::max(a, b);
    groups[child].parent = root;
    groups[root].members = std::move(members);
    groups[root].reach |= groups[child].reach;
    for (Group &group : groups)
      if (group.parent == static_cast<unsigned>(&group - groups.data()) && (group.reach.test(root) || group.reach.test(child))) {
        group.reach |= groups[root].reach;
        group.reach.set(root);
      }
    groups[root].reach.reset(root);
  }

  ArrayRef<Operation *> nodes;
  Ambition ambition;
  llvm::DenseMap<Operation *, unsigned> numbers;
  std::vector<Group> groups;
};

} // namespace

SmallVector<Ops> regroupOps(ArrayRef<Operation *> ops, Ambition ambition) {
  SmallVector<Ops> groups;
  for (size_t at = 0; at < ops.size(); at += kWindow) {
    Window window(ops.slice(at, std::min(kWindow, ops.size() - at)), ambition);
    window.mergeProducers();
    window.mergeSiblings();
    window.collect(groups);
  }
  return groups;
}

SmallVector<Ops> groupOps(Block &block) {
  Ops nodes;
  for (Operation &op : block)
    if (!isCopiedIntoRegions(&op) && !isa<ReshapeOp>(op) && !op.hasTrait<OpTrait::IsTerminator>()) nodes.push_back(&op);
  return regroupOps(nodes, Ambition::Normalizations);
}

} // namespace tinyfin::fin
