// SPDX-License-Identifier: Apache-2.0
// PyTorch's type promotion (docs "Type promotion" of torch.Tensor attributes).
#include "frontend/Ops.h"

namespace tinyfin {
namespace {

int categoryOf(DType dtype) { return isFloat(dtype) ? 2 : isInteger(dtype) ? 1 : 0; }

DType numberType(const Operand &operand) {
  if (operand.slot) return isFloat(operand.slot->spec.dtype) ? DType::F32 : DType::I64; // as the Python number it stands for
  switch (operand.number.index()) {
  case 0: return DType::Bool;
  case 1: return DType::I64;
  default: return DType::F32;
  }
}

} // namespace

DType promoteTypes(DType a, DType b) {
  if (a == b) return a;
  if (categoryOf(a) != categoryOf(b)) return categoryOf(a) > categoryOf(b) ? a : b;
  if (isFloat(a)) {
    if (a == DType::F64 || b == DType::F64) return DType::F64;
    return DType::F32; // float32 with a half type, or the two half types
  }
  if (a == DType::I64 || b == DType::I64) return DType::I64;
  return DType::I32;
}

DType resultType(llvm::ArrayRef<Operand> operands) {
  // One running type for each priority; a lower priority counts only if its category is higher.
  std::optional<DType> types[3];
  for (const Operand &operand : operands) {
    int priority = operand.isNumber() ? 2 : operand.tensor->spec.rank() == 0 ? 1 : 0;
    DType dtype = operand.isNumber() ? numberType(operand) : operand.tensor->spec.dtype;
    types[priority] = types[priority] ? promoteTypes(*types[priority], dtype) : dtype;
  }
  std::optional<DType> result;
  for (const auto &dtype : types)
    if (dtype && (!result || categoryOf(*dtype) > categoryOf(*result))) {
      // A Python float with integer tensors gives the default float type.
      result = dtype;
    }
  return result.value_or(DType::F32);
}

BinaryRule ruleOf(OpId op) {
  switch (op) {
  case OpId::Div: return BinaryRule::Division;
  case OpId::Pow: return BinaryRule::Float;
  case OpId::Eq:
  case OpId::Ne:
  case OpId::Lt:
  case OpId::Le:
  case OpId::Gt:
  case OpId::Ge: return BinaryRule::Comparison;
  case OpId::LogicalAnd:
  case OpId::LogicalOr:
  case OpId::LogicalXor: return BinaryRule::Logical;
  default: return BinaryRule::Arithmetic;
  }
}

} // namespace tinyfin
