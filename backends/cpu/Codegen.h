// SPDX-License-Identifier: Apache-2.0
// From emitted functions to machine code: the LLVM dialect, LLVM's passes, an object file; and objects linked into this
// process, freed with their last reference.
#pragma once
#include "backends/cpu/Machine.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/CompileTimes.h"
#include "runtime/Status.h"
#include "llvm/Support/MemoryBuffer.h"

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace tinyfin::cpu {

/// Emission-level functions to the LLVM dialect, in place.
Status lowerToLLVMDialect(mlir::ModuleOp module);

/// One thread's compiler for one machine: contexts and target machine are not shared.
class Codegen {
public:
  explicit Codegen(const Machine &machine);
  ~Codegen();
  mlir::MLIRContext &context() { return *mlirContext; }
  /// Lowers, optimizes and generates code; the object has no undefined symbols but those the module declares.
  StatusOr<std::unique_ptr<llvm::MemoryBuffer>> object(mlir::ModuleOp module);
  /// The same; each stage is also written to a folder as NNN-NAME.mlir, .ll and .s.
  StatusOr<std::unique_ptr<llvm::MemoryBuffer>> dumpedObject(mlir::ModuleOp module, const std::string &folder, const std::string &name);
  /// The same, stopped before code generation; null on failure.
  std::unique_ptr<llvm::Module> optimized(mlir::ModuleOp module, Status &status);
  StatusOr<std::unique_ptr<llvm::MemoryBuffer>> generate(llvm::Module &module, bool isAssembly = false);

  /// What this compiler spent so far, by stage.
  CompileTimes times;

private:
  std::unique_ptr<llvm::Module> translate(mlir::ModuleOp module, Status &status);

  std::unique_ptr<mlir::MLIRContext> mlirContext;
  std::unique_ptr<llvm::LLVMContext> llvmContext;
  std::unique_ptr<llvm::TargetMachine> target;
  const Machine machine;
};

/// Object code that can be called.
class LoadedCode {
public:
  static StatusOr<std::shared_ptr<LoadedCode>> load(std::unique_ptr<llvm::MemoryBuffer> object);
  ~LoadedCode();
  StatusOr<void *> find(const std::string &name);
  size_t bytes() const { return size; }

private:
  LoadedCode() = default;
  void *library = nullptr; // an orc::JITDylib
  size_t size = 0;
};

} // namespace tinyfin::cpu
