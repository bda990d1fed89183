// SPDX-License-Identifier: Apache-2.0
// What derivative rules and decompositions share.
#include "ir/Rule.h"
#include <numeric>

namespace tinyfin::fin {

Expr Rule::count(llvm::ArrayRef<Dim> dims, DType dtype) {
  if (std::optional<Dim> known = numElements(dims); known && known->isConstant())
    return scalar(static_cast<double>(known->constant()), dtype);
  Axes all = axesBetween(0, static_cast<int64_t>(dims.size()));
  return sum(full(scalar(1, dtype), dims), all, /*keepdims=*/false);
}

Expr Rule::perChannel(Expr value) {
  Dims dims(xSpec().rank() - 1, Dim(1));
  dims[0] = xSpec().dims[1];
  return shaped(wide(value), dims);
}

Dims keptDims(llvm::ArrayRef<Dim> dims, llvm::ArrayRef<int64_t> axes) {
  Dims kept(dims);
  for (int64_t axis : axes) kept[axis] = 1;
  return kept;
}

Dims dimsAt(llvm::ArrayRef<Dim> dims, llvm::ArrayRef<int64_t> axes) {
  Dims chosen;
  for (int64_t axis : axes) chosen.push_back(dims[axis]);
  return chosen;
}

Axes axesBetween(int64_t first, int64_t last) {
  Axes axes(last - first);
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Axes axesButChannel(int64_t rank) {
  Axes axes = axesBetween(0, rank);
  axes.erase(axes.begin() + 1);
  return axes;
}

} // namespace tinyfin::fin
