// SPDX-License-Identifier: Apache-2.0
// Divides a block's fusable ops into groups, each of which can be one kernel (docs/design/0003, How groups grow).
#pragma once
#include "passes/Region.h"

namespace tinyfin::fin {

/// Which kinds groups of several ops may be: after a refusal smaller ones are tried.
enum class Ambition { Contractions, Normalizations, Reductions, Maps, None };

/// Ops in program order. The region's inputs are those of when it was found.
struct OpGroup {
  llvm::SmallVector<mlir::Operation *> ops;
  Region region;
};

/// In program order; ops that are copied into regions and ops that cannot be fused are in none.
llvm::SmallVector<OpGroup, 0> groupOps(mlir::Block &block, Ambition ambition);
/// Divides ops that could be one group (nothing outside lies between them) by a smaller ambition.
llvm::SmallVector<OpGroup, 0> regroupOps(llvm::ArrayRef<mlir::Operation *> ops, Ambition ambition);

} // namespace tinyfin::fin
