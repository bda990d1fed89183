// SPDX-License-Identifier: Apache-2.0
// Mixed precision: while autocast is on, ops that users record get their operands cast as their definition says
// (Fin_Op's `autocast`). Derivatives are recorded in the dtypes that the forward ops had.
#pragma once
#include "frontend/Tape.h"

namespace tinyfin {

/// Of a thread. Off by default.
struct AutocastMode {
  bool enabled = false;
  DType dtype = DType::BF16;
  /// Part of a jitted function's signature.
  uint8_t key() const { return enabled ? static_cast<uint8_t>(1 + static_cast<int>(dtype)) : 0; }
};

AutocastMode autocastMode();
/// Sets the mode of this thread and returns what it was. Throws UserError for a dtype that is not bfloat16 or float16.
AutocastMode setAutocastMode(AutocastMode mode);

/// Casts the operands of an op that a user records.
void autocastOperands(OpId op, llvm::MutableArrayRef<Var> operands);

} // namespace tinyfin
