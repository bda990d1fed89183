// SPDX-License-Identifier: Apache-2.0
// Which values of the forward half are kept for the backward half, and which are computed again there.
//   1. the split: where most bytes of long-lived values are alive
//   2. wanted: values from before the split that are read well behind it. A graph leads to each from what it can be
//      computed from by elementwise ops and views; whatever else there is can only be kept
//   3. the cheapest cut of that graph (bytes) is what is kept; equally cheap cuts: the one with least to compute again
//   4. what is wanted and not kept is cloned in front of its first late reader, and read there
//   5. clones, and late ops that read early values alone, are marked: fusion must not compute them early after all
#include "llvm/ADT/SetVector.h"
#include "passes/MinCut.h"
#include "passes/Passes.h"
#include "passes/Region.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_RECOMPUTEPASS
#include "passes/Passes.h.inc"

namespace {

constexpr unsigned kLong = 32; // ops between two reads of a value that is kept in the meantime
constexpr unsigned kFew = 24;  // ops that are done a third time rather than keeping what the second one made

class Recomputer {
public:
  explicit Recomputer(func::FuncOp function) : block(function.front()), storage(function) {
    for (Operation &op : block) positions[&op] = ops.size(), ops.push_back(&op);
  }

  /// Bytes of long-lived values at the split.
  int64_t findSplit() {
    std::vector<int64_t> change(ops.size() + 1);
    for (const StorageClass &held : storage.all()) {
      if (held.place != Place::Arena || held.last - held.first < kLong) continue;
      change[held.first] += bytesOf(held.root.getType());
      change[held.last] -= bytesOf(held.root.getType());
    }
    int64_t live = 0, most = 0;
    for (unsigned at = 0; at < ops.size(); ++at) {
      live += change[at];
      if (live >= most) most = live, split = at + 1; // the last such place: the backward half begins behind it
    }
    return most;
  }

  /// Returns the bytes that need not be kept.
  int64_t run() {
    collectWanted();
    if (wanted.empty()) return 0;
    for (Value value : wanted) addNode(value);
    for (unsigned i = 0; i < nodes.size(); ++i)
      if (isRecomputable(nodes[i]))
        for (Value operand : nodes[i].getDefiningOp()->getOperands()) addNode(operand);
    MinCut graph(nodes.size());
    for (unsigned i = 0; i < nodes.size(); ++i) describe(graph, i);
    kept = graph.cut();
    return replace();
  }

  void markLate() {
    llvm::DenseSet<Value> late;
    Builder b(block.getParentOp()->getContext());
    for (Operation &op : block) {
      if (op.getNumResults() == 0 || isEarly(&op)) continue;
      bool readsLate = llvm::any_of(op.getOperands(), [&](Value operand) { return late.contains(operand); });
      bool isBound = !op.hasTrait<Elementwise>() && !isCopiedIntoRegions(&op) && !isa<ReshapeOp>(op);
      if (!isBound && !readsLate && op.hasTrait<Elementwise>() && readsComputed(&op)) op.setAttr(kLateAttr, b.getUnitAttr());
      // A marked op may be read by others that depend on nothing else late: they are marked in turn.
      if (isBound || readsLate) late.insert(op.result_begin(), op.result_end());
    }
  }

private:
  /// Before the split, or so little behind it that nothing is gained by waiting: unless all that is read has waited long by then.
  bool isEarly(Operation *op) const {
    auto at = positions.find(op);
    if (at == positions.end() || at->second >= split + kLong) return false;
    return at->second < split || !op->hasTrait<Elementwise>() || !llvm::all_of(op->getOperands(), [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return !producer || isCopiedIntoRegions(producer) || producer->hasAttr(kLateAttr) || positions.lookup(producer) + kLong <= at->second;
    });
  }

  static bool readsComputed(Operation *op) {
    return llvm::any_of(op->getOperands(), [](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return producer && (!isCopiedIntoRegions(producer) || readsComputed(producer));
    });
  }

  unsigned firstLateUse(Value value) const {
    unsigned first = ops.size();
    for (Operation *user : value.getUsers()) {
      auto at = positions.find(user);
      if (at != positions.end() && at->second >= split) first = std::min(first, at->second);
    }
    return first;
  }
  unsigned lastEarlyUse(Value value) const {
    unsigned last = positions.lookup(value.getDefiningOp());
    for (Operation *user : value.getUsers())
      if (unsigned at = positions.lookup(user); at < split) last = std::max(last, at);
    return last;
  }

  // Views are looked through: what is wanted is what ops read, and a view's clone costs nothing.
  void collectWanted() {
    std::vector<std::pair<unsigned, Value>> found;
    for (unsigned at = 0; at < split; ++at)
      for (Value result : ops[at]->getResults()) {
        if (storage.of(result).place != Place::Arena) continue;
        unsigned use = firstLateUse(result);
        if (use < ops.size() && use - lastEarlyUse(result) >= kLong) found.push_back({use, result});
      }
    llvm::stable_sort(found, [](const auto &a, const auto &b) { return a.first < b.first; });
    for (auto &[use, value] : found) wanted.push_back(value);
  }

