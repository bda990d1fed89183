// SPDX-License-Identifier: Apache-2.0
// Shape rules of reductions over axes.
#include "ir/shape/Check.h"
#include "llvm/ADT/STLExtras.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {

// There is no largest element of nothing. Symbolic extents are checked by the kernel.
static LogicalResult expectElements(ShapeQuery &q, std::span<const int64_t> axes) {
  for (int64_t axis : axes)
    if (q.operands[0].dims[axis].is(0))
      return q.fail("axis " + Twine(axis) + " of " + q.operands[0].str() + " is empty, wanted at least one element");
  return success();
}

static LogicalResult reducedTo(ShapeQuery &q, DType dtype, std::span<const int64_t> axes, bool keepdims) {
  Dims dims;
  for (auto [axis, dim] : llvm::enumerate(q.operands[0].dims)) {
    bool isReduced = llvm::is_contained(axes, static_cast<int64_t>(axis));
    if (!isReduced)
      dims.push_back(dim);
    else if (keepdims)
      dims.push_back(Dim(1));
  }
  return q.result(dtype, dims);
}

LogicalResult reduce(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  std::span<const int64_t> axes = q.attrs.list();
  if (failed(expectDistinctAxes(q, axes, x.rank()))) return failure();
  bool picks = q.op == OpId::ReduceMax || q.op == OpId::ReduceMin;
  if (picks && failed(expectElements(q, axes))) return failure();
  return reducedTo(q, x.dtype, axes, q.attrs.flag());
}

LogicalResult argmax(ShapeQuery &q) {
  int64_t axis = q.attrs.integer();
  std::span<const int64_t> axes(&axis, 1);
  if (failed(expectAxis(q, axis, q.operands[0].rank())) || failed(expectElements(q, axes))) return failure();
  return reducedTo(q, DType::I64, axes, q.attrs.flag());
}

} // namespace tinyfin::fin::shape
