// SPDX-License-Identifier: Apache-2.0
// fin.max_pool2d, fin.avg_pool2d and their gradients: one plane [H, W] at a time, a chunk is some planes.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include "runtime/kernels/Pool.h"
#include <limits>

namespace tinyfin {
namespace {

/// A NaN beats everything, as in PyTorch.
template <class C> C larger(C best, C value) { return ((value > best) | (value != value)) ? value : best; }

/// Reduces each window of a plane over its rows first (in vectors over the columns), then over its columns.
template <class C, class T, class Combine, class Finish>
void reduceWindows(const T *x, T *y, const PoolWindows &w, C initial, Combine combine, Finish finish) {
  C *line = scratch<C>(ScratchUse::Rows, w.cols.input);
  for (int64_t oh = 0; oh < w.rows.output; ++oh) {
    for (int64_t i = 0; i < w.cols.input; ++i) line[i] = initial;
    for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih) {
      const T *row = x + ih * w.cols.input;
      for (int64_t i = 0; i < w.cols.input; ++i) line[i] = combine(line[i], load<T>(row[i]));
    }
    T *out = y + oh * w.cols.output;
    if (w.cols.kernel == 2 && w.cols.stride == 2 && w.cols.padding == 0) {
      for (int64_t ow = 0; ow < w.cols.output; ++ow)
        out[ow] = store<T>(finish(combine(line[2 * ow], line[2 * ow + 1])));
      continue;
    }
    for (int64_t ow = 0; ow < w.cols.output; ++ow) {
      C value = initial;
      for (int64_t i = w.cols.begin(ow), end = w.cols.end(ow); i < end; ++i) value = combine(value, line[i]);
      out[ow] = store<T>(finish(value));
    }
  }
}

template <class T> void maxPool(const T *x, T *y, const PoolWindows &w) {
  using C = Compute<T>;
  reduceWindows<C>(x, y, w, -std::numeric_limits<C>::infinity(), larger<C>, [](C value) { return value; });
}

template <class T> void avgPool(const T *x, T *y, const PoolWindows &w) {
  using C = Compute<T>;
  C scale = 1 / static_cast<C>(w.rows.kernel * w.cols.kernel);
  reduceWindows<C>(x, y, w, C(0), [](C a, C b) { return a + b; }, [=](C sum) { return sum * scale; });
}

/// Where dx is accumulated: in place, or in scratch for dtypes narrower than what they compute in.
template <class T> Compute<T> *sumsFor(T *dx, int64_t count) {
  using C = Compute<T>;
  C *sums;
  if constexpr (std::is_same_v<C, T>)
    sums = dx;
  else
    sums = scratch<C>(ScratchUse::Rows, count);
  std::fill(sums, sums + count, C(0));
  return sums;
}
template <class T> void finishSums(const Compute<T> *sums, T *dx, int64_t count) {
  if constexpr (!std::is_same_v<Compute<T>, T>)
    for (int64_t i = 0; i < count; ++i) dx[i] = store<T>(sums[i]);
}

/// Whether a window's element beats an earlier one.
template <class C> bool beats(C later, C earlier) {
  return (later > earlier) | ((later != later) & (earlier == earlier));
}

/// The first largest element of window (oh, ow), in row-major order; a NaN counts as largest.
template <class T> int64_t firstLargest(const T *x, const PoolWindows &w, int64_t oh, int64_t ow) {
  using C = Compute<T>;
  int64_t rowBegin = w.rows.begin(oh), rowEnd = w.rows.end(oh), colBegin = w.cols.begin(ow), colEnd = w.cols.end(ow);
  int64_t found = rowBegin * w.cols.input + colBegin;
  C best = load<T>(x[found]);
  for (int64_t ih = rowBegin; ih < rowEnd; ++ih)
    for (int64_t iw = colBegin; iw < colEnd; ++iw) {
      int64_t at = ih * w.cols.input + iw;
      C value = load<T>(x[at]);
      // Selects, not branches: which element is largest cannot be predicted.
      bool isLarger = beats(value, best);
      found = isLarger ? at : found;
      best = isLarger ? value : best;
    }
  return found;
}

template <class T> void maxPoolGrad(const T *x, const T *dy, T *dx, const PoolWindows &w) {
  Compute<T> *sums = sumsFor(dx, w.inputPlane());
  for (int64_t oh = 0; oh < w.rows.output; ++oh)
    for (int64_t ow = 0; ow < w.cols.output; ++ow)
      sums[firstLargest(x, w, oh, ow)] += load<T>(dy[oh * w.cols.output + ow]);
  finishSums<T>(sums, dx, w.inputPlane());
}

/// 2 x 2 windows side by side, outputs [begin, end): every element is written once, without a search.
template <class T>
void gradOfPairs(const T *top, const T *bottom, const T *dy, T *dTop, T *dBottom, int64_t begin, int64_t end) {
  using C = Compute<T>;
  for (int64_t i = begin; i < end; ++i) {
    C a = load<T>(top[2 * i]), b = load<T>(top[2 * i + 1]), c = load<T>(bottom[2 * i]), d = load<T>(bottom[2 * i + 1]),
      g = load<T>(dy[i]);
    bool right = beats(b, a), lowerRight = beats(d, c), lower = beats(lowerRight ? d : c, right ? b : a);
    dTop[2 * i] = store<T>((lower | right) ? C(0) : g);
    dTop[2 * i + 1] = store<T>((!lower & right) ? g : C(0));
    dBottom[2 * i] = store<T>((lower & !lowerRight) ? g : C(0));
    dBottom[2 * i + 1] = store<T>((lower & lowerRight) ? g : C(0));
  }
}

/// The same for one vector of f32 in each row: neighbours meet by swapping lanes. Even lanes are the left elements.
#if defined(__AVX512F__)
__attribute__((min_vector_width(512)))
#endif
void gradOfPairVector(const float *top, const float *bottom, const float *dy, float *dTop, float *dBottom) {
  constexpr int lanes = 16;
  typedef float V __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
  typedef int32_t M __attribute__((vector_size(lanes * 4)));
  typedef float H __attribute__((vector_size(lanes * 2), aligned(4), may_alias));
  auto beatsV = [](V later, V earlier) -> M { return (later > earlier) | ((later != later) & (earlier == earlier)); };
  auto swapped = [](V v) -> V {
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  };
  const M isRight = {0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1};
  auto wins = [&](V v, V other) -> M { return (isRight & beatsV(v, other)) | (~isRight & ~beatsV(other, v)); };
  V t = *reinterpret_cast<const V *>(top), u = *reinterpret_cast<const V *>(bottom), ts = swapped(t), us = swapped(u);
  H half = *reinterpret_cast<const H *>(dy);
  V g = __builtin_shufflevector(half, half, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  M upperWins = wins(t, ts), lowerWins = wins(u, us);
  M lower = beatsV(lowerWins ? u : us, upperWins ? t : ts);
  *reinterpret_cast<V *>(dTop) = (upperWins & ~lower) ? g : V{};
  *reinterpret_cast<V *>(dBottom) = (lowerWins & lower) ? g : V{};
}

template <class T> void maxPoolGradOfPairs(const T *x, const T *dy, T *dx, const PoolWindows &w) {
  int64_t width = w.cols.input;
  if (w.rows.input % 2 || width % 2) std::fill(dx, dx + w.inputPlane(), store<T>(Compute<T>(0)));
  for (int64_t oh = 0; oh < w.rows.output; ++oh) {
    const T *top = x + 2 * oh * width, *gradient = dy + oh * w.cols.output;
    T *to = dx + 2 * oh * width;
    int64_t done = 0;
    if constexpr (std::is_same_v<T, float>)
      for (; done + 8 <= w.cols.output; done += 8)
        gradOfPairVector(top + 2 * done, top + width + 2 * done, gradient + done, to + 2 * done, to + width + 2 * done);
    gradOfPairs(top, top + width, gradient, to, to + width, done, w.cols.output);
  }
}

bool isPairs(const PoolAxis &axis) { return axis.kernel == 2 && axis.stride == 2 && axis.padding == 0; }

/// Spreads each gradient over its columns into one line, which is added to every row of the window.
template <class T> void avgPoolGrad(const T *dy, T *dx, const PoolWindows &w) {
  using C = Compute<T>;
  C *sums = sumsFor(dx, w.inputPlane());
  C *__restrict line = scratch<C>(ScratchUse::Columns, w.cols.input);
  C scale = 1 / static_cast<C>(w.rows.kernel * w.cols.kernel);
  for (int64_t oh = 0; oh < w.rows.output; ++oh) {
    std::fill(line, line + w.cols.input, C(0));
    for (int64_t ow = 0; ow < w.cols.output; ++ow) {
      C share = load<T>(dy[oh * w.cols.output + ow]) * scale;
      for (int64_t i = w.cols.begin(ow), end = w.cols.end(ow); i < end; ++i) line[i] += share;
    }
    for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih) {
      C *__restrict row = sums + ih * w.cols.input;
      for (int64_t i = 0; i < w.cols.input; ++i) row[i] += line[i];
    }
  }
  finishSums<T>(sums, dx, w.inputPlane());
}

template <class T> void maxPlane(const void *x, const void *dy, void *dx, const PoolWindows &w) {
  maxPoolGrad(static_cast<const T *>(x), static_cast<const T *>(dy), static_cast<T *>(dx), w);
}
template <class T> void maxPlaneOfPairs(const void *x, const void *dy, void *dx, const PoolWindows &w) {
  maxPoolGradOfPairs(static_cast<const T *>(x), static_cast<const T *>(dy), static_cast<T *>(dx), w);
}
template <class T> void avgPlane(const void *, const void *dy, void *dx, const PoolWindows &w) {
  avgPoolGrad(static_cast<const T *>(dy), static_cast<T *>(dx), w);
}

template <class F> void forEachPlane(ThreadPool &pool, const PoolWindows &w, F &&plane) {
  pool.parallelFor(w.planes, rowsPerChunk(w.inputPlane()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) plane(i * w.inputPlane(), i * w.outputPlane());
  });
}

