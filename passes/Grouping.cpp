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
#include "passes/Region.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kWindow = 8192;
constexpr size_t kMostSiblings = 8; // groups that share an input and are tried pairwise

using Ops = SmallVector<Operation *>;

const ClaimInterface *claimOf(ArrayRef<Operation *> nodes) {
  if (nodes.empty()) return nullptr;
  return nodes[0]->getContext()->getLoadedDialect<FinDialect>()->getRegisteredInterface<ClaimInterface>();
}

class Window {
public:
  Window(ArrayRef<Operation *> nodes, Ambition ambition)
      : nodes(nodes), ambition(ambition), numbers(numbersOf(nodes)), order(findAllNeeds()), groups(nodes.size()) {
    auto finishes = [claim = claimOf(nodes)](Operation *product) { return !claim || claim->finishes(product); };
    for (unsigned i = 0; i < nodes.size(); ++i) {
      needs.push_back(llvm::to_vector<4>(order.needsOf(i)));
      groups[i].isContraction = ambition == Ambition::Contractions && isContractible(nodes[i]) && finishes(nodes[i]);
      groups[i].isFusable = groups[i].isContraction || isFusable(nodes[i]);
      groups[i].isLate = nodes[i]->hasAttr(kLateAttr);
      if (groups[i].isLate) firstLate = std::min(firstLate, i);
    }
  }

  // The latest product takes an op that reads several: the others are in memory by then.
  void growContractions() {
    findStored();
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!nodes[i]->hasTrait<Elementwise>() || !groups[i].isFusable) continue;
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
      SmallVector<unsigned> members(order.membersOf(i));
      if (!llvm::all_of(members, [&](unsigned member) { return nodes[member]->hasTrait<Elementwise>(); })) continue;
      llvm::SetVector<unsigned> readers;
      for (unsigned member : members)
        for (Operation *user : nodes[member]->getUsers()) {
          auto number = numbers.find(user);
          if (number != numbers.end() && nodes[number->second]->hasTrait<Elementwise>()) readers.insert(rootOf(number->second));
        }
      for (unsigned reader : readers)
        if (groups[reader].isContraction && readsNothingMore(i, reader) && tryMerge(i, reader)) break;
    }
  }

  // Groups that read the same large value; a broadcast operand is no reason to merge.
  void mergeSiblings() {
    llvm::MapVector<Value, SmallVector<unsigned>> readers;
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!groups[i].isFusable || groups[rootOf(i)].isContraction) continue;
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
      Ops ops = opsOf(order.membersOf(i));
      if (analyzeRegion(ops)) result.push_back(std::move(ops));
    }
  }

