// SPDX-License-Identifier: Apache-2.0
// Folds of ops that move or reduce elements: what moves nothing is its operand, chains become one op.
#include "ir/Splat.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace tinyfin::fin {

static bool areZero(llvm::ArrayRef<int64_t> items) {
  return llvm::all_of(items, [](int64_t item) { return item == 0; });
}

// A reshape to the operand's own type, or of another reshape.
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getType()) return getX();
  auto inner = getX().getDefiningOp<ReshapeOp>();
  if (!inner) return {};
  if (inner.getX().getType() == getType()) return inner.getX();
  getXMutable().assign(inner.getX());
  return getResult();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  if (getX().getType() == getType()) return getX();
  auto inner = getX().getDefiningOp<BroadcastOp>();
  if (!inner) return {};
  getXMutable().assign(inner.getX());
  return getResult();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  llvm::ArrayRef<int64_t> permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size()))) return getX();
  auto inner = getX().getDefiningOp<TransposeOp>();
  if (!inner) return {};
  SmallVector<int64_t> composed;
  for (int64_t axis : permutation) composed.push_back(inner.getPermutation()[axis]);
  setPermutation(composed);
  getXMutable().assign(inner.getX());
  return getResult();
}

LogicalResult FullOp::canonicalize(FullOp op, PatternRewriter &rewriter) {
  rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getValue(), op.getShapeAttr());
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) { return getXs().size() == 1 ? OpFoldResult(getXs()[0]) : OpFoldResult(); }

OpFoldResult PadOp::fold(FoldAdaptor) {
  return areZero(getLow()) && areZero(getHigh()) ? OpFoldResult(getX()) : OpFoldResult();
}

// The whole of x from its first element on.
OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() != getType() || llvm::any_of(getSteps(), [](int64_t step) { return step != 1; })) return {};
  bool isScalar = cast<ShapedType>(getType()).getRank() == 0;
  auto starts = dyn_cast_or_null<DenseIntElementsAttr>(adaptor.getStarts());
  bool startsAtZero = starts && llvm::all_of(starts, [](const llvm::APInt &start) { return start.isZero(); });
  return isScalar || startsAtZero || isSplatOf(getStarts(), 0) ? OpFoldResult(getX()) : OpFoldResult();
}

// The whole of x replaced, from its first element on.
OpFoldResult SliceUpdateOp::fold(FoldAdaptor) {
  if (getUpdate().getType() != getType() || llvm::any_of(getSteps(), [](int64_t step) { return step != 1; })) return {};
  bool isScalar = cast<ShapedType>(getType()).getRank() == 0;
  return isScalar || isSplatOf(getStarts(), 0) ? OpFoldResult(getUpdate()) : OpFoldResult();
}

OpFoldResult SumOp::fold(FoldAdaptor) { return getAxes().empty() ? OpFoldResult(getX()) : OpFoldResult(); }
OpFoldResult MeanOp::fold(FoldAdaptor) { return getAxes().empty() ? OpFoldResult(getX()) : OpFoldResult(); }
OpFoldResult ReduceMaxOp::fold(FoldAdaptor) { return getAxes().empty() ? OpFoldResult(getX()) : OpFoldResult(); }
OpFoldResult ReduceMinOp::fold(FoldAdaptor) { return getAxes().empty() ? OpFoldResult(getX()) : OpFoldResult(); }

} // namespace tinyfin::fin
