// SPDX-License-Identifier: Apache-2.0
// Shape rules of ops computed element by element.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult;

namespace tinyfin::fin::shape {

LogicalResult sameAsOperand(ShapeQuery &q) { return q.result(q.operands[0].dtype, q.operands[0].dims); }

static LogicalResult broadcastTo(ShapeQuery &q, DType dtype) {
  Dims dims;
  if (failed(broadcastDims(q, dims))) return failure();
  return q.result(dtype, dims);
}

LogicalResult broadcastOperands(ShapeQuery &q) {
  if (failed(expectEqualDTypes(q))) return failure();
  return broadcastTo(q, q.operands[0].dtype);
}

LogicalResult compareOperands(ShapeQuery &q) {
  if (failed(expectEqualDTypes(q))) return failure();
  return broadcastTo(q, DType::Bool);
}

LogicalResult select(ShapeQuery &q) {
  if (failed(expectEqualDTypes(q, /*first=*/1))) return failure();
  return broadcastTo(q, q.operands[1].dtype);
}

LogicalResult cast(ShapeQuery &q) { return q.result(q.attrs.dtype(), q.operands[0].dims); }

} // namespace tinyfin::fin::shape
