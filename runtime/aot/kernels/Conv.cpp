// SPDX-License-Identifier: Apache-2.0
// fin.conv2d and its gradients. With P = output height * width and taps = channels * kernel height * width, columns(x)
// is a matrix of `taps` rows and P columns:
//   forward     y[O, P] = weight[O, taps] * columns(x)
//   input grad  columns(dx) = weight^T * dy, added up where windows overlap
//   weight grad dweight = sum over images of dy * columns(x)^T, a partial sum a group of images, added in order
// f64 computes in f64, everything else in f32.
#include "runtime/aot/kernels/Windows.h"
#include "runtime/kernels/matmul/MatmulGemm.h"

namespace tinyfin::aot {
namespace {

constexpr int64_t kMostGroups = 8; // of images in a gradient of weights
constexpr int64_t kOverrun = 64;   // elements that a row's last vector may lie beyond its end

/// The part [begin, end) of an output row whose inputs `out * stride + offset` lie within [0, size).
struct ValidRange {
  int64_t begin, end;
  ValidRange(int64_t count, int64_t stride, int64_t offset, int64_t size) {
    begin = offset >= 0 ? 0 : std::min(count, (-offset + stride - 1) / stride);
    end = offset >= size ? begin : std::clamp((size - offset + stride - 1) / stride, begin, count);
  }
};

template <class T> class Conv {
public:
  using C = Compute<T>;
  /// x [N, C, H, W], weight [O, C, KH, KW], y [N, O, OH, OW].
  Conv(const Call &call, const int64_t *x, const int64_t *weight, const int64_t *y, const int64_t *strides,
       const int64_t *padding)
      : call(call), windows(x + 2, y + 2, weight + 2, strides, padding), images(x[0]), channels(x[1]),
        outChannels(weight[0]), taps(product(weight, 1, 4)), positions(windows.outputPlane()),
        inputImage(channels * windows.inputPlane()), outputImage(outChannels * positions) {}

  int32_t forward(const Tensor &x, const Tensor &weight, const Tensor &y) {
    const C *weights;
    if (!reserveScratch(outChannels, positions, taps) || !widenWeights(weight, weights)) return failOutOfMemory(call);
    parallelFor(call.library, images, pieceOf(outputImage * taps / 8), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        T *to = y.as<T>() + n * outputImage;
        C *product = isNarrow ? scratch<C>(ScratchUse::LayoutY, outputImage) : reinterpret_cast<C *>(to);
        multiply(outChannels, positions, taps, weights, taps, 1, columnsOf(x.as<const T>() + n * inputImage), positions,
                 1, product, false);
        if (isNarrow)
          for (int64_t i = 0; i < outputImage; ++i) to[i] = store<T>(product[i]);
      }
    });
    return kOk;
  }

  int32_t inputGrad(const Tensor &dy, const Tensor &weight, const Tensor &dx) {
    const C *weights;
    if (!reserveScratch(taps, positions, outChannels) || !widenWeights(weight, weights)) return failOutOfMemory(call);
    parallelFor(call.library, images, pieceOf(outputImage * taps / 8), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        C *columns = scratch<C>(ScratchUse::Columns, taps * positions);
        multiply(taps, positions, outChannels, weights, 1, taps, widened(dy.as<const T>() + n * outputImage), positions,
                 1, columns, false);
        addColumns(columns, dx.as<T>() + n * inputImage);
      }
    });
    return kOk;
  }

  int32_t weightGrad(const Tensor &x, const Tensor &dy, const Tensor &dweight) {
    int64_t weights = outChannels * taps, group = std::max<int64_t>(1, (images + kMostGroups - 1) / kMostGroups);
    int64_t groups = std::max<int64_t>(1, (images + group - 1) / group);
    if (!reserveScratch(outChannels, taps, positions) || !reserve<C>(call, ScratchUse::LayoutW, groups * weights))
      return failOutOfMemory(call);
    C *partial = scratch<C>(ScratchUse::LayoutW, groups * weights);
    std::fill(partial, partial + weights, C(0));
    parallelFor(call.library, images, group, [&](int64_t begin, int64_t end) {
      C *sum = partial + begin / group * weights;
      for (int64_t n = begin; n < end; ++n)
        multiply(outChannels, taps, positions, widened(dy.as<const T>() + n * outputImage), positions, 1,
                 columnsOf(x.as<const T>() + n * inputImage), 1, positions, sum, n > begin);
    });
    for (int64_t i = 0; i < weights; ++i) {
      C sum = partial[i];
      for (int64_t g = 1; g < groups; ++g) sum += partial[g * weights + i];
      dweight.as<T>()[i] = store<T>(sum);
    }
    return kOk;
  }

