// SPDX-License-Identifier: Apache-2.0
// Derivatives of softmax, gelu, dropout and embedding.
#include "ir/Rule.h"
#include <numbers>

namespace tinyfin::fin {

void vjpSoftmax(RuleContext &c) {
  Rule r(c);
  int64_t axis = r.attrs().integer();
  Expr y = r.wide(r.y()), dy = r.wide(r.dy());
  r.give(0, (dy - r.sum(dy * y, {axis}, /*keepdims=*/true)) * y);
}

void vjpLogSoftmax(RuleContext &c) {
  Rule r(c);
  int64_t axis = r.attrs().integer();
  Expr y = r.wide(r.y()), dy = r.wide(r.dy());
  r.give(0, dy - r.exp(y) * r.sum(dy, {axis}, /*keepdims=*/true));
}

/// Phi(x) + x phi(x), of the standard normal distribution.
static Expr slopeOfGelu(Rule &r, Expr x) {
  constexpr double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2; // phi(0)
  Expr below = 0.5 * (1 + r.erf(x * (1 / std::numbers::sqrt2)));
  return below + x * (density * r.exp(r.square(x) * -0.5));
}

/// Of 0.5 x (1 + tanh(u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
static Expr slopeOfTanhGelu(Rule &r, Expr x) {
  constexpr double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
  Expr squared = r.square(x);
  Expr tanh = r.tanh(x * (scale + scale * cubic * squared));
  Expr slopeOfU = scale + 3 * scale * cubic * squared;
  return 0.5 * (1 + tanh + x * (1 - r.square(tanh)) * slopeOfU);
}

void vjpGelu(RuleContext &c) {
  Rule r(c);
  Expr x = r.wide(r.x());
  r.give(0, r.wide(r.dy()) * (r.attrs().flag() ? slopeOfTanhGelu(r, x) : slopeOfGelu(r, x)));
}

/// The same op on the cotangent draws the same mask again: no mask is kept.
void vjpDropout(RuleContext &c) {
  Rule r(c);
  if (r.needs(0)) r.give(0, r.dropout(r.dy(), r.x(1), r.x(2), r.attrs().integer()));
}

void vjpEmbedding(RuleContext &c) {
  Rule r(c);
  r.give(0, r.scatterAdd(r.zerosOf(r.xSpec(0)), r.x(1), r.dy(), /*axis=*/0));
}

} // namespace tinyfin::fin
