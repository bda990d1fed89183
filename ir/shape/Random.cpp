// SPDX-License-Identifier: Apache-2.0
// Shape rules of random numbers and effects.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {

static LogicalResult expectOffset(ShapeQuery &q, int64_t offset) {
  return offset >= 0 ? success() : q.fail("offset is " + Twine(offset) + ", wanted at least 0");
}

LogicalResult randomBits(ShapeQuery &q) {
  Dims dims = readDims(q.attrs);
  if (failed(expectState(q, 0)) || failed(expectOffset(q, q.attrs.integer()))) return failure();
  return q.result(DType::I32, dims);
}

LogicalResult randomFloats(ShapeQuery &q) {
  Dims dims = readDims(q.attrs);
  DType dtype = q.attrs.dtype();
  if (failed(expectState(q, 0)) || failed(expectOffset(q, q.attrs.integer()))) return failure();
  if (!isFloat(dtype)) return q.fail(Twine("dtype is ") + nameOf(dtype) + ", wanted a floating-point dtype");
  return q.result(dtype, dims);
}

LogicalResult dropout(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &p = q.operands[1];
  if (x.dtype != p.dtype)
    return q.fail(Twine("operand dtypes differ: ") + nameOf(x.dtype) + " vs " + nameOf(p.dtype));
  if (failed(expectRank(q, 1, 0)) || failed(expectState(q, 2)) || failed(expectOffset(q, q.attrs.integer())))
    return failure();
  return q.result(x.dtype, x.dims);
}

LogicalResult effect(ShapeQuery &) { return success(); }

} // namespace tinyfin::fin::shape
