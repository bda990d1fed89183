// SPDX-License-Identifier: Apache-2.0
// Attention reads heads where projections leave them: transposes around it become its layout. Exact.
#include "ir/Fin.h"
#include "passes/Simplify.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

/// [B, H, S, ..] to [B, S, H, ..] or back.
SmallVector<int64_t> headSwap(Value value) {
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, cast<ShapedType>(value.getType()).getRank()));
  std::swap(axes[1], axes[2]);
  return axes;
}

/// What a value is the swap of, or null.
Value behindHeadSwap(Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  bool isSwap = transpose && transpose.getPermutation() == ArrayRef<int64_t>(headSwap(value));
  return isSwap ? transpose.getX() : Value();
}

/// op(transposes of q, k and v) -> transposes of op(q, k, v) in the other layout. The other operands (dy, lse, delta) are
/// swapped too, which mostly undoes a swap; the mask, behind them, has one layout.
template <class Op> LogicalResult transposesIntoAttention(Op op, PatternRewriter &rewriter, unsigned first, unsigned mask) {
  for (unsigned i = first; i < first + 3; ++i)
    if (!behindHeadSwap(op.getXs()[i])) return failure();
  SmallVector<Value> operands(op.getXs());
  for (Value &operand : MutableArrayRef<Value>(operands).take_front(mask)) {
    Value behind = behindHeadSwap(operand);
    operand = behind ? behind : TransposeOp::create(rewriter, op.getLoc(), operand, headSwap(operand)).getResult();
  }
  auto turned = Op::create(rewriter, op.getLoc(), operands, op.getCausal(), op.getScale(), !op.getHeadsFirst());
  SmallVector<Value> results;
  for (Value result : turned->getResults())
    results.push_back(TransposeOp::create(rewriter, op.getLoc(), result, headSwap(result)));
  rewriter.replaceOp(op, results);
  return success();
}

LogicalResult intoAttention(AttentionOp op, PatternRewriter &rewriter) {
  return transposesIntoAttention(op, rewriter, 0, 3);
}
LogicalResult intoAttentionGrad(AttentionGradOp op, PatternRewriter &rewriter) {
  return transposesIntoAttention(op, rewriter, 1, 6);
}

} // namespace

void addAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add(intoAttention);
  patterns.add(intoAttentionGrad);
}

} // namespace tinyfin::fin
