// SPDX-License-Identifier: Apache-2.0
// Shape rules of ops that make tensors or give all their elements another order or shape.
#include "ir/shape/Check.h"
#include "llvm/ADT/STLExtras.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {

LogicalResult iota(ShapeQuery &q) {
  Dims dims = readDims(q.attrs);
  int64_t axis = q.attrs.integer();
  DType dtype = q.attrs.dtype();
  if (failed(expectAxis(q, axis, dims.size()))) return failure();
  if (dtype == DType::Bool) return q.fail("dtype is bool, wanted a number dtype");
  return q.result(dtype, dims);
}

LogicalResult full(ShapeQuery &q) {
  if (failed(expectRank(q, 0, 0))) return failure();
  return q.result(q.operands[0].dtype, readDims(q.attrs));
}

// Equal products, or equal products of what is left when dims found on both sides are crossed out:
// the second decides shapes with several symbols.
static bool haveSameElements(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> to) {
  std::optional<Dim> before = numElements(from), after = numElements(to);
  if (before && after) return *before == *after;
  Dims left, right(to);
  for (Dim dim : from) {
    auto twin = llvm::find(right, dim);
    if (twin == right.end())
      left.push_back(dim);
    else
      right.erase(twin);
  }
  before = numElements(left), after = numElements(right);
  return before && after && *before == *after;
}

LogicalResult reshape(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  Dims dims = readDims(q.attrs);
  if (haveSameElements(x.dims, dims)) return q.result(x.dtype, dims);
  std::optional<Dim> count = numElements(x.dims);
  return q.fail("cannot reshape " + str(x.dims) + (count ? " (" + count->str() + " elements)" : "") + " to " + str(dims));
}

LogicalResult transpose(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  std::span<const int64_t> permutation = q.attrs.list();
  if (failed(expectEntries(q, "permutation", permutation, x.rank(), INT64_MIN))) return failure();
  if (failed(expectDistinctAxes(q, permutation, x.rank()))) return failure();
  Dims dims;
  for (int64_t axis : permutation) dims.push_back(x.dims[axis]);
  return q.result(x.dtype, dims);
}

LogicalResult broadcast(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  Dims dims = readDims(q.attrs);
  bool fits = x.rank() <= dims.size();
  for (size_t i = 0; fits && i < x.rank(); ++i) {
    Dim from = x.dims[x.rank() - 1 - i];
    fits = from.is(1) || from == dims[dims.size() - 1 - i];
  }
  return fits ? q.result(x.dtype, dims) : q.fail("cannot broadcast " + str(x.dims) + " to " + str(dims));
}

LogicalResult concat(ShapeQuery &q) {
  int64_t axis = q.attrs.integer();
  const TensorSpec &first = q.operands[0];
  if (failed(expectEqualDTypes(q)) || failed(expectAxis(q, axis, first.rank()))) return failure();
  Dims dims = first.dims;
  for (const TensorSpec &next : q.operands.drop_front()) {
    if (next.rank() != first.rank())
      return q.fail("ranks differ: " + str(first.dims) + " vs " + str(next.dims));
    for (size_t i = 0; i < next.rank(); ++i)
      if (static_cast<int64_t>(i) != axis && next.dims[i] != first.dims[i])
        return q.fail("shapes differ outside axis " + Twine(axis) + ": " + str(first.dims) + " vs " + str(next.dims));
    std::optional<Dim> sum = add(dims[axis], next.dims[axis]);
    if (!sum) return q.fail("cannot add the extents " + dims[axis].str() + " and " + next.dims[axis].str());
    dims[axis] = *sum;
  }
  return q.result(first.dtype, dims);
}

LogicalResult pad(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  std::span<const int64_t> low = q.attrs.list(), high = q.attrs.list();
  if (failed(expectEqualDTypes(q)) || failed(expectRank(q, 1, 0)) || failed(expectEntries(q, "low", low, x.rank(), 0)) ||
      failed(expectEntries(q, "high", high, x.rank(), 0)))
    return failure();
  Dims dims;
  for (size_t i = 0; i < x.rank(); ++i) {
    std::optional<Dim> sum = add(x.dims[i], Dim(low[i]));
    if (sum) sum = add(*sum, Dim(high[i]));
    if (!sum) return q.fail("cannot pad extent " + x.dims[i].str() + " by " + Twine(low[i]) + " and " + Twine(high[i]));
    dims.push_back(*sum);
  }
  return q.result(x.dtype, dims);
}

} // namespace tinyfin::fin::shape
