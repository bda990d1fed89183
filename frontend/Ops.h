// SPDX-License-Identifier: Apache-2.0
// The ops as users call them: PyTorch's type promotion, axes and in-place rules over recorded fin ops.
#pragma once
#include "frontend/Scalars.h"
#include "frontend/Tensor.h"
#include <optional>
#include <variant>

namespace tinyfin {

/// A tensor or a Python number.
struct Operand {
  Tensor tensor;
  std::variant<bool, int64_t, double> number = false;
  ValueRef slot; // a jit argument's number: already a runtime scalar
  bool isNumber() const { return !tensor; }
  static Operand of(Tensor tensor) { return {std::move(tensor), false, {}}; }
  static Operand of(double value) { return {{}, value, {}}; }
  static Operand of(int64_t value) { return {{}, value, {}}; }
  static Operand of(bool value) { return {{}, value, {}}; }
};

/// PyTorch's promotion of two dtypes (int8 with uint8 gives int32: there is no int16).
DType promoteTypes(DType a, DType b);
/// PyTorch's promotion of operands: tensors with dims, then 0-d tensors, then numbers.
DType resultType(llvm::ArrayRef<Operand> operands);

enum class BinaryRule { Arithmetic, Division, Comparison, Logical, Float };
BinaryRule ruleOf(OpId op);

namespace ops {

Var castTo(Var x, DType dtype);
/// The operand as a value of `dtype`: a cast tensor or a scalar input.
Var asVar(const Operand &operand, DType dtype);

Tensor unary(OpId op, const Tensor &x);
Tensor binary(OpId op, const Operand &lhs, const Operand &rhs);
Tensor power(const Operand &base, const Operand &exponent);
Tensor clamp(const Tensor &x, const std::optional<Operand> &low, const std::optional<Operand> &high);
Tensor select(const Tensor &condition, const Operand &onTrue, const Operand &onFalse);
Tensor cast(const Tensor &x, DType dtype);
Tensor matmul(const Tensor &lhs, const Tensor &rhs);
/// x @ weight.T + bias of x [..., in], weight [out, in] and bias [out], which may be null.
Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias);
/// Of [B, H, S, D]; `mask` may be null. Views of one packed projection are not read apart.
Tensor attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask, bool isCausal, double scale);
/// Axes may be negative; none given: all.
Tensor reduce(OpId op, const Tensor &x, std::optional<llvm::ArrayRef<int64_t>> axes, bool keepdims);
Tensor argmax(const Tensor &x, std::optional<int64_t> axis, bool keepdims);
Tensor concat(llvm::ArrayRef<Tensor> xs, int64_t axis);
Tensor stack(llvm::ArrayRef<Tensor> xs, int64_t axis);

// Views.
Tensor reshape(const Tensor &x, llvm::ArrayRef<int64_t> shape); // one entry may be -1
Tensor reshapeDims(const Tensor &x, llvm::ArrayRef<Dim> dims);
Tensor transpose(const Tensor &x, llvm::ArrayRef<int64_t> permutation);
Tensor swapAxes(const Tensor &x, int64_t a, int64_t b);
Tensor squeeze(const Tensor &x, std::optional<int64_t> axis);
Tensor unsqueeze(const Tensor &x, int64_t axis);
Tensor flatten(const Tensor &x, int64_t first, int64_t last);
Tensor expand(const Tensor &x, llvm::ArrayRef<int64_t> shape);
Tensor detach(const Tensor &x);

struct IndexItem {
  enum Kind { Integer, Range, Ellipsis, NewAxis, Indices } kind = Range;
  int64_t integer = 0;
  std::optional<int64_t> start, stop, step;
  Tensor indices;
};
Tensor index(const Tensor &x, llvm::ArrayRef<IndexItem> items);
void assign(const Tensor &x, llvm::ArrayRef<IndexItem> items, const Operand &value);

/// x's cell takes what `compute` makes of it, as a whole: where computing let another thread write x, it is computed anew.
void update(const Tensor &x, llvm::function_ref<Var()> compute);
/// x's cell takes op(x, other) cast back to x's dtype; the result must not be larger than x.
void inPlace(OpId op, const Tensor &x, const Operand &other);
/// x's cell takes `value` cast and broadcast to x.
void copyInto(const Tensor &x, const Operand &value);
Tensor clone(const Tensor &x);

/// Any recorded op by id with its attribute words; random ops get their state and offset.
Vars raw(OpId op, Words attrs, llvm::ArrayRef<Var> operands);

int64_t normalizeAxis(int64_t axis, size_t rank);

} // namespace ops
} // namespace tinyfin
