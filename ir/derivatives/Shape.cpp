// SPDX-License-Identifier: Apache-2.0
// Derivatives of the ops that move elements: the cotangents move back, and what was never read gets zero.
#include "ir/Rule.h"

namespace tinyfin::fin {

static Expr sumOfAll(Rule &r, Expr value) {
  return r.sum(value, axesBetween(0, static_cast<int64_t>(value.dims().size())), /*keepdims=*/false);
}

void vjpFull(RuleContext &c) {
  Rule r(c);
  r.give(0, sumOfAll(r, r.dy()));
}

void vjpReshape(RuleContext &c) {
  Rule r(c);
  r.give(0, r.shaped(r.dy(), r.xSpec().dims));
}

void vjpTranspose(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> permutation = r.listAttr();
  Axes inverse(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) inverse[permutation[i]] = static_cast<int64_t>(i);
  r.give(0, r.transpose(r.dy(), inverse));
}

void vjpBroadcast(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy());
}

void vjpSlice(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // sizes: those of dy
  r.give(0, r.sliceUpdate(r.zerosOf(r.xSpec()), r.dy(), r.x(1), r.listAttr()));
}

void vjpSliceUpdate(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> steps = r.listAttr();
  if (r.needs(0)) r.give(0, r.sliceUpdate(r.dy(), r.zerosOf(r.xSpec(1)), r.x(2), steps));
  if (r.needs(1)) r.give(1, r.slice(r.dy(), r.x(2), r.xSpec(1).dims, steps));
}

/// The start [0, .., offset, .., 0] of the operand at `offset` (the extents before it) along `axis`.
static Expr startOf(Rule &r, llvm::ArrayRef<Dim> before, size_t rank, int64_t axis) {
  Axes start(rank, 0);
  Exprs symbolic;
  for (Dim dim : before) {
    if (dim.isConstant())
      start[axis] += dim.constant();
    else
      symbolic.push_back(r.reshape(r.count({dim}, DType::I64), {Dim(1)}));
  }
  Expr known = r.indexVector(start);
  for (Expr extent : symbolic)
    known = known + r.pad(extent, r.scalar(0, DType::I64), {axis}, {static_cast<int64_t>(rank) - 1 - axis});
  return known;
}

void vjpConcat(RuleContext &c) {
  Rule r(c);
  int64_t axis = r.attrs().integer();
  size_t rank = r.ySpec().rank();
  Axes steps(rank, 1);
  Dims before;
  for (unsigned i = 0; i < r.numOperands(); before.push_back(r.xSpec(i++).dims[axis]))
    if (r.needs(i)) r.give(i, r.slice(r.dy(), startOf(r, before, rank, axis), r.xSpec(i).dims, steps));
}

void vjpPad(RuleContext &c) {
  Rule r(c);
  Expr start = r.indexVector(r.listAttr());
  Axes steps(r.xSpec().rank(), 1);
  if (r.needs(0)) r.give(0, r.slice(r.dy(), start, r.xSpec().dims, steps));
  if (r.needs(1)) r.give(1, sumOfAll(r, r.sliceUpdate(r.dy(), r.zerosOf(r.xSpec()), start, steps)));
}

void vjpGather(RuleContext &c) {
  Rule r(c);
  r.give(0, r.scatterAdd(r.zerosOf(r.xSpec()), r.x(1), r.dy(), r.attrs().integer()));
}

void vjpScatterAdd(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy());
  if (r.needs(2)) r.give(2, r.gather(r.dy(), r.x(1), r.attrs().integer()));
}

} // namespace tinyfin::fin
