// SPDX-License-Identifier: Apache-2.0
// Reads attributes and shapes when a graph is compiled, so that a run has neither to look at nor to choose by.
#include "backends/cpu/Calls.h"
#include "ir/Fin.h"
#include "runtime/kernels/Assertion.h"
#include "runtime/kernels/Pool.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

struct AssertCall {
  int64_t count;
  std::string message;
  static Status run(void *closure, void *const *args, ThreadPool &) {
    const auto &call = *static_cast<AssertCall *>(closure);
    return checkAll(static_cast<const bool *>(args[0]), call.count, call.message);
  }
};

struct MaxPoolGradCall {
  PoolGradPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<MaxPoolGradCall *>(closure)->plan.execute(args[0], args[1], args[2], pool);
  }
};

struct AvgPoolGradCall {
  PoolGradPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<AvgPoolGradCall *>(closure)->plan.execute(nullptr, args[0], args[1], pool);
  }
};

template <class C> CallStep stepOf(C call) {
  CallStep step;
  step.function = C::run;
  step.closure = std::make_shared<C>(std::move(call));
  return step;
}

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
DType dtypeOf(Value value) { return *fin::dtypeOf(typeOf(value).getElementType()); }
ArrayRef<int64_t> dimsOf(Value value) { return typeOf(value).getShape(); }

} // namespace

bool isPlanned(Operation *op) { return isa<fin::AssertOp, fin::MaxPool2dGradOp, fin::AvgPool2dGradOp>(op); }

StatusOr<CallStep> plannedStep(Operation *op) {
  Words words = fin::wordsOf(op);
  AttrReader attrs(words);
  if (auto check = dyn_cast<fin::AssertOp>(op))
    return stepOf(AssertCall{typeOf(check.getCondition()).getNumElements(), check.getMessage().str()});
  if (auto grad = dyn_cast<fin::MaxPool2dGradOp>(op))
    return stepOf(MaxPoolGradCall{PoolGradPlan::max(dtypeOf(grad.getX()), dimsOf(grad.getX()), dimsOf(grad.getDy()), attrs)});
  auto grad = cast<fin::AvgPool2dGradOp>(op);
  return stepOf(AvgPoolGradCall{PoolGradPlan::avg(dtypeOf(grad.getDy()), dimsOf(grad.getDy()), dimsOf(op->getResult(0)), attrs)});
}

} // namespace tinyfin::cpu
