// SPDX-License-Identifier: Apache-2.0
// How passes compute with constants without knowing who can: a dialect interface that a backend attaches by a
// DialectRegistry extension (the interpreter does, with the eager kernels).
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectInterface.h"
#include "mlir/IR/Operation.h"

namespace tinyfin::fin {

/// Found by `op->getDialect()->getRegisteredInterface<EvalInterface>()`; null where nobody attached one.
class EvalInterface : public mlir::DialectInterface::Base<EvalInterface> {
public:
  EvalInterface(mlir::Dialect *dialect) : Base(dialect) {}
  /// Runs a recorded op of static types on constants, one an operand. Gives an attribute a result; fails, without a
  /// diagnostic, where the op's kernel fails (an index out of range must fail when the graph runs, not before).
  virtual mlir::LogicalResult evaluate(mlir::Operation *op, llvm::ArrayRef<mlir::ElementsAttr> operands,
                                       llvm::SmallVectorImpl<mlir::ElementsAttr> &results) const = 0;
};

} // namespace tinyfin::fin
