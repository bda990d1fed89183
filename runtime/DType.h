// SPDX-License-Identifier: Apache-2.0
// Element types: the one vocabulary that every layer shares.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tinyfin {

/// The numbers are part of trace words and file formats: append, never renumber.
enum class DType : uint8_t { F32 = 0, F64, BF16, F16, I64, I32, I8, U8, Bool };
inline constexpr int kNumDTypes = 9;

constexpr size_t sizeOf(DType dtype) {
  constexpr size_t sizes[kNumDTypes] = {4, 8, 2, 2, 8, 4, 1, 1, 1};
  return sizes[static_cast<int>(dtype)];
}
constexpr const char *nameOf(DType dtype) {
  constexpr const char *names[kNumDTypes] = {"float32", "float64", "bfloat16", "float16", "int64",
                                             "int32",   "int8",    "uint8",    "bool"};
  return names[static_cast<int>(dtype)];
}
constexpr bool isFloat(DType dtype) { return dtype <= DType::F16; }
constexpr bool isInteger(DType dtype) { return dtype >= DType::I64 && dtype <= DType::U8; }
constexpr bool isValidDType(int64_t code) { return code >= 0 && code < kNumDTypes; }

} // namespace tinyfin
