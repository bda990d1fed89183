// SPDX-License-Identifier: Apache-2.0
// Which ops of a block may still stop a run with an error, given what ops before them have checked already.
#pragma once
#include "ir/Fin.h"

namespace tinyfin::fin {

/// The ops that may fail, in the order of the block. Indices that were in range of an extent once are so again: the
/// gradient of an embedding cannot fail behind the embedding.
llvm::SmallVector<mlir::Operation *> findFailures(mlir::Block &block);

} // namespace tinyfin::fin
