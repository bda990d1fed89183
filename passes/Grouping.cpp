// SPDX-License-Identifier: Apache-2.0
// Greedy merging of groups without making a cycle.
//   1. The block is cut into windows, so that the reachability matrix stays small: a path that leaves a window
//      leads to earlier ones and never comes back.
//   2. reach[g] is the set of groups that g needs, directly or not, neededBy[g] the other way round. A and B may merge if
//      no group between them needs one and is needed by the other. A merge touches who needs one of the two alone.
//   3. Contractions grow first: in program order a product's elementwise readers join it, then what they alone read.
//   4. In program order each op's group is merged with its producers' groups, then with siblings that share an input.
#include "passes/Grouping.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/IR/Operation.h"
#include "passes/Region.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kWindow = 8192;
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
      groups[i].isContraction = ambition == Ambition::Contractions && isContractible(nodes[i]);
      groups[i].isFusable = groups[i].isContraction || isFusable(nodes[i]);
      groups[i].isLate = nodes[i]->hasAttr(kLateAttr);
      if (groups[i].isLate) firstLate = std::min(firstLate, i);
      groups[i].reach.resize(nodes.size());
      findNeeds(nodes[i], groups[i].needs);
      for (unsigned need : groups[i].needs) {
        groups[i].reach.set(need);
        groups[i].reach |= groups[need].reach;
      }
    }
    for (Group &group : groups) group.neededBy.resize(nodes.size());
    for (unsigned i = nodes.size(); i-- > 0;)
      for (unsigned need : groups[i].needs) {
        groups[need].neededBy.set(i);
        groups[need].neededBy |= groups[i].neededBy;
      }
  }

  // The latest product takes an op that reads several: the others are in memory by then.
  void growContractions() {
    findStored();
    for (unsigned i = 0; i < nodes.size(); ++i) {
      if (!nodes[i]->hasTrait<Elementwise>() || !groups[i].isFusable) continue;
      SmallVector<unsigned> producers(groups[i].needs);
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
      SmallVector<unsigned> producers(groups[i].needs);
      for (unsigned producer : producers)
        if (!groups[rootOf(producer)].isContraction) tryMerge(rootOf(i), rootOf(producer));
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
      Ops ops = opsOf(groups[i].members);
      if (analyzeRegion(ops)) result.push_back(std::move(ops));
    }
  }

private:
  struct Group {
    unsigned parent;
    SmallVector<unsigned> members, needs; // node numbers, members ascending
    llvm::BitVector reach, neededBy;      // roots and former roots, and the other way round
    bool isFusable, isContraction, isStored;
    bool isLate; // some member is
  };

  static bool isReducedBy(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp, CastOp>(op); }

  // What has to lie in memory some time: an op outside of regions reads it, or a product's region can go on with it.
  void findStored() {
    for (unsigned i = nodes.size(); i-- > 0;) {
      Value result = nodes[i]->getNumResults() ? nodes[i]->getResult(0) : Value();
      groups[i].isStored = !result || llvm::any_of(result.getUsers(), [&](Operation *user) {
        auto number = numbers.find(user);
        if (number == numbers.end() || !groups[number->second].isFusable || groups[number->second].isContraction) return true;
        bool goesOn = user->hasTrait<Elementwise>() && user->getResult(0).getType() == result.getType();
        return goesOn && groups[number->second].isStored;
      });
    }
  }

  /// An op that only reductions read costs a result more if its operands are read elsewhere too.
  bool paysInContraction(unsigned i, unsigned group) {
    if (groups[i].isStored) return true;
    return llvm::all_of(groups[i].needs, [&](unsigned need) {
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
    case Ambition::Contractions: return true;
    case Ambition::Normalizations: return kind != "contraction";
    case Ambition::Reductions: return kind == "reduction" || kind == "map";
    case Ambition::Maps: return kind == "map";
    case Ambition::None: return false;
    }
    return false;
  }

  /// Whether one belongs to the backward half and the other has a member from before it.
  bool areApart(unsigned a, unsigned b) const {
    return (groups[a].isLate && groups[b].members[0] < firstLate) || (groups[b].isLate && groups[a].members[0] < firstLate);
  }

  bool tryMerge(unsigned a, unsigned b) {
    if (a == b || !groups[a].isFusable || !groups[b].isFusable || areApart(a, b) || hasDetour(a, b) || hasDetour(b, a)) return false;
    SmallVector<unsigned> members;
    std::merge(groups[a].members.begin(), groups[a].members.end(), groups[b].members.begin(), groups[b].members.end(),
               std::back_inserter(members));
    std::optional<Region> region = analyzeRegion(opsOf(members));
    if (!region || !isWithinAmbition(region->kind)) return false;
    unsigned root = std::min(a, b), child = std::max(a, b);
    groups[child].parent = root;
    groups[root].isContraction |= groups[child].isContraction;
    groups[root].isLate |= groups[child].isLate;
    groups[root].members = std::move(members);
    uniteReach(root, child);
    return true;
  }

  /// Who needs one of the two needs from now on what either needs. Most need both already and are not looked at.
  void uniteReach(unsigned root, unsigned child) {
    llvm::BitVector onlyRoot = groups[root].neededBy, onlyChild = groups[child].neededBy; // who needs the one alone
    onlyRoot.reset(groups[child].neededBy), onlyChild.reset(groups[root].neededBy);
    llvm::BitVector ofRoot = groups[root].reach, ofChild = groups[child].reach; // what the one alone needs
    ofRoot.reset(groups[child].reach), ofChild.reset(groups[root].reach);
    ofChild.reset(root); // known to whoever needs the root; often nothing is left
    onlyRoot.set(root);  // the group itself
    addReach(onlyRoot, ofChild);
    ofRoot.set(root);
    addReach(onlyChild, ofRoot);
    groups[root].neededBy |= groups[child].neededBy;
    groups[root].reach.reset(root);
    groups[root].neededBy.reset(root);
  }
  void addReach(const llvm::BitVector &users, const llvm::BitVector &added) {
    SmallVector<unsigned> live, needs(added.set_bits_begin(), added.set_bits_end());
    if (needs.empty()) return;
    for (unsigned user : users.set_bits())
      if (groups[user].parent == user) unite(groups[user].reach, added, needs), live.push_back(user);
    for (unsigned need : needs) unite(groups[need].neededBy, users, live);
  }
  /// `members` are those of `added` that matter: set one by one if they are few.
  static void unite(llvm::BitVector &set, const llvm::BitVector &added, ArrayRef<unsigned> members) {
    if (members.size() > added.size() / 64) set |= added;
    else for (unsigned member : members) set.set(member);
  }

  ArrayRef<Operation *> nodes;
  Ambition ambition;
  llvm::DenseMap<Operation *, unsigned> numbers;
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
