// SPDX-License-Identifier: Apache-2.0
// Asks whether a value is known to hold one number everywhere.
#pragma once
#include "ir/Fin.h"
#include "llvm/ADT/APFloat.h"

namespace tinyfin::fin {

/// The constant's elements behind reshapes, broadcasts and fills, which change a splat's shape only.
mlir::DenseElementsAttr splatBehind(mlir::Value value);
std::optional<llvm::APFloat> floatSplat(mlir::Value value);
std::optional<llvm::APInt> intSplat(mlir::Value value);
/// Of float, integer or bool elements: whether each is `number`, bit by bit (-0.0 is not 0).
bool isSplatOf(mlir::Value value, double number);

} // namespace tinyfin::fin
