// SPDX-License-Identifier: Apache-2.0
// Softmax, gelu, dropout and embedding by primitive ops.
#include "ir/Rule.h"
#include <numbers>

namespace tinyfin::fin {

/// x - max(x): its exponentials are at most 1. An empty axis has no largest element, and nothing to shift.
static Expr shiftedByMax(Rule &r, Expr x, int64_t axis) {
  return x.dims()[axis].is(0) ? x : x - r.reduceMax(x, {axis}, /*keepdims=*/true);
}

void decomposeSoftmax(RuleContext &c) {
  Rule r(c);
  int64_t axis = r.attrs().integer();
  Expr powers = r.exp(shiftedByMax(r, r.wide(r.x()), axis));
  r.yield(powers / r.sum(powers, {axis}, /*keepdims=*/true));
}

void decomposeLogSoftmax(RuleContext &c) {
  Rule r(c);
  int64_t axis = r.attrs().integer();
  Expr shifted = shiftedByMax(r, r.wide(r.x()), axis);
  r.yield(shifted - r.log(r.sum(r.exp(shifted), {axis}, /*keepdims=*/true)));
}

void decomposeGelu(RuleContext &c) {
  Rule r(c);
  constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
  Expr x = r.wide(r.x());
  bool isTanh = r.attrs().flag();
  Expr twicePhi =
      isTanh ? 1 + r.tanh(x * (scale + scale * cubic * r.square(x))) : 1 + r.erf(x * (1 / std::numbers::sqrt2));
  r.yield(x * 0.5 * twicePhi);
}

/// Uniform numbers have 24 bits whatever their dtype, so the mask is that of the kernel.
void decomposeDropout(RuleContext &c) {
  Rule r(c);
  Expr x = r.wide(r.x(0)), p = r.wide(r.x(1));
  Expr keeps = r.ge(r.uniform(r.x(2), r.xSpec().dims, p.dtype(), r.attrs().integer()), p);
  r.yield(r.select(keeps, x * r.reciprocal(1 - p), x.like(0)));
}

void decomposeEmbedding(RuleContext &c) {
  Rule r(c);
  r.yield(r.gather(r.x(0), r.x(1), /*axis=*/0));
}

} // namespace tinyfin::fin
