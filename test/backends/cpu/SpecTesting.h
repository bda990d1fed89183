// SPDX-License-Identifier: Apache-2.0
// Builds KernelSpecs by hand, runs them by generated code and by the eager kernels, and compares.
#pragma once
#include "backends/cpu/KernelSpec.h"
#include "ir/Trace.h"
#include <gtest/gtest.h>
#include <random>

namespace tinyfin::cpu {

/// A tensor in memory, 64-byte aligned, with guard bytes behind it.
class Tensor {
public:
  explicit Tensor(TensorSpec type);
  void *data() { return bytes.data() + shift; }
  const void *data() const { return bytes.data() + shift; }
  size_t size() const { return byteSize; }
  int64_t count() const { return elements; }
  double at(int64_t index) const;
  void set(int64_t index, double value);
  bool guardsAreIntact() const;
  TensorSpec type;
  std::vector<int64_t> dims;

private:
  int64_t elements = 1;
  size_t byteSize = 0, shift = 0;
  std::vector<std::byte> bytes;
};

class SpecBuilder {
public:
  uint32_t input(DType dtype, std::vector<int64_t> dims);
  uint32_t constant(DType dtype, double value);
  uint32_t op(OpId id, std::vector<uint32_t> operands, Words attrs = {});
  uint32_t reduce(OpId id, uint32_t x, std::vector<int64_t> axes, bool keepdims);
  const TensorSpec &type(uint32_t value) const { return spec.values[value]; }
  KernelSpec finish(std::vector<uint32_t> outputs);
  KernelSpec spec;
};

Words listWords(std::vector<int64_t> items);

/// A trace under construction; each call returns its slot.
struct Recording {
  Words words;
  std::vector<TensorSpec> types;
  std::vector<uint32_t> inputs;
  uint32_t input(std::vector<int64_t> dims, DType dtype = DType::F32) {
    types.push_back({dtype, Dims(dims.begin(), dims.end())});
    fin::appendInput(words, types.back(), fin::InputRole::Tensor);
    inputs.push_back(types.size() - 1);
    return types.size() - 1;
  }
  uint32_t op(OpId id, std::vector<uint32_t> operands, const Words &attrs = {}) {
    fin::appendOp(words, id, operands, attrs);
    std::vector<TensorSpec> operandTypes;
    for (uint32_t operand : operands) operandTypes.push_back(types[operand]);
    SmallVector<TensorSpec> results;
    std::string error;
    EXPECT_TRUE(succeeded(fin::inferResults(id, operandTypes, attrs, results, error))) << error;
    types.insert(types.end(), results.begin(), results.end());
    return types.size() - results.size();
  }
  uint32_t reduce(OpId id, uint32_t x, std::vector<int64_t> axes, bool keepdims) {
    Words attrs;
    AttrWriter(attrs).list(axes).flag(keepdims);
    return op(id, {x}, attrs);
  }
};

enum class Fill { Signed, Positive, Special, Unit };
std::vector<Tensor> makeInputs(const KernelSpec &spec, uint64_t seed, Fill fill);
/// By the eager kernels, op by op; fails the test if one fails.
std::vector<Tensor> runEager(const KernelSpec &spec, std::vector<Tensor> &inputs);
/// By generated code, in pieces over the pool.
std::vector<Tensor> runGenerated(const KernelSpec &spec, std::vector<Tensor> &inputs);
/// |a - b| <= absolute + relative * |b|, NaN equals NaN, infinities are equal.
void expectNear(const Tensor &a, const Tensor &b, double relative, double absolute, const std::string &what);
void expectSame(const KernelSpec &spec, Fill fill = Fill::Signed, double relative = 2e-5, double absolute = 2e-6, uint64_t seed = 1);

} // namespace tinyfin::cpu
