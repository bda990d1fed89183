// SPDX-License-Identifier: Apache-2.0
// fin.max_pool2d, fin.avg_pool2d and their gradients, one plane [H, W] at a time. f64 computes in f64, the rest in f32.
#include "runtime/aot/kernels/Windows.h"

namespace tinyfin::aot {
namespace {

/// A NaN beats everything.
template <class C> C larger(C best, C value) { return ((value > best) | (value != value)) ? value : best; }

/// Calls body(plane) for every plane of [N, C, H, W].
template <class Body> int32_t forPlanes(const Call &call, const Tensor &planes, int64_t work, Body body) {
  parallelFor(call.library, planes.dims[0] * planes.dims[1], pieceOf(work), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(plane);
  });
  return kOk;
}

/// Each window over its rows first (in vectors over the columns), then over its columns.
template <class T, class Combine, class Finish>
void reduceWindows(const T *x, T *y, const Windows &w, Compute<T> initial, Combine combine, Finish finish) {
  using C = Compute<T>;
  C *__restrict line = scratch<C>(ScratchUse::Rows, w.cols.input);
  for (int64_t oh = 0; oh < w.rows.output; ++oh) {
    for (int64_t i = 0; i < w.cols.input; ++i) line[i] = initial;
    for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih) {
      const T *__restrict row = x + ih * w.cols.input;
      for (int64_t i = 0; i < w.cols.input; ++i) line[i] = combine(line[i], load<T>(row[i]));
    }
    T *__restrict out = y + oh * w.cols.output;
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

Windows windowsOf(const Call &call, const Tensor &input, const Tensor &output, AttrReader &attrs) {
  const int64_t *kernel = attrs.list().data(), *strides = attrs.list().data(), *padding = attrs.list().data();
  return Windows(input.dims + 2, output.dims + 2, kernel, strides, padding);
}

template <class T, class Combine, class Finish>
int32_t pool(const Call &call, Compute<T> initial, Combine combine, Finish finish) {
  AttrReader attrs = attrsOf(call);
  const Tensor &x = call.inputs[0], &y = call.outputs[0];
  Windows w = windowsOf(call, x, y, attrs);
  if (!reserve<Compute<T>>(call, ScratchUse::Rows, w.cols.input)) return failOutOfMemory(call);
  return forPlanes(call, x, w.inputPlane(), [&](int64_t plane) {
    reduceWindows(x.as<const T>() + plane * w.inputPlane(), y.as<T>() + plane * w.outputPlane(), w, initial, combine,
                  finish);
  });
}

template <class T> int32_t maxPool(const Call &call) {
  using C = Compute<T>;
  return pool<T>(
      call, -std::numeric_limits<C>::infinity(), [](C best, C value) { return larger(best, value); },
      [](C value) { return value; });
}

template <class T> int32_t avgPool(const Call &call) {
  using C = Compute<T>;
  AttrReader attrs = attrsOf(call);
  auto kernel = attrs.list();
  C scale = 1 / static_cast<C>(kernel[0] * kernel[1]);
  return pool<T>(call, C(0), [](C a, C b) { return a + b; }, [=](C sum) { return sum * scale; });
}

/// The first largest element of window (oh, ow) in row-major order; a NaN counts as largest.
template <class T> int64_t firstLargest(const T *x, const Windows &w, int64_t oh, int64_t ow) {
  int64_t found = w.rows.begin(oh) * w.cols.input + w.cols.begin(ow);
  Compute<T> best = load<T>(x[found]);
  for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih)
    for (int64_t iw = w.cols.begin(ow); iw < w.cols.end(ow); ++iw) {
      Compute<T> value = load<T>(x[ih * w.cols.input + iw]);
      bool isLarger = (value > best) | ((value != value) & (best == best));
      found = isLarger ? ih * w.cols.input + iw : found;
      best = isLarger ? value : best;
    }
  return found;
}

/// body(sums, plane) adds up one plane of dx in the compute type.
template <class T, class Body> int32_t poolGrad(const Call &call, const Windows &w, const Tensor &dx, Body body) {
  using C = Compute<T>;
  if (!reserve<C>(call, ScratchUse::Rows, w.inputPlane())) return failOutOfMemory(call);
  return forPlanes(call, dx, w.inputPlane(), [&](int64_t plane) {
    C *sums = scratch<C>(ScratchUse::Rows, w.inputPlane());
    std::fill(sums, sums + w.inputPlane(), C(0));
    body(sums, plane);
    T *to = dx.as<T>() + plane * w.inputPlane();
    for (int64_t i = 0; i < w.inputPlane(); ++i) to[i] = store<T>(sums[i]);
  });
}

template <class T> int32_t maxPoolGrad(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const Tensor &x = call.inputs[0], &dy = call.inputs[1];
  Windows w = windowsOf(call, x, dy, attrs);
  return poolGrad<T>(call, w, call.outputs[0], [&](Compute<T> *sums, int64_t plane) {
    const T *from = x.as<const T>() + plane * w.inputPlane(), *gradient = dy.as<const T>() + plane * w.outputPlane();
    for (int64_t oh = 0; oh < w.rows.output; ++oh)
      for (int64_t ow = 0; ow < w.cols.output; ++ow)
        sums[firstLargest(from, w, oh, ow)] += load<T>(gradient[oh * w.cols.output + ow]);
  });
}

template <class T> int32_t avgPoolGrad(const Call &call) {
  using C = Compute<T>;
  AttrReader attrs = attrsOf(call);
  attrs.list();
  const Tensor &dy = call.inputs[0];
  Windows w = windowsOf(call, call.outputs[0], dy, attrs);
  C scale = 1 / static_cast<C>(w.rows.kernel * w.cols.kernel);
  return poolGrad<T>(call, w, call.outputs[0], [&](C *sums, int64_t plane) {
    const T *gradient = dy.as<const T>() + plane * w.outputPlane();
    for (int64_t oh = 0; oh < w.rows.output; ++oh)
      for (int64_t ow = 0; ow < w.cols.output; ++ow) {
        C share = load<T>(gradient[oh * w.cols.output + ow]) * scale;
        for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih)
          for (int64_t iw = w.cols.begin(ow); iw < w.cols.end(ow); ++iw) sums[ih * w.cols.input + iw] += share;
      }
  });
}

} // namespace
} // namespace tinyfin::aot

using namespace tinyfin;
TINYFIN_AOT_FLOAT_OP(max_pool2d, aot::maxPool)
TINYFIN_AOT_FLOAT_OP(avg_pool2d, aot::avgPool)
TINYFIN_AOT_FLOAT_OP(max_pool2d_grad, aot::maxPoolGrad)
TINYFIN_AOT_FLOAT_OP(avg_pool2d_grad, aot::avgPoolGrad)
