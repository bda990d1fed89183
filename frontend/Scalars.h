// SPDX-License-Identifier: Apache-2.0
// Runtime scalars and constant-like tensors, recorded as graph inputs so that their values are never in a key.
#pragma once
#include "frontend/Recorder.h"
#include "frontend/Tape.h"

namespace tinyfin {

/// `value` in `dtype`'s bytes (at most 8), rounded to nearest.
int64_t scalarBits(double value, DType dtype);
int64_t scalarBits(int64_t value, DType dtype);
/// A 0-d runtime scalar.
ValueRef scalarValue(double value, DType dtype);
ValueRef scalarValue(int64_t value, DType dtype);
/// A number of a derivative rule: always the same for the same op, so that a jitted body's code may be made for it.
ValueRef ruleConstant(double value, DType dtype);
/// A 1-D i64 runtime vector: slice starts.
ValueRef indexValue(llvm::ArrayRef<int64_t> values);
/// A tensor of ones / filled with a scalar.
Var onesLike(const TensorSpec &spec);
Var filled(ValueRef scalar, llvm::ArrayRef<Dim> dims);
/// Words of a list or shape attribute: length, items.
Words listAttr(llvm::ArrayRef<int64_t> items);
Words shapeAttr(llvm::ArrayRef<Dim> dims);

} // namespace tinyfin
