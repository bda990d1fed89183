// SPDX-License-Identifier: Apache-2.0
// Divides a block's fusable ops into groups, each of which can be one kernel (docs/design/0003, How groups grow).
#pragma once
#include "mlir/IR/Block.h"

namespace tinyfin::fin {

/// Each group in program order; ops that are copied into regions and ops that cannot be fused are in none.
llvm::SmallVector<llvm::SmallVector<mlir::Operation *>> groupOps(mlir::Block &block);

} // namespace tinyfin::fin
