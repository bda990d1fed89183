// SPDX-License-Identifier: Apache-2.0
// Shape rules of matrix products, convolutions and pooling. Windows need constant heights and widths.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {
namespace {

LogicalResult failMatmul(ShapeQuery &q, const Twine &what, bool transposeLhs, bool transposeRhs) {
  return q.fail(what + " (" + q.operands[0].str() + (transposeLhs ? ".T" : "") + " @ " + q.operands[1].str() +
                (transposeRhs ? ".T" : "") + ")");
}

// Broadcasts all but the last two dims.
bool broadcastLeading(llvm::ArrayRef<Dim> lhs, llvm::ArrayRef<Dim> rhs, Dims &dims) {
  lhs = lhs.drop_back(2), rhs = rhs.drop_back(2);
  if (lhs.size() < rhs.size()) std::swap(lhs, rhs);
  dims.assign(lhs.begin(), lhs.end());
  size_t lead = lhs.size() - rhs.size();
  for (size_t i = 0; i < rhs.size(); ++i) {
    Dim &dim = dims[lead + i];
    if (dim.is(1))
      dim = rhs[i];
    else if (dim != rhs[i] && !rhs[i].is(1))
      return false;
  }
  return true;
}

// Sliding windows over the last two axes.
struct Windows {
  std::span<const int64_t> kernel, strides, padding;
};

/// Where an image batch has its axes.
struct ImageAxes {
  size_t channels, plane; // the plane's first axis: its height
  explicit ImageAxes(bool channelsLast) : channels(channelsLast ? 3 : 1), plane(channelsLast ? 1 : 2) {}
  Dims dims(Dim images, Dim channelCount, llvm::ArrayRef<Dim> size) const {
    if (plane == 1) return {images, size[0], size[1], channelCount};
    return {images, channelCount, size[0], size[1]};
  }
};
constexpr int64_t kMaxWindow = int64_t(1) << 31; // keeps extent + 2 * padding in range

LogicalResult expectWindows(ShapeQuery &q, const Windows &w) {
  if (failed(expectEntries(q, "kernel_size", w.kernel, 2, 1)) || failed(expectEntries(q, "strides", w.strides, 2, 1)) ||
      failed(expectEntries(q, "padding", w.padding, 2, 0)))
    return failure();
  for (auto list : {w.kernel, w.strides, w.padding})
    for (int64_t item : list)
      if (item > kMaxWindow) return q.fail("window entry " + Twine(item) + " is more than the limit of 2**31");
  return success();
}

// Where a window may lie wholly in the padding there is no largest element.
LogicalResult expectPoolPadding(ShapeQuery &q, const Windows &w) {
  for (int i = 0; i < 2; ++i)
    if (w.padding[i] > w.kernel[i] / 2)
      return q.fail("padding " + Twine(w.padding[i]) + " is more than half of kernel size " + Twine(w.kernel[i]));
  return success();
}

/// Operand of rank 4 whose two dims from `firstAxis` on are constant.
LogicalResult expectConstant(ShapeQuery &q, size_t operand, size_t firstAxis) {
  const TensorSpec &spec = q.operands[operand];
  if (failed(expectRank(q, operand, 4))) return failure();
  for (Dim dim : llvm::ArrayRef<Dim>(spec.dims).slice(firstAxis, 2))
    if (!dim.isConstant())
      return q.fail(Twine(operandName(q, operand)) + " is " + spec.str() + ", wanted constant heights and widths");
  return success();
}

LogicalResult slide(ShapeQuery &q, llvm::ArrayRef<int64_t> size, const Windows &w, Dims &out) {
  for (int i = 0; i < 2; ++i) {
    int64_t padded = size[i] > INT64_MAX / 2 ? -1 : size[i] + 2 * w.padding[i];
    if (padded < w.kernel[i])
      return q.fail("kernel [" + Twine(w.kernel[0]) + ", " + Twine(w.kernel[1]) + "] does not fit [" + Twine(size[0]) +
                    ", " + Twine(size[1]) + "] with padding [" + Twine(w.padding[0]) + ", " + Twine(w.padding[1]) + "]");
    out.push_back(Dim((padded - w.kernel[i]) / w.strides[i] + 1));
  }
  return success();
}

// The plane of `operand` is what `w` makes of `size`.
LogicalResult expectSlid(ShapeQuery &q, size_t operand, ImageAxes axes, llvm::ArrayRef<int64_t> size, const Windows &w) {
  Dims wanted;
  if (failed(slide(q, size, w, wanted))) return failure();
  const TensorSpec &spec = q.operands[operand];
  if (llvm::ArrayRef<Dim>(spec.dims).slice(axes.plane, 2) == llvm::ArrayRef<Dim>(wanted)) return success();
  return q.fail(Twine(operandName(q, operand)) + " is " + spec.str() + ", wanted height and width " + str(wanted));
}

llvm::SmallVector<int64_t, 2> sizeAt(const TensorSpec &spec, size_t axis) {
  return {spec.dims[axis].constant(), spec.dims[axis + 1].constant()};
}

LogicalResult expectSameDim(ShapeQuery &q, const char *what, size_t axisOfFirst, size_t axisOfSecond) {
  const TensorSpec &first = q.operands[0], &second = q.operands[1];
  Dim a = first.dims[axisOfFirst], b = second.dims[axisOfSecond];
  if (a == b) return success();
  return q.fail(Twine(what) + " differ: " + a.str() + " vs " + b.str() + " (" + operandName(q, 0) + " " + first.str() +
                ", " + operandName(q, 1) + " " + second.str() + ")");
}

} // namespace

