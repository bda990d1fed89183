// SPDX-License-Identifier: Apache-2.0
// Passes of the CPU backend, for tinyfin-opt: one step of compilation, visible.
#ifndef FIN_CPU_PASSES_TD
#define FIN_CPU_PASSES_TD
include "mlir/Pass/PassBase.td"

def EmitCpuKernelsPass : Pass<"fin-emit-cpu-kernels", "::mlir::ModuleOp"> {
  let summary = "replace a fused graph by the vector loops of its kernels";
  let description = [{
    Each fin.fusion becomes one function @k0, @k1, ... in order of appearance (design/0002); the graph's functions go.
    Before: `fin.fusion "map" (...)`. After: `func.func @k0(%args: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64)`.
    Needs: --fin-fuse-regions. A region without a form is an error that says why.
  }];
  let options = [Option<"cpu", "cpu", "std::string", "\"x86-64-v4\"", "x86-64-v2, -v3, -v4 or host">];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}
#endif
