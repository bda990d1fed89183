// SPDX-License-Identifier: Apache-2.0
// The one interface under which derivative rules and decompositions build fin ops: over the recorder's values
// (frontend/) and over mlir::Values (passes/). Rules never see an Operation.
#pragma once
#include "ir/OpTable.h"

namespace tinyfin::fin {

/// A value of whichever builder made it; valid while the builder lives. Null: absent (a zero cotangent).
struct Ref {
  const void *handle = nullptr;
  explicit operator bool() const { return handle; }
  bool operator==(const Ref &) const = default;
};
using Refs = llvm::SmallVector<Ref, 4>;

/// Typed emitters, one an op, generated: `b.add(x, y)`, `b.sum(x, axes, keepdims)`. Self has
/// `Refs emit(OpId, ArrayRef<int64_t> attrs, ArrayRef<Value> operands)`.
template <class Self, class Value> class OpEmitters {
  Self &self() { return static_cast<Self &>(*this); }

public:
#include "ir/OpEmitters.h.inc"
};

class GraphBuilder : public OpEmitters<GraphBuilder, Ref> {
public:
  virtual ~GraphBuilder() = default;
  /// Appends an op (its operands and attributes are valid by construction: a failing shape rule is our bug).
  virtual Refs emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Ref> operands) = 0;
  virtual const TensorSpec &specOf(Ref value) = 0;
  /// A 0-d tensor known now.
  virtual Ref scalar(double value, DType dtype) = 0;
  /// A 1-d i64 tensor known now: the starts of a slice.
  virtual Ref indexVector(llvm::ArrayRef<int64_t> items) = 0;

  // Shorthands that rules share.
  llvm::ArrayRef<Dim> dimsOf(Ref value) { return specOf(value).dims; }
  DType dtypeOf(Ref value) { return specOf(value).dtype; }
  Ref scalarLike(double value, Ref like) { return scalar(value, dtypeOf(like)); }
  /// Sums out what broadcasting `dims` to value's shape repeated: the adjoint of broadcasting.
  Ref sumTo(Ref value, llvm::ArrayRef<Dim> dims);
  Ref zerosOf(const TensorSpec &spec);
};

/// Operand's bit in a mask; the last bit stands for all operands from there on, of which a variadic op may have many.
constexpr uint64_t operandBit(size_t operand) { return uint64_t(1) << (operand < 63 ? operand : 63); }

/// What a rule is given and gives back. For a decomposition `operands` are all present and `outputs` are the
/// op's results. For a derivative only the saved operands and results are non-null (specs are always there),
/// `cotangents` has an entry a result (null: zero), and `outputs` gets an entry an operand.
struct RuleContext {
  GraphBuilder &b;
  AttrReader attrs;
  llvm::ArrayRef<Ref> operands, results, cotangents;
  llvm::ArrayRef<TensorSpec> operandSpecs, resultSpecs;
  uint64_t needed; // operandBit(i): operand i wants a cotangent
  Refs outputs;    // sized by the caller for derivatives, appended to by decompositions

  bool needs(unsigned operand) const { return needed & operandBit(operand); }
};

} // namespace tinyfin::fin
