// SPDX-License-Identifier: Apache-2.0
// Random graphs of elementwise ops, reductions, views and products: fused, planned and with every donation taken they
// compute what the eager kernels compute one by one.
#include "backends/Compile.h"
#include "backends/EagerLowering.h"
#include "backends/KernelTable.h"
#include "runtime/Buffer.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

// Square, so that any two matrices can be multiplied and a result often has the size of an operand that dies.
constexpr int64_t kRows = 16, kColumns = 16;

using Tensors = std::vector<std::vector<float>>;

/// Values of shapes that broadcast together, so that most operands fit.
class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {
    for (const Dims &dims : {Dims{kRows, kColumns}, Dims{kRows, kColumns}, Dims{kColumns}, Dims{kRows, 1}, Dims{}}) addInput(dims);
    for (unsigned i = 0, ops = 5 + random() % 40; i < ops; ++i) addOp();
    for (uint32_t slot = 0; slot < specs.size(); ++slot)
      if (slot + 3 >= specs.size() || random() % 6 == 0) outputs.push_back(slot);
  }
  Words words;
  llvm::SmallVector<uint32_t> outputs;

  /// Every op by its kernel in memory of its own: nothing planned, nothing shared.
  Tensors evaluate(const Tensors &inputs) const {
    Tensors values = inputs;
    std::vector<Words> dims;
    for (const TensorSpec &spec : specs) {
      Words &extents = dims.emplace_back();
      for (Dim dim : spec.dims) extents.push_back(dim.constant());
    }
    for (const Op &op : ops) {
      size_t slot = values.size();
      std::vector<TensorArg> args;
      for (uint32_t operand : op.operands) args.push_back({values[operand].data(), DType::F32, dims[operand]});
      int64_t count = 1;
      for (int64_t extent : dims[slot]) count *= extent;
      values.emplace_back(count);
      TensorArg result{values.back().data(), DType::F32, dims[slot]};
      EXPECT_TRUE(kernelOf(op.id)({AttrReader(op.attrs), args, {&result, 1}, ThreadPool::process()}).isOk());
    }
    Tensors results;
    for (uint32_t output : outputs) results.push_back(values[output]);
    return results;
  }

private:
  struct Op {
    OpId id;
    llvm::SmallVector<uint32_t> operands;
    Words attrs;
  };
  void addInput(llvm::ArrayRef<Dim> dims) {
    specs.push_back({DType::F32, Dims(dims)});
    appendInput(words, specs.back(), InputRole::Tensor);
  }
  uint32_t pick() { return random() % 3 ? specs.size() - 1 - random() % std::min<size_t>(specs.size(), 6) : random() % specs.size(); }

  void addOp() {
    static constexpr OpId unary[] = {OpId::Tanh, OpId::Neg, OpId::Relu, OpId::Sigmoid, OpId::Abs};
    static constexpr OpId binary[] = {OpId::Add, OpId::Sub, OpId::Mul, OpId::Maximum};
    static constexpr OpId reductions[] = {OpId::Mean, OpId::ReduceMax, OpId::Mean};
    uint32_t x = pick();
    switch (random() % 10) {
    case 0: return tryOp(unary[random() % 5], {x}, {});
    case 1:
    case 2:
    case 3:
    case 4: return tryOp(binary[random() % 4], {x, pick()}, {});
    case 5: {
      Words attrs;
      AttrWriter(attrs).list(std::vector<int64_t>{static_cast<int64_t>(random() % 2)}).flag(random() % 3 != 0);
      return tryOp(reductions[random() % 3], {x}, attrs);
    }
    case 6: {
      Words attrs;
      AttrWriter(attrs).list(std::vector<int64_t>{static_cast<int64_t>(random() % 2 ? kRows : kColumns), 1});
      return tryOp(OpId::Reshape, {x}, attrs);
    }
    case 7: return tryOp(OpId::Transpose, {x}, {2, 1, 0});
    case 8: return tryOp(OpId::Softmax, {x}, {1});
    default: {
      Words attrs;
      AttrWriter(attrs).flag(false).flag(true);
      return tryOp(OpId::Matmul, {x, pick()}, attrs);
    }
    }
  }

  void tryOp(OpId op, llvm::ArrayRef<uint32_t> operands, const Words &attrs) {
    llvm::SmallVector<TensorSpec> operandSpecs, results;
    for (uint32_t operand : operands) operandSpecs.push_back(specs[operand]);
    std::string error;
    if (failed(inferResults(op, operandSpecs, attrs, results, error))) return;
    appendOp(words, op, operands, attrs);
    ops.push_back({op, llvm::SmallVector<uint32_t>(operands), attrs});
    specs.push_back(results[0]);
  }

  std::mt19937 random;
  std::vector<TensorSpec> specs;
  std::vector<Op> ops;
};

