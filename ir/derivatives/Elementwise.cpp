// SPDX-License-Identifier: Apache-2.0
// Derivatives of the elementwise ops. Where a function has a kink the convention is PyTorch's: ties of maximum and
// minimum share the cotangent, clamp passes it at its bounds, relu and abs give 0 at 0.
#include "ir/Rule.h"
#include <numbers>

namespace tinyfin::fin {

void vjpAdd(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy());
  r.give(1, r.dy());
}

void vjpSub(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy());
  if (r.needs(1)) r.give(1, -r.summedTo(r.dy(), 1)); // the smaller one is negated
}

void vjpMul(RuleContext &c) {
  Rule r(c);
  if (r.needs(0)) r.give(0, r.dy() * r.x(1));
  if (r.needs(1)) r.give(1, r.dy() * r.x(0));
}

void vjpDiv(RuleContext &c) {
  Rule r(c);
  Expr scaled = r.dy() / r.x(1);
  r.give(0, scaled);
  if (r.needs(1)) r.give(1, -(scaled * (r.x(0) / r.x(1))));
}

void vjpPow(RuleContext &c) {
  Rule r(c);
  Expr base = r.x(0), exponent = r.x(1), zero = base.like(0);
  if (r.needs(0)) {
    Expr slope = exponent * r.pow(base, exponent - 1);
    r.give(0, r.dy() * r.select(r.eq(exponent, zero), zero, slope));
  }
  if (!r.needs(1)) return;
  // At 0 ** (not negative) the derivative is 0: the logarithm of 1 instead of 0 gives that without an infinity.
  Expr isFlat = r.logicalAnd(r.eq(base, zero), r.ge(exponent, zero));
  r.give(1, r.dy() * r.y() * r.log(r.select(isFlat, base.like(1), base)));
}

/// Of maximum and minimum: the larger (smaller) operand gets the cotangent, equal ones get half each.
static void giveToWinner(Rule &r, bool largerWins) {
  Expr zero = r.dy().like(0), shared = r.select(r.eq(r.x(0), r.x(1)), r.dy() * 0.5, r.dy());
  for (unsigned i : {0, 1}) {
    if (!r.needs(i)) continue;
    Expr self = r.x(i), other = r.x(1 - i);
    r.give(i, r.select(largerWins ? r.lt(self, other) : r.lt(other, self), zero, shared));
  }
}

void vjpMaximum(RuleContext &c) {
  Rule r(c);
  giveToWinner(r, /*largerWins=*/true);
}

void vjpMinimum(RuleContext &c) {
  Rule r(c);
  giveToWinner(r, /*largerWins=*/false);
}

void vjpClamp(RuleContext &c) {
  Rule r(c);
  Expr x = r.x(0), low = r.x(1), high = r.x(2), zero = x.like(0);
  if (r.needs(0)) r.give(0, r.select(r.logicalAnd(r.ge(x, low), r.le(x, high)), r.dy(), zero));
  if (r.needs(1)) r.give(1, r.select(r.logicalAnd(r.lt(x, low), r.le(low, high)), r.dy(), zero));
  if (r.needs(2)) r.give(2, r.select(r.logicalOr(r.gt(x, high), r.gt(low, high)), r.dy(), zero));
}

void vjpSelect(RuleContext &c) {
  Rule r(c);
  Expr zero = r.dy().like(0);
  if (r.needs(1)) r.give(1, r.select(r.x(0), r.dy(), zero));
  if (r.needs(2)) r.give(2, r.select(r.x(0), zero, r.dy()));
}

void vjpCast(RuleContext &c) {
  Rule r(c);
  if (isFloat(r.xSpec().dtype)) r.give(0, r.dy());
}

void vjpExp(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * r.y());
}

void vjpLog(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() / r.x());
}

void vjpSqrt(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() / (r.y() + r.y()));
}

void vjpRsqrt(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * -0.5 * r.y() * r.square(r.y()));
}

void vjpSquare(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * (r.x() + r.x()));
}

void vjpReciprocal(RuleContext &c) {
  Rule r(c);
  r.give(0, -(r.dy() * r.square(r.y())));
}

void vjpTanh(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * (1 - r.square(r.y())));
}

void vjpErf(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * (2 * std::numbers::inv_sqrtpi * r.exp(-r.square(r.x()))));
}

void vjpSin(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * r.cos(r.x()));
}

void vjpCos(RuleContext &c) {
  Rule r(c);
  r.give(0, -(r.dy() * r.sin(r.x())));
}

void vjpAbs(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * r.sign(r.x()));
}

void vjpNeg(RuleContext &c) {
  Rule r(c);
  r.give(0, -r.dy());
}

void vjpRelu(RuleContext &c) {
  Rule r(c);
  r.give(0, r.select(r.le(r.y(), r.y().like(0)), r.dy().like(0), r.dy()));
}

void vjpSigmoid(RuleContext &c) {
  Rule r(c);
  r.give(0, r.dy() * (1 - r.y()) * r.y());
}

} // namespace tinyfin::fin