template <bool isMax> Status runPool(const KernelArgs &args) {
  PoolWindows w(args.inputs[0].dims, args.outputs[0].dims, args.attrs);
  if (w.channelsLast)
    return PoolPlan(args.inputs[0].dtype, w, isMax).execute(args.inputs[0].data, args.outputs[0].data, args.pool);
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    const T *x = args.inputs[0].as<const T>();
    T *y = args.outputs[0].as<T>();
    forEachPlane(args.pool, w, [&](int64_t in, int64_t out) { (isMax ? maxPool<T> : avgPool<T>)(x + in, y + out, w); });
    return Status::ok();
  });
}

} // namespace

Status Kernel<"fin.max_pool2d">::run(const KernelArgs &args) { return runPool<true>(args); }
Status Kernel<"fin.avg_pool2d">::run(const KernelArgs &args) { return runPool<false>(args); }

PoolWindows::PoolWindows(std::span<const int64_t> input, std::span<const int64_t> output, AttrReader attrs)
    : planes(input[0]) {
  std::span<const int64_t> kernel = attrs.list(), strides = attrs.list(), padding = attrs.list();
  channelsLast = attrs.flag();
  (channelsLast ? channels : planes) *= input[channelsLast ? 3 : 1];
  int height = channelsLast ? 1 : 2, width = height + 1;
  rows = {input[height], output[height], kernel[0], strides[0], padding[0]};
  cols = {input[width], output[width], kernel[1], strides[1], padding[1]};
}

