// SPDX-License-Identifier: Apache-2.0
// Shape rules of ops that read or write at places known at run time: slices, gathers, scatters.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {

// Whether `size` elements at distance |step| fit an axis at all; where they start is checked at run time.
static bool fits(Dim size, int64_t step, Dim extent) {
  if (size.is(0) || size.is(1)) return !extent.is(0) || size.is(0);
  if (step == INT64_MIN) return false;
  int64_t distance = step < 0 ? -step : step;
  if (size == extent) return distance == 1;
  if (size.isConstant() && extent.isConstant()) return extent.constant() > 0 && size.constant() - 1 <= (extent.constant() - 1) / distance;
  if (size.isConstant()) return true; // the symbol's value decides
  return !extent.isConstant() && size.symbolName() == extent.symbolName() && size.factor() <= extent.factor() / distance;
}

static LogicalResult expectWindow(ShapeQuery &q, llvm::ArrayRef<Dim> sizes, size_t startsOperand,
                                  std::span<const int64_t> steps) {
  const TensorSpec &x = q.operands[0], &starts = q.operands[startsOperand];
  size_t rank = x.rank();
  if (starts.rank() != 1 || !starts.dims[0].is(static_cast<int64_t>(rank)))
    return q.fail("starts is " + starts.str() + ", wanted int64[" + Twine(rank) + "]: an entry an axis of " + x.str());
  if (failed(expectEntries(q, "steps", steps, rank, INT64_MIN))) return failure();
  if (sizes.size() != rank) return q.fail("window " + str(sizes) + " has rank " + Twine(sizes.size()) + ", wanted " + Twine(rank));
  for (size_t i = 0; i < rank; ++i) {
    if (steps[i] == 0) return q.fail("step of axis " + Twine(i) + " is 0");
    if (!fits(sizes[i], steps[i], x.dims[i]))
      return q.fail(sizes[i].str() + " elements with step " + Twine(steps[i]) + " do not fit axis " + Twine(i) + " of " + x.str());
  }
  return success();
}

LogicalResult slice(ShapeQuery &q) {
  Dims sizes = readDims(q.attrs);
  if (failed(expectWindow(q, sizes, 1, q.attrs.list()))) return failure();
  return q.result(q.operands[0].dtype, sizes);
}

LogicalResult sliceUpdate(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &update = q.operands[1];
  if (x.dtype != update.dtype)
    return q.fail(Twine("operand dtypes differ: ") + nameOf(x.dtype) + " vs " + nameOf(update.dtype));
  if (failed(expectWindow(q, update.dims, 2, q.attrs.list()))) return failure();
  return q.result(x.dtype, x.dims);
}

// x's dims with those of indices in the place of `axis`.
static Dims gatheredDims(const TensorSpec &x, const TensorSpec &indices, int64_t axis) {
  Dims dims(x.dims.begin(), x.dims.begin() + axis);
  dims.append(indices.dims.begin(), indices.dims.end());
  dims.append(x.dims.begin() + axis + 1, x.dims.end());
  return dims;
}

LogicalResult gather(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  int64_t axis = q.attrs.integer();
  if (failed(expectAxis(q, axis, x.rank()))) return failure();
  return q.result(x.dtype, gatheredDims(x, q.operands[1], axis));
}

LogicalResult scatterAdd(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &updates = q.operands[2];
  int64_t axis = q.attrs.integer();
  if (failed(expectAxis(q, axis, x.rank()))) return failure();
  if (x.dtype != updates.dtype)
    return q.fail(Twine("operand dtypes differ: ") + nameOf(x.dtype) + " vs " + nameOf(updates.dtype));
  Dims wanted = gatheredDims(x, q.operands[1], axis);
  if (updates.dims != wanted) return q.fail("updates is " + updates.str() + ", wanted " + str(wanted));
  return q.result(x.dtype, x.dims);
}

LogicalResult embedding(ShapeQuery &q) {
  if (failed(expectRank(q, 0, 2))) return failure();
  return q.result(q.operands[0].dtype, gatheredDims(q.operands[0], q.operands[1], 0));
}

} // namespace tinyfin::fin::shape