Tensors makeInputs(const Executable &executable, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Tensors inputs;
  for (const TensorType &type : executable.inputs)
    for (float &value : inputs.emplace_back(type.numElements())) value = uniform(random);
  return inputs;
}

/// With `donate` each output that may take an input's memory does.
Tensors run(Executable &executable, const Tensors &inputs, bool donate) {
  Device &device = *executable.device;
  std::vector<BufferRef> buffers;
  std::vector<void *> in, out;
  for (const auto &input : inputs) {
    buffers.push_back(device.allocate(input.size() * sizeof(float)).value());
    EXPECT_TRUE(device.copyFromHost(*buffers.back().get(), input.data(), input.size() * sizeof(float)).isOk());
    in.push_back(buffers.back()->data());
  }
  std::vector<Buffer *> results;
  for (uint32_t i = 0; i < executable.outputs.size(); ++i) {
    auto donation = std::find_if(executable.donations.begin(), executable.donations.end(), [&](Donation d) { return d.output == i; });
    bool takes = donate && donation != executable.donations.end();
    if (!takes) buffers.push_back(device.allocate(executable.outputs[i].bytes()).value());
    results.push_back(takes ? buffers[donation->input].get() : buffers.back().get());
    out.push_back(results.back()->data());
  }
  Status status = executable.run(in, out);
  EXPECT_TRUE(status.isOk()) << status.message();
  Tensors outputs;
  for (uint32_t i = 0; i < results.size(); ++i) {
    auto &output = outputs.emplace_back(executable.outputs[i].numElements());
    EXPECT_TRUE(device.copyToHost(output.data(), *results[i], output.size() * sizeof(float)).isOk());
  }
  return outputs;
}

void expectNear(const Tensors &found, const Tensors &wanted, const std::string &what) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    for (size_t j = 0; j < wanted[i].size(); ++j)
      ASSERT_LE(std::fabs(found[i][j] - wanted[i][j]), 1e-4f * (1 + std::fabs(wanted[i][j])))
          << what << ", output " << i << " at " << j;
}

/// Takes fused graphs and runs the bodies of regions by eager kernels: fusion without generated code.
class FusedEager final : public Backend {
public:
  const char *name() const override { return "fused"; }
  Status probe() override { return Status::ok(); }
  Device &device() override { return Device::cpu(); }
  std::string target() override { return "fused"; }
  bool wantsFusion() const override { return true; }
  StatusOr<std::shared_ptr<Executable>> compile(mlir::func::FuncOp main, const CompileOptions &) override {
    KernelListBuilder list(name());
    EagerLowering lowering(main, list);
    TINYFIN_RETURN_IF_ERROR(lowering.status());
    for (mlir::Operation &op : main.front()) TINYFIN_RETURN_IF_ERROR(lowering.addEager(&op, /*isInterpreted=*/true));
    lowering.finish();
    return list.build();
  }
};

void compare(Backend &backend, unsigned graphs) {
  for (unsigned seed = 0; seed < graphs; ++seed) {
    Generator graph(seed);
    auto interpreted = compileTrace(graph.words, graph.outputs, *findBackend("interpreter").value(), {});
    auto compiled = compileTrace(graph.words, graph.outputs, backend, {});
    ASSERT_TRUE(interpreted.isOk()) << interpreted.status().message();
    ASSERT_TRUE(compiled.isOk()) << "seed " << seed << ": " << compiled.status().message();
    Tensors inputs = makeInputs(*interpreted.value(), seed);
    Tensors wanted = graph.evaluate(inputs);
    for (bool donate : {false, true})
      for (auto &executable : {compiled.value(), interpreted.value()})
        expectNear(run(*executable, inputs, donate), wanted, "seed " + std::to_string(seed) + (donate ? " donated " : " ") + executable->backend());
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(RandomGraphs, Fused) {
  FusedEager fused;
  compare(fused, 400);
}

TEST(RandomGraphs, Cpu) {
  StatusOr<Backend *> backend = findBackend("cpu");
  ASSERT_TRUE(backend.isOk()) << backend.status().message();
  compare(*backend.value(), 40);
}

} // namespace