private:
  static constexpr bool isNarrow = sizeof(C) != sizeof(T);

  static void multiply(int64_t m, int64_t n, int64_t k, const C *a, int64_t aRow, int64_t aCol, const C *b,
                       int64_t bRow, int64_t bCol, C *c, bool accumulate) {
    gemm::Block block{m, n, k, a, aRow, aCol, b, bRow, bCol, c, n};
    block.accumulate = accumulate;
    gemm::multiplyOwn(dtypeOf<C>, block);
  }

  bool reserveScratch(int64_t m, int64_t n, int64_t k) {
    int64_t narrow = isNarrow ? std::max(inputImage, outputImage) : 0;
    return reserveGemm<C>(call, m, n, k) && reserve<C>(call, ScratchUse::Columns, taps * positions + kOverrun) &&
           reserve<C>(call, ScratchUse::Library, paddedSize()) && reserve<C>(call, ScratchUse::LayoutX, narrow) &&
           reserve<C>(call, ScratchUse::LayoutY, narrow);
  }

  /// Weights in the compute type: themselves, or a copy in the caller's scratch.
  bool widenWeights(const Tensor &weight, const C *&weights) {
    weights = reinterpret_cast<const C *>(weight.data);
    if (!isNarrow) return true;
    int64_t count = outChannels * taps;
    if (!reserve<C>(call, ScratchUse::Weight, count)) return false;
    C *copy = scratch<C>(ScratchUse::Weight, count);
    for (int64_t i = 0; i < count; ++i) copy[i] = load<T>(weight.as<const T>()[i]);
    weights = copy;
    return true;
  }
  const C *widened(const T *dy) const {
    if constexpr (!isNarrow) return dy;
    C *copy = scratch<C>(ScratchUse::LayoutX, outputImage);
    for (int64_t i = 0; i < outputImage; ++i) copy[i] = load<T>(dy[i]);
    return copy;
  }

  /// visit(first of a row of columns, first of the input row or -1 if it is padding, offset of the first column).
  template <class Visit> void forEachTap(Visit visit) const {
    const WindowAxis &rows = windows.rows, &cols = windows.cols;
    int64_t at = 0;
    for (int64_t channel = 0; channel < channels; ++channel)
      for (int64_t kh = 0; kh < rows.kernel; ++kh)
        for (int64_t kw = 0; kw < cols.kernel; ++kw)
          for (int64_t oh = 0; oh < rows.output; ++oh, at += cols.output) {
            int64_t ih = oh * rows.stride + kh - rows.padding;
            visit(at, ih < 0 || ih >= rows.input ? -1 : (channel * rows.input + ih) * cols.input, kw - cols.padding);
          }
  }

  const C *columnsOf(const T *image) const {
    if (windows.cols.stride != 1) return columnsWithSteps(image);
    // A kernel of one element reads the image as it is.
    bool isImage =
        taps == channels && windows.rows.stride == 1 && windows.rows.padding == 0 && windows.cols.padding == 0;
    if constexpr (!isNarrow)
      if (isImage) return image;
    const int64_t bytes = windows.cols.output * static_cast<int64_t>(sizeof(C));
    const C *padded = pad(image);
    return bytes <= 16 ? copyColumns<16>(padded) : bytes <= 32 ? copyColumns<32>(padded) : copyColumns<64>(padded);
  }

  int64_t paddedHeight() const { return windows.rows.input + 2 * windows.rows.padding; }
  int64_t paddedWidth() const { return windows.cols.input + 2 * windows.cols.padding; }
  int64_t paddedSize() const { return channels * paddedHeight() * paddedWidth() + kOverrun; }

  /// The image in the compute type with zeros around it.
  const C *pad(const T *image) const {
    C *to = scratch<C>(ScratchUse::Library, paddedSize());
    C *padded = to;
    const int64_t width = paddedWidth(), top = windows.rows.padding * width;
    auto zeros = [&](int64_t count) { to = std::fill_n(to, count, C(0)); };
    for (int64_t channel = 0; channel < channels; ++channel) {
      zeros(top);
      for (int64_t row = 0; row < windows.rows.input; ++row) {
        zeros(windows.cols.padding);
        for (int64_t i = 0; i < windows.cols.input; ++i) to[i] = load<T>(image[i]);
        to += windows.cols.input, image += windows.cols.input;
        zeros(windows.cols.padding);
      }
      zeros(top);
    }
    return padded;
  }

  /// Rows in whole vectors of `bytes`: what is written beyond a row is overwritten by the next.
  template <int64_t bytes> const C *copyColumns(const C *padded) const {
    constexpr int64_t step = bytes / static_cast<int64_t>(sizeof(C));
    C *columns = scratch<C>(ScratchUse::Columns, taps * positions + kOverrun);
    C *to = columns;
    const int64_t width = windows.cols.output, pitch = paddedWidth() * windows.rows.stride;
    for (int64_t channel = 0; channel < channels; ++channel)
      for (int64_t kh = 0; kh < windows.rows.kernel; ++kh)
        for (int64_t kw = 0; kw < windows.cols.kernel; ++kw) {
          const C *from = padded + (channel * paddedHeight() + kh) * paddedWidth() + kw;
          for (int64_t oh = 0; oh < windows.rows.output; ++oh, to += width, from += pitch)
            for (int64_t i = 0; i < width; i += step) __builtin_memcpy(to + i, from + i, bytes);
        }
    return columns;
  }

  const C *columnsWithSteps(const T *image) const {
    C *columns = scratch<C>(ScratchUse::Columns, taps * positions + kOverrun);
    const int64_t stride = windows.cols.stride, width = windows.cols.output;
    forEachTap([&](int64_t at, int64_t row, int64_t offset) {
      ValidRange valid = row < 0 ? ValidRange(0, 1, 0, 0) : ValidRange(width, stride, offset, windows.cols.input);
      C *to = columns + at;
      for (int64_t i = 0; i < valid.begin; ++i) to[i] = C(0);
      for (int64_t i = valid.begin; i < valid.end; ++i) to[i] = load<T>(image[row + offset + i * stride]);
      for (int64_t i = valid.end; i < width; ++i) to[i] = C(0);
    });
    return columns;
  }

  void addColumns(const C *columns, T *dx) const {
    C *sums = isNarrow ? scratch<C>(ScratchUse::LayoutY, inputImage) : reinterpret_cast<C *>(dx);
    std::fill(sums, sums + inputImage, C(0));
    const int64_t stride = windows.cols.stride;
    forEachTap([&](int64_t at, int64_t row, int64_t offset) {
      if (row < 0) return;
      ValidRange valid(windows.cols.output, stride, offset, windows.cols.input);
      for (int64_t i = valid.begin; i < valid.end; ++i) sums[row + offset + i * stride] += columns[at + i];
    });
    if (isNarrow)
      for (int64_t i = 0; i < inputImage; ++i) dx[i] = store<T>(sums[i]);
  }

  const Call &call;
  Windows windows;
  int64_t images, channels, outChannels, taps, positions, inputImage, outputImage;
};

