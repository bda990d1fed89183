// SPDX-License-Identifier: Apache-2.0
// Tensors for kernel tests, and a call of a kernel by the name of its op.
#pragma once
#include "runtime/kernels/Half.h"
#include "runtime/kernels/Kernels.h"
#include <cmath>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>

namespace tinyfin::test {

using Dims = std::vector<int64_t>;

template <class T> constexpr DType dtypeOf();
template <> constexpr DType dtypeOf<float>() { return DType::F32; }
template <> constexpr DType dtypeOf<double>() { return DType::F64; }
template <> constexpr DType dtypeOf<BFloat16>() { return DType::BF16; }
template <> constexpr DType dtypeOf<Float16>() { return DType::F16; }
template <> constexpr DType dtypeOf<int64_t>() { return DType::I64; }
template <> constexpr DType dtypeOf<int32_t>() { return DType::I32; }
template <> constexpr DType dtypeOf<int8_t>() { return DType::I8; }
template <> constexpr DType dtypeOf<uint8_t>() { return DType::U8; }
template <> constexpr DType dtypeOf<bool>() { return DType::Bool; }

inline int64_t sizeOfDims(const Dims &dims) {
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  return count;
}

/// A tensor that owns its elements; new elements hold a pattern that is no result of any test.
class KernelTensor {
public:
  KernelTensor(DType dtype, Dims dims)
      : dtype(dtype), dims(std::move(dims)),
        bytes(static_cast<size_t>(sizeOfDims(this->dims)) * sizeOf(dtype), std::byte{0x5A}) {}

  template <class T> static KernelTensor of(Dims dims, const std::vector<T> &values) {
    KernelTensor tensor(dtypeOf<T>(), std::move(dims));
    EXPECT_EQ(static_cast<int64_t>(values.size()), tensor.size());
    for (size_t i = 0; i < values.size(); ++i) tensor.at<T>(i) = values[i];
    return tensor;
  }
  /// Element i is f(i), rounded to the dtype.
  static KernelTensor from(DType dtype, Dims dims, const std::function<double(int64_t)> &f) {
    KernelTensor tensor(dtype, std::move(dims));
    for (int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, f(i));
    return tensor;
  }
  static KernelTensor random(DType dtype, Dims dims, double low, double high, unsigned seed = 1) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> distribution(low, high);
    return from(dtype, std::move(dims), [&](int64_t) { return distribution(generator); });
  }

  int64_t size() const { return sizeOfDims(dims); }
  template <class T> T &at(size_t i) { return reinterpret_cast<T *>(bytes.data())[i]; }
  template <class T> const T &at(size_t i) const { return reinterpret_cast<const T *>(bytes.data())[i]; }
  template <class T> std::vector<T> values() const {
    EXPECT_EQ(dtype, dtypeOf<T>());
    std::vector<T> result;
    for (int64_t i = 0; i < size(); ++i) result.push_back(at<T>(i));
    return result;
  }
  double get(int64_t i) const {
    switch (dtype) {
    case DType::F32: return at<float>(i);
    case DType::F64: return at<double>(i);
    case DType::BF16: return widen(at<BFloat16>(i));
    case DType::F16: return static_cast<float>(at<Float16>(i));
    case DType::I64: return static_cast<double>(at<int64_t>(i));
    case DType::I32: return at<int32_t>(i);
    case DType::I8: return at<int8_t>(i);
    case DType::U8: return at<uint8_t>(i);
    case DType::Bool: return at<bool>(i);
    }
    return 0;
  }
  void set(int64_t i, double value) {
    switch (dtype) {
    case DType::F32: at<float>(i) = static_cast<float>(value); break;
    case DType::F64: at<double>(i) = value; break;
    case DType::BF16: at<BFloat16>(i) = roundToBFloat16(static_cast<float>(value)); break;
    case DType::F16: at<Float16>(i) = static_cast<Float16>(static_cast<float>(value)); break;
    case DType::I64: at<int64_t>(i) = static_cast<int64_t>(value); break;
    case DType::I32: at<int32_t>(i) = static_cast<int32_t>(value); break;
    case DType::I8: at<int8_t>(i) = static_cast<int8_t>(value); break;
    case DType::U8: at<uint8_t>(i) = static_cast<uint8_t>(value); break;
    case DType::Bool: at<bool>(i) = value != 0; break;
    }
  }
  TensorArg arg() const { return {const_cast<std::byte *>(bytes.data()), dtype, dims}; }

  DType dtype;
  Dims dims;
  std::vector<std::byte> bytes;
};

/// Relative distance of neighbouring values of a float dtype.
inline double epsilonOf(DType dtype) {
  switch (dtype) {
  case DType::F64: return 0x1p-52;
  case DType::BF16: return 0x1p-7;
  case DType::F16: return 0x1p-10;
  default: return 0x1p-23;
  }
}

inline ThreadPool &testPool() {
  static ThreadPool pool(4);
  return pool;
}

template <OpName name>
Status runOn(ThreadPool &pool, const std::vector<KernelTensor> &inputs, KernelTensor &out, const Words &attrs = {}) {
  std::vector<TensorArg> ins;
  for (const KernelTensor &input : inputs) ins.push_back(input.arg());
  TensorArg outs[] = {out.arg()};
  return Kernel<name>::run({AttrReader(attrs), ins, outs, pool});
}

template <OpName name>
Status tryRun(const std::vector<KernelTensor> &inputs, KernelTensor &out, const Words &attrs = {}) {
  return runOn<name>(testPool(), inputs, out, attrs);
}

/// Runs a kernel that must succeed.
template <OpName name>
KernelTensor run(const std::vector<KernelTensor> &inputs, DType dtype, Dims dims, const Words &attrs = {}) {
  KernelTensor out(dtype, std::move(dims));
  Status status = tryRun<name>(inputs, out, attrs);
  EXPECT_TRUE(status.isOk()) << status.message();
  return out;
}

inline const std::vector<DType> kFloats = {DType::F32, DType::F64, DType::BF16, DType::F16};
inline const std::vector<DType> kIntegers = {DType::I64, DType::I32, DType::I8, DType::U8};
inline const std::vector<DType> kNumbers = {DType::F32, DType::F64, DType::BF16, DType::F16,
                                            DType::I64, DType::I32, DType::I8,   DType::U8};

} // namespace tinyfin::test
