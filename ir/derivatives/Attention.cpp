// SPDX-License-Identifier: Apache-2.0
// Derivatives of attention. Its own gradient recomputes the weights from lse; what that op's gradient needs is written out
// with products, which make the scores: second derivatives are rare.
#include "ir/AttentionRule.h"
#include <functional>

namespace tinyfin::fin {
namespace {

using Form = AttentionRule::Form;

/// sum(dy * output) - dlse; and dy, zeros if only lse has a cotangent.
Expr deltaOf(AttentionRule &r, Expr &dy) {
  Expr dlse = r.dy(1);
  if (!r.dy(0)) return dy = r.zerosOf(r.ySpec(0)), -dlse;
  dy = r.dy(0);
  Expr delta = r.sum(r.wide(dy) * r.wide(r.y(0)), {3}, /*keepdims=*/false);
  return dlse ? delta - dlse : delta;
}

/// Of a mask of numbers: the gradient of the scores.
void giveMask(AttentionRule &r, unsigned operand, Expr q, Expr k, Expr v, Expr dy, Expr delta) {
  if (operand >= r.numOperands() || !isFloat(r.xSpec(operand).dtype) || !r.needs(operand)) return;
  Expr p = r.exp(r.scores(r.formula(q), r.formula(k), r.x(operand)) - r.column(r.formula(r.y(1))));
  r.give(operand, p * (r.matmul(r.formula(dy), r.formula(v), false, true) - r.column(r.formula(delta))));
}

/// A value that is emitted when it is first used: rules emit nothing that is not.
class Lazy {
public:
  Lazy() : make([] { return Expr(); }) {}
  Lazy(std::function<Expr()> make) : make(std::move(make)) {}
  Expr operator()() {
    if (!isMade) value = make(), isMade = true;
    return value;
  }

private:
  std::function<Expr()> make;
  Expr value;
  bool isMade = false;
};

/// What follows for the operands of an attention gradient from the cotangents a, b and c of dq, dk and dv (null: zero).
/// Let e = dy @ v.T - delta, ds = p * e. The cotangent of ds is g = scale (a @ k.T + q @ b.T), that of p is
/// dy @ c.T + g * e, and p's derivative by the scores and by -lse is p itself.
struct SecondOrder {
  AttentionRule &r;
  Lazy dy, q, k, v, lse, delta, a, b, c; // as formulas want them
  Expr mask;
  Lazy p{[this] { return r.exp(r.scores(q(), k(), mask) - r.column(lse())); }};
  Lazy e{[this] { return r.matmul(dy(), v(), false, true) - r.column(delta()); }};
  Lazy ds{[this] { return p() * e(); }};
  Lazy g{[this] { return scaled(r.sumOf(product(a, k, false, true), product(b, q, false, true, /*swapped=*/true))); }};
  Lazy toScores{[this] {
    Expr ofValues = product(c, dy, false, true, /*swapped=*/true), ofWeights = g() ? g() * e() : Expr();
    Expr toWeights = r.sumOf(ofValues, ofWeights);
    return toWeights ? p() * toWeights : toWeights;
  }};
  Lazy toProducts{[this] { return g() ? p() * g() : Expr(); }}; // of dy @ v.T

  Expr scaled(Expr x) { return x ? x * r.scale : x; }
  /// x @ y (or y @ x), null where x is.
  Expr product(Lazy &x, Lazy &y, bool transposeFirst, bool transposeSecond, bool swapped = false) {
    if (!x()) return {};
    return swapped ? r.matmul(y(), x(), transposeFirst, transposeSecond) : r.matmul(x(), y(), transposeFirst, transposeSecond);
  }

