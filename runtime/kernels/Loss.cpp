// SPDX-License-Identifier: Apache-2.0
// fin.cross_entropy, fin.mse_loss and fin.bce_with_logits. `reduction` is 0 none, 1 mean, 2 sum.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include "runtime/kernels/VectorMath.h"

namespace tinyfin {
namespace {

enum Reduction : int64_t { kNone, kMean, kSum };

template <class Label> Status checkLabels(const Label *labels, int64_t count, int64_t classes) {
  for (int64_t i = 0; i < count; ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      return Status::error(StatusCode::OutOfRange, "label " + std::to_string(labels[i]) + " is out of range for " +
                                                       std::to_string(classes) + " classes");
  return Status::ok();
}

/// log(sum(exp(x))) - x[label], with the largest element taken out.
template <class T> Compute<T> crossEntropyOfRow(const T *x, int64_t classes, int64_t label) {
  using C = Compute<T>;
  C top = reduceRow<C>(
      classes, -std::numeric_limits<C>::infinity(), [&](int64_t i) { return load<T>(x[i]); },
      [](C a, C b) { return a > b ? a : b; });
  C sum = sumRow<C>(classes, [&](int64_t i) { return vectormath::exp(load<T>(x[i]) - top); });
  return std::log(sum) + (top - load<T>(x[label]));
}

template <class T, class Label> Status crossEntropy(const KernelArgs &args, int64_t reduction) {
  using C = Compute<T>;
  const TensorArg &logits = args.inputs[0], &result = args.outputs[0];
  const Label *labels = args.inputs[1].as<const Label>();
  int64_t rows = logits.dims[0], classes = logits.dims[1];
  TINYFIN_RETURN_IF_ERROR(checkLabels(labels, rows, classes));
  const T *x = logits.as<const T>();
  C *losses = scratch<C>(ScratchUse::Rows, rows);
  args.pool.parallelFor(rows, rowsPerChunk(classes), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      losses[row] = crossEntropyOfRow<T>(x + row * classes, classes, labels[row]);
  });
  if (reduction == kNone) {
    for (int64_t row = 0; row < rows; ++row) result.as<T>()[row] = store<T>(losses[row]);
    return Status::ok();
  }
  double sum = sumLongRow<C>(rows, [=](int64_t row) { return losses[row]; });
  storeElement(result, 0, reduction == kMean ? sum / static_cast<double>(rows) : sum);
  return Status::ok();
}

struct SquaredError {
  template <class C> static C apply(C x, C target) { return (x - target) * (x - target); }
};
struct BceWithLogits {
  /// max(x, 0) - x * target + log(1 + exp(-|x|)); the logarithm's argument is in (1, 2].
  template <class C> static C apply(C x, C target) {
    C positive = x > 0 ? x : (x != x ? x : C(0));
    return positive - x * target + log1p(vectormath::exp(x < 0 ? x : -x));
  }
  static double log1p(double x) { return std::log1p(x); }
  /// log(1 + x) = log(u) * x / (u - 1) with u the rounded 1 + x (Kahan); x itself where u is 1.
  static float log1p(float x) {
    float u = 1.0f + x;
    float d = u - 1.0f;
    return d == 0.0f ? x : vectormath::log(u) * (x / d);
  }
};

/// Each chunk leaves one partial sum; they are added in order.
template <class Op, class T> void pairLoss(const KernelArgs &args, int64_t reduction) {
  using C = Compute<T>;
  const T *__restrict x = args.inputs[0].as<const T>(), *__restrict target = args.inputs[1].as<const T>();
  int64_t count = args.inputs[0].numElements();
  if (reduction == kNone) {
    T *__restrict result = args.outputs[0].as<T>();
    args.pool.parallelFor(count, kChunkElements, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        result[i] = store<T>(Op::template apply<C>(load<T>(x[i]), load<T>(target[i])));
    });
    return;
  }
  int64_t chunks = (count + kChunkElements - 1) / kChunkElements;
  double *partial = scratch<double>(ScratchUse::Rows, chunks);
  args.pool.parallelFor(count, kChunkElements, [=](int64_t begin, int64_t end) {
    partial[begin / kChunkElements] = sumLongRow<C>(end - begin, [=](int64_t i) {
      return Op::template apply<C>(load<T>(x[begin + i]), load<T>(target[begin + i]));
    });
  });
  double sum = 0;
  for (int64_t i = 0; i < chunks; ++i) sum += partial[i];
  storeElement(args.outputs[0], 0, reduction == kMean ? sum / static_cast<double>(count) : sum);
}

template <class Op> Status runPairLoss(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  int64_t reduction = attrs.integer();
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    pairLoss<Op, ElementOf<decltype(tag)>>(args, reduction);
    return Status::ok();
  });
}

} // namespace

Status Kernel<"fin.cross_entropy">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  int64_t reduction = attrs.integer();
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return args.inputs[1].dtype == DType::I32 ? crossEntropy<T, int32_t>(args, reduction)
                                              : crossEntropy<T, int64_t>(args, reduction);
  });
}
Status Kernel<"fin.mse_loss">::run(const KernelArgs &args) { return runPairLoss<SquaredError>(args); }
Status Kernel<"fin.bce_with_logits">::run(const KernelArgs &args) { return runPairLoss<BceWithLogits>(args); }

} // namespace tinyfin
