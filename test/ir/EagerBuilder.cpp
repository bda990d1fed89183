// SPDX-License-Identifier: Apache-2.0
// Eager evaluation through the table of kernels.
#include "test/ir/EagerBuilder.h"
#include "runtime/kernels/Kernels.h"

namespace tinyfin::fin::test {
namespace {

const KernelFn kernels[] = {
#define FIN_OP(Id, Class, mnemonic) &Kernel<"fin." mnemonic>::run,
#include "ir/OpList.h.inc"
};

std::vector<int64_t> extentsOf(const TensorSpec &spec) {
  std::vector<int64_t> extents;
  for (Dim dim : spec.dims) extents.push_back(dim.constant());
  return extents;
}

int64_t countOf(const TensorSpec &spec) {
  int64_t count = 1;
  for (Dim dim : spec.dims) count *= dim.constant();
  return count;
}

template <class T> std::vector<std::byte> bytesOf(llvm::ArrayRef<double> values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

std::vector<std::byte> encode(DType dtype, llvm::ArrayRef<double> values) {
  switch (dtype) {
  case DType::F64:
    return bytesOf<double>(values);
  case DType::F32:
    return bytesOf<float>(values);
  case DType::I64:
    return bytesOf<int64_t>(values);
  case DType::I32:
    return bytesOf<int32_t>(values);
  case DType::Bool:
    return bytesOf<bool>(values);
  default:
    std::abort(); // the others are made by casts
  }
}

bool isHalf(DType dtype) { return dtype == DType::BF16 || dtype == DType::F16; }

} // namespace

Ref EagerBuilder::leaf(const TensorSpec &spec, llvm::ArrayRef<double> values) {
  if (isHalf(spec.dtype)) return cast(leaf({DType::F64, spec.dims}, values), spec.dtype);
  Ref value = newValue(spec);
  memory[value.handle] = encode(spec.dtype, values);
  return value;
}

std::vector<double> EagerBuilder::valuesOf(Ref value) {
  if (dtypeOf(value) != DType::F64) value = cast(value, DType::F64);
  std::vector<double> numbers(countOf(specOf(value)));
  if (!numbers.empty()) std::memcpy(numbers.data(), memory[value.handle].data(), numbers.size() * sizeof(double));
  return numbers;
}

void EagerBuilder::compute(const Step &step) {
  std::vector<TensorArg> inputs, outputs;
  std::deque<std::vector<int64_t>> extents; // what the arguments point at
  auto append = [&](std::vector<TensorArg> &to, Ref value) {
    const TensorSpec &spec = specOf(value);
    std::vector<std::byte> &bytes = memory[value.handle];
    if (bytes.empty()) bytes.resize(countOf(spec) * sizeOf(spec.dtype));
    to.push_back({bytes.data(), spec.dtype, extents.emplace_back(extentsOf(spec))});
  };
  for (Ref value : step.operands) append(inputs, value);
  for (Ref value : step.results) append(outputs, value);
  Status found = kernels[static_cast<int>(step.op)]({AttrReader(step.attrs), inputs, outputs, ThreadPool::process()});
  if (status.isOk() && !found.isOk())
    status = Status::error(found.code(), std::string(infoOf(step.op).name) + ": " + found.message());
}

} // namespace tinyfin::fin::test
