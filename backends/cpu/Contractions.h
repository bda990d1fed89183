// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions as calls of the runtime's plans, which choose between oneDNN and own kernels.
#pragma once
#include "mlir/IR/Operation.h"
#include "runtime/KernelList.h"

namespace tinyfin::cpu {

/// Whether the op has a plan here.
bool isContraction(mlir::Operation *op);
/// A step for such an op, without its arguments (the op's operands, then its result).
StatusOr<CallStep> contractionStep(mlir::Operation *op);

/// Whether the generated form of a contraction is faster than its plan. Decided by shapes alone; the bounds were measured
/// with AVX-512 on one and on four threads.
bool prefersGenerated(mlir::Operation *op);

} // namespace tinyfin::cpu
