// SPDX-License-Identifier: Apache-2.0
// Derivatives of matrix products, convolutions and pooling. Nothing is transposed in memory: the transpose flags and
// the gradient ops of convolution say it.
#include "ir/Rule.h"
#include <limits>

namespace tinyfin::fin {

/// The rows of all batches as one matrix: [B.., M, K] as [B*M, K]; null where B*M cannot be written as one dim.
static Expr rowsOf(Rule &r, Expr value) {
  llvm::ArrayRef<Dim> dims = value.dims();
  std::optional<Dim> rows = numElements(dims.drop_back());
  return rows ? r.reshape(value, {*rows, dims.back()}) : Expr();
}

/// The cotangent of a weight that all batches of lhs share, as one product over all rows instead of one a batch that
/// is then summed; null where that is not so.
static Expr sharedWeightCotangent(Rule &r, bool transposeRhs) {
  bool isShared = numElements(llvm::ArrayRef<Dim>(r.xSpec(1).dims).drop_back(2)) == Dim(1);
  auto rowDims = [](const TensorSpec &spec) { return llvm::ArrayRef<Dim>(spec.dims).drop_back(); };
  if (!isShared || r.xSpec(0).rank() < 3 || rowDims(r.xSpec(0)) != rowDims(r.ySpec())) return {};
  Expr lhs = rowsOf(r, r.x(0)), dy = rowsOf(r, r.dy());
  if (!lhs || !dy) return {};
  Expr product = transposeRhs ? r.matmul(dy, lhs, true, false) : r.matmul(lhs, dy, true, false);
  return r.shaped(product, r.xSpec(1).dims);
}

void vjpMatmul(RuleContext &c) {
  Rule r(c);
  bool transposeLhs = r.attrs().flag(), transposeRhs = r.attrs().flag();
  if (r.needs(0))
    r.give(0, transposeLhs ? r.matmul(r.x(1), r.dy(), transposeRhs, true)
                           : r.matmul(r.dy(), r.x(1), false, !transposeRhs));
  if (!r.needs(1)) return;
  if (Expr shared = transposeLhs ? Expr() : sharedWeightCotangent(r, transposeRhs)) return r.give(1, shared);
  r.give(1,
         transposeRhs ? r.matmul(r.dy(), r.x(0), true, transposeLhs) : r.matmul(r.x(0), r.dy(), !transposeLhs, false));
}

/// The kernel size of a convolution weight. Image sizes are never symbolic where these ops are.
static Axes kernelOf(const TensorSpec &spec) { return {spec.dims[2].constant(), spec.dims[3].constant()}; }
/// (H, W) of an image batch.
static Axes planeOf(const TensorSpec &spec, bool channelsLast) {
  size_t height = channelsLast ? 1 : 2;
  return {spec.dims[height].constant(), spec.dims[height + 1].constant()};
}

void vjpConv2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  bool last = r.attrs().flag();
  if (r.needs(0)) r.give(0, r.conv2dInputGrad(r.dy(), r.x(1), planeOf(r.xSpec(0), last), strides, padding, last));
  if (r.needs(1)) r.give(1, r.conv2dWeightGrad(r.x(0), r.dy(), kernelOf(r.xSpec(1)), strides, padding, last));
}

void vjpConv2dInputGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // input_size: that of our cotangent
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  bool last = r.attrs().flag();
  if (r.needs(0)) r.give(0, r.conv2d(r.dy(), r.x(1), strides, padding, last));
  if (r.needs(1)) r.give(1, r.conv2dWeightGrad(r.dy(), r.x(0), kernelOf(r.xSpec(1)), strides, padding, last));
}

void vjpConv2dWeightGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // kernel_size: that of our cotangent
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  bool last = r.attrs().flag();
  if (r.needs(0)) r.give(0, r.conv2dInputGrad(r.x(1), r.dy(), planeOf(r.xSpec(0), last), strides, padding, last));
  if (r.needs(1)) r.give(1, r.conv2d(r.x(0), r.dy(), strides, padding, last));
}

void vjpMaxPool2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  r.give(0, r.maxPool2dGrad(r.x(), r.dy(), kernel, strides, padding, r.attrs().flag()));
}

void vjpAvgPool2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  bool last = r.attrs().flag();
  r.give(0, r.avgPool2dGrad(r.dy(), planeOf(r.xSpec(), last), kernel, strides, padding, last));
}

void vjpAvgPool2dGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // input_size: that of our cotangent
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  r.give(0, r.avgPool2d(r.dy(), kernel, strides, padding, r.attrs().flag()));
}

namespace {
/// A pair of values for (H, W) as four, one an axis of an image batch.
Axes onPlane(llvm::ArrayRef<int64_t> pair, int64_t elsewhere, bool channelsLast) {
  if (channelsLast) return {elsewhere, pair[0], pair[1], elsewhere};
  return {elsewhere, elsewhere, pair[0], pair[1]};
}

struct PoolWindow {
  llvm::ArrayRef<int64_t> kernel, strides, padding;
  bool channelsLast;
};
} // namespace

/// [KH*KW, dims of the result..]: element k of every window of x, in the order of the window.
static Expr windowsOf(Rule &r, Expr x, double padValue, const PoolWindow &w, llvm::ArrayRef<Dim> outDims) {
  Axes around = onPlane(w.padding, 0, w.channelsLast), steps = onPlane(w.strides, 1, w.channelsLast);
  Expr padded = r.pad(x, x.like(padValue), around, around);
  Dims slab(outDims);
  slab.insert(slab.begin(), 1);
  Exprs elements;
  for (int64_t i = 0; i < w.kernel[0]; ++i)
    for (int64_t j = 0; j < w.kernel[1]; ++j) {
      Axes at = onPlane(Axes{i, j}, 0, w.channelsLast);
      elements.push_back(r.reshape(r.slice(padded, r.indexVector(at), outDims, steps), slab));
    }
  return r.concat(elements, 0);
}

/// The op is linear in dy; its adjoint picks from each window of the cotangent the element where x is largest.
void vjpMaxPool2dGrad(RuleContext &c) {
  Rule r(c);
  if (!r.needs(1)) return;
  PoolWindow w{r.listAttr(), r.listAttr(), r.listAttr(), r.attrs().flag()};
  llvm::ArrayRef<Dim> outDims = r.xSpec(1).dims;
  Expr x = windowsOf(r, r.x(0), -std::numeric_limits<double>::infinity(), w, outDims);
  Expr cotangent = windowsOf(r, r.dy(), 0, w, outDims);
  Expr place = r.iota({Dim(w.kernel[0] * w.kernel[1]), 1, 1, 1, 1}, 0, DType::I64);
  Expr isFirstLargest = r.eq(r.argmax(x, 0, /*keepdims=*/true), place);
  r.give(1, r.sum(r.select(isFirstLargest, cotangent, cotangent.like(0)), {0}, /*keepdims=*/false));
}

} // namespace tinyfin::fin
