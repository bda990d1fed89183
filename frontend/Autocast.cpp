// SPDX-License-Identifier: Apache-2.0
#include "frontend/Autocast.h"
#include "frontend/Ops.h"

namespace tinyfin {
namespace {
thread_local AutocastMode current;
} // namespace

AutocastMode autocastMode() { return current; }

AutocastMode setAutocastMode(AutocastMode mode) {
  if (mode.dtype != DType::BF16 && mode.dtype != DType::F16)
    throw UserError(ErrorKind::Value, std::string("autocast: found ") + nameOf(mode.dtype) + ", wanted bfloat16 or float16");
  return std::exchange(current, mode);
}

void autocastOperands(OpId op, llvm::MutableArrayRef<Var> operands) {
  if (!current.enabled) return;
  fin::Autocast rule = fin::infoOf(op).autocast;
  if (rule == fin::Autocast::Keep) return;
  DType wanted = rule == fin::Autocast::Lower ? current.dtype : DType::F32;
  for (Var &operand : operands)
    if (DType dtype = operand.spec().dtype; isFloat(dtype) && dtype != DType::F64) operand = ops::castTo(operand, wanted);
}

} // namespace tinyfin
