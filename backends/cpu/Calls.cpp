// SPDX-License-Identifier: Apache-2.0
// Reads attributes and shapes when a graph is compiled, so that a run has neither to look at nor to choose by.
#include "backends/cpu/Calls.h"
#include "backends/cpu/AttentionCalls.h"
#include "ir/Fin.h"
#include "runtime/kernels/Argmax.h"
#include "runtime/kernels/Assertion.h"
#include "runtime/kernels/Index.h"
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

struct PoolCall {
  PoolPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<PoolCall *>(closure)->plan.execute(args[0], args[1], pool);
  }
};

struct AvgPoolGradCall {
  PoolGradPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<AvgPoolGradCall *>(closure)->plan.execute(nullptr, args[0], args[1], pool);
  }
};

struct ArgmaxCall {
  ArgmaxPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<ArgmaxCall *>(closure)->plan.execute(args[0], static_cast<int64_t *>(args[1]), pool);
  }
};

struct SliceUpdateCall {
  Words dims, sizes, steps; // the plan points to their items, which stay where they are when the call is moved
  SliceUpdatePlan plan;
  SliceUpdateCall(DType dtype, ArrayRef<int64_t> x, ArrayRef<int64_t> update, std::span<const int64_t> by)
      : dims(x.begin(), x.end()), sizes(update.begin(), update.end()), steps(by.begin(), by.end()),
        plan(dtype, dims, sizes, steps) {}
  SliceUpdateCall(SliceUpdateCall &&) = default;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    const auto *starts = static_cast<const int64_t *>(args[2]);
    return static_cast<SliceUpdateCall *>(closure)->plan.execute(args[0], args[1], starts, args[3], pool);
  }
};

struct ScatterAddCall {
  ScatterAddPlan plan;
  static Status run(void *closure, void *const *args, ThreadPool &pool) {
    return static_cast<ScatterAddCall *>(closure)->plan.execute(args[0], args[1], args[2], args[3], pool);
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

/// A pool that code generation has no loops for.
static bool isPoolOfRows(Operation *op) {
  if (auto pool = dyn_cast<fin::MaxPool2dOp>(op)) return pool.getChannelsLast();
  auto pool = dyn_cast<fin::AvgPool2dOp>(op);
  return pool && pool.getChannelsLast();
}

bool isPlanned(Operation *op) {
  if (isAttention(op)) return true;
  if (isPoolOfRows(op)) return true;
  return isa<fin::AssertOp, fin::MaxPool2dGradOp, fin::AvgPool2dGradOp, fin::ArgmaxOp, fin::SliceUpdateOp, fin::ScatterAddOp>(op);
}

CallStep plannedStep(Operation *op) {
  if (isAttention(op)) return attentionStep(op);
  Words words = fin::wordsOf(op);
  AttrReader attrs(words);
  Value first = op->getOperand(0), second = op->getNumOperands() > 1 ? op->getOperand(1) : first;
  DType dtype = dtypeOf(first);
  if (auto check = dyn_cast<fin::AssertOp>(op)) return stepOf(AssertCall{typeOf(first).getNumElements(), check.getMessage().str()});
  if (isPoolOfRows(op))
    return stepOf(PoolCall{PoolPlan(dtype, PoolWindows(dimsOf(first), dimsOf(op->getResult(0)), attrs), isa<fin::MaxPool2dOp>(op))});
  if (isa<fin::MaxPool2dGradOp>(op)) return stepOf(MaxPoolGradCall{PoolGradPlan::max(dtype, dimsOf(first), dimsOf(second), attrs)});
  if (isa<fin::AvgPool2dGradOp>(op))
    return stepOf(AvgPoolGradCall{PoolGradPlan::avg(dtype, dimsOf(first), dimsOf(op->getResult(0)), attrs)});
  if (isa<fin::ArgmaxOp>(op)) return stepOf(ArgmaxCall{ArgmaxPlan(dtype, dimsOf(first), attrs.integer())});
  if (isa<fin::SliceUpdateOp>(op))
    return stepOf(SliceUpdateCall(dtype, dimsOf(first), dimsOf(second), attrs.list()));
  int64_t numIndices = typeOf(second).getNumElements();
  return stepOf(ScatterAddCall{ScatterAddPlan(dtype, dimsOf(first), dtypeOf(second), numIndices, attrs.integer())});
}

} // namespace tinyfin::cpu
