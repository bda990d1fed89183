// SPDX-License-Identifier: Apache-2.0
// Greedy merging of groups without making a cycle.
//   1. The block is cut into windows, so that the reachability matrix stays small: a path that leaves a window
//      leads to earlier ones and never comes back.
//   2. A and B may merge if no group needs one and is needed by the other (GroupOrder.h).
//   3. Contractions grow first: in program order a product's elementwise readers join it, then what they alone read.
//   4. In program order each op's group is merged with its producers' groups, then with a contraction that reads the same
//      as it does, then with siblings that share an input.
#include "passes/Grouping.h"
#include "ir/Claim.h"
#include "ir/Fin.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Operation.h"
#include "passes/GroupOrder.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kWindow = 8192;
constexpr size_t kMostSiblings = 8; // groups that share an input and are tried pairwise

const ClaimInterface *claimOf(ArrayRef<Operation *> ops) {
  if (ops.empty()) return nullptr;
  return ops[0]->getContext()->getLoadedDialect<FinDialect>()->getRegisteredInterface<ClaimInterface>();
}

class Window {
public:
  Window(ArrayRef<Operation *> ops, Ambition ambition)
      : nodes(numbered(graph, ops)), ambition(ambition), order(findAllNeeds()), groups(nodes.size()) {
    auto finishes = [claim = claimOf(ops)](Operation *product) { return !claim || claim->finishes(product); };
    for (unsigned i = 0; i < nodes.size(); ++i) {
      needs.push_back(llvm::to_vector<4>(order.needsOf(i)));
      groups[i].isContraction = ambition == Ambition::Contractions && nodes[i]->isContractible && finishes(ops[i]);
      groups[i].isFusable = groups[i].isContraction || isFusable(ops[i]);
      groups[i].isLate = ops[i]->hasAttr(kLateAttr);
      if (groups[i].isLate) firstLate = std::min(firstLate, i);
    }
  }

  // The latest product takes an op that reads several: the others are in memory by then.
  void growContractions() {
    findStored();
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!nodes[i]->isElementwise || !groups[i].isFusable) continue;
      GroupOrder::Numbers producers = needs[i];
      llvm::sort(producers, std::greater<>());
      for (unsigned producer : producers) {
        unsigned group = rootOf(producer);
        if (groups[group].isContraction && paysInContraction(i, group) && tryMerge(i, group)) break;
      }
    }
    for (unsigned i = nodes.size(); i-- > 0;)
      if (std::optional<unsigned> reader = onlyReader(i)) tryMerge(i, *reader);
  }

  // Contractions have taken what they take.
  void mergeProducers() {
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!groups[i].isFusable || groups[rootOf(i)].isContraction) continue;
      for (unsigned producer : needs[i])
        if (!groups[rootOf(producer)].isContraction) tryMerge(rootOf(i), rootOf(producer));
    }
  }

  // A map, one of whose results a contraction reads, joins it if that reads all that is large of what the map reads:
  // results are stored while the operands are near, and what the contraction read is neither stored nor read.
  void mergeReadTogether() {
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (rootOf(i) != i || !groups[i].isFusable || groups[i].isContraction) continue;
      ArrayRef<unsigned> members = order.membersOf(i);
      if (!llvm::all_of(members, [&](unsigned member) { return nodes[member]->isElementwise; })) continue;
      llvm::SmallSetVector<unsigned, 8> readers; // contractions
      for (unsigned member : members)
        for (RegionNode *user : graph.usersOf(nodes[member]))
          if (isWithin(user) && user->isElementwise && groups[rootOf(user->number)].isContraction) readers.insert(rootOf(user->number));
      if (readers.empty()) continue;
      std::optional<Region> map = analyze(i);
      if (!map || map->kind != "map") continue;
      for (unsigned reader : readers)
        if (readsNothingMore(*map, reader) && tryMerge(i, reader)) break;
    }
  }

  // Groups that read the same large value; a broadcast operand is no reason to merge.
  void mergeSiblings() {
    llvm::MapVector<Value, SmallVector<unsigned>> readers;
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!groups[i].isFusable || groups[rootOf(i)].isContraction) continue;
      for (const RegionOperand &operand : nodes[i]->operands) {
        bool isFull = operand.value().getType() == nodes[i]->result().getType() || isReducedBy(nodes[i]);
        if (isFull) readers[operand.value()].push_back(i);
      }
    }
    for (auto &[value, users] : readers) {
      size_t most = std::min(users.size(), kMostSiblings);
      for (size_t a = 0; a < most; ++a)
        for (size_t b = a + 1; b < most; ++b) tryMerge(rootOf(users[b]), rootOf(users[a]));
    }
  }

  void collect(SmallVector<OpGroup, 0> &result) {
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (rootOf(i) != i || !groups[i].isFusable) continue;
      if (std::optional<Region> region = analyze(i)) result.push_back({opsOf(order.membersOf(i)), std::move(*region)});
    }
  }

