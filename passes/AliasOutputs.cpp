// SPDX-License-Identifier: Apache-2.0
// Output and input pairs whose memory may be one.
//   1. candidates: (output, input) of equal type where the write is legal
//   2. the nearest pairs first: how many elementwise steps lie between the input and the output
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/SetVector.h"
#include "passes/Failures.h"
#include "passes/Passes.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_ALIASOUTPUTSPASS
#include "passes/Passes.h.inc"

namespace {

struct Pair {
  unsigned output, input, distance = 0;
};

class Matcher {
public:
  explicit Matcher(func::FuncOp function)
      : function(function), terminator(function.front().getTerminator()), storage(function),
        outputs(terminator->getNumOperands()), inputs(function.getNumArguments()) {
    SmallVector<Operation *> failures = findFailures(function.front());
    if (failures.empty()) return;
    for (Operation *op = failures.back(); op; op = op->getPrevNode()) ++lastFailure;
  }

  SmallVector<Pair> match() {
    SmallVector<Pair> candidates;
    for (unsigned output = 0; output < terminator->getNumOperands(); ++output)
      if (mayTakeInput(output)) addCandidates(output, candidates);
    llvm::sort(candidates, [](const Pair &a, const Pair &b) {
      return std::tie(a.distance, a.output, a.input) < std::tie(b.distance, b.output, b.input);
    });
    for (const Pair &pair : candidates) choose(pair.output, pair.input);
    // What is left may take any input: looked for last, as there are many pairs of outputs and inputs.
    for (unsigned output = 0; output < terminator->getNumOperands(); ++output)
      if (!outputs[output] && mayTakeInput(output)) chooseAny(output);
    return std::move(chosen);
  }

private:
  bool mayTakeInput(unsigned output) const {
    const StorageClass &held = storage.of(terminator->getOperand(output));
    return held.place == Place::Output && held.number == output && isSafeAt(held);
  }

  void choose(unsigned output, unsigned input) {
    if (outputs[output] || inputs[input]) return;
    outputs.set(output), inputs.set(input);
    chosen.push_back({output, input});
  }

  void addCandidates(unsigned output, SmallVectorImpl<Pair> &candidates) {
    const StorageClass &held = storage.of(terminator->getOperand(output));
    Type type = terminator->getOperand(output).getType();
    for (auto [value, distance] : nearInputs(held.root)) {
      auto argument = dyn_cast<BlockArgument>(value);
      if (argument && argument.getType() == type && isLegal(held, argument))
        candidates.push_back({output, argument.getArgNumber(), distance});
    }
  }

  void chooseAny(unsigned output) {
    Type type = terminator->getOperand(output).getType();
    auto ofType = inputsByType.try_emplace(type);
    if (ofType.second)
      for (BlockArgument argument : function.getArguments())
        if (argument.getType() == type) ofType.first->second.push_back(argument);
    for (BlockArgument argument : ofType.first->second)
      if (!inputs[argument.getArgNumber()] && isLegal(storage.of(terminator->getOperand(output)), argument))
        return choose(output, argument.getArgNumber());
  }

  // Nothing may fail once donated memory is written; slice_update checks before it writes.
  bool isSafeAt(const StorageClass &written) const {
    int at = static_cast<int>(written.first);
    return at > lastFailure || (at == lastFailure && isa<SliceUpdateOp>(written.root.getDefiningOp()));
  }

  bool isLegal(const StorageClass &written, BlockArgument argument) {
    const StorageClass &input = storage.of(argument);
    if (input.last != written.first) return input.last < written.first;
    // The op that writes the output is the last to read the input.
    Operation *op = written.root.getDefiningOp();
    return llvm::all_of(op->getOpOperands(), [&](OpOperand &use) {
      if (&storage.of(use.get()) != &input) return true;
      bool sameShape = haveSameShape(use.get().getType(), written.root.getType());
      return sameShape && readsAtWrittenIndex(op, use.getOperandNumber());
    });
  }

  // Breadth first through ops that keep the index, a few steps only.
  llvm::SmallDenseMap<Value, unsigned> nearInputs(Value root) {
    constexpr unsigned kMostSteps = 24;
    llvm::SmallDenseMap<Value, unsigned> distances;
    llvm::SmallSetVector<Value, 16> reached;
    SmallVector<unsigned> depth = {0};
    reached.insert(root);
    for (unsigned i = 0; i < reached.size() && i < kMostSteps; ++i) {
      Operation *op = reached[i].getDefiningOp();
      if (!op) {
        distances.try_emplace(reached[i], depth[i]);
        continue;
      }
      for (OpOperand &operand : op->getOpOperands()) {
        bool keepsIndex = isView(op) || readsAtWrittenIndex(op, operand.getOperandNumber());
        if (keepsIndex && reached.insert(operand.get())) depth.push_back(depth[i] + 1);
      }
    }
    return distances;
  }

  func::FuncOp function;
  Operation *terminator;
  Storage storage;
  llvm::DenseMap<Type, SmallVector<BlockArgument>> inputsByType;
  llvm::BitVector outputs, inputs; // in a pair
  SmallVector<Pair> chosen;
  int lastFailure = -1;
};

struct AliasOutputs : impl::AliasOutputsPassBase<AliasOutputs> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    Operation *terminator = function.front().getTerminator();
    OpBuilder builder(terminator);
    for (const Pair &pair : Matcher(function).match()) {
      Value value = terminator->getOperand(pair.output);
      auto alias = AliasOp::create(builder, value.getLoc(), value.getType(), value, function.getArgument(pair.input));
      terminator->setOperand(pair.output, alias.getResult());
    }
  }
};

} // namespace
} // namespace tinyfin::fin