  /// A weight in half the bits: made again, it would cost a kernel that reads three times the bytes it saves.
  static bool isNarrowArgument(Operation *op) {
    auto cast = dyn_cast<CastOp>(op);
    return cast && isa<BlockArgument>(cast.getX()) && bytesOf(cast.getType()) < bytesOf(cast.getX().getType());
  }

  bool isRecomputable(Value value) const {
    Operation *op = value.getDefiningOp();
    if (!op || op->getNumResults() != 1 || mayFail(op) || isNarrowArgument(op)) return false;
    return op->hasTrait<Elementwise>() || isCopiedIntoRegions(op) || isView(op);
  }

  void addNode(Value value) {
    if (numbers.try_emplace(value, nodes.size()).second) nodes.push_back(value);
  }

  void describe(MinCut &graph, unsigned i) {
    Value value = nodes[i];
    const StorageClass &held = storage.of(value);
    bool isFree = held.place != Place::Arena || positions.lookup(held.root.getDefiningOp()) >= split;
    graph.setCost(i, isFree ? 0 : isView(value.getDefiningOp()) ? MinCut::kInfinite : bytesOf(value.getType()));
    if (isRecomputable(value))
      for (Value operand : value.getDefiningOp()->getOperands()) graph.addPath(numbers.lookup(operand), i);
    else graph.addSource(i);
    if (llvm::is_contained(wantedSet(), value)) graph.addSink(i);
  }
  const llvm::DenseSet<Value> &wantedSet() {
    if (wantedValues.empty()) wantedValues.insert(wanted.begin(), wanted.end());
    return wantedValues;
  }

  int64_t replace() {
    int64_t saved = 0;
    for (Value value : wanted) {
      if (kept[numbers.lookup(value)] || !isRecomputable(value)) continue;
      readerAt = firstLateUse(value);
      SmallVector<OpOperand *> late;
      for (OpOperand &use : value.getUses()) {
        auto at = positions.find(use.getOwner());
        if (at == positions.end() || at->second >= split) late.push_back(&use);
      }
      OpBuilder builder(ops[readerAt]);
      Value clone = compute(value, builder);
      for (OpOperand *use : late)
        if (use->getOwner() != clone.getDefiningOp()) use->set(clone);
      saved += isView(value.getDefiningOp()) ? 0 : bytesOf(value.getType());
    }
    return saved;
  }

  /// A value behind the split: itself if it is there anyway, else a clone. Wanted values come in the order of their first
  /// readers, so that what was cloned before stands before. What was cloned long before waits too: it is made once more if
  /// that takes few ops (chains of residual connections would take more for each).
  Value compute(Value value, OpBuilder &builder) {
    if (isThere(value)) return value;
    if (auto known = clones.find(value); known != clones.end() && (isNear(value) || opsToMake(value) > kFew)) return known->second.value;
    Operation *op = value.getDefiningOp();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) operands.push_back(compute(operand, builder));
    Operation *clone = builder.clone(*op);
    clone->setOperands(operands);
    if (op->hasTrait<Elementwise>()) clone->setAttr(kLateAttr, builder.getUnitAttr());
    clones[value] = {clone->getResult(0), readerAt};
    return clone->getResult(0);
  }

  bool isThere(Value value) const {
    auto number = numbers.find(value);
    return number == numbers.end() || kept[number->second] || !isRecomputable(value) || isa<ConstantOp>(value.getDefiningOp());
  }
  bool isNear(Value value) const {
    auto known = clones.find(value);
    return known != clones.end() && readerAt < known->second.readerAt + kLong;
  }
  /// How many ops it takes to make a value of what is there or was cloned near by; those behind more than kFew are not counted.
  unsigned opsToMake(Value wanted) const {
    SmallVector<Value> todo{wanted};
    llvm::SmallDenseSet<Value> seen;
    while (!todo.empty() && seen.size() <= kFew) {
      Value value = todo.pop_back_val();
      if (isThere(value) || isNear(value) || !seen.insert(value).second) continue;
      llvm::append_range(todo, value.getDefiningOp()->getOperands());
    }
    return seen.size();
  }

  struct Clone {
    Value value;
    unsigned readerAt;
  };

  Block &block;
  Storage storage;
  std::vector<Operation *> ops;
  llvm::DenseMap<Operation *, unsigned> positions;
  unsigned split = 0, readerAt = 0; // of the value that is being replaced
  SmallVector<Value> wanted; // by their first late readers
  llvm::DenseSet<Value> wantedValues;
  std::vector<Value> nodes;
  llvm::DenseMap<Value, unsigned> numbers;
  std::vector<bool> kept;
  llvm::DenseMap<Value, Clone> clones;
};

struct Recompute : impl::RecomputePassBase<Recompute> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!isStaticFunction(function)) return;
    Recomputer recomputer(function);
    if (recomputer.findSplit() <= budgetBytes) return;
    int64_t bytes = recomputer.run();
    if (bytes) recomputer.markLate();
    savedBytes += bytes;
  }
};

} // namespace
} // namespace tinyfin::fin
