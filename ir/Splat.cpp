// SPDX-License-Identifier: Apache-2.0
// Splat constants behind ops that only repeat them.
#include "ir/Splat.h"

using namespace mlir;

namespace tinyfin::fin {

DenseElementsAttr splatBehind(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<ReshapeOp, BroadcastOp, FullOp, TransposeOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    auto constant = dyn_cast<ConstantOp>(op);
    auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    return elements && elements.isSplat() ? elements : DenseElementsAttr();
  }
  return {};
}

std::optional<llvm::APFloat> floatSplat(Value value) {
  DenseElementsAttr elements = splatBehind(value);
  if (!elements || !isa<FloatType>(elements.getElementType())) return std::nullopt;
  return elements.getSplatValue<llvm::APFloat>();
}

std::optional<llvm::APInt> intSplat(Value value) {
  DenseElementsAttr elements = splatBehind(value);
  if (!elements || !isa<IntegerType>(elements.getElementType())) return std::nullopt;
  return elements.getSplatValue<llvm::APInt>();
}

bool isSplatOf(Value value, double number) {
  if (std::optional<llvm::APFloat> found = floatSplat(value)) {
    llvm::APFloat wanted(number);
    bool losesInfo;
    wanted.convert(found->getSemantics(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    return !losesInfo && found->bitwiseIsEqual(wanted);
  }
  std::optional<llvm::APInt> found = intSplat(value);
  return found && (found->getBitWidth() == 1 ? found->getBoolValue() == (number != 0)
                                             : found->getSExtValue() == static_cast<int64_t>(number));
}

} // namespace tinyfin::fin
