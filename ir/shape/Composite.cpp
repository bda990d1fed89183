// SPDX-License-Identifier: Apache-2.0
// Shape rules of normalizations and losses.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {

LogicalResult sameAsOperandWithAxis(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  if (failed(expectAxis(q, q.attrs.integer(), x.rank()))) return failure();
  return q.result(x.dtype, x.dims);
}

// Operands from `first` on have the dims `wanted`.
static LogicalResult expectDims(ShapeQuery &q, size_t first, llvm::ArrayRef<Dim> wanted) {
  for (size_t i = first; i < q.operands.size(); ++i)
    if (llvm::ArrayRef<Dim>(q.operands[i].dims) != wanted)
      return q.fail(Twine(operandName(q, i)) + " is " + q.operands[i].str() + ", wanted " + str(wanted) + " for " +
                    operandName(q, 0) + " " + q.operands[0].str());
  return success();
}

// Parameters and statistics of halves may be f32: nothing is lost by keeping them so.
static LogicalResult expectParameterDTypes(ShapeQuery &q) {
  DType dtype = q.operands[0].dtype;
  for (size_t i = 1; i < q.operands.size(); ++i)
    if (DType found = q.operands[i].dtype; found != dtype && !(sizeOf(dtype) == 2 && found == DType::F32))
      return q.fail(Twine("operand dtypes differ: ") + nameOf(dtype) + " vs " + nameOf(found));
  return success();
}

static DType statisticsDType(DType dtype) { return sizeOf(dtype) == 2 ? DType::F32 : dtype; }

// mean and rstd keep the normalized axes with extent 1, so that they broadcast with x.
LogicalResult layerNorm(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  int64_t axis = q.attrs.integer();
  if (failed(expectParameterDTypes(q)) || failed(expectAxis(q, axis, x.rank())) ||
      failed(expectDims(q, 1, llvm::ArrayRef<Dim>(x.dims).drop_front(axis))))
    return failure();
  Dims kept = x.dims;
  for (size_t i = axis; i < kept.size(); ++i) kept[i] = Dim(1);
  (void)q.result(x.dtype, x.dims);
  (void)q.result(statisticsDType(x.dtype), kept);
  return q.result(statisticsDType(x.dtype), kept);
}

static LogicalResult expectChannels(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  if (failed(expectParameterDTypes(q))) return failure();
  if (x.rank() < 2) return q.fail("x is " + x.str() + ", wanted rank 2 or more (axis 1 holds the channels)");
  return expectDims(q, 1, x.dims[1]);
}

LogicalResult batchNorm(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  if (failed(expectChannels(q))) return failure();
  (void)q.result(x.dtype, x.dims);
  (void)q.result(statisticsDType(x.dtype), x.dims[1]);
  return q.result(statisticsDType(x.dtype), x.dims[1]);
}

LogicalResult batchNormInference(ShapeQuery &q) {
  if (failed(expectChannels(q))) return failure();
  return q.result(q.operands[0].dtype, q.operands[0].dims);
}

static LogicalResult lossOf(ShapeQuery &q, llvm::ArrayRef<Dim> unreduced) {
  int64_t reduction = q.attrs.integer();
  if (reduction < 0 || reduction > 2)
    return q.fail("reduction is " + Twine(reduction) + ", wanted 0 (none), 1 (mean) or 2 (sum)");
  return q.result(q.operands[0].dtype, reduction == 0 ? unreduced : llvm::ArrayRef<Dim>());
}

LogicalResult crossEntropy(ShapeQuery &q) {
  const TensorSpec &logits = q.operands[0], &labels = q.operands[1];
  if (failed(expectRank(q, 0, 2)) || failed(expectRank(q, 1, 1))) return failure();
  if (logits.dims[0] != labels.dims[0])
    return q.fail("batch sizes differ: " + logits.dims[0].str() + " vs " + labels.dims[0].str() + " (logits " +
                  logits.str() + ", labels " + labels.str() + ")");
  return lossOf(q, labels.dims);
}

LogicalResult pairLoss(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &target = q.operands[1];
  if (failed(expectEqualDTypes(q))) return failure();
  if (x.dims != target.dims) return q.fail("shapes differ: " + str(x.dims) + " vs " + str(target.dims));
  return lossOf(q, x.dims);
}

} // namespace tinyfin::fin::shape
