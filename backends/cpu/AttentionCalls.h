// SPDX-License-Identifier: Apache-2.0
// Attention and its gradients as calls of a plan.
#pragma once
#include "mlir/IR/Operation.h"
#include "runtime/KernelList.h"

namespace tinyfin::cpu {

bool isAttention(mlir::Operation *op);
CallStep attentionStep(mlir::Operation *op);

} // namespace tinyfin::cpu
