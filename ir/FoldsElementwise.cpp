// SPDX-License-Identifier: Apache-2.0
// Folds of elementwise ops: only rewrites that keep every bit (-0.0, NaN and infinities included) unless a
// comment says otherwise. Arithmetic on constants is not here: passes ask the EvalInterface.
#include "ir/Splat.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace tinyfin::fin {

// `x` where it has the result's type, so that no broadcast is lost.
static OpFoldResult unlessBroadcast(Operation *op, Value x) {
  return x.getType() == op->getResult(0).getType() ? OpFoldResult(x) : OpFoldResult();
}

static bool isFloatResult(Operation *op) {
  return isa<FloatType>(cast<ShapedType>(op->getResult(0).getType()).getElementType());
}

// x + -0.0 is x for every x; x + 0.0 is not (-0.0 + 0.0 is 0.0).
OpFoldResult AddOp::fold(FoldAdaptor) {
  double zero = isFloatResult(*this) ? -0.0 : 0.0;
  return isSplatOf(getRhs(), zero) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult SubOp::fold(FoldAdaptor) {
  return isSplatOf(getRhs(), 0.0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult MulOp::fold(FoldAdaptor) {
  return isSplatOf(getRhs(), 1.0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult DivOp::fold(FoldAdaptor) {
  return isSplatOf(getRhs(), 1.0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult PowOp::fold(FoldAdaptor) {
  return isSplatOf(getRhs(), 1.0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

// What undoes itself, and what changes nothing the second time.
template <class Op> static OpFoldResult foldInvolution(Op op) {
  auto inner = op.getX().template getDefiningOp<Op>();
  return inner ? OpFoldResult(inner.getX()) : OpFoldResult();
}
template <class Op> static OpFoldResult foldIdempotent(Op op) {
  return op.getX().template getDefiningOp<Op>() ? OpFoldResult(op.getX()) : OpFoldResult();
}
OpFoldResult NegOp::fold(FoldAdaptor) { return foldInvolution(*this); }
OpFoldResult LogicalNotOp::fold(FoldAdaptor) { return foldInvolution(*this); }
OpFoldResult AbsOp::fold(FoldAdaptor) { return foldIdempotent(*this); }
OpFoldResult SignOp::fold(FoldAdaptor) { return foldIdempotent(*this); }
OpFoldResult ReluOp::fold(FoldAdaptor) { return foldIdempotent(*this); }

OpFoldResult MaximumOp::fold(FoldAdaptor) { return getLhs() == getRhs() ? OpFoldResult(getLhs()) : OpFoldResult(); }
OpFoldResult MinimumOp::fold(FoldAdaptor) { return getLhs() == getRhs() ? OpFoldResult(getLhs()) : OpFoldResult(); }

OpFoldResult LogicalAndOp::fold(FoldAdaptor) {
  if (getLhs() == getRhs()) return getLhs();
  return isSplatOf(getRhs(), 1) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult LogicalOrOp::fold(FoldAdaptor) {
  if (getLhs() == getRhs()) return getLhs();
  return isSplatOf(getRhs(), 0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult LogicalXorOp::fold(FoldAdaptor) {
  return isSplatOf(getRhs(), 0) ? unlessBroadcast(*this, getLhs()) : OpFoldResult();
}

OpFoldResult SelectOp::fold(FoldAdaptor) {
  if (getOnTrue() == getOnFalse()) return unlessBroadcast(*this, getOnTrue());
  std::optional<llvm::APInt> condition = intSplat(getCondition());
  return condition ? unlessBroadcast(*this, condition->getBoolValue() ? getOnTrue() : getOnFalse()) : OpFoldResult();
}

// Every value of `from` is a value of `to`, and comes back unchanged.
static bool isLossless(DType from, DType to) {
  if (from == to || from == DType::Bool) return true;
  if (to == DType::Bool) return false;
  switch (from) {
  case DType::BF16:
  case DType::F16: return to == DType::F32 || to == DType::F64;
  case DType::F32: return to == DType::F64;
  case DType::I8: return to != DType::U8;
  case DType::U8: return to != DType::I8;
  case DType::I32: return to == DType::I64 || to == DType::F64;
  default: return false;
  }
}

static DType dtypeOfValue(Value value) { return *dtypeOf(cast<ShapedType>(value.getType()).getElementType()); }

OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getX().getType() == getType()) return getX();
  auto inner = getX().getDefiningOp<CastOp>();
  if (!inner || !isLossless(dtypeOfValue(inner.getX()), dtypeOfValue(inner))) return {};
  if (inner.getX().getType() == getType()) return inner.getX();
  getXMutable().assign(inner.getX());
  return getResult();
}

// A constant condition whose branch is smaller than the result.
LogicalResult SelectOp::canonicalize(SelectOp op, PatternRewriter &rewriter) {
  std::optional<llvm::APInt> condition = intSplat(op.getCondition());
  std::optional<TensorSpec> spec = fin::specOf(op.getType());
  if (!condition || !spec) return failure();
  Words shape;
  AttrWriter(shape).integer(spec->dims.size());
  for (Dim dim : spec->dims) shape.push_back(dim.word());
  Value branch = condition->getBoolValue() ? op.getOnTrue() : op.getOnFalse();
  rewriter.replaceOp(op, createOp(rewriter, op.getLoc(), OpId::Broadcast, branch, shape));
  return success();
}

// Dividing by a power of two is multiplying by its inverse, which is exact while both are normal numbers.
LogicalResult DivOp::canonicalize(DivOp op, PatternRewriter &rewriter) {
  auto divisor = op.getRhs().getDefiningOp<ConstantOp>();
  std::optional<llvm::APFloat> splat = floatSplat(op.getRhs());
  if (!divisor || !splat) return failure();
  llvm::APFloat inverse(splat->getSemantics());
  if (!splat->getExactInverse(&inverse)) return failure();
  auto factor = ConstantOp::create(rewriter, divisor.getLoc(),
                                   DenseElementsAttr::get(cast<ShapedType>(divisor.getType()), inverse));
  rewriter.replaceOpWithNewOp<MulOp>(op, op.getLhs(), factor);
  return success();
}

// As PyTorch does: sqrt differs from pow(x, 0.5) for -0.0 and -inf only.
LogicalResult PowOp::canonicalize(PowOp op, PatternRewriter &rewriter) {
  if (op.getLhs().getType() != op.getType()) return failure();
  if (isSplatOf(op.getRhs(), 2.0))
    rewriter.replaceOpWithNewOp<SquareOp>(op, op.getLhs());
  else if (isSplatOf(op.getRhs(), 0.5))
    rewriter.replaceOpWithNewOp<SqrtOp>(op, op.getLhs());
  else if (isSplatOf(op.getRhs(), -1.0))
    rewriter.replaceOpWithNewOp<ReciprocalOp>(op, op.getLhs());
  else
    return failure();
  return success();
}

// Finite where softmax underflows to 0 and its logarithm would be -inf.
LogicalResult LogOp::canonicalize(LogOp op, PatternRewriter &rewriter) {
  auto softmax = op.getX().getDefiningOp<SoftmaxOp>();
  if (!softmax) return failure();
  rewriter.replaceOpWithNewOp<LogSoftmaxOp>(op, softmax.getX(), softmax.getAxisAttr());
  return success();
}

} // namespace tinyfin::fin