LogicalResult matmul(ShapeQuery &q) {
  const TensorSpec &lhs = q.operands[0], &rhs = q.operands[1];
  bool transposeLhs = q.attrs.flag(), transposeRhs = q.attrs.flag();
  if (failed(expectEqualDTypes(q))) return failure();
  if (lhs.rank() < 2 || rhs.rank() < 2)
    return failMatmul(q, "operands have ranks " + Twine(lhs.rank()) + " and " + Twine(rhs.rank()) + ", wanted 2 or more",
                      transposeLhs, transposeRhs);
  auto fromBack = [](const TensorSpec &spec, size_t i) { return spec.dims[spec.rank() - i]; };
  Dim rows = fromBack(lhs, transposeLhs ? 1 : 2), inner = fromBack(lhs, transposeLhs ? 2 : 1);
  Dim rhsInner = fromBack(rhs, transposeRhs ? 1 : 2), columns = fromBack(rhs, transposeRhs ? 2 : 1);
  if (inner != rhsInner)
    return failMatmul(q, "inner dimensions differ: " + inner.str() + " vs " + rhsInner.str(), transposeLhs, transposeRhs);
  Dims dims;
  if (!broadcastLeading(lhs.dims, rhs.dims, dims))
    return failMatmul(q, "leading dimensions do not broadcast", transposeLhs, transposeRhs);
  dims.append({rows, columns});
  return q.result(lhs.dtype, dims);
}

LogicalResult conv2d(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &weight = q.operands[1];
  std::span<const int64_t> strides = q.attrs.list(), padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  if (failed(expectEqualDTypes(q)) || failed(expectConstant(q, 0, axes.plane)) || failed(expectConstant(q, 1, 2)) ||
      failed(expectSameDim(q, "input channels", axes.channels, 1)))
    return failure();
  llvm::SmallVector<int64_t, 2> kernel = sizeAt(weight, 2);
  Windows w{{kernel.data(), 2}, strides, padding};
  Dims plane;
  if (failed(expectWindows(q, w)) || failed(slide(q, sizeAt(x, axes.plane), w, plane))) return failure();
  return q.result(x.dtype, axes.dims(x.dims[0], weight.dims[0], plane));
}

