// SPDX-License-Identifier: Apache-2.0
// A loop over [low, high) in vectors: several at a time, then one at a time, then one with lanes masked off.
#pragma once
#include "backends/cpu/Index.h"

namespace tinyfin::cpu {

class VectorLoop {
public:
  /// Gets the vectors to handle at once, the mask of the last one (null: whole), and the values carried from before, which
  /// it replaces.
  using Body = llvm::function_ref<void(ArrayRef<Index> at, Value mask, llvm::SmallVectorImpl<Value> &carried)>;
  VectorLoop(Code &code, int unroll) : code(code), unroll(unroll) {}
  /// Over [0, extent).
  void run(Dim extent, llvm::SmallVectorImpl<Value> &carried, Body body);
  /// Over [low, high), where low is a multiple of `align`.
  void run(Value low, Value high, int64_t align, llvm::SmallVectorImpl<Value> &carried, Body body);
  /// Over [0, extent), whole vectors at positions that are `shift` short of multiples of the vector's length.
  void runShifted(Dim extent, Value shift, llvm::SmallVectorImpl<Value> &carried, Body body);

private:
  void unrolled(int64_t count, llvm::SmallVectorImpl<Value> &carried, Body body);
  SmallVector<Index> vectors(Value base, int64_t offset, int count, int64_t align);
  void strided(Value low, Value high, int64_t step, int count, bool isMasked, int64_t align, llvm::SmallVectorImpl<Value> &carried,
               Body body);
  Code &code;
  int unroll;
};

} // namespace tinyfin::cpu
