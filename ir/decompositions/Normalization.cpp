// SPDX-License-Identifier: Apache-2.0
// Layer and batch normalization by primitive ops. Variances are means of squared distances from the mean (two passes):
// the difference of mean squares would cancel.
#include "ir/Rule.h"

namespace tinyfin::fin {

void decomposeLayerNorm(RuleContext &c) {
  Rule r(c);
  Axes axes = axesBetween(r.attrs().integer(), static_cast<int64_t>(r.xSpec().rank()));
  Expr x = r.wide(r.x());
  Expr mean = r.mean(x, axes, /*keepdims=*/true), centered = x - mean;
  Expr rstd = r.rsqrt(r.mean(r.square(centered), axes, /*keepdims=*/true) + r.attrs().real());
  r.yield(centered * rstd * r.wide(r.x(1)) + r.wide(r.x(2)));
  r.yield(mean);
  r.yield(rstd);
}

static Expr normalized(Rule &r, Expr centered, Expr var) {
  Expr scale = r.rsqrt(var + r.attrs().real()) * r.wide(r.x(1));
  return centered * r.perChannel(scale) + r.perChannel(r.x(2));
}

void decomposeBatchNorm(RuleContext &c) {
  Rule r(c);
  Axes axes = axesButChannel(static_cast<int64_t>(r.xSpec().rank()));
  Expr x = r.wide(r.x());
  Expr mean = r.mean(x, axes, /*keepdims=*/false), centered = x - r.perChannel(mean);
  Expr var = r.mean(r.square(centered), axes, /*keepdims=*/false);
  r.yield(normalized(r, centered, var));
  r.yield(mean);
  r.yield(var);
}

void decomposeBatchNormInference(RuleContext &c) {
  Rule r(c);
  r.yield(normalized(r, r.wide(r.x()) - r.perChannel(r.x(3)), r.wide(r.x(4))));
}

} // namespace tinyfin::fin
