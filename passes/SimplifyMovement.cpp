// SPDX-License-Identifier: Apache-2.0
// Patterns that remove or move transposes and reshapes. All are exact.
#include "ir/Fin.h"
#include "passes/Simplify.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

/// Whether `transpose` only swaps the last two axes.
bool swapsMatrixAxes(TransposeOp transpose) {
  if (!transpose) return false;
  llvm::ArrayRef<int64_t> permutation = transpose.getPermutation();
  int64_t rank = permutation.size();
  if (rank < 2 || permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1) return false;
  return llvm::equal(permutation.drop_back(2), llvm::seq<int64_t>(0, rank - 2));
}

/// matmul(transpose(x), y) -> matmul(x, y) {transpose_lhs}, likewise on the right
LogicalResult transposeIntoMatmul(MatmulOp op, PatternRewriter &rewriter) {
  auto lhs = op.getLhs().getDefiningOp<TransposeOp>(), rhs = op.getRhs().getDefiningOp<TransposeOp>();
  bool takesLhs = swapsMatrixAxes(lhs), takesRhs = swapsMatrixAxes(rhs);
  if (!takesLhs && !takesRhs) return failure();
  rewriter.replaceOpWithNewOp<MatmulOp>(op, takesLhs ? lhs.getX() : op.getLhs(), takesRhs ? rhs.getX() : op.getRhs(),
                                        op.getTransposeLhs() != takesLhs, op.getTransposeRhs() != takesRhs);
  return success();
}

/// transpose(matmul(x, y)) -> matmul(y, x) with the flags the other way round
LogicalResult transposeOfMatmul(TransposeOp op, PatternRewriter &rewriter) {
  auto matmul = op.getX().getDefiningOp<MatmulOp>();
  if (!matmul || !matmul->hasOneUse() || !swapsMatrixAxes(op)) return failure();
  rewriter.replaceOpWithNewOp<MatmulOp>(op, matmul.getRhs(), matmul.getLhs(), !matmul.getTransposeRhs(),
                                        !matmul.getTransposeLhs());
  return success();
}

bool isScalar(Value value) { return cast<ShapedType>(value.getType()).getRank() == 0; }

/// op(reshape(x), scalar) -> reshape(op(x, scalar)), also where all operands are reshapes of one shape: elementwise ops
/// meet without a reshape between them, and fusion sees one chain.
struct SinkReshape : OpTraitRewritePattern<Elementwise> {
  using OpTraitRewritePattern::OpTraitRewritePattern;

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    SmallVector<Value> operands;
    std::optional<TensorSpec> shape, target = fin::specOf(op->getResult(0).getType());
    for (Value operand : op->getOperands()) {
      if (isScalar(operand)) {
        operands.push_back(operand);
        continue;
      }
      auto reshape = operand.getDefiningOp<ReshapeOp>();
      std::optional<TensorSpec> source = reshape ? fin::specOf(reshape.getX().getType()) : std::nullopt;
      if (!source || (shape && shape->dims != source->dims) || !hasDims(operand, target->dims)) return failure();
      shape = source;
      operands.push_back(reshape.getX());
    }
    if (!shape || !target) return failure();
    Operation *moved = createOp(rewriter, op->getLoc(), *opIdOfOperation(op), operands, wordsOf(op));
    Words dims;
    AttrWriter(dims).integer(target->dims.size());
    for (Dim dim : target->dims) dims.push_back(dim.word());
    rewriter.replaceOp(op, createOp(rewriter, op->getLoc(), OpId::Reshape, moved->getResult(0), dims));
    return success();
  }

  // An operand that broadcasting repeats must not move.
  static bool hasDims(Value operand, llvm::ArrayRef<Dim> dims) {
    std::optional<TensorSpec> spec = fin::specOf(operand.getType());
    return spec && llvm::ArrayRef<Dim>(spec->dims) == dims;
  }
};

/// reshape(broadcast(scalar)) -> broadcast(scalar)
LogicalResult reshapeOfFill(ReshapeOp op, PatternRewriter &rewriter) {
  auto fill = op.getX().getDefiningOp<BroadcastOp>();
  if (!fill || !isScalar(fill.getX())) return failure();
  return rewriter.replaceOpWithNewOp<BroadcastOp>(op, fill.getX(), op.getShapeAttr()), success();
}

} // namespace

void addMovementPatterns(RewritePatternSet &patterns) {
  patterns.add(transposeIntoMatmul);
  patterns.add(transposeOfMatmul);
  patterns.add(reshapeOfFill);
  patterns.add<SinkReshape>(patterns.getContext());
}

} // namespace tinyfin::fin
