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

/// All but those that are copied into regions, and views.
llvm::SmallVector<mlir::Operation *> groupableOps(mlir::Block &block);
/// Divides ops between which nothing outside lies: a block's groupable ones, a stretch of them, or a group that is to be
/// divided by a smaller ambition. In program order; ops that cannot be fused are in no group.
llvm::SmallVector<OpGroup, 0> groupOps(llvm::ArrayRef<mlir::Operation *> ops, Ambition ambition);

} // namespace tinyfin::fin
