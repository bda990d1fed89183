// SPDX-License-Identifier: Apache-2.0
// fin.softmax and fin.log_softmax: rows where the axis is innermost, else blocks of neighbouring columns.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include "runtime/kernels/VectorMath.h"

namespace tinyfin {
namespace {

constexpr int64_t kColumnBlock = 64; // columns reduced side by side when the axis is not innermost

/// x seen as [outer, extent, inner], reduced over extent.
struct AxisView {
  int64_t outer = 1, extent = 1, inner = 1;
  AxisView(std::span<const int64_t> dims, int64_t axis) {
    if (axis < 0) axis += static_cast<int64_t>(dims.size());
    for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); ++i)
      (i < axis ? outer : i == axis ? extent : inner) *= dims[i];
  }
};

template <class T> Compute<T> largest(const T *x, int64_t count) {
  using C = Compute<T>;
  return reduceRow<C>(
      count, -std::numeric_limits<C>::infinity(), [&](int64_t i) { return load<T>(x[i]); },
      [](C a, C b) { return a > b ? a : b; });
}

template <class T> void softmaxRow(T *__restrict y, const T *__restrict x, int64_t count) {
  using C = Compute<T>;
  C top = largest(x, count);
  C *__restrict powers;
  if constexpr (std::is_same_v<C, T>)
    powers = y;
  else
    powers = scratch<C>(ScratchUse::Rows, count);
  C sum = sumRow<C>(count, [&](int64_t i) { return powers[i] = vectormath::exp(load<T>(x[i]) - top); });
  C scale = 1 / sum;
  for (int64_t i = 0; i < count; ++i) y[i] = store<T>(powers[i] * scale);
}

template <class T> void logSoftmaxRow(T *__restrict y, const T *__restrict x, int64_t count) {
  using C = Compute<T>;
  C top = largest(x, count);
  C logSum = std::log(sumRow<C>(count, [&](int64_t i) { return vectormath::exp(load<T>(x[i]) - top); }));
  for (int64_t i = 0; i < count; ++i) y[i] = store<T>(load<T>(x[i]) - top - logSum);
}

/// `columns` neighbouring columns of height `extent` and row stride `stride`.
template <class T, bool logarithm>
void softmaxColumns(T *__restrict y, const T *__restrict x, int64_t extent, int64_t stride, int64_t columns) {
  using C = Compute<T>;
  C top[kColumnBlock], sum[kColumnBlock];
  for (int64_t j = 0; j < columns; ++j) top[j] = -std::numeric_limits<C>::infinity(), sum[j] = 0;
  for (int64_t i = 0; i < extent; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      C value = load<T>(x[i * stride + j]);
      top[j] = value > top[j] ? value : top[j];
    }
  // Powers are kept in y where it holds them exactly, else computed twice.
  constexpr bool keepsPowers = !logarithm && std::is_same_v<C, T>;
  for (int64_t i = 0; i < extent; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      C power = vectormath::exp(load<T>(x[i * stride + j]) - top[j]);
      if constexpr (keepsPowers) y[i * stride + j] = power;
      sum[j] += power;
    }
  for (int64_t j = 0; j < columns; ++j) sum[j] = logarithm ? vectormath::log(sum[j]) : 1 / sum[j];
  for (int64_t i = 0; i < extent; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      int64_t at = i * stride + j;
      if constexpr (keepsPowers)
        y[at] *= sum[j];
      else if constexpr (logarithm)
        y[at] = store<T>(load<T>(x[at]) - top[j] - sum[j]);
      else
        y[at] = store<T>(vectormath::exp(load<T>(x[at]) - top[j]) * sum[j]);
    }
}

template <class T, bool logarithm> void runAs(const KernelArgs &args, const AxisView &view) {
  const T *x = args.inputs[0].as<const T>();
  T *y = args.outputs[0].as<T>();
  if (view.inner == 1) {
    args.pool.parallelFor(view.outer, rowsPerChunk(view.extent), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        (logarithm ? logSoftmaxRow<T> : softmaxRow<T>)(y + row * view.extent, x + row * view.extent, view.extent);
    });
    return;
  }
  int64_t blocks = (view.inner + kColumnBlock - 1) / kColumnBlock;
  args.pool.parallelFor(view.outer * blocks, rowsPerChunk(view.extent * kColumnBlock), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t column = i % blocks * kColumnBlock, at = i / blocks * view.extent * view.inner + column;
      softmaxColumns<T, logarithm>(y + at, x + at, view.extent, view.inner,
                                   std::min(kColumnBlock, view.inner - column));
    }
  });
}

template <bool logarithm> Status runSoftmax(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  AxisView view(args.inputs[0].dims, attrs.integer());
  if (view.outer * view.extent * view.inner == 0) return Status::ok();
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    runAs<ElementOf<decltype(tag)>, logarithm>(args, view);
    return Status::ok();
  });
}

} // namespace

Status Kernel<"fin.softmax">::run(const KernelArgs &args) { return runSoftmax<false>(args); }
Status Kernel<"fin.log_softmax">::run(const KernelArgs &args) { return runSoftmax<true>(args); }

} // namespace tinyfin
