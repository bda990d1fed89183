// SPDX-License-Identifier: Apache-2.0
#include "SpecTesting.h"
#include "backends/KernelTable.h"
#include "backends/cpu/KernelCache.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>

namespace tinyfin::cpu {

static constexpr size_t kGuard = 64;
static constexpr std::byte kGuardByte{0xA5};

Tensor::Tensor(TensorSpec spec) : type(std::move(spec)) {
  for (Dim dim : type.dims) dims.push_back(dim.constant()), elements *= dim.constant();
  byteSize = elements * sizeOf(type.dtype);
  bytes.assign(byteSize + 2 * kGuard, kGuardByte);
  shift = kGuard - reinterpret_cast<uintptr_t>(bytes.data()) % kGuard;
}

bool Tensor::guardsAreIntact() const {
  for (size_t i = shift + byteSize; i < bytes.size(); ++i)
    if (bytes[i] != kGuardByte) return false;
  return true;
}

static float halfToFloat(uint16_t bits) {
  llvm::APFloat half(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
  bool lost;
  half.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return half.convertToFloat();
}

static uint16_t floatToHalf(float value, const llvm::fltSemantics &semantics) {
  llvm::APFloat real(value);
  bool lost;
  real.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &lost);
  return static_cast<uint16_t>(real.bitcastToAPInt().getZExtValue());
}

double Tensor::at(int64_t i) const {
  switch (type.dtype) {
  case DType::F32: return static_cast<const float *>(data())[i];
  case DType::F64: return static_cast<const double *>(data())[i];
  case DType::BF16: return std::bit_cast<float>(uint32_t(static_cast<const uint16_t *>(data())[i]) << 16);
  case DType::F16: return halfToFloat(static_cast<const uint16_t *>(data())[i]);
  case DType::I64: return static_cast<double>(static_cast<const int64_t *>(data())[i]);
  case DType::I32: return static_cast<const int32_t *>(data())[i];
  case DType::I8: return static_cast<const int8_t *>(data())[i];
  default: return static_cast<const uint8_t *>(data())[i];
  }
}

void Tensor::set(int64_t i, double value) {
  switch (type.dtype) {
  case DType::F32: static_cast<float *>(data())[i] = static_cast<float>(value); return;
  case DType::F64: static_cast<double *>(data())[i] = value; return;
  case DType::BF16: static_cast<uint16_t *>(data())[i] = floatToHalf(value, llvm::APFloat::BFloat()); return;
  case DType::F16: static_cast<uint16_t *>(data())[i] = floatToHalf(value, llvm::APFloat::IEEEhalf()); return;
  case DType::I64: static_cast<int64_t *>(data())[i] = static_cast<int64_t>(value); return;
  case DType::I32: static_cast<int32_t *>(data())[i] = static_cast<int32_t>(value); return;
  case DType::I8: static_cast<int8_t *>(data())[i] = static_cast<int8_t>(value); return;
  case DType::U8: static_cast<uint8_t *>(data())[i] = static_cast<uint8_t>(std::abs(value)); return;
  case DType::Bool: static_cast<uint8_t *>(data())[i] = value > 0; return;
  }
}

Words listWords(std::vector<int64_t> items) {
  Words words;
  AttrWriter(words).list(items);
  return words;
}

uint32_t SpecBuilder::input(DType dtype, std::vector<int64_t> dims) {
  EXPECT_TRUE(spec.ops.empty()) << "inputs come first";
  spec.values.push_back({dtype, Dims(dims.begin(), dims.end())});
  return spec.numInputs++;
}

uint32_t SpecBuilder::constant(DType dtype, double value) {
  Tensor item({dtype, {}});
  item.set(0, value);
  int64_t bits = 0;
  std::memcpy(&bits, item.data(), item.size());
  KernelOp op;
  op.attrs = {bits};
  op.result = spec.values.size();
  spec.values.push_back({dtype, {}});
  spec.ops.push_back(op);
  return op.result;
}

uint32_t SpecBuilder::op(OpId id, std::vector<uint32_t> operands, Words attrs) {
  std::vector<TensorSpec> types;
  for (uint32_t operand : operands) types.push_back(spec.values[operand]);
  SmallVector<TensorSpec> results;
  std::string error;
  EXPECT_TRUE(succeeded(fin::inferResults(id, types, attrs, results, error))) << fin::infoOf(id).name << ": " << error;
  KernelOp op;
  op.id = id;
  op.operands.assign(operands.begin(), operands.end());
  op.attrs = std::move(attrs);
  op.result = spec.values.size();
  spec.values.push_back(results.empty() ? TensorSpec() : results[0]);
  spec.ops.push_back(op);
  return op.result;
}

uint32_t SpecBuilder::reduce(OpId id, uint32_t x, std::vector<int64_t> axes, bool keepdims) {
  Words attrs;
  AttrWriter(attrs).list(axes).flag(keepdims);
  return op(id, {x}, attrs);
}

KernelSpec SpecBuilder::finish(std::vector<uint32_t> outputs) {
  spec.outputs = std::move(outputs);
  return spec;
}

std::vector<Tensor> makeInputs(const KernelSpec &spec, uint64_t seed, Fill fill) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> signedValues(-3, 3), positive(0.1, 3), unit(-1, 1);
  const double specials[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 88.9, -104.5, 1e-40, 1e30, -1e30};
  std::vector<Tensor> inputs;
  for (uint32_t i = 0; i < spec.numInputs; ++i) {
    Tensor tensor(spec.values[i]);
    bool real = isFloat(tensor.type.dtype);
    for (int64_t k = 0; k < tensor.count(); ++k) {
      double value = fill == Fill::Positive ? positive(random) : fill == Fill::Unit ? unit(random) : signedValues(random);
      if (fill == Fill::Special && real && random() % 3 == 0) value = specials[random() % std::size(specials)];
      tensor.set(k, real ? value : std::floor(value * 3));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

static TensorArg argOf(Tensor &tensor) { return {tensor.data(), tensor.type.dtype, tensor.dims}; }

std::vector<Tensor> runEager(const KernelSpec &spec, std::vector<Tensor> &inputs) {
  std::vector<Tensor> values;
  for (const TensorSpec &type : spec.values) values.emplace_back(type);
  for (uint32_t i = 0; i < spec.numInputs; ++i) std::memcpy(values[i].data(), inputs[i].data(), inputs[i].size());
  for (const KernelOp &op : spec.ops) {
    if (op.isConstant()) {
      for (int64_t k = 0; k < values[op.result].count(); ++k) {
        size_t size = sizeOf(values[op.result].type.dtype);
        std::memcpy(static_cast<std::byte *>(values[op.result].data()) + k * size, &op.attrs[0], size);
      }
      continue;
    }
    std::vector<TensorArg> arguments;
    for (uint32_t operand : op.operands) arguments.push_back(argOf(values[operand]));
    std::vector<TensorArg> results{argOf(values[op.result])};
    Status status = kernelOf(op.id)({AttrReader(op.attrs), arguments, results, ThreadPool::process()});
    EXPECT_TRUE(status.isOk()) << fin::infoOf(op.id).name << ": " << status.message();
  }
  std::vector<Tensor> outputs;
  for (uint32_t output : spec.outputs) outputs.push_back(values[output]);
  return outputs;
}

std::vector<Tensor> runGenerated(const KernelSpec &spec, std::vector<Tensor> &inputs) {
  std::vector<Tensor> outputs;
  for (uint32_t output : spec.outputs) {
    TensorSpec type = spec.values[output];
    if (spec.partials) type.dims.insert(type.dims.begin(), Dim(spec.partials));
    outputs.emplace_back(type);
  }
  auto kernels = compileKernels({spec}, 1);
  EXPECT_TRUE(kernels.isOk()) << kernels.status().message();
  if (!kernels.isOk()) return outputs;
  CompiledKernel kernel = kernels.value()[0];
  EXPECT_EQ(kernel.refusal, "") << spec.summary();
  if (!kernel.function) return outputs;
  std::vector<void *> args;
  for (Tensor &input : inputs) args.push_back(input.data());
  for (Tensor &output : outputs) args.push_back(output.data());
  // Pieces of odd sizes: what a piece computes must not depend on where it begins.
  int64_t count = kernel.launch.count(), grain = std::max<int64_t>(1, std::min<int64_t>(kernel.launch.grain(), count / 3 + 1));
  for (int64_t begin = 0; begin < count; begin += grain)
    kernel.function(args.data(), nullptr, begin, std::min(count, begin + grain));
  for (const Tensor &output : outputs) EXPECT_TRUE(output.guardsAreIntact()) << spec.summary() << " wrote behind a result";
  return outputs;
}

void expectNear(const Tensor &a, const Tensor &b, double relative, double absolute, const std::string &what) {
  for (int64_t i = 0; i < b.count(); ++i) {
    double x = a.at(i), y = b.at(i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    if (std::isfinite(x) && std::isfinite(y) && std::abs(x - y) <= absolute + relative * std::abs(y)) continue;
    FAIL() << what << ": element " << i << " of " << b.count() << " is " << x << ", wanted " << y;
  }
}

void expectSame(const KernelSpec &spec, Fill fill, double relative, double absolute, uint64_t seed) {
  std::vector<Tensor> inputs = makeInputs(spec, seed, fill);
  std::vector<Tensor> expected = runEager(spec, inputs), found = runGenerated(spec, inputs);
  for (size_t i = 0; i < expected.size(); ++i)
    expectNear(found[i], expected[i], relative, absolute, spec.summary() + ", result " + std::to_string(i));
}

} // namespace tinyfin::cpu