template <class T> int32_t conv2d(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const int64_t *strides = attrs.list().data(), *padding = attrs.list().data();
  const Tensor &x = call.inputs[0], &weight = call.inputs[1], &y = call.outputs[0];
  return Conv<T>(call, x.dims, weight.dims, y.dims, strides, padding).forward(x, weight, y);
}

template <class T> int32_t conv2dInputGrad(const Call &call) {
  AttrReader attrs = attrsOf(call);
  attrs.list();
  const int64_t *strides = attrs.list().data(), *padding = attrs.list().data();
  const Tensor &dy = call.inputs[0], &weight = call.inputs[1], &dx = call.outputs[0];
  return Conv<T>(call, dx.dims, weight.dims, dy.dims, strides, padding).inputGrad(dy, weight, dx);
}

template <class T> int32_t conv2dWeightGrad(const Call &call) {
  AttrReader attrs = attrsOf(call);
  attrs.list();
  const int64_t *strides = attrs.list().data(), *padding = attrs.list().data();
  const Tensor &x = call.inputs[0], &dy = call.inputs[1], &dweight = call.outputs[0];
  return Conv<T>(call, x.dims, dweight.dims, dy.dims, strides, padding).weightGrad(x, dy, dweight);
}

} // namespace
} // namespace tinyfin::aot

using namespace tinyfin;
TINYFIN_AOT_FLOAT_OP(conv2d, aot::conv2d)
TINYFIN_AOT_FLOAT_OP(conv2d_input_grad, aot::conv2dInputGrad)
TINYFIN_AOT_FLOAT_OP(conv2d_weight_grad, aot::conv2dWeightGrad)
