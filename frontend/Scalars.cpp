// SPDX-License-Identifier: Apache-2.0
#include "frontend/Scalars.h"
#include "llvm/ADT/APFloat.h"
#include <bit>
#include <cstring>

namespace tinyfin {
namespace {

int64_t bitsOfFloat(double value, const llvm::fltSemantics &semantics) {
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.bitcastToAPInt().getZExtValue();
}

} // namespace

int64_t scalarBits(double value, DType dtype) {
  switch (dtype) {
  case DType::F32: return std::bit_cast<uint32_t>(static_cast<float>(value));
  case DType::F64: return std::bit_cast<int64_t>(value);
  case DType::BF16: return bitsOfFloat(value, llvm::APFloat::BFloat());
  case DType::F16: return bitsOfFloat(value, llvm::APFloat::IEEEhalf());
  case DType::Bool: return value != 0;
  default: return scalarBits(static_cast<int64_t>(value), dtype);
  }
}

int64_t scalarBits(int64_t value, DType dtype) {
  if (isFloat(dtype)) return scalarBits(static_cast<double>(value), dtype);
  if (dtype == DType::Bool) return value != 0;
  int64_t bits = 0;
  std::memcpy(&bits, &value, sizeOf(dtype)); // little endian: wraps like a cast
  return bits;
}

ValueRef scalarValue(double value, DType dtype) {
  int64_t bits = scalarBits(value, dtype);
  return Recorder::current().scalar({dtype, {}}, &bits, sizeOf(dtype));
}
ValueRef scalarValue(int64_t value, DType dtype) {
  int64_t bits = scalarBits(value, dtype);
  return Recorder::current().scalar({dtype, {}}, &bits, sizeOf(dtype));
}

ValueRef ruleConstant(double value, DType dtype) { return Recorder::current().constant(dtype, scalarBits(value, dtype)); }

ValueRef indexValue(llvm::ArrayRef<int64_t> values) {
  return Recorder::current().starts(values);
}

Words listAttr(llvm::ArrayRef<int64_t> items) {
  Words words{static_cast<int64_t>(items.size())};
  words.insert(words.end(), items.begin(), items.end());
  return words;
}
Words shapeAttr(llvm::ArrayRef<Dim> dims) {
  Words words{static_cast<int64_t>(dims.size())};
  for (Dim dim : dims) words.push_back(dim.word());
  return words;
}

Var filled(ValueRef scalar, llvm::ArrayRef<Dim> dims) {
  return applyOp(OpId::Full, shapeAttr(dims), {{std::move(scalar), {}}})[0];
}
Var onesLike(const TensorSpec &spec) { return filled(scalarValue(1.0, spec.dtype), spec.dims); }

} // namespace tinyfin
