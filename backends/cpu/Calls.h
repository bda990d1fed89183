// SPDX-License-Identifier: Apache-2.0
// Other ops that run as calls of what the runtime plans for a static shape: asserts, the gradients of pools,
// argmax, slice_update and scatter_add.
#pragma once
#include "mlir/IR/Operation.h"
#include "runtime/KernelList.h"

namespace tinyfin::cpu {

/// Whether the op has a plan here.
bool isPlanned(mlir::Operation *op);
/// A step for such an op, without its arguments (the op's operands, then its result).
CallStep plannedStep(mlir::Operation *op);

} // namespace tinyfin::cpu
