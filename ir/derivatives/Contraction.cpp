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

/// (H, W) of an image batch or a convolution weight. Image sizes are never symbolic where these ops are.
static Axes planeOf(const TensorSpec &spec) { return {spec.dims[2].constant(), spec.dims[3].constant()}; }

void vjpConv2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  if (r.needs(0)) r.give(0, r.conv2dInputGrad(r.dy(), r.x(1), planeOf(r.xSpec(0)), strides, padding));
  if (r.needs(1)) r.give(1, r.conv2dWeightGrad(r.x(0), r.dy(), planeOf(r.xSpec(1)), strides, padding));
}

void vjpConv2dInputGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // input_size: that of our cotangent
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  if (r.needs(0)) r.give(0, r.conv2d(r.dy(), r.x(1), strides, padding));
  if (r.needs(1)) r.give(1, r.conv2dWeightGrad(r.dy(), r.x(0), planeOf(r.xSpec(1)), strides, padding));
}

void vjpConv2dWeightGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // kernel_size: that of our cotangent
  llvm::ArrayRef<int64_t> strides = r.listAttr(), padding = r.listAttr();
  if (r.needs(0)) r.give(0, r.conv2dInputGrad(r.x(1), r.dy(), planeOf(r.xSpec(0)), strides, padding));
  if (r.needs(1)) r.give(1, r.conv2d(r.x(0), r.dy(), strides, padding));
}

void vjpMaxPool2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  r.give(0, r.maxPool2dGrad(r.x(), r.dy(), kernel, strides, padding));
}

void vjpAvgPool2d(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  r.give(0, r.avgPool2dGrad(r.dy(), planeOf(r.xSpec()), kernel, strides, padding));
}

void vjpAvgPool2dGrad(RuleContext &c) {
  Rule r(c);
  (void)r.listAttr(); // input_size: that of our cotangent
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  r.give(0, r.avgPool2d(r.dy(), kernel, strides, padding));
}

/// [KH*KW, N, C, OH, OW]: element k of every window of x, in the order of the window.
static Expr windowsOf(Rule &r, Expr x, double padValue, llvm::ArrayRef<int64_t> kernel, llvm::ArrayRef<int64_t> strides,
                      llvm::ArrayRef<int64_t> padding, llvm::ArrayRef<Dim> outDims) {
  Axes around{0, 0, padding[0], padding[1]}, steps{1, 1, strides[0], strides[1]};
  Expr padded = r.pad(x, x.like(padValue), around, around);
  Dims slab(outDims);
  slab.insert(slab.begin(), 1);
  Exprs elements;
  for (int64_t i = 0; i < kernel[0]; ++i)
    for (int64_t j = 0; j < kernel[1]; ++j)
      elements.push_back(r.reshape(r.slice(padded, r.indexVector({0, 0, i, j}), outDims, steps), slab));
  return r.concat(elements, 0);
}

/// The op is linear in dy; its adjoint picks from each window of the cotangent the element where x is largest.
void vjpMaxPool2dGrad(RuleContext &c) {
  Rule r(c);
  if (!r.needs(1)) return;
  llvm::ArrayRef<int64_t> kernel = r.listAttr(), strides = r.listAttr(), padding = r.listAttr();
  llvm::ArrayRef<Dim> outDims = r.xSpec(1).dims;
  Expr x = windowsOf(r, r.x(0), -std::numeric_limits<double>::infinity(), kernel, strides, padding, outDims);
  Expr cotangent = windowsOf(r, r.dy(), 0, kernel, strides, padding, outDims);
  Expr place = r.iota({Dim(kernel[0] * kernel[1]), 1, 1, 1, 1}, 0, DType::I64);
  Expr isFirstLargest = r.eq(r.argmax(x, 0, /*keepdims=*/true), place);
  r.give(1, r.sum(r.select(isFirstLargest, cotangent, cotangent.like(0)), {0}, /*keepdims=*/false));
}

} // namespace tinyfin::fin
