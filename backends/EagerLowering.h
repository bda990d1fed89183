// SPDX-License-Identifier: Apache-2.0
// A planned function as a kernel list. The interpreter lowers every op to its eager kernel; a compiling backend adds
// steps of its own for what it compiles and leaves the rest to addEager.
#pragma once
#include "passes/Storage.h"
#include "runtime/KernelList.h"

namespace tinyfin {

/// A location that says which recorded op a step comes from, and back; -1 where it does not.
mlir::Location originLocation(mlir::MLIRContext *context, int64_t origin);
int64_t originOf(mlir::Location location);

class EagerLowering {
public:
  /// Declares inputs, outputs, donations and constants of `main` (planned, static). Check status() before use.
  EagerLowering(mlir::func::FuncOp main, KernelListBuilder &list);

  Status status() const { return problem; }
  /// Where a value of the function's body lies.
  ArgRef refOf(mlir::Value value) const;
  /// A step (or for a fusion, one for each op of its body) of eager kernels. Constants, views and the terminator need none.
  Status addEager(mlir::Operation *op, bool isInterpreted);
  /// Memory for one op's steps, behind that of the plan; what is in it at the start of the op is undefined.
  ArgRef scratch(size_t offset, size_t bytes);
  /// Copies outputs that are inputs, constants or other outputs, and sets the arena's size. Call it last.
  void finish();

private:
  void addSignature(mlir::func::FuncOp main);
  StatusOr<uint32_t> addConstant(mlir::Operation *op);
  Status addFusion(mlir::Operation *fusion, bool isInterpreted);
  void addStep(mlir::Operation *op, llvm::function_ref<ArgRef(mlir::Value)> where, bool isInterpreted);

  KernelListBuilder &list;
  fin::Storage storage;
  size_t arenaBytes, scratchBytes = 0; // scratch: intermediate values of fusions that run op by op
  Status problem;
};

} // namespace tinyfin