  Expr toDy() { return r.sumOf(product(c, p, false, false, true), product(toProducts, v, false, false)); }
  Expr toQ() { return scaled(r.sumOf(product(b, ds, false, false, true), product(toScores, k, false, false))); }
  Expr toK() { return scaled(r.sumOf(product(a, ds, true, false, true), product(toScores, q, true, false))); }
  Expr toV() { return product(toProducts, dy, true, false); }
  Expr toLse() { return negatedSum(toScores()); }
  Expr toDelta() { return negatedSum(toProducts()); }
  Expr negatedSum(Expr x) { return x ? -r.sum(x, {3}, /*keepdims=*/false) : x; }
};

template <class Make> void giveTurned(AttentionRule &r, unsigned operand, Make make) {
  if (!r.needs(operand)) return;
  if (Expr cotangent = make()) r.give(operand, r.turned(cotangent));
}

} // namespace

void vjpAttention(RuleContext &c) {
  AttentionRule r(c, Form::Heads);
  Expr dy, delta = deltaOf(r, dy);
  Exprs xs{dy, r.x(0), r.x(1), r.x(2), r.y(1), delta};
  if (r.numOperands() > 3) xs.push_back(r.x(3));
  if (r.needs(0) || r.needs(1) || r.needs(2))
    for (auto [i, result] : llvm::enumerate(r.attentionGrad(xs, r.isCausal, r.scale, r.headsFirst)))
      r.give(static_cast<unsigned>(i), result);
  giveMask(r, 3, r.x(0), r.x(1), r.x(2), dy, delta);
}

void vjpPackedAttention(RuleContext &c) {
  AttentionRule r(c, Form::Packed);
  Expr dy, delta = deltaOf(r, dy);
  Exprs xs{dy, r.x(0), r.y(1), delta};
  if (r.numOperands() > 1) xs.push_back(r.x(1));
  if (r.needs(0)) r.give(0, r.packedAttentionGrad(xs, r.isCausal, r.scale));
  if (r.needs(1)) giveMask(r, 1, r.part(r.x(), 0), r.part(r.x(), 1), r.part(r.x(), 2), dy, delta);
}

void vjpAttentionGrad(RuleContext &c) {
  AttentionRule r(c, Form::Heads);
  bool isMasked = r.numOperands() > 6;
  SecondOrder s{r};
  Lazy *operands[] = {&s.dy, &s.q, &s.k, &s.v, &s.lse, &s.delta}, *cotangents[] = {&s.a, &s.b, &s.c};
  for (unsigned i = 0; i < 6; ++i) *operands[i] = Lazy([&r, i] { return r.formula(r.x(i)); });
  for (unsigned i = 0; i < 3; ++i) *cotangents[i] = Lazy([&r, i] { return r.formula(r.dy(i)); });
  if (isMasked) s.mask = r.x(6);
  giveTurned(r, 0, [&] { return s.toDy(); });
  giveTurned(r, 1, [&] { return s.toQ(); });
  giveTurned(r, 2, [&] { return s.toK(); });
  giveTurned(r, 3, [&] { return s.toV(); });
  giveTurned(r, 4, [&] { return s.toLse(); });
  giveTurned(r, 5, [&] { return s.toDelta(); });
  if (isMasked && isFloat(r.xSpec(6).dtype) && r.needs(6)) r.give(6, s.toScores());
}

void vjpPackedAttentionGrad(RuleContext &c) {
  AttentionRule r(c, Form::Packed);
  bool isMasked = r.numOperands() > 4;
  SecondOrder s{r};
  Lazy *parts[] = {&s.q, &s.k, &s.v}, *cotangents[] = {&s.a, &s.b, &s.c};
  for (int64_t i = 0; i < 3; ++i) *parts[i] = Lazy([&r, i] { return r.formula(r.part(r.x(1), i)); });
  for (int64_t i = 0; i < 3; ++i) *cotangents[i] = Lazy([&r, i] { return r.formula(r.part(r.dy(), i)); });
  s.dy = Lazy([&r] { return r.formula(r.x(0)); });
  s.lse = Lazy([&r] { return r.formula(r.x(2)); });
  s.delta = Lazy([&r] { return r.formula(r.x(3)); });
  if (isMasked) s.mask = r.x(4);
  giveTurned(r, 0, [&] { return s.toDy(); });
  if (r.needs(1)) r.give(1, r.packed(r.turned(s.toQ()), r.turned(s.toK()), r.turned(s.toV())));
  giveTurned(r, 2, [&] { return s.toLse(); });
  giveTurned(r, 3, [&] { return s.toDelta(); });
  if (isMasked && isFloat(r.xSpec(4).dtype) && r.needs(4)) r.give(4, s.toScores());
}

} // namespace tinyfin::fin
