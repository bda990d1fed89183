// SPDX-License-Identifier: Apache-2.0
// From a run-time dtype to a C++ element type: `visitFloat(dtype, [](auto tag) { ... ElementOf<decltype(tag)> ... })`.
// A dtype that the family excludes gives a default-constructed result.
#pragma once
#include "runtime/DType.h"
#include "runtime/kernels/Half.h"

namespace tinyfin {

template <class T> struct TypeTag { using Type = T; };
template <class Tag> using ElementOf = typename Tag::Type;

template <class F> auto visitFloat(DType dtype, F &&f) -> decltype(f(TypeTag<float>())) {
  switch (dtype) {
  case DType::F32: return f(TypeTag<float>());
  case DType::F64: return f(TypeTag<double>());
  case DType::BF16: return f(TypeTag<BFloat16>());
  case DType::F16: return f(TypeTag<Float16>());
  default: return {};
  }
}

template <class F> auto visitInteger(DType dtype, F &&f) -> decltype(f(TypeTag<int64_t>())) {
  switch (dtype) {
  case DType::I64: return f(TypeTag<int64_t>());
  case DType::I32: return f(TypeTag<int32_t>());
  case DType::I8: return f(TypeTag<int8_t>());
  case DType::U8: return f(TypeTag<uint8_t>());
  default: return {};
  }
}

template <class F> auto visitNumber(DType dtype, F &&f) -> decltype(f(TypeTag<float>())) {
  return isFloat(dtype) ? visitFloat(dtype, f) : visitInteger(dtype, f);
}

template <class F> auto visitAny(DType dtype, F &&f) -> decltype(f(TypeTag<float>())) {
  return dtype == DType::Bool ? f(TypeTag<bool>()) : visitNumber(dtype, f);
}

/// For kernels that only move elements: an unsigned integer of the same size.
template <class F> auto visitSize(DType dtype, F &&f) -> decltype(f(TypeTag<uint32_t>())) {
  switch (sizeOf(dtype)) {
  case 1: return f(TypeTag<uint8_t>());
  case 2: return f(TypeTag<uint16_t>());
  case 4: return f(TypeTag<uint32_t>());
  default: return f(TypeTag<uint64_t>());
  }
}

} // namespace tinyfin
