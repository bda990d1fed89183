// SPDX-License-Identifier: Apache-2.0
// Patterns over elementwise arithmetic. Exact, but for division by a constant (one more rounding).
#include "ir/Splat.h"
#include "passes/Simplify.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

bool isFloat(Value value) { return isa<FloatType>(cast<ShapedType>(value.getType()).getElementType()); }

/// mul(x, x) -> square(x)
LogicalResult squareOfMul(MulOp op, PatternRewriter &rewriter) {
  if (op.getLhs() != op.getRhs() || !isFloat(op.getLhs())) return failure();
  return rewriter.replaceOpWithNewOp<SquareOp>(op, op.getLhs()), success();
}

/// mul(x, -1) -> neg(x)
LogicalResult negOfMul(MulOp op, PatternRewriter &rewriter) {
  if (!isSplatOf(op.getRhs(), -1.0) || op.getLhs().getType() != op.getType()) return failure();
  return rewriter.replaceOpWithNewOp<NegOp>(op, op.getLhs()), success();
}

/// pow(x, 2) -> square(x), pow(x, -1) -> reciprocal(x)
LogicalResult powOfConstant(PowOp op, PatternRewriter &rewriter) {
  if (op.getLhs().getType() != op.getType()) return failure();
  if (isSplatOf(op.getRhs(), 2.0)) return rewriter.replaceOpWithNewOp<SquareOp>(op, op.getLhs()), success();
  if (isSplatOf(op.getRhs(), -1.0)) return rewriter.replaceOpWithNewOp<ReciprocalOp>(op, op.getLhs()), success();
  return failure();
}

/// add(x, neg(y)) -> sub(x, y), in either order
LogicalResult subOfAdd(AddOp op, PatternRewriter &rewriter) {
  for (auto [x, y] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())})
    if (auto negated = y.getDefiningOp<NegOp>())
      return rewriter.replaceOpWithNewOp<SubOp>(op, x, negated.getX()), success();
  return failure();
}

/// sub(x, neg(y)) -> add(x, y)
LogicalResult addOfSub(SubOp op, PatternRewriter &rewriter) {
  auto negated = op.getRhs().getDefiningOp<NegOp>();
  if (!negated) return failure();
  return rewriter.replaceOpWithNewOp<AddOp>(op, op.getLhs(), negated.getX()), success();
}

/// div(x, c) -> mul(x, 1/c) where 1/c is a normal number. Half types would lose too much to the extra rounding.
LogicalResult mulOfDiv(DivOp op, PatternRewriter &rewriter) {
  auto divisor = op.getRhs().getDefiningOp<ConstantOp>();
  std::optional<llvm::APFloat> value = divisor && isFloat(op.getRhs()) ? floatSplat(op.getRhs()) : std::nullopt;
  if (!value || APFloat::semanticsSizeInBits(value->getSemantics()) < 32) return failure();
  llvm::APFloat reciprocal(value->getSemantics(), 1);
  reciprocal.divide(*value, llvm::APFloat::rmNearestTiesToEven);
  if (!reciprocal.isNormal()) return failure();
  auto elements = DenseElementsAttr::get(cast<ShapedType>(op.getRhs().getType()), reciprocal);
  Value factor = ConstantOp::create(rewriter, op.getLoc(), elements);
  return rewriter.replaceOpWithNewOp<MulOp>(op, op.getLhs(), factor), success();
}

/// op(broadcast(x), y) -> op(x, y) where y alone gives the result its shape; likewise op(reshape(scalar), y).
struct DropBroadcast : OpTraitRewritePattern<Elementwise> {
  using OpTraitRewritePattern::OpTraitRewritePattern;

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    for (OpOperand &operand : op->getOpOperands()) {
      Value source = sourceOf(operand.get());
      if (!source || !keepsType(op, operand.getOperandNumber(), source)) continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(source); });
      return success();
    }
    return failure();
  }

  static Value sourceOf(Value operand) {
    if (auto broadcast = operand.getDefiningOp<BroadcastOp>()) return broadcast.getX();
    auto reshape = operand.getDefiningOp<ReshapeOp>();
    bool isOfScalar = reshape && cast<ShapedType>(reshape.getX().getType()).getRank() == 0;
    return isOfScalar ? reshape.getX() : Value();
  }

  static bool keepsType(Operation *op, unsigned changed, Value replacement) {
    SmallVector<TensorSpec> operands, results;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      std::optional<TensorSpec> spec = fin::specOf((i == changed ? replacement : operand).getType());
      if (!spec) return false;
      operands.push_back(std::move(*spec));
    }
    std::string error;
    return succeeded(inferResults(*opIdOfOperation(op), operands, wordsOf(op), results, error)) &&
           results[0] == *fin::specOf(op->getResult(0).getType());
  }
};

} // namespace

void addArithmeticPatterns(RewritePatternSet &patterns) {
  patterns.add(squareOfMul);
  patterns.add(negOfMul);
  patterns.add(powOfConstant);
  patterns.add(subOfAdd);
  patterns.add(addOfSub);
  patterns.add(mulOfDiv);
  patterns.add<DropBroadcast>(patterns.getContext());
}

} // namespace tinyfin::fin