LogicalResult conv2dInputGrad(ShapeQuery &q) {
  const TensorSpec &dy = q.operands[0], &weight = q.operands[1];
  std::span<const int64_t> size = q.attrs.list(), strides = q.attrs.list(), padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  if (failed(expectEqualDTypes(q)) || failed(expectConstant(q, 0, axes.plane)) || failed(expectConstant(q, 1, 2)) ||
      failed(expectSameDim(q, "output channels", axes.channels, 0)) ||
      failed(expectEntries(q, "input_size", size, 2, 0)))
    return failure();
  llvm::SmallVector<int64_t, 2> kernel = sizeAt(weight, 2);
  Windows w{{kernel.data(), 2}, strides, padding};
  if (failed(expectWindows(q, w)) || failed(expectSlid(q, 0, axes, {size.data(), 2}, w))) return failure();
  return q.result(dy.dtype, axes.dims(dy.dims[0], weight.dims[1], {Dim(size[0]), Dim(size[1])}));
}

LogicalResult conv2dWeightGrad(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0], &dy = q.operands[1];
  std::span<const int64_t> kernel = q.attrs.list(), strides = q.attrs.list(), padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  Windows w{kernel, strides, padding};
  if (failed(expectEqualDTypes(q)) || failed(expectConstant(q, 0, axes.plane)) ||
      failed(expectConstant(q, 1, axes.plane)) || failed(expectSameDim(q, "batch sizes", 0, 0)) ||
      failed(expectWindows(q, w)) || failed(expectSlid(q, 1, axes, sizeAt(x, axes.plane), w)))
    return failure();
  return q.result(x.dtype, {dy.dims[axes.channels], x.dims[axes.channels], Dim(kernel[0]), Dim(kernel[1])});
}

LogicalResult pool2d(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  std::span<const int64_t> kernel = q.attrs.list(), strides = q.attrs.list(), padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  Windows w{kernel, strides, padding};
  if (failed(expectConstant(q, 0, axes.plane)) || failed(expectWindows(q, w)) || failed(expectPoolPadding(q, w)))
    return failure();
  Dims plane;
  if (failed(slide(q, sizeAt(x, axes.plane), w, plane))) return failure();
  return q.result(x.dtype, axes.dims(x.dims[0], x.dims[axes.channels], plane));
}

LogicalResult maxPool2dGrad(ShapeQuery &q) {
  const TensorSpec &x = q.operands[0];
  std::span<const int64_t> kernel = q.attrs.list(), strides = q.attrs.list(), padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  Windows w{kernel, strides, padding};
  if (failed(expectEqualDTypes(q)) || failed(expectConstant(q, 0, axes.plane)) ||
      failed(expectConstant(q, 1, axes.plane)) || failed(expectSameDim(q, "batch sizes", 0, 0)) ||
      failed(expectSameDim(q, "channels", axes.channels, axes.channels)) || failed(expectWindows(q, w)) ||
      failed(expectPoolPadding(q, w)) || failed(expectSlid(q, 1, axes, sizeAt(x, axes.plane), w)))
    return failure();
  return q.result(x.dtype, x.dims);
}

LogicalResult avgPool2dGrad(ShapeQuery &q) {
  const TensorSpec &dy = q.operands[0];
  std::span<const int64_t> size = q.attrs.list(), kernel = q.attrs.list(), strides = q.attrs.list(),
                           padding = q.attrs.list();
  ImageAxes axes(q.attrs.flag());
  Windows w{kernel, strides, padding};
  if (failed(expectConstant(q, 0, axes.plane)) || failed(expectEntries(q, "input_size", size, 2, 0)) ||
      failed(expectWindows(q, w)) || failed(expectPoolPadding(q, w)) ||
      failed(expectSlid(q, 0, axes, {size.data(), 2}, w)))
    return failure();
  return q.result(dy.dtype, axes.dims(dy.dims[0], dy.dims[axes.channels], {Dim(size[0]), Dim(size[1])}));
}

} // namespace tinyfin::fin::shape
