// SPDX-License-Identifier: Apache-2.0
// One step an op. All kernels of a graph are compiled together, so that equal ones are compiled once.
#include "backends/cpu/Lowering.h"
#include "backends/EagerLowering.h"
#include "backends/cpu/KernelCache.h"
#include "runtime/Config.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

struct PlannedKernel {
  KernelSpec spec;
  std::vector<ArgRef> args; // inputs, then outputs
};

class Lowering {
public:
  Lowering(func::FuncOp main, const CompileOptions &options) : main(main), options(options), list("cpu"), eager(main, list) {}

  StatusOr<std::shared_ptr<Executable>> run() {
    TINYFIN_RETURN_IF_ERROR(eager.status());
    for (Operation &op : main.front())
      if (auto fusion = dyn_cast<fin::FusionOp>(op)) planFusion(fusion);
    TINYFIN_RETURN_IF_ERROR(compile());
    for (Operation &op : main.front()) TINYFIN_RETURN_IF_ERROR(addSteps(&op));
    eager.finish();
    return list.build();
  }

private:
  void planFusion(fin::FusionOp fusion) {
    StatusOr<KernelSpec> spec = specOfFusion(fusion);
    if (!spec.isOk()) return refuse(fusion, spec.status().message());
    PlannedKernel kernel{std::move(spec.value()), {}};
    for (Value input : fusion.getInputs()) kernel.args.push_back(eager.refOf(input));
    for (Value result : fusion.getResults()) kernel.args.push_back(eager.refOf(result));
    planned[fusion].push_back(kernels.size());
    kernels.push_back(std::move(kernel));
  }

  void refuse(Operation *op, const std::string &why) {
    list.stats().refusals.push_back(op->getName().getStringRef().str() + ": " + why);
  }

  Status compile() {
    std::vector<KernelSpec> specs;
    for (const PlannedKernel &kernel : kernels) specs.push_back(kernel.spec);
    auto result = compileKernels(specs, config::compileThreads());
    if (!result.isOk()) return result.status();
    compiled = std::move(result.value());
    return Status::ok();
  }

  Status addSteps(Operation *op) {
    auto found = planned.find(op);
    if (found == planned.end()) return eager.addEager(op, /*isInterpreted=*/true);
    for (unsigned kernel : found->second) {
      if (compiled[kernel].refusal.empty()) continue;
      refuse(op, compiled[kernel].refusal);
      return eager.addEager(op, /*isInterpreted=*/true);
    }
    for (unsigned kernel : found->second) addKernel(op, kernels[kernel], compiled[kernel]);
    return Status::ok();
  }

  void addKernel(Operation *op, const PlannedKernel &kernel, const CompiledKernel &code) {
    GeneratedStep step;
    step.info = {kernel.spec.summary(), originOf(op->getLoc())};
    step.function = code.function;
    step.args = kernel.args;
    step.count = code.launch.count();
    step.grain = code.launch.grain();
    auto bytesOf = [&](uint32_t value) {
      const TensorSpec &type = kernel.spec.values[value];
      size_t bytes = sizeOf(type.dtype);
      for (Dim dim : type.dims) bytes *= dim.constant();
      return bytes;
    };
    for (uint32_t input = 0; input < kernel.spec.numInputs; ++input) step.bytes += bytesOf(input);
    for (uint32_t output : kernel.spec.outputs) step.bytes += bytesOf(output);
    list.keepAlive(code.code);
    list.stats().codeBytes += code.codeBytes;
    list.add(std::move(step));
  }

  func::FuncOp main;
  const CompileOptions &options;
  KernelListBuilder list;
  EagerLowering eager;
  std::vector<PlannedKernel> kernels;
  std::vector<CompiledKernel> compiled;
  llvm::DenseMap<Operation *, SmallVector<unsigned>> planned;
};

} // namespace

StatusOr<std::shared_ptr<Executable>> lowerToKernels(func::FuncOp main, const CompileOptions &options) {
  return Lowering(main, options).run();
}

} // namespace tinyfin::cpu
