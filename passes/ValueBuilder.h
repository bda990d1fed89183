// SPDX-License-Identifier: Apache-2.0
// Derivative rules and decompositions over mlir::Values: a Ref is a Value's opaque pointer.
#pragma once
#include "ir/Fin.h"
#include "ir/GraphBuilder.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

namespace tinyfin::fin {

class ValueBuilder : public GraphBuilder {
public:
  /// Inserts where `builder` stands.
  ValueBuilder(mlir::OpBuilder &builder, mlir::Location location) : builder(builder), location(location) {}
  void setLocation(mlir::Location newLocation) { location = newLocation; }

  Refs emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Ref> operands) override;
  const TensorSpec &specOf(Ref value) override;
  Ref scalar(double value, DType dtype) override;
  Ref indexVector(llvm::ArrayRef<int64_t> items) override;

  static Ref refOf(mlir::Value value) { return {value.getAsOpaquePointer()}; }
  static mlir::Value valueOf(Ref ref) { return mlir::Value::getFromOpaquePointer(ref.handle); }

private:
  mlir::OpBuilder &builder;
  mlir::Location location;
  llvm::DenseMap<const void *, std::unique_ptr<TensorSpec>> specs; // specOf() hands out addresses
};

/// The cotangents of op's operands (null: zero or not in `needed`) from those of its results. The rule
/// sees the values that the op saves for it, and no others. Null where the op has no derivative.
Refs applyVjp(ValueBuilder &builder, mlir::Operation *op, llvm::ArrayRef<Ref> cotangents, uint64_t needed);
/// What op's results are in terms of simpler ops; empty if op is primitive.
Refs applyDecomposition(ValueBuilder &builder, mlir::Operation *op);

} // namespace tinyfin::fin
