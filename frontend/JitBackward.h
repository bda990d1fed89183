// SPDX-License-Identifier: Apache-2.0
// The backward graph of a jitted function whose results want gradients outside it. Its inputs are values that the
// forward graph saves and the results' cotangents; it is compiled when backward() first needs it.
#pragma once
#include "frontend/Capture.h"
#include "runtime/Executable.h"

namespace tinyfin {

class CacheEntry;

/// Stands before a tensor that was computed outside and is read inside: the walk of the inner graph stops here, the walk
/// of the outer one passes through.
class BoundaryNode final : public Node {
public:
  explicit BoundaryNode(const Var &outer);
  Vars apply(llvm::ArrayRef<Var> cotangents, bool) override { return {cotangents[0]}; }
  void free() override {}
  const char *name() const override { return "jit_argument"; }
  bool isBoundary() const override { return true; }
};

class BackwardProgram {
public:
  /// What an input of the backward graph is.
  struct Input {
    enum Kind : uint8_t { Saved, Number, Cotangent } kind;
    uint32_t index = 0; // Saved: slot of the forward trace; Cotangent: which result
    Words number;
  };
  /// Whose gradient an output is.
  struct Target {
    uint32_t cell;
    bool isArg;
    int32_t output; // number of the executable's output; -1: not reached
    int32_t passed; // else, where the gradient is an input of the backward graph itself; -1
  };

  /// Records the backward graph behind the forward one, takes it out again and leaves the recorder as it was. Null
  /// when no result wants a gradient.
  static std::unique_ptr<BackwardProgram> record(Capture &capture, llvm::ArrayRef<Tensor> results);

  /// Gradients in the order of `targets`.
  Vars run(llvm::ArrayRef<ValueRef> saved, llvm::ArrayRef<Var> cotangents);

  std::vector<uint32_t> roots;      // numbers of the results that want gradients
  std::vector<uint32_t> savedSlots; // of the forward trace, in order of `Saved` inputs
  std::vector<Target> targets;
  Words trace;

private:
  void compile();
  Modes modes;
  std::vector<Input> inputs;
  llvm::SmallVector<uint32_t> outputs;
  std::vector<int32_t> outputAt;
  std::shared_ptr<CacheEntry> entry;
};

/// The node of one call on the outer tape.
class JitNode final : public Node {
public:
  Vars apply(llvm::ArrayRef<Var> cotangents, bool createGraph) override;
  void free() override {
    freed = true;
    saved.clear();
  }
  const char *name() const override { return "jit"; }

  std::shared_ptr<BackwardProgram> program;
  std::vector<ValueRef> saved;
  bool freed = false;
};

} // namespace tinyfin
