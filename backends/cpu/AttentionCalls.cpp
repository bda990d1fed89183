// SPDX-License-Identifier: Apache-2.0
// Reads shapes and attributes when a graph is compiled. A call's arguments are the operands, then the results.
#include "backends/cpu/AttentionCalls.h"
#include "ir/Fin.h"
#include "runtime/kernels/attention/Attention.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

struct HeadsCall {
  AttentionPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    const AttentionPlan &plan = static_cast<HeadsCall *>(closure)->plan;
    void *const *results = args + 3 + plan.isMasked();
    plan.forward({args[0], args[1], args[2]}, plan.isMasked() ? args[3] : nullptr, results[0], results[1], pool);
    return Status::ok();
  }
};

struct HeadsGradCall {
  AttentionPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    const AttentionPlan &plan = static_cast<HeadsGradCall *>(closure)->plan;
    void *const *results = args + 6 + plan.isMasked();
    plan.backward(args[0], {args[1], args[2], args[3]}, args[4], args[5], plan.isMasked() ? args[6] : nullptr,
                  {results[0], results[1], results[2]}, pool);
    return Status::ok();
  }
};

struct PackedCall {
  AttentionPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    const AttentionPlan &plan = static_cast<PackedCall *>(closure)->plan;
    void *const *results = args + 1 + plan.isMasked();
    plan.forward(plan.partsOf<const void *>(args[0]), plan.isMasked() ? args[1] : nullptr, results[0], results[1], pool);
    return Status::ok();
  }
};

struct PackedGradCall {
  AttentionPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    const AttentionPlan &plan = static_cast<PackedGradCall *>(closure)->plan;
    void *const *results = args + 4 + plan.isMasked();
    plan.backward(args[0], plan.partsOf<const void *>(args[1]), args[2], args[3], plan.isMasked() ? args[4] : nullptr,
                  plan.partsOf<void *>(results[0]), pool);
    return Status::ok();
  }
};

/// The plan of an op whose q, k and v are the operands from `first` on, or packed in that one; its mask is operand `mask`.
template <class Call> CallStep stepOf(Operation *op, unsigned first, bool isPacked, unsigned mask) {
  auto dims = [&](unsigned operand) { return cast<RankedTensorType>(op->getOperand(operand).getType()).getShape(); };
  auto dtype = [&](unsigned operand) {
    return *fin::dtypeOf(cast<RankedTensorType>(op->getOperand(operand).getType()).getElementType());
  };
  Words words = fin::wordsOf(op);
  AttentionSpec spec = isPacked ? AttentionSpec::ofPacked(dtype(first), dims(first), AttrReader(words))
                                : AttentionSpec::ofHeads(dtype(first), dims(first), dims(first + 1), dims(first + 2),
                                                         AttrReader(words));
  if (mask < op->getNumOperands()) spec.setMask(dtype(mask), dims(mask));
  CallStep step;
  step.function = Call::run;
  step.closure = std::make_shared<Call>(Call{AttentionPlan(spec)});
  return step;
}

} // namespace

bool isAttention(Operation *op) {
  return isa<fin::AttentionOp, fin::AttentionGradOp, fin::PackedAttentionOp, fin::PackedAttentionGradOp>(op);
}

CallStep attentionStep(Operation *op) {
  if (isa<fin::AttentionOp>(op)) return stepOf<HeadsCall>(op, 0, false, 3);
  if (isa<fin::AttentionGradOp>(op)) return stepOf<HeadsGradCall>(op, 1, false, 6);
  if (isa<fin::PackedAttentionOp>(op)) return stepOf<PackedCall>(op, 0, true, 1);
  return stepOf<PackedGradCall>(op, 1, true, 4);
}

} // namespace tinyfin::cpu
