// SPDX-License-Identifier: Apache-2.0
// With P = output height * width, Q = inChannels * kernel height * width, columns(x) of Q rows and P columns:
//   Forward    y[outChannels, P] = weight[outChannels, Q] * columns(x)
//   InputGrad  columns(dx) = weight^T * dy, added up where windows overlap
//   WeightGrad dweight = sum over images of dy * columns(x)^T; a partial sum a chunk, added in order
// f64 computes in f64, everything else in f32.
#include "runtime/kernels/conv/ConvColumns.h"
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/matmul/MatmulGemm.h"
#include <algorithm>
#include <cstring>

namespace tinyfin {
namespace {

/// The part [begin, end) of an output row whose inputs `out * stride + offset` lie within [0, size).
struct ValidRange {
  int64_t begin, end;
  ValidRange(int64_t count, int64_t stride, int64_t offset, int64_t size) {
    begin = offset >= 0 ? 0 : std::min(count, (-offset + stride - 1) / stride);
    end = offset >= size ? begin : std::clamp((size - offset + stride - 1) / stride, begin, count);
  }
};

template <class T> class ColumnsConv final : public ConvPlan {
public:
  explicit ColumnsConv(const ConvSpec &spec) : spec(spec), extents(spec) {
    auto [height, width] = spec.output();
    outHeight = height, outWidth = width;
    positions = outHeight * outWidth;
    taps = spec.inChannels * spec.kernel[0] * spec.kernel[1];
  }

  Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                 const void *bias) const override {
    auto *a = static_cast<const T *>(first), *b = static_cast<const T *>(second);
    auto *c = static_cast<T *>(result);
    if (spec.kind == ConvKind::WeightGrad) return weightGrad(a, b, c, pool), Status::ok();
    const C *weights = widenedWeights(b);
    pool.parallelFor(spec.images, extents.imagesPerChunk, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        if (spec.kind == ConvKind::Forward)
          forward(a + n * extents.inputImage, weights, c + n * extents.outputImage, static_cast<const T *>(bias));
        else
          inputGrad(a + n * extents.outputImage, weights, c + n * extents.inputImage);
      }
    });
    return Status::ok();
  }

