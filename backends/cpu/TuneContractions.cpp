// SPDX-License-Identifier: Apache-2.0
// A region is judged by its product alone, as the rule does.
#include "backends/cpu/TuneContractions.h"
#include "backends/cpu/KernelCache.h"
#include "backends/cpu/Machine.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

constexpr int64_t kMostWork = int64_t(1) << 26; // multiply-adds: above, no generated form is the faster one

ArrayRef<int64_t> dimsOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
int64_t elementsOf(Value value) { return cast<RankedTensorType>(value.getType()).getNumElements(); }
DType dtypeOf(Value value) { return *fin::dtypeOf(cast<RankedTensorType>(value.getType()).getElementType()); }

bool mayBeEither(Operation *op) {
  if (Machine::host().lanes < 8 || op->getNumResults() != 1 || dtypeOf(op->getResult(0)) != DType::F32) return false;
  int64_t results = elementsOf(op->getResult(0));
  if (auto matmul = dyn_cast<fin::MatmulOp>(op)) {
    if (matmul.getTransposeLhs() && matmul.getTransposeRhs()) return false;
    ArrayRef<int64_t> lhs = dimsOf(matmul.getLhs());
    int64_t inner = lhs[lhs.size() - 1 - matmul.getTransposeLhs()];
    return results > 0 && inner > 0 && results * inner <= kMostWork;
  }
  auto conv = dyn_cast<fin::Conv2dOp>(op);
  if (!conv || conv.getChannelsLast()) return false;
  ArrayRef<int64_t> weight = dimsOf(conv.getWeight());
  return results > 0 && weight[1] <= 16 && results * weight[1] * weight[2] * weight[3] <= kMostWork;
}

struct Trial {
  std::vector<BufferRef> buffers;
  std::vector<void *> args;
};

std::shared_ptr<Trial> scratchFor(Operation *op) {
  auto trial = std::make_shared<Trial>();
  for (Value value : {op->getOperand(0), op->getOperand(1), Value(op->getResult(0))}) {
    BufferRef buffer = tuneScratch(dtypeOf(value), elementsOf(value));
    if (!buffer) return nullptr;
    trial->args.push_back(buffer->data());
    trial->buffers.push_back(std::move(buffer));
  }
  return trial;
}

std::vector<TuneCandidate> candidatesOf(Operation *op, const KernelSpec &spec, bool generatedFirst) {
  auto compiled = compileKernels(spec, 1);
  Frozen nothing;
  StatusOr<CallStep> step = contractionStep(op, nothing);
  if (!compiled.isOk() || !compiled.value()[0].refusal.empty() || !step.isOk()) return {};
  std::shared_ptr<Trial> trial = scratchFor(op);
  if (!trial) return {};
  TuneCandidate generated{"generated", [trial, kernel = compiled.value()[0]] {
                            ThreadPool::process().parallelFor(kernel.launch.count(), kernel.launch.grain(), [&](int64_t begin, int64_t end) {
                              kernel.function(trial->args.data(), nullptr, begin, end);
                            });
                            return Status::ok();
                          }};
  TuneCandidate plan{"plan", [trial, step = step.value()] {
                       return step.function(step.closure.get(), trial->args.data(), ThreadPool::process());
                     }};
  if (generatedFirst) return {generated, plan};
  return {plan, generated};
}

} // namespace

bool choosesGenerated(Operation *op, TuneNotes &notes) {
  bool byRule = prefersGenerated(op);
  if (fin::MatmulOp product = productOf(op)) op = product;
  if (!mayBeEither(op) || op->getOperand(0) == op->getOperand(1)) return byRule;
  StatusOr<KernelSpec> spec = specOfOp(op);
  if (!spec.isOk()) return byRule;
  Words key = spec.value().key();
  key.insert(key.begin(), {'g', ThreadPool::process().threads()});
  Autotune::Choice choice = Autotune::process().choose(spec.value().summary(), key, [&] { return candidatesOf(op, spec.value(), byRule); });
  notes.add(choice.note);
  return byRule != (choice.index == 1);
}

} // namespace tinyfin::cpu