private:
  struct Group {
    bool isFusable, isContraction, isStored;
    bool isLate; // some member is
  };

  static std::vector<RegionNode *> numbered(RegionGraph &graph, ArrayRef<Operation *> ops) {
    std::vector<RegionNode *> nodes;
    for (auto [i, op] : llvm::enumerate(ops)) nodes.push_back(graph.nodeOf(op)), nodes[i]->number = i;
    return nodes;
  }
  static bool isWithin(const RegionNode *node) { return node->number != RegionNode::kNoNumber; }
  std::vector<GroupOrder::Numbers> findAllNeeds() {
    std::vector<GroupOrder::Numbers> found(nodes.size());
    for (auto [node, needed] : llvm::zip_equal(nodes, found)) findNeeds(node, needed);
    return found;
  }

  static bool isReducedBy(const RegionNode *node) { return node->isReduction || isa<CastOp>(node->op); }

  // What has to lie in memory some time: an op outside of regions reads it, or a product's region can go on with it.
  void findStored() {
    for (unsigned i = nodes.size(); i-- > 0;) {
      bool hasResult = nodes[i]->op->getNumResults();
      groups[i].isStored = !hasResult || llvm::any_of(graph.usersOf(nodes[i]), [&](RegionNode *user) {
        if (!isWithin(user) || !groups[user->number].isFusable || groups[user->number].isContraction) return true;
        bool goesOn = user->isElementwise && user->shape == nodes[i]->shape; // casts go on too
        return goesOn && groups[user->number].isStored;
      });
    }
  }

  /// An op that only reductions read costs a result more if its operands are read elsewhere too.
  bool paysInContraction(unsigned i, unsigned group) {
    if (groups[i].isStored) return true;
    return llvm::all_of(needs[i], [&](unsigned need) {
      return rootOf(need) != group || llvm::all_of(graph.usersOf(nodes[need]), [&](RegionNode *user) { return user == nodes[i]; });
    });
  }

  /// The contraction that all readers of an elementwise or random op are in.
  std::optional<unsigned> onlyReader(unsigned i) {
    bool mayJoin = nodes[i]->isElementwise || nodes[i]->isRandom;
    if (!mayJoin || !groups[i].isFusable || groups[rootOf(i)].isContraction) return std::nullopt;
    std::optional<unsigned> reader;
    for (RegionNode *user : graph.usersOf(nodes[i])) {
      if (!isWithin(user)) return std::nullopt;
      unsigned group = rootOf(user->number);
      if (!groups[group].isContraction || group != reader.value_or(group)) return std::nullopt;
      reader = group;
    }
    return reader;
  }

  /// Whether a contraction reads all that is large of what a map reads.
  bool readsNothingMore(const Region &map, unsigned contraction) {
    std::optional<Region> product = analyze(contraction);
    if (!product) return false;
    int64_t size = ShapedType::getNumElements(product->domain);
    return llvm::all_of(map.inputs, [&](Value input) {
      return cast<RankedTensorType>(input.getType()).getNumElements() < size || product->inputs.contains(input);
    });
  }

  unsigned rootOf(unsigned i) { return order.rootOf(i); }

  // Producers in the window, through ops that regions copy and views.
  void findNeeds(RegionNode *node, GroupOrder::Numbers &found) {
    for (const RegionOperand &operand : node->operands) {
      RegionNode *producer = graph.producerOf(operand);
      if (!producer) continue;
      if (producer->isView) findNeeds(producer, found);
      else if (isWithin(producer) && !llvm::is_contained(found, producer->number)) found.push_back(producer->number);
    }
  }

  SmallVector<Operation *> opsOf(ArrayRef<unsigned> members) const {
    SmallVector<Operation *> ops;
    for (unsigned member : members) ops.push_back(nodes[member]->op);
    return ops;
  }

  std::optional<Region> analyze(unsigned group) { return analyze(order.membersOf(group)); }
  std::optional<Region> analyze(ArrayRef<unsigned> members) {
    analyzed.clear();
    for (unsigned member : members) analyzed.push_back(nodes[member]);
    return analyzeRegion(graph, analyzed);
  }

  bool isWithinAmbition(llvm::StringRef kind) const {
    switch (ambition) {
    case Ambition::Contractions: return true;
    case Ambition::Normalizations: return kind != "contraction";
    case Ambition::Reductions: return kind == "reduction" || kind == "map";
    case Ambition::Maps: return kind == "map";
    case Ambition::None: return false;
    }
    return false;
  }

  /// Whether one belongs to the backward half and the other has a member from before it. A group's root is its first.
  bool areApart(unsigned a, unsigned b) const {
    return (groups[a].isLate && b < firstLate) || (groups[b].isLate && a < firstLate);
  }

  bool tryMerge(unsigned a, unsigned b) {
    if (a == b || !groups[a].isFusable || !groups[b].isFusable || areApart(a, b) || order.hasDetour(a, b)) return false;
    ArrayRef<unsigned> ofA = order.membersOf(a), ofB = order.membersOf(b);
    SmallVector<unsigned, 64> members;
    std::merge(ofA.begin(), ofA.end(), ofB.begin(), ofB.end(), std::back_inserter(members));
    std::optional<Region> region = analyze(members);
    if (!region || !isWithinAmbition(region->kind)) return false;
    Group &root = groups[order.merge(a, b)], &child = groups[std::max(a, b)];
    root.isContraction |= child.isContraction;
    root.isLate |= child.isLate;
    return true;
  }

  RegionGraph graph;
  std::vector<RegionNode *> nodes;
  Ambition ambition;
  GroupOrder order;
  std::vector<GroupOrder::Numbers> needs; // of single nodes
  std::vector<Group> groups;
  unsigned firstLate = UINT_MAX;
  SmallVector<RegionNode *, 64> analyzed; // by the call that is at work
};

} // namespace

SmallVector<OpGroup, 0> groupOps(ArrayRef<Operation *> ops, Ambition ambition) {
  SmallVector<OpGroup, 0> groups;
  for (size_t at = 0; at < ops.size(); at += kWindow) {
    Window window(ops.slice(at, std::min(kWindow, ops.size() - at)), ambition);
    window.growContractions();
    window.mergeProducers();
    window.mergeReadTogether();
    window.mergeSiblings();
    window.collect(groups);
  }
  return groups;
}

SmallVector<Operation *> groupableOps(Block &block) {
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (!isCopiedIntoRegions(&op) && !isa<ReshapeOp>(op) && !op.hasTrait<OpTrait::IsTerminator>()) ops.push_back(&op);
  return ops;
}

} // namespace tinyfin::fin
