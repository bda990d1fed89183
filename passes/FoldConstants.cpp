// SPDX-License-Identifier: Apache-2.0
// Constant folding by the EvalInterface that a backend attached to the dialect.
#include "ir/Eval.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "passes/Passes.h.inc"

namespace {

/// One element where all are the same, so that a splat stays as small as it was.
ElementsAttr compact(ElementsAttr elements) {
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense || dense.isSplat() || dense.empty() || dense.getElementType().isInteger(1)) return elements;
  ArrayRef<char> raw = dense.getRawData();
  size_t width = raw.size() / dense.getNumElements();
  for (size_t at = width; at < raw.size(); at += width)
    if (!std::equal(raw.begin(), raw.begin() + width, raw.begin() + at)) return elements;
  return DenseElementsAttr::getFromRawBuffer(dense.getType(), raw.take_front(width));
}

int64_t bytesOfStatic(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (!tensor.hasStaticShape()) return INT64_MAX;
  return tensor.getNumElements() * static_cast<int64_t>(sizeOf(*dtypeOf(tensor.getElementType())));
}

struct FoldConstants : impl::FoldConstantsPassBase<FoldConstants> {
  using Base::Base;

  void runOnOperation() override {
    auto *eval = getContext().getLoadedDialect<FinDialect>()->getRegisteredInterface<EvalInterface>();
    if (!eval) return markAllAnalysesPreserved(); // nobody here can compute
    bool isChanged = false;
    for (Operation &op : llvm::make_early_inc_range(getOperation().front())) isChanged |= fold(&op, *eval);
    if (!isChanged) markAllAnalysesPreserved();
  }

  bool fold(Operation *op, const EvalInterface &eval) {
    std::optional<OpId> id = opIdOfOperation(op);
    if (!id || !isMemoryEffectFree(op) || infoOf(*id).isRandom || isa<BroadcastOp, FullOp, IotaOp>(op)) return false;
    SmallVector<ElementsAttr> operands, results;
    for (Value operand : op->getOperands()) {
      ElementsAttr value;
      if (!matchPattern(operand, m_Constant(&value))) return false;
      operands.push_back(value);
    }
    for (Type type : op->getResultTypes())
      if (bytesOfStatic(type) > limitBytes) return false;
    if (failed(eval.evaluate(op, operands, results))) return false;
    OpBuilder builder(op);
    for (auto [result, value] : llvm::zip(op->getResults(), results))
      result.replaceAllUsesWith(ConstantOp::create(builder, op->getLoc(), compact(value)));
    op->erase();
    return true;
  }
};

} // namespace
} // namespace tinyfin::fin
