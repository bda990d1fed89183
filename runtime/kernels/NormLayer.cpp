// SPDX-License-Identifier: Apache-2.0
// fin.layer_norm: two passes over each row, the second over what the first left in the cache.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include <cmath>

namespace tinyfin {
namespace {

template <class T> void runAs(const KernelArgs &args, int64_t rows, int64_t cols, double eps) {
  using C = Compute<T>;
  const T *x = args.inputs[0].as<const T>();
  T *y = args.outputs[0].as<T>();
  const C *weight = widened<C>(args.inputs[1], ScratchUse::Weight),
          *bias = widened<C>(args.inputs[2], ScratchUse::Bias);
  const TensorArg &means = args.outputs[1], &rstds = args.outputs[2];
  args.pool.parallelFor(rows, rowsPerChunk(cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *__restrict from = x + row * cols;
      T *__restrict to = y + row * cols;
      C mean = sumRow<C>(cols, [=](int64_t i) { return load<T>(from[i]); }) / static_cast<C>(cols);
      C squares = sumRow<C>(cols, [=](int64_t i) {
        C centred = load<T>(from[i]) - mean;
        return centred * centred;
      });
      C rstd = 1 / std::sqrt(squares / static_cast<C>(cols) + static_cast<C>(eps));
      for (int64_t i = 0; i < cols; ++i) to[i] = store<T>((load<T>(from[i]) - mean) * rstd * weight[i] + bias[i]);
      storeElement(means, row, mean);
      storeElement(rstds, row, rstd);
    }
  });
}

} // namespace

Status Kernel<"fin.layer_norm">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  int64_t axis = attrs.integer();
  double eps = attrs.real();
  std::span<const int64_t> dims = args.inputs[0].dims;
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  int64_t rows = 1, cols = 1;
  for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); ++i) (i < axis ? rows : cols) *= dims[i];
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    runAs<ElementOf<decltype(tag)>>(args, rows, cols, eps);
    return Status::ok();
  });
}

} // namespace tinyfin
