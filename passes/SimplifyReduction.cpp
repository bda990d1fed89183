// SPDX-License-Identifier: Apache-2.0
// Patterns over reductions. Merging two sums or means changes the order of additions.
#include "ir/Fin.h"
#include "passes/Simplify.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

int64_t rankOf(Value value) { return cast<ShapedType>(value.getType()).getRank(); }

/// reduce(reshape(x)) over everything -> reduce(x) over everything
template <class Op> LogicalResult reduceAllOfReshape(Op op, PatternRewriter &rewriter) {
  auto reshape = op.getX().template getDefiningOp<ReshapeOp>();
  if (!reshape || op.getKeepdims() || static_cast<int64_t>(op.getAxes().size()) != rankOf(op.getX())) return failure();
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, rankOf(reshape.getX())));
  return rewriter.replaceOpWithNewOp<Op>(op, reshape.getX(), axes, false), success();
}

/// reduce(x) over axes of extent 1 -> reshape(x)
template <class Op> LogicalResult reduceUnitAxes(Op op, PatternRewriter &rewriter) {
  auto from = cast<ShapedType>(op.getX().getType());
  if (op.getAxes().empty() || llvm::any_of(op.getAxes(), [&](int64_t axis) { return from.getDimSize(axis) != 1; }))
    return failure();
  Words dims;
  TensorSpec spec = *fin::specOf(op.getType());
  AttrWriter(dims).integer(spec.dims.size());
  for (Dim dim : spec.dims) dims.push_back(dim.word());
  rewriter.replaceOp(op, createOp(rewriter, op.getLoc(), OpId::Reshape, op.getX(), dims));
  return success();
}

/// reduce(reduce(x)) -> reduce(x) over the axes of both, where both keep or both drop them
template <class Op> LogicalResult reduceOfReduce(Op op, PatternRewriter &rewriter) {
  auto inner = op.getX().template getDefiningOp<Op>();
  if (!inner || !inner->hasOneUse() || inner.getKeepdims() != op.getKeepdims()) return failure();
  SmallVector<int64_t> remaining, axes(inner.getAxes());
  for (int64_t axis : llvm::seq<int64_t>(0, rankOf(inner.getX())))
    if (op.getKeepdims() || !llvm::is_contained(inner.getAxes(), axis)) remaining.push_back(axis);
  for (int64_t axis : op.getAxes())
    if (!llvm::is_contained(axes, remaining[axis])) axes.push_back(remaining[axis]);
  llvm::sort(axes);
  return rewriter.replaceOpWithNewOp<Op>(op, inner.getX(), axes, op.getKeepdims()), success();
}

template <class Op> void addPatternsOf(RewritePatternSet &patterns) {
  patterns.add(reduceAllOfReshape<Op>);
  patterns.add(reduceUnitAxes<Op>);
  patterns.add(reduceOfReduce<Op>);
}

} // namespace

void addReductionPatterns(RewritePatternSet &patterns) {
  addPatternsOf<SumOp>(patterns);
  addPatternsOf<MeanOp>(patterns);
  addPatternsOf<ReduceMaxOp>(patterns);
  addPatternsOf<ReduceMinOp>(patterns);
}

} // namespace tinyfin::fin
