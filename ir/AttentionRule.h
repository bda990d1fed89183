// SPDX-License-Identifier: Apache-2.0
// What attention's decompositions and derivatives share. Formulas are over [B, H, S, D] in the dtype that kernels calculate in.
#pragma once
#include "ir/Rule.h"

namespace tinyfin::fin {

class AttentionRule : public Rule {
public:
  enum class Form { Heads, Packed }; // q, k, v; or one operand [B, S, 3, H, D]
  AttentionRule(RuleContext &context, Form form)
      : Rule(context), isCausal(attrs().flag()), scale(attrs().real()),
        headsFirst(form == Form::Heads && attrs().flag()) {}

  /// [B, S, H, ..] as [B, H, S, ..] and back.
  Expr turned(Expr x);
  /// An operand or result as formulas want it.
  Expr formula(Expr x) { return x ? wide(turned(x)) : x; }
  /// [B, H, S] as [B, H, S, 1].
  Expr column(Expr rows);
  /// q @ k.T * scale + mask, with -inf where a key takes no part. The mask may be null.
  Expr scores(Expr q, Expr k, Expr mask);
  /// q, k or v of the packed projection, [B, S, H, D].
  Expr part(Expr packed, int64_t which);
  Expr packed(Expr q, Expr k, Expr v);

  const bool isCausal;
  const double scale;
  const bool headsFirst;
};

} // namespace tinyfin::fin
