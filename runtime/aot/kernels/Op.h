// SPDX-License-Identifier: Apache-2.0
// What ops of the runtime share. An op is a function `aot_op_NAME_DTYPE(const Call *)`, or `aot_op_NAME` where the
// dtype does not matter; backends/cpu/AotOps.cpp lists them. Types and shapes were checked by the compiler: values are
// checked here.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/aot/Aot.h"
#include "runtime/kernels/Half.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/matmul/MatmulGemm.h"
#include <algorithm>
#include <limits>

#define TINYFIN_AOT_OP(name) extern "C" int32_t aot_op_##name(const tinyfin::aot::Call *call)
#define TINYFIN_AOT_FLOAT_OP(name, function)                                                                           \
  TINYFIN_AOT_OP(name##_float32) { return function<float>(*call); }                                                    \
  TINYFIN_AOT_OP(name##_float64) { return function<double>(*call); }                                                   \
  TINYFIN_AOT_OP(name##_bfloat16) { return function<BFloat16>(*call); }                                                \
  TINYFIN_AOT_OP(name##_float16) { return function<Float16>(*call); }
#define TINYFIN_AOT_NUMBER_OP(name, function)                                                                          \
  TINYFIN_AOT_FLOAT_OP(name, function)                                                                                 \
  TINYFIN_AOT_OP(name##_int64) { return function<int64_t>(*call); }                                                    \
  TINYFIN_AOT_OP(name##_int32) { return function<int32_t>(*call); }                                                    \
  TINYFIN_AOT_OP(name##_int8) { return function<int8_t>(*call); }                                                      \
  TINYFIN_AOT_OP(name##_uint8) { return function<uint8_t>(*call); }

namespace tinyfin::aot {

inline constexpr int64_t kPieceWork = 1 << 16; // simple operations worth waking a thread for

template <class T> inline constexpr DType dtypeOf = DType::F32;
template <> inline constexpr DType dtypeOf<double> = DType::F64;
template <> inline constexpr DType dtypeOf<BFloat16> = DType::BF16;
template <> inline constexpr DType dtypeOf<Float16> = DType::F16;

inline AttrReader attrsOf(const Call &call) { return AttrReader({call.attrs, static_cast<size_t>(call.numAttrs)}); }
inline int64_t product(const int64_t *dims, int64_t begin, int64_t end) {
  int64_t count = 1;
  for (int64_t i = begin; i < end; ++i) count *= dims[i];
  return count;
}
inline int64_t pieceOf(int64_t workEach) { return std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, workEach)); }

template <class T> bool reserve(const Call &call, ScratchUse use, int64_t count) {
  return aot_reserve(call.library, static_cast<int32_t>(use),
                     static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(T));
}
inline int32_t failOutOfMemory(const Call &call) {
  return aot_fail(call.library, kOutOfMemory, "cannot allocate scratch memory");
}

/// Scratch of products of blocks of up to m x n x k.
template <class T> bool reserveGemm(const Call &call, int64_t m, int64_t n, int64_t k) {
  gemm::ScratchNeed need = gemm::scratchNeed(dtypeOf<T>, m, n, k);
  return reserve<Compute<T>>(call, ScratchUse::GemmA, need.a) && reserve<Compute<T>>(call, ScratchUse::GemmB, need.b) &&
         (sizeof(T) == sizeof(Compute<T>) || reserve<Compute<T>>(call, ScratchUse::GemmC, need.c));
}

/// Indices of either width.
struct IndexList {
  const void *items;
  bool isWide;
  int64_t count;
  explicit IndexList(const Tensor &tensor)
      : items(tensor.data), isWide(static_cast<DType>(tensor.dtype) == DType::I64), count(tensor.numElements()) {}
  int64_t operator[](int64_t i) const {
    return isWide ? static_cast<const int64_t *>(items)[i] : static_cast<const int32_t *>(items)[i];
  }
};

} // namespace tinyfin::aot
