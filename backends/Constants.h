// SPDX-License-Identifier: Apache-2.0
// Tensors between MLIR attributes and memory.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "runtime/Executable.h"

namespace tinyfin {

TensorType tensorTypeOf(mlir::Type staticTensor);
/// Writes the elements row-major, a byte a bool. Fails on a dense_resource whose bytes are not there.
llvm::LogicalResult copyElements(mlir::ElementsAttr elements, void *to);
mlir::ElementsAttr elementsOf(mlir::ShapedType type, const void *from);

} // namespace tinyfin
