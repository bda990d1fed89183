// SPDX-License-Identifier: Apache-2.0
// Derivatives of the losses.
#include "ir/Rule.h"

namespace tinyfin::fin {

/// The cotangent of the losses before they were reduced to their mean or sum; it broadcasts with `unreduced`.
static Expr unreducedCotangent(Rule &r, llvm::ArrayRef<Dim> unreduced) {
  constexpr int64_t mean = 1;
  Expr dy = r.wide(r.dy());
  return r.attrs().integer() == mean ? r.dividedByCount(dy, unreduced) : dy;
}

/// softmax(logits) - (1 at the label)
void vjpCrossEntropy(RuleContext &c) {
  Rule r(c);
  Dim batch = r.xSpec().dims[0], classes = r.xSpec().dims[1];
  Expr dy = unreducedCotangent(r, {batch});
  if (!dy.dims().empty()) dy = r.reshape(dy, {batch, 1});
  Expr places = r.iota({1, classes}, 1, r.xSpec(1).dtype);
  Expr probability = r.softmax(r.wide(r.x()), 1);
  Expr isLabel = r.eq(places, r.reshape(r.x(1), {batch, 1}));
  r.give(0, (probability - r.cast(isLabel, probability.dtype())) * dy);
}

void vjpMseLoss(RuleContext &c) {
  Rule r(c);
  Expr dx = unreducedCotangent(r, r.xSpec().dims) * 2 * (r.wide(r.x(0)) - r.wide(r.x(1)));
  r.give(0, dx);
  if (r.needs(1)) r.give(1, -dx);
}

void vjpBceWithLogits(RuleContext &c) {
  Rule r(c);
  Expr dy = unreducedCotangent(r, r.xSpec().dims), x = r.wide(r.x(0));
  if (r.needs(0)) r.give(0, (r.sigmoid(x) - r.wide(r.x(1))) * dy);
  if (r.needs(1)) r.give(1, -(x * dy));
}

} // namespace tinyfin::fin
