// SPDX-License-Identifier: Apache-2.0
// Attention by products and a softmax that writes the scores.
#include "ir/AttentionRule.h"
#include <limits>

namespace tinyfin::fin {

/// Rows all of whose scores are -inf have no largest score to take off, and nothing to divide by.
void decomposeAttention(RuleContext &c) {
  AttentionRule r(c, AttentionRule::Form::Heads);
  Expr mask = r.numOperands() > 3 ? r.x(3) : Expr();
  Expr scores = r.scores(r.formula(r.x(0)), r.formula(r.x(1)), mask);
  double infinity = std::numeric_limits<double>::infinity();
  bool isEmpty = scores.dims()[3].is(0);
  Expr top = isEmpty ? Expr() : r.reduceMax(scores, {3}, /*keepdims=*/true);
  if (top && mask) top = r.select(r.eq(top, top.like(-infinity)), top.like(0), top);
  Expr powers = r.exp(top ? scores - top : scores), total = r.sum(powers, {3}, /*keepdims=*/true);
  Expr lse = r.log(total), divisor = total;
  if (top) lse = lse + top;
  if (isEmpty || mask) {
    Expr hasNone = r.eq(total, total.like(0));
    lse = r.select(hasNone, lse.like(infinity), lse);
    divisor = r.select(hasNone, total.like(1), total);
  }
  r.yield(r.turned(r.matmul(powers / divisor, r.formula(r.x(2)), false, false)));
  llvm::ArrayRef<Dim> dims = lse.dims();
  r.yield(r.turned(r.reshape(lse, {dims[0], dims[1], dims[2]})));
}

void decomposeAttentionGrad(RuleContext &c) {
  AttentionRule r(c, AttentionRule::Form::Heads);
  Expr dy = r.formula(r.x(0)), q = r.formula(r.x(1)), k = r.formula(r.x(2)), v = r.formula(r.x(3));
  Expr lse = r.column(r.formula(r.x(4))), delta = r.column(r.formula(r.x(5)));
  Expr p = r.exp(r.scores(q, k, r.numOperands() > 6 ? r.x(6) : Expr()) - lse);
  Expr ds = p * (r.matmul(dy, v, false, true) - delta);
  r.yield(r.turned(r.matmul(ds, k, false, false) * r.scale));
  r.yield(r.turned(r.matmul(ds, q, true, false) * r.scale));
  r.yield(r.turned(r.matmul(p, dy, true, false)));
}

void decomposePackedAttention(RuleContext &c) {
  AttentionRule r(c, AttentionRule::Form::Packed);
  Exprs xs{r.part(r.x(), 0), r.part(r.x(), 1), r.part(r.x(), 2)};
  if (r.numOperands() > 1) xs.push_back(r.x(1));
  for (Expr result : r.attention(xs, r.isCausal, r.scale, /*heads_first=*/false)) r.yield(result);
}

void decomposePackedAttentionGrad(RuleContext &c) {
  AttentionRule r(c, AttentionRule::Form::Packed);
  Exprs xs{r.x(0), r.part(r.x(1), 0), r.part(r.x(1), 1), r.part(r.x(1), 2), r.x(2), r.x(3)};
  if (r.numOperands() > 4) xs.push_back(r.x(4));
  Exprs parts = r.attentionGrad(xs, r.isCausal, r.scale, /*heads_first=*/false);
  r.yield(r.packed(parts[0], parts[1], parts[2]));
}

} // namespace tinyfin::fin