private:
  using C = Compute<T>;
  static constexpr bool isNarrow = !std::is_same_v<C, T>;
  static constexpr DType computeType = sizeof(C) == 8 ? DType::F64 : DType::F32;

  /// `from` in compute type: itself, or a copy in scratch.
  static const C *widened(const T *from, int64_t count, ScratchUse use) {
    if constexpr (isNarrow) {
      C *copy = scratch<C>(use, count);
      for (int64_t i = 0; i < count; ++i) copy[i] = load<T>(from[i]);
      return copy;
    } else {
      return from;
    }
  }
  const C *widenedWeights(const T *weights) const { return widened(weights, extents.weights, ScratchUse::LayoutW); }

  /// Calls visit(row of columns, input plane, output row, input row or -1 if it is padding, offset of the first
  /// column).
  template <class Visit> void forEachTap(Visit visit) const {
    auto [kernelHeight, kernelWidth] = spec.kernel;
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t kw = tap % kernelWidth, kh = tap / kernelWidth % kernelHeight,
              channel = tap / (kernelWidth * kernelHeight);
      for (int64_t oh = 0; oh < outHeight; ++oh) {
        int64_t ih = oh * spec.strides[0] + kh - spec.padding[0];
        int64_t row = ih < 0 || ih >= spec.input[0] ? -1 : (channel * spec.input[0] + ih) * spec.input[1];
        visit(tap * positions + oh * outWidth, row, kw - spec.padding[1]);
      }
    }
  }

  const C *columnsOf(const T *image) const {
    C *columns = scratch<C>(ScratchUse::Columns, taps * positions);
    const int64_t stride = spec.strides[1];
    forEachTap([&](int64_t at, int64_t row, int64_t offset) {
      C *to = columns + at;
      ValidRange valid(outWidth, stride, offset, spec.input[1]);
      if (row < 0) return std::fill(to, to + outWidth, C(0));
      const T *from = image + row + offset;
      std::fill(to, to + valid.begin, C(0));
      if (stride == 1)
        for (int64_t i = valid.begin; i < valid.end; ++i) to[i] = load<T>(from[i]);
      else
        for (int64_t i = valid.begin; i < valid.end; ++i) to[i] = load<T>(from[i * stride]);
      std::fill(to + valid.end, to + outWidth, C(0));
    });
    return columns;
  }

  void forward(const T *x, const C *weights, T *y, const T *bias) const {
    C *product;
    if constexpr (isNarrow)
      product = scratch<C>(ScratchUse::LayoutY, extents.outputImage);
    else
      product = y;
    gemm::Block block{spec.outChannels, positions, taps, weights, taps,     1,
                      columnsOf(x),     positions, 1,    product, positions};
    block.accumulate = spec.epilogue.accumulate && !isNarrow;
    gemm::multiply(computeType, block);
    if (!isNarrow && !spec.epilogue.bias && !spec.epilogue.relu) return;
    for (int64_t channel = 0; channel < spec.outChannels; ++channel) {
      C offset = spec.epilogue.bias ? load<T>(bias[channel]) : C(0);
      for (int64_t i = channel * positions; i < (channel + 1) * positions; ++i) {
        C value = product[i] + offset;
        if (isNarrow && spec.epilogue.accumulate) value += load<T>(y[i]);
        y[i] = store<T>(spec.epilogue.relu && value < 0 ? C(0) : value);
      }
    }
  }

  void inputGrad(const T *dy, const C *weights, T *dx) const {
    C *columns = scratch<C>(ScratchUse::Columns, taps * positions);
    gemm::Block block{taps,
                      positions,
                      spec.outChannels,
                      weights,
                      1,
                      taps,
                      widened(dy, extents.outputImage, ScratchUse::LayoutX),
                      positions,
                      1,
                      columns,
                      positions};
    gemm::multiply(computeType, block);
    C *sums;
    if constexpr (isNarrow)
      sums = scratch<C>(ScratchUse::LayoutY, extents.inputImage);
    else
      sums = dx;
    std::fill(sums, sums + extents.inputImage, C(0));
    const int64_t stride = spec.strides[1];
    forEachTap([&](int64_t at, int64_t row, int64_t offset) {
      if (row < 0) return;
      ValidRange valid(outWidth, stride, offset, spec.input[1]);
      const C *__restrict from = columns + at;
      C *__restrict to = sums + row + offset;
      if (stride == 1)
        for (int64_t i = valid.begin; i < valid.end; ++i) to[i] += from[i];
      else
        for (int64_t i = valid.begin; i < valid.end; ++i) to[i * stride] += from[i];
    });
    if constexpr (isNarrow)
      for (int64_t i = 0; i < extents.inputImage; ++i) dx[i] = store<T>(sums[i]);
  }

  void weightGrad(const T *x, const T *dy, T *result, ThreadPool &pool) const {
    C *partial = scratch<C>(ScratchUse::LayoutW, std::max<int64_t>(extents.chunks, 1) * extents.weights);
    if (extents.chunks == 0) std::fill(partial, partial + extents.weights, C(0));
    pool.parallelFor(spec.images, extents.imagesPerChunk, [&](int64_t begin, int64_t end) {
      C *sum = partial + begin / extents.imagesPerChunk * extents.weights;
      for (int64_t n = begin; n < end; ++n) {
        const C *left = widened(dy + n * extents.outputImage, extents.outputImage, ScratchUse::LayoutX);
        gemm::Block block{
            spec.outChannels, taps, positions, left, positions, 1, columnsOf(x + n * extents.inputImage), 1,
            positions,        sum,  taps};
        block.accumulate = n > begin;
        gemm::multiply(computeType, block);
      }
    });
    for (int64_t i = 0; i < extents.weights; ++i) {
      C sum = partial[i];
      for (int64_t chunk = 1; chunk < extents.chunks; ++chunk) sum += partial[chunk * extents.weights + i];
      result[i] = store<T>(sum);
    }
  }

  ConvSpec spec;
  ConvExtents extents;
  int64_t outHeight, outWidth, positions, taps;
};

} // namespace

std::shared_ptr<const ConvPlan> makeColumnsConv(const ConvSpec &spec) {
  return visitFloat(spec.dtype, [&](auto tag) -> std::shared_ptr<const ConvPlan> {
    return std::make_shared<const ColumnsConv<ElementOf<decltype(tag)>>>(spec);
  });
}

} // namespace tinyfin
