// SPDX-License-Identifier: Apache-2.0
// --fin-emit-cpu-kernels: shows what the emitter makes of a graph's regions.
#include "backends/cpu/Emit.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace tinyfin::cpu {

#define GEN_PASS_DECL
#include "backends/cpu/Passes.h.inc"
#define GEN_PASS_DEF_EMITCPUKERNELSPASS
#include "backends/cpu/Passes.h.inc"

namespace {

struct EmitCpuKernels : impl::EmitCpuKernelsPassBase<EmitCpuKernels> {
  using impl::EmitCpuKernelsPassBase<EmitCpuKernels>::EmitCpuKernelsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Machine machine = Machine::level(cpu);
    SmallVector<fin::FusionOp> fusions;
    module.walk([&](fin::FusionOp fusion) { fusions.push_back(fusion); });
    SmallVector<func::FuncOp> graphs(module.getOps<func::FuncOp>());
    for (auto [number, fusion] : llvm::enumerate(fusions)) {
      StatusOr<KernelSpec> spec = specOfFusion(fusion);
      std::string why = spec.isOk() ? emitKernel(module, spec.value(), machine, "k" + std::to_string(number)).refusal
                                    : spec.status().message();
      if (!why.empty()) return fusion.emitError("has no kernel: ") << why, signalPassFailure();
    }
    for (func::FuncOp graph : graphs) graph.erase();
  }
};

} // namespace

#define GEN_PASS_REGISTRATION
#include "backends/cpu/Passes.h.inc"

void registerCpuPasses() { registerFinCpuPasses(); }

} // namespace tinyfin::cpu
