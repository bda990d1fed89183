// SPDX-License-Identifier: Apache-2.0
// Reverse mode over a function of recorded ops, by the same derivative rules that the eager tape uses.
#include "passes/Passes.h"
#include "passes/ValueBuilder.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_AUTODIFFPASS
#include "passes/Passes.h.inc"

namespace {

bool isFloatTensor(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

/// Values that depend on `wanted` by ops that have derivatives.
DenseSet<Value> findActive(Block &body, ArrayRef<Value> wanted) {
  DenseSet<Value> active(wanted.begin(), wanted.end());
  for (Operation &op : body) {
    std::optional<OpId> id = opIdOfOperation(&op);
    if (!id || !infoOf(*id).vjp || llvm::none_of(op.getOperands(), [&](Value v) { return active.contains(v); }))
      continue;
    for (Value result : op.getResults())
      if (isFloatTensor(result)) active.insert(result);
  }
  return active;
}

/// The cotangents found so far, of active values only.
class Cotangents {
public:
  Cotangents(ValueBuilder &builder, DenseSet<Value> active) : builder(builder), active(std::move(active)) {}
  bool isActive(Value value) const { return active.contains(value); }
  Ref of(Value value) const { return sums.lookup(value); }
  void add(Value value, Ref cotangent) {
    if (!cotangent || !isActive(value)) return;
    Ref &sum = sums[value];
    sum = sum ? builder.add(sum, cotangent) : cotangent;
  }

private:
  ValueBuilder &builder;
  DenseSet<Value> active;
  DenseMap<Value, Ref> sums;
};

void pullBack(ValueBuilder &builder, Operation *op, Cotangents &cotangents) {
  Refs ofResults;
  for (Value result : op->getResults()) ofResults.push_back(cotangents.of(result));
  if (llvm::none_of(ofResults, [](Ref ref) { return static_cast<bool>(ref); })) return;
  uint64_t needed = 0;
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (cotangents.isActive(operand)) needed |= operandBit(i);
  if (!needed) return;
  Refs ofOperands = applyVjp(builder, op, ofResults, needed);
  for (auto [operand, cotangent] : llvm::zip_equal(op->getOperands(), ofOperands)) cotangents.add(operand, cotangent);
}

/// Plan: 1. an argument for the cotangent of each float result; 2. rules, from the last op to the first; 3. the
/// cotangents of the float arguments that are tensors (scalars are Python numbers) as further results.
LogicalResult differentiate(func::FuncOp function) {
  Block &body = function.front();
  Operation *end = body.getTerminator();
  SmallVector<Value> wanted;
  for (auto [i, argument] : llvm::enumerate(body.getArguments()))
    if (isFloatTensor(argument) && !function.getArgAttr(i, "fin.scalar")) wanted.push_back(argument);
  SmallVector<Operation *> forward;
  for (Operation &op : body.without_terminator()) forward.push_back(&op);

  OpBuilder inserter(end);
  ValueBuilder builder(inserter, function.getLoc());
  Cotangents cotangents(builder, findActive(body, wanted));
  for (Value result : llvm::to_vector(end->getOperands())) {
    if (!isFloatTensor(result)) continue;
    unsigned place = body.getNumArguments();
    if (failed(function.insertArgument(place, result.getType(), /*argAttrs=*/{}, result.getLoc()))) return failure();
    cotangents.add(result, builder.refOf(body.getArgument(place)));
  }
  for (Operation *op : llvm::reverse(forward)) pullBack(builder, op, cotangents);
  for (Value argument : wanted) {
    Ref cotangent = cotangents.of(argument);
    if (!cotangent) cotangent = builder.zerosOf(*specOf(argument.getType()));
    unsigned place = end->getNumOperands();
    if (failed(function.insertResult(place, argument.getType(), /*resultAttrs=*/{}))) return failure();
    end->insertOperands(place, builder.valueOf(cotangent));
  }
  return success();
}

struct Autodiff : impl::AutodiffPassBase<Autodiff> {
  void runOnOperation() override {
    auto isOpaque = [](Operation &op) { return !opIdOfOperation(&op) && !isa<ConstantOp, func::ReturnOp>(op); };
    func::FuncOp function = getOperation();
    if (function.isDeclaration()) return;
    for (Operation &op : function.front())
      if (isOpaque(op)) return op.emitOpError("has no derivative, wanted recorded ops only"), signalPassFailure();
    if (failed(differentiate(function))) signalPassFailure();
  }
};

} // namespace
} // namespace tinyfin::fin
