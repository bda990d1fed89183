// SPDX-License-Identifier: Apache-2.0
// A captured function as a graph of its own: weights are constants, state that the body writes is passed in and out.
#pragma once
#include "frontend/Jit.h"
#include <string>
#include <vector>

namespace tinyfin {

struct ExportNames {
  std::vector<std::string> args;    // a name a tensor argument
  std::vector<std::string> results; // a name a result
};

/// Captures on placeholders: nothing is computed and no state is touched, whatever the body does.
class ExportCapture {
public:
  /// `specs` may hold symbolic dims.
  explicit ExportCapture(llvm::ArrayRef<TensorSpec> specs);
  ~ExportCapture();
  llvm::ArrayRef<Tensor> placeholders() const { return args; }
  /// MLIR text of the graph. Throws UserError where the body depends on data or on Python state it changes.
  std::string text(llvm::ArrayRef<Tensor> results, const ExportNames &names);
  /// The same to a file, text or (for .finb) bytecode in a checked envelope; whole or not at all.
  void write(llvm::ArrayRef<Tensor> results, const ExportNames &names, const std::string &path);
  /// The text after the passes of the current backend, for people to read.
  std::string lowered(llvm::ArrayRef<Tensor> results, const ExportNames &names);

private:
  struct Built;
  Built build(llvm::ArrayRef<Tensor> results, const ExportNames &names);
  void restore();
  llvm::SmallVector<Tensor> args;
  std::unique_ptr<Capture> capture;
  int64_t seed, counter;
};

} // namespace tinyfin