private:
  struct Group {
    bool isFusable, isContraction, isStored;
    bool isLate; // some member is
  };

  static llvm::DenseMap<Operation *, unsigned> numbersOf(ArrayRef<Operation *> nodes) {
    llvm::DenseMap<Operation *, unsigned> numbers(nodes.size());
    for (auto [i, node] : llvm::enumerate(nodes)) numbers[node] = i;
    return numbers;
  }
  std::vector<GroupOrder::Numbers> findAllNeeds() const {
    std::vector<GroupOrder::Numbers> found(nodes.size());
    for (auto [node, needed] : llvm::zip_equal(nodes, found)) findNeeds(node, needed);
    return found;
  }

  static bool isReducedBy(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp, CastOp>(op); }

  static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

  // What has to lie in memory some time: an op outside of regions reads it, or a product's region can go on with it.
  void findStored() {
    for (unsigned i = nodes.size(); i-- > 0;) {
      Value result = nodes[i]->getNumResults() ? nodes[i]->getResult(0) : Value();
      groups[i].isStored = !result || llvm::any_of(result.getUsers(), [&](Operation *user) {
        auto number = numbers.find(user);
        if (number == numbers.end() || !groups[number->second].isFusable || groups[number->second].isContraction) return true;
        bool goesOn = user->hasTrait<Elementwise>() && shapeOf(user->getResult(0)) == shapeOf(result); // casts go on too
        return goesOn && groups[number->second].isStored;
      });
    }
  }

  /// An op that only reductions read costs a result more if its operands are read elsewhere too.
  bool paysInContraction(unsigned i, unsigned group) {
    if (groups[i].isStored) return true;
    return llvm::all_of(needs[i], [&](unsigned need) {
      return rootOf(need) != group || llvm::all_of(nodes[need]->getUsers(), [&](Operation *user) { return user == nodes[i]; });
    });
  }

  /// The contraction that all readers of an elementwise or random op are in.
  std::optional<unsigned> onlyReader(unsigned i) {
    bool mayJoin = nodes[i]->hasTrait<Elementwise>() || isa<RandomBitsOp, UniformOp, NormalOp>(nodes[i]);
    if (!mayJoin || !groups[i].isFusable || groups[rootOf(i)].isContraction || nodes[i]->use_empty()) return std::nullopt;
    std::optional<unsigned> reader;
    for (Operation *user : nodes[i]->getUsers()) {
      auto number = numbers.find(user);
      if (number == numbers.end()) return std::nullopt;
      unsigned group = rootOf(number->second);
      if (!groups[group].isContraction || group != reader.value_or(group)) return std::nullopt;
      reader = group;
    }
    return reader;
  }

  /// Whether a contraction reads all that is large of what a map reads.
  bool readsNothingMore(unsigned group, unsigned contraction) const {
    std::optional<Region> map = analyzeRegion(opsOf(order.membersOf(group))), product = analyzeRegion(opsOf(order.membersOf(contraction)));
    if (!map || !product || map->kind != "map") return false;
    int64_t size = ShapedType::getNumElements(product->domain);
    return llvm::all_of(map->inputs, [&](Value input) {
      return cast<RankedTensorType>(input.getType()).getNumElements() < size || product->inputs.contains(input);
    });
  }

  unsigned rootOf(unsigned i) { return order.rootOf(i); }

  // Producers in the window, through ops that regions copy and views.
  void findNeeds(Operation *op, GroupOrder::Numbers &found) const {
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (!producer) continue;
      if (isCopiedIntoRegions(producer) || isa<ReshapeOp>(producer)) {
        findNeeds(producer, found);
        continue;
      }
      auto number = numbers.find(producer);
      if (number != numbers.end() && !llvm::is_contained(found, number->second)) found.push_back(number->second);
    }
  }

  Ops opsOf(ArrayRef<unsigned> members) const {
    Ops ops;
    for (unsigned member : members) ops.push_back(nodes[member]);
    return ops;
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
    SmallVector<unsigned> members;
    std::merge(ofA.begin(), ofA.end(), ofB.begin(), ofB.end(), std::back_inserter(members));
    std::optional<Region> region = analyzeRegion(opsOf(members));
    if (!region || !isWithinAmbition(region->kind)) return false;
    Group &root = groups[order.merge(a, b)], &child = groups[std::max(a, b)];
    root.isContraction |= child.isContraction;
    root.isLate |= child.isLate;
    return true;
  }

  ArrayRef<Operation *> nodes;
  Ambition ambition;
  llvm::DenseMap<Operation *, unsigned> numbers;
  GroupOrder order;
  std::vector<GroupOrder::Numbers> needs; // of single nodes
  std::vector<Group> groups;
  unsigned firstLate = UINT_MAX;
};

} // namespace

SmallVector<Ops> regroupOps(ArrayRef<Operation *> ops, Ambition ambition) {
  SmallVector<Ops> groups;
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

SmallVector<Ops> groupOps(Block &block, Ambition ambition) {
  Ops nodes;
  for (Operation &op : block)
    if (!isCopiedIntoRegions(&op) && !isa<ReshapeOp>(op) && !op.hasTrait<OpTrait::IsTerminator>()) nodes.push_back(&op);
  return regroupOps(nodes, ambition);
}

} // namespace tinyfin::fin
