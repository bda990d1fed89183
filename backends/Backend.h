// SPDX-License-Identifier: Apache-2.0
// What a backend is: a folder that claims fusion regions and compiles planned graphs to Executables.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "runtime/Executable.h"
#include <memory>
#include <string>
#include <vector>

namespace tinyfin {

struct CompileOptions {
  bool libraries = true;      // may call oneDNN; false: every region by generated code alone
  bool deterministic = false; // no timed choices
  /// By input: its data if they stay where and as they are for as long as the executable lives, else null. Empty: none do.
  std::vector<const void *> frozen = {};
  /// How many bytes may wait for the backward half before cheap values are computed again there; -1: as TINYFIN_KEEP_BYTES says.
  int64_t keepBytes = -1;
  /// Where there are several ways to compute a contraction, they are tried.
  bool autotune = false;
};

class Backend {
public:
  virtual ~Backend() = default;
  virtual const char *name() const = 0;
  /// Ok, or why it cannot run here: "no CUDA driver: libcuda.so.1 was not found".
  virtual Status probe() = 0;
  virtual Device &device() = 0;
  /// What the code depends on, for cache keys: name and instruction set, never a CPU's marketing name.
  virtual std::string target() = 0;
  /// Whether graphs come fused (fin.fusion) or op by op.
  virtual bool wantsFusion() const = 0;
  /// Mnemonics of the composites that it runs better whole than taken apart.
  virtual llvm::ArrayRef<const char *> wholeComposites(const CompileOptions &options) const { return {}; }
  /// Whether its convolutions are faster at images with channels last; graphs are turned then.
  virtual bool wantsChannelsLast() const { return false; }
  /// Attaches the claim function, EvalInterface and whatever else the backend adds to the dialect.
  virtual void extendDialects(mlir::DialectRegistry &registry) {}
  /// Makes the backend's passes known to tinyfin-opt.
  virtual void registerPasses() {}
  /// Called before the passes of a compilation in this context, of about so many ops: what fusion claims may be worked on at
  /// once, until the result is dropped.
  virtual std::shared_ptr<void> begin(mlir::MLIRContext &context, size_t ops, const CompileOptions &options) { return nullptr; }
  /// Compiles `main` of a static, planned module (docs/architecture.md, Compiling). Unsupported names the op and why.
  virtual StatusOr<std::shared_ptr<Executable>> compile(mlir::func::FuncOp main, const CompileOptions &options) = 0;
};

/// All backends in this build, made once. Each folder defines `std::unique_ptr<Backend> make<Name>Backend()`.
llvm::ArrayRef<Backend *> allBackends();
/// By name; InvalidArgument lists the names there are, Unavailable says why probe() failed.
StatusOr<Backend *> findBackend(llvm::StringRef name);

} // namespace tinyfin