PoolPlan::PoolPlan(DType dtype, const PoolWindows &windows, bool isMax)
    : windows(windows), plane(poolOfRows(dtype, isMax)), elementBytes(sizeOf(dtype)) {}

Status PoolPlan::execute(const void *x, void *y, ThreadPool &pool) const {
  pool.parallelFor(windows.planes, rowsPerChunk(windows.inputPlane()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      plane(static_cast<const char *>(x) + i * windows.inputPlane() * elementBytes,
            static_cast<char *>(y) + i * windows.outputPlane() * elementBytes, windows);
  });
  return Status::ok();
}

PoolGradPlan::PoolGradPlan(DType dtype, const PoolWindows &windows, bool isMax)
    : windows(windows), planesPerChunk(rowsPerChunk(windows.inputPlane())), elementBytes(sizeOf(dtype)) {
  if (windows.channelsLast) {
    plane = poolGradOfRows(dtype, isMax);
    return;
  }
  visitFloat(dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    if (isMax)
      plane = isPairs(windows.rows) && isPairs(windows.cols) ? maxPlaneOfPairs<T> : maxPlane<T>;
    else
      plane = avgPlane<T>;
    return 0;
  });
}

PoolGradPlan PoolGradPlan::max(DType dtype, std::span<const int64_t> x, std::span<const int64_t> dy, AttrReader attrs) {
  return {dtype, PoolWindows(x, dy, attrs), true};
}

PoolGradPlan PoolGradPlan::avg(DType dtype, std::span<const int64_t> dy, std::span<const int64_t> dx, AttrReader attrs) {
  (void)attrs.list(); // input_size: dx's dims say it too
  return {dtype, PoolWindows(dx, dy, attrs), false};
}

Status PoolGradPlan::execute(const void *x, const void *dy, void *dx, ThreadPool &pool) const {
  if (!x) x = dx; // of the same extents, and not read
  const int64_t inputBytes = windows.inputPlane() * elementBytes, outputBytes = windows.outputPlane() * elementBytes;
  pool.parallelFor(windows.planes, planesPerChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      plane(static_cast<const char *>(x) + i * inputBytes, static_cast<const char *>(dy) + i * outputBytes,
            static_cast<char *>(dx) + i * inputBytes, windows);
  });
  return Status::ok();
}

Status Kernel<"fin.max_pool2d_grad">::run(const KernelArgs &args) {
  const TensorArg &x = args.inputs[0], &dy = args.inputs[1];
  return PoolGradPlan::max(x.dtype, x.dims, dy.dims, args.attrs).execute(x.data, dy.data, args.outputs[0].data, args.pool);
}

Status Kernel<"fin.avg_pool2d_grad">::run(const KernelArgs &args) {
  const TensorArg &dy = args.inputs[0], &dx = args.outputs[0];
  return PoolGradPlan::avg(dy.dtype, dy.dims, dx.dims, args.attrs).execute(nullptr, dy.data, dx.data, args.pool);
}

} // namespace tinyfin
