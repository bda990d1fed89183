// SPDX-License-Identifier: Apache-2.0
// fin.batch_norm and fin.batch_norm_inference over x [N, C, spatial...]: a chunk is a block of channels for the
// statistics and for the normalization.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include <cmath>

namespace tinyfin {
namespace {

constexpr int64_t kChannelBlock = 64; // channels reduced side by side where no spatial axis gives a vector

struct ChannelView {
  int64_t images, channels, spatial = 1;
  explicit ChannelView(std::span<const int64_t> dims) : images(dims[0]), channels(dims[1]) {
    for (size_t i = 2; i < dims.size(); ++i) spatial *= dims[i];
  }
  int64_t perChannel() const { return images * spatial; }
};

/// Mean and biased variance of one channel: two passes, each image's row in lanes, the images in f64.
template <class T> void channelStatistics(const T *x, const ChannelView &view, double &mean, double &variance) {
  using C = Compute<T>;
  int64_t step = view.channels * view.spatial;
  double sum = 0, squares = 0, count = static_cast<double>(view.perChannel());
  for (int64_t n = 0; n < view.images; ++n) {
    const T *row = x + n * step;
    sum += sumLongRow<C>(view.spatial, [=](int64_t i) { return load<T>(row[i]); });
  }
  mean = sum / count;
  C center = static_cast<C>(mean);
  for (int64_t n = 0; n < view.images; ++n) {
    const T *row = x + n * step;
    squares += sumLongRow<C>(view.spatial, [=](int64_t i) {
      C centred = load<T>(row[i]) - center;
      return centred * centred;
    });
  }
  variance = squares / count;
}

/// The same for up to kChannelBlock neighbouring channels of x [N, C], in f64.
template <class T>
void columnStatistics(const T *x, const ChannelView &view, int64_t block, double *mean, double *variance) {
  double count = static_cast<double>(view.images);
  for (int64_t j = 0; j < block; ++j) mean[j] = variance[j] = 0;
  for (int64_t n = 0; n < view.images; ++n)
    for (int64_t j = 0; j < block; ++j) mean[j] += load<T>(x[n * view.channels + j]);
  for (int64_t j = 0; j < block; ++j) mean[j] /= count;
  for (int64_t n = 0; n < view.images; ++n)
    for (int64_t j = 0; j < block; ++j) {
      double centred = load<T>(x[n * view.channels + j]) - mean[j];
      variance[j] += centred * centred;
    }
  for (int64_t j = 0; j < block; ++j) variance[j] /= count;
}

template <class T>
void statistics(const T *x, const ChannelView &view, const TensorArg &means, const TensorArg &variances,
                ThreadPool &pool) {
  if (view.spatial > 1) {
    pool.parallelFor(view.channels, rowsPerChunk(view.perChannel()), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double mean, variance;
        channelStatistics(x + c * view.spatial, view, mean, variance);
        storeElement(means, c, mean);
        storeElement(variances, c, variance);
      }
    });
    return;
  }
  pool.parallelFor(view.channels, kChannelBlock, [&](int64_t begin, int64_t end) {
    double mean[kChannelBlock], variance[kChannelBlock];
    columnStatistics(x + begin, view, end - begin, mean, variance);
    for (int64_t c = begin; c < end; ++c)
      storeElement(means, c, mean[c - begin]), storeElement(variances, c, variance[c - begin]);
  });
}

/// What is done to a channel: (x - mean) * scale + bias. The mean is taken away first, as x may be far from zero.
template <class C> struct ChannelScale {
  C *mean, *scale, *bias;
};

template <class T>
void applyScale(const T *x, T *y, const ChannelView &view, ChannelScale<Compute<T>> by, ThreadPool &pool) {
  int64_t rows = view.spatial > 1 ? view.images * view.channels : view.images;
  int64_t length = view.spatial > 1 ? view.spatial : view.channels;
  pool.parallelFor(rows, rowsPerChunk(length), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *__restrict from = x + row * length;
      T *__restrict to = y + row * length;
      if (view.spatial > 1) {
        int64_t c = row % view.channels;
        Compute<T> mean = by.mean[c], scale = by.scale[c], bias = by.bias[c];
        for (int64_t i = 0; i < length; ++i) to[i] = store<T>((load<T>(from[i]) - mean) * scale + bias);
      } else {
        for (int64_t i = 0; i < length; ++i)
          to[i] = store<T>((load<T>(from[i]) - by.mean[i]) * by.scale[i] + by.bias[i]);
      }
    }
  });
}

template <class T>
void normalize(const KernelArgs &args, const ChannelView &view, const TensorArg &means, const TensorArg &variances,
               double eps) {
  using C = Compute<T>;
  C *memory = scratch<C>(ScratchUse::Weight, 3 * view.channels);
  ChannelScale<C> by{memory, memory + view.channels, memory + 2 * view.channels};
  for (int64_t c = 0; c < view.channels; ++c) {
    by.mean[c] = static_cast<C>(loadElement(means, c));
    by.scale[c] = static_cast<C>(loadElement(args.inputs[1], c) / std::sqrt(loadElement(variances, c) + eps));
    by.bias[c] = static_cast<C>(loadElement(args.inputs[2], c));
  }
  applyScale<T>(args.inputs[0].as<const T>(), args.outputs[0].as<T>(), view, by, args.pool);
}

} // namespace

Status Kernel<"fin.batch_norm">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  double eps = attrs.real();
  ChannelView view(args.inputs[0].dims);
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    statistics<T>(args.inputs[0].as<const T>(), view, args.outputs[1], args.outputs[2], args.pool);
    normalize<T>(args, view, args.outputs[1], args.outputs[2], eps);
    return Status::ok();
  });
}

Status Kernel<"fin.batch_norm_inference">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  double eps = attrs.real();
  ChannelView view(args.inputs[0].dims);
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    normalize<ElementOf<decltype(tag)>>(args, view, args.inputs[3], args.inputs[4], eps);
    return Status::ok();
  });
}

} // namespace tinyfin
