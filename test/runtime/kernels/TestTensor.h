// SPDX-License-Identifier: Apache-2.0
// Tensors for tests of eager kernels: filled from and compared as f64, stored as any float dtype.
#pragma once
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Kernels.h"
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace tinyfin::test {

using Dims = std::vector<int64_t>;

class TestTensor {
public:
  TestTensor(DType dtype, Dims dims) : dtype(dtype), dims(std::move(dims)), bytes(count() * sizeOf(dtype) + 64, 0x7f) {}
  TestTensor(DType dtype, Dims dims, const std::vector<double> &values) : TestTensor(dtype, std::move(dims)) {
    for (int64_t i = 0; i < count(); ++i) set(i, values[i]);
  }
  /// Reproducible values in [-scale, scale].
  static TestTensor random(DType dtype, Dims dims, uint32_t seed, double scale = 1) {
    TestTensor tensor(dtype, std::move(dims));
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> value(-scale, scale);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, value(engine));
    return tensor;
  }
  static TestTensor labels(Dims dims, const std::vector<int64_t> &values, DType dtype = DType::I64) {
    TestTensor tensor(dtype, std::move(dims));
    for (int64_t i = 0; i < tensor.count(); ++i)
      dtype == DType::I64 ? (void)(tensor.arg().as<int64_t>()[i] = values[i])
                          : (void)(tensor.arg().as<int32_t>()[i] = static_cast<int32_t>(values[i]));
    return tensor;
  }

  int64_t count() const { return std::accumulate(dims.begin(), dims.end(), int64_t(1), std::multiplies<>()); }
  TensorArg arg() { return {bytes.data(), dtype, dims}; }
  double operator[](int64_t i) const {
    return visitFloat(dtype, [&](auto tag) -> double {
      return load(reinterpret_cast<const ElementOf<decltype(tag)> *>(bytes.data())[i]);
    });
  }
  void set(int64_t i, double value) {
    (void)visitFloat(dtype, [&](auto tag) {
      using T = ElementOf<decltype(tag)>;
      reinterpret_cast<T *>(bytes.data())[i] = store<T>(static_cast<Compute<T>>(value));
      return true;
    });
  }
  bool operator==(const TestTensor &other) const {
    return dtype == other.dtype && dims == other.dims && bytes == other.bytes;
  }

  DType dtype;
  Dims dims;
  std::vector<uint8_t> bytes; // 64 more than needed: a write past the end is seen by operator==
};

/// Words of an attribute list under construction: `Attributes().flag(true).list({1, 1})`.
struct Attributes {
  Words words;
  Attributes &flag(bool value) { return AttrWriter(words).flag(value), *this; }
  Attributes &integer(int64_t value) { return AttrWriter(words).integer(value), *this; }
  Attributes &real(double value) { return AttrWriter(words).real(value), *this; }
  Attributes &list(const std::vector<int64_t> &items) { return AttrWriter(words).list(items), *this; }
};

/// Runs a kernel on a pool of `threads`.
template <OpName name>
Status runKernel(const Attributes &attributes, std::vector<TestTensor *> inputs, std::vector<TestTensor *> outputs,
                 int threads = 3) {
  ThreadPool pool(threads);
  std::vector<TensorArg> in, out;
  for (TestTensor *tensor : inputs) in.push_back(tensor->arg());
  for (TestTensor *tensor : outputs) out.push_back(tensor->arg());
  return Kernel<name>::run({AttrReader(attributes.words), in, out, pool});
}

/// The relative error a result of this dtype may have, for sums of some hundred terms.
inline double toleranceOf(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return 1e-12;
  case DType::F32:
    return 2e-5;
  case DType::F16:
    return 2e-3;
  default:
    return 1.6e-2;
  }
}

inline void expectNear(const TestTensor &found, const std::vector<double> &wanted, double tolerance) {
  ASSERT_EQ(found.count(), static_cast<int64_t>(wanted.size()));
  for (int64_t i = 0; i < found.count(); ++i) {
    if (std::isnan(wanted[i]))
      ASSERT_TRUE(std::isnan(found[i])) << "element " << i << " is " << found[i] << ", wanted nan";
    else
      ASSERT_LE(std::abs(found[i] - wanted[i]), tolerance * std::max(1.0, std::abs(wanted[i])))
          << "element " << i << " is " << found[i] << ", wanted " << wanted[i];
  }
  for (size_t i = found.count() * sizeOf(found.dtype); i < found.bytes.size(); ++i)
    ASSERT_EQ(found.bytes[i], 0x7f) << "written past the end";
}
inline void expectNear(const TestTensor &found, const std::vector<double> &wanted) {
  expectNear(found, wanted, toleranceOf(found.dtype));
}

/// [N, C, H, W] as [N, H, W, C] and back.
inline TestTensor moveChannels(const TestTensor &x, bool toLast) {
  Dims dims = toLast ? Dims{x.dims[0], x.dims[2], x.dims[3], x.dims[1]} : Dims{x.dims[0], x.dims[3], x.dims[1], x.dims[2]};
  TestTensor moved(x.dtype, dims);
  int64_t channels = x.dims[toLast ? 1 : 3], places = toLast ? x.dims[2] * x.dims[3] : x.dims[1] * x.dims[2];
  for (int64_t n = 0; n < x.dims[0]; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < places; ++i) {
        int64_t first = (n * channels + c) * places + i, last = (n * places + i) * channels + c;
        moved.set(toLast ? last : first, x[toLast ? first : last]);
      }
  std::copy(x.bytes.end() - 64, x.bytes.end(), moved.bytes.end() - 64); // what was written past the end
  return moved;
}

inline constexpr DType kFloatDTypes[] = {DType::F32, DType::F64, DType::BF16, DType::F16};

} // namespace tinyfin::test
