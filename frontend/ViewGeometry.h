// SPDX-License-Identifier: Apache-2.0
// Where the elements of a view lie in the tensor that its chain of views starts from.
#pragma once
#include "frontend/Tensor.h"
#include <optional>

namespace tinyfin {

struct ViewGeometry {
  Cell *root = nullptr;
  llvm::SmallVector<int64_t, 6> dims, strides; // in elements of the root
  int64_t offset = 0;
};

/// Nothing for a tensor that is no view, whose extents are symbols, that is not one strided walk over its root, or through
/// which gradients do not reach the root.
std::optional<ViewGeometry> geometryOf(Cell &view);

} // namespace tinyfin
