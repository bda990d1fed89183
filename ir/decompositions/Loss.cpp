// SPDX-License-Identifier: Apache-2.0
// Losses by primitive ops.
#include "ir/Rule.h"

namespace tinyfin::fin {

/// Yields the losses as they are, their mean or their sum, as the attribute `reduction` says.
static void yieldReduced(Rule &r, Expr losses) {
  enum { none, mean, sum };
  int64_t reduction = r.attrs().integer();
  if (reduction == none) return r.yield(losses);
  Axes all = axesBetween(0, static_cast<int64_t>(losses.dims().size()));
  r.yield(reduction == mean ? r.mean(losses, all, /*keepdims=*/false) : r.sum(losses, all, /*keepdims=*/false));
}

/// A label out of range would match no class and cost nothing, so it is asserted not to be.
void decomposeCrossEntropy(RuleContext &c) {
  Rule r(c);
  Dim batch = r.xSpec().dims[0], classes = r.xSpec().dims[1];
  Expr labels = r.x(1), end = r.count({classes}, labels.dtype());
  r.assertOp(r.logicalAnd(r.ge(labels, labels.like(0)), r.lt(labels, end)), "cross_entropy: a label is out of range");
  Expr logits = r.wide(r.x(0)), places = r.iota({1, classes}, 1, labels.dtype());
  Expr isLabel = r.eq(places, r.reshape(labels, {batch, 1}));
  // log(sum(exp(x - max))) - (x[label] - max): the label's logit is found on the way to the maximum. Sums of a row's
  // exponentials are what the derivative's softmax needs too.
  Axes row{1};
  Expr chosen = r.sum(r.select(isLabel, logits, logits.like(0)), row, /*keepdims=*/true);
  if (classes.is(0)) return yieldReduced(r, r.reshape(chosen, {batch}));
  Expr largest = r.reduceMax(logits, row, /*keepdims=*/true);
  Expr logarithm = r.log(r.sum(r.exp(logits - largest), row, /*keepdims=*/true));
  yieldReduced(r, r.reshape(logarithm - (chosen - largest), {batch}));
}

void decomposeMseLoss(RuleContext &c) {
  Rule r(c);
  yieldReduced(r, r.square(r.wide(r.x(0)) - r.wide(r.x(1))));
}

void decomposeBceWithLogits(RuleContext &c) {
  Rule r(c);
  Expr x = r.wide(r.x(0)), target = r.wide(r.x(1));
  Expr softplus = r.log(1 + r.exp(-r.abs(x)));
  yieldReduced(r, r.maximum(x, x.like(0)) - x * target + softplus);
}

} // namespace tinyfin::fin
