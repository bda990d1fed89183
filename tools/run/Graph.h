// SPDX-License-Identifier: Apache-2.0
// A graph from a file, made static for given sizes, compiled for a backend and run on arrays of the host.
#pragma once
#include "backends/Backend.h"
#include "mlir/IR/OwningOpRef.h"
#include "tools/run/Array.h"

namespace tinyfin::run {

using Sizes = std::vector<std::pair<std::string, int64_t>>; // of symbolic dims

/// A graph read for one backend. Messages of failures are "file:line:col: error: ..." where there is a place.
class Graph {
public:
  static StatusOr<std::unique_ptr<Graph>> read(llvm::StringRef bytes, llvm::StringRef name, Backend &backend);
  ~Graph();

  /// The symbolic dims of the signature, in order of appearance.
  const std::vector<std::string> &symbols() const { return names; }
  /// Gives every symbolic dim its size and compiles. Once.
  StatusOr<std::shared_ptr<Executable>> compile(const Sizes &sizes);

private:
  explicit Graph(Backend &backend);
  Status check();
  Status specialize(const Sizes &sizes);

  Backend &backend;
  std::unique_ptr<mlir::MLIRContext> context;
  std::string error; // the first diagnostic
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> names;
};

/// Runs on the backend's device; arrays are copied there and back where it has memory of its own.
StatusOr<std::vector<Array>> runOn(Executable &executable, llvm::ArrayRef<Array> inputs);

} // namespace tinyfin::run
