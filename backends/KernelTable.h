// SPDX-License-Identifier: Apache-2.0
// The eager kernel of every op, and running one op on constants with it.
#pragma once
#include "ir/OpTable.h"
#include "mlir/IR/DialectRegistry.h"
#include "runtime/kernels/Kernel.h"

namespace tinyfin {

KernelFn kernelOf(fin::OpId op);

/// Attaches ir/Eval.h's interface to the dialect: constants are folded by the eager kernels.
void attachEval(mlir::DialectRegistry &registry);

} // namespace tinyfin
