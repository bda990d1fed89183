// SPDX-License-Identifier: Apache-2.0
// Emits a region's value at given positions: each op is a function from positions to positions of its operands.
#pragma once
#include "backends/cpu/Elementwise.h"
#include "backends/cpu/Index.h"
#include "backends/cpu/KernelSpec.h"

namespace tinyfin::cpu {

/// Which elements exist: a condition that all lanes share, and one a lane. Null is true.
struct Mask {
  Value uniform, lanes;
  bool operator==(const Mask &) const = default;
};

class Evaluator {
public:
  Evaluator(Code &code, const KernelSpec &spec, ArrayRef<Value> pointers) : code(code), spec(spec), pointers(pointers) {}

  Value at(uint32_t value, const Access &access, Mask mask);
  /// Positions of the whole spec's values must be known anew: the insertion point has left the block they were made in.
  void forget() { memo.clear(), randomGroups.clear(); }
  /// A value that is known at a position, until it is forgotten.
  void know(uint32_t value, const Access &access, Mask mask, Value result) { memo.push_back({value, access, mask, result}); }
  /// The result of a reduction, as long as the kept loops stand at `coords`.
  void bind(uint32_t value, Value result) { bound[value] = result; }
  void setKept(Access coords, ArrayRef<Dim> extents) { kept = std::move(coords), keptExtents.assign(extents.begin(), extents.end()); }
  IndexMath math() { return IndexMath(code); }
  /// Positions in what is broadcast from shape `to` to shape `from`.
  Access broadcast(Access access, ArrayRef<Dim> from, ArrayRef<Dim> to);
  /// If not null, gets each load's input and the step between its lanes (0 where indices are read from memory).
  std::vector<std::pair<uint32_t, int64_t>> *strides = nullptr;

  /// Values of a row that later loops read again instead of computing them again.
  enum class RowUse { None, Write, Read };
  void setRowUse(uint32_t value, Value memory, RowUse use) { rows[value] = {memory, use}; }
  /// Where in the row the vector lies that is computed now.
  void setRowPosition(const Index &at) { rowPosition = at; }

private:
  struct Row {
    Value memory;
    RowUse use;
  };
  struct RandomGroup {
    uint32_t value;
    Index position;
    std::array<Value, 4> vectors;
  };
  struct Known {
    uint32_t value;
    Access access;
    Mask mask;
    Value result;
  };
  Value emit(const KernelOp &op, const Access &access, Mask mask);
  Value loadInput(uint32_t value, const Access &access, Mask mask);
  Value reduced(uint32_t value, const Access &access);
  Value sliced(const KernelOp &op, Access access, Mask mask);
  Value concatenated(const KernelOp &op, Access access, Mask mask);
  Value padded(const KernelOp &op, Access access, Mask mask);
  Value gathered(const KernelOp &op, Access access, Mask mask);
  Value counted(const KernelOp &op, Access access);
  Index countedAt(const KernelOp &op, Access access);
  Value isCountedEqual(const KernelOp &op, const Access &access, Mask mask);
  Value random(const KernelOp &op, const Access &access, Mask mask);
  Value randomGroup(const KernelOp &op, Index position, Value start, Value key);
  Value constantOf(const KernelOp &op);
  /// Element `number` of a vector of integers that the graph knows at run time.
  Value element(uint32_t value, int64_t number);

  Access transpose(Access access, ArrayRef<Dim> dims, std::span<const int64_t> permutation);
  /// Makes a coordinate begin at `axis`.
  void splitBefore(Access &access, ArrayRef<Dim> dims, unsigned axis);
  /// The number of the coordinate that begins at `axis`, and the elements its other axes span.
  std::pair<unsigned, Dim> coordAt(const Access &access, ArrayRef<Dim> dims, unsigned axis);
  /// low <= position < high, added to a mask.
  void restrict(Mask &mask, const Index &position, Value low, Value high);
  Value choose(const Mask &mask, Value a, Value b);

  Code &code;
  const KernelSpec &spec;
  ArrayRef<Value> pointers;
  std::vector<Known> memo;
  std::vector<RandomGroup> randomGroups;
  llvm::DenseMap<uint32_t, Value> bound;
  Access kept;
  llvm::DenseMap<uint32_t, Row> rows;
  Index rowPosition;
  SmallVector<Dim> keptExtents;
};

} // namespace tinyfin::cpu
