// SPDX-License-Identifier: Apache-2.0
// Pooling and its gradients with channels last: loops over the channels at one place become vectors.
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Pool.h"
#include "runtime/kernels/Scratch.h"
#include <limits>

namespace tinyfin {
namespace {

/// Calls visit(first element, number of the place in the window) for the input places of each window, in order.
template <class Visit> void forEachPlace(const PoolWindows &w, int64_t oh, int64_t ow, Visit visit) {
  int32_t place = 0;
  for (int64_t ih = w.rows.begin(oh); ih < w.rows.end(oh); ++ih)
    for (int64_t iw = w.cols.begin(ow); iw < w.cols.end(ow); ++iw) visit((ih * w.cols.input + iw) * w.channels, place++);
}

template <class T, bool isMax> void pool(const void *from, void *to, const PoolWindows &w) {
  using C = Compute<T>;
  const T *x = static_cast<const T *>(from);
  T *y = static_cast<T *>(to);
  C *__restrict line = scratch<C>(ScratchUse::Rows, w.channels);
  const C scale = 1 / static_cast<C>(w.rows.kernel * w.cols.kernel);
  for (int64_t oh = 0; oh < w.rows.output; ++oh)
    for (int64_t ow = 0; ow < w.cols.output; ++ow, y += w.channels) {
      std::fill(line, line + w.channels, isMax ? -std::numeric_limits<C>::infinity() : C(0));
      forEachPlace(w, oh, ow, [&](int64_t at, int32_t) {
        const T *__restrict row = x + at;
        for (int64_t c = 0; c < w.channels; ++c) {
          C value = load<T>(row[c]);
          if constexpr (isMax)
            line[c] = ((value > line[c]) | (value != value)) ? value : line[c]; // a NaN beats everything
          else
            line[c] += value;
        }
      });
      for (int64_t c = 0; c < w.channels; ++c) y[c] = store<T>(isMax ? line[c] : line[c] * scale);
    }
}

/// Where the gradient is summed: in place, or in scratch for dtypes narrower than what they compute in.
template <class T> Compute<T> *startSums(T *dx, int64_t count) {
  Compute<T> *sums;
  if constexpr (std::is_same_v<Compute<T>, T>)
    sums = dx;
  else
    sums = scratch<Compute<T>>(ScratchUse::Columns, count);
  std::fill(sums, sums + count, Compute<T>(0));
  return sums;
}
template <class T> void finishSums(const Compute<T> *sums, T *dx, int64_t count) {
  if constexpr (!std::is_same_v<Compute<T>, T>)
    for (int64_t i = 0; i < count; ++i) dx[i] = store<T>(sums[i]);
}

/// Each window's first largest element, a channel: the value and its place; then dy goes there.
template <class T> void maxGrad(const void *from, const void *gradient, void *to, const PoolWindows &w) {
  using C = Compute<T>;
  const T *x = static_cast<const T *>(from), *dy = static_cast<const T *>(gradient);
  C *sums = startSums(static_cast<T *>(to), w.inputPlane());
  C *__restrict best = scratch<C>(ScratchUse::Rows, w.channels);
  int32_t *__restrict places = scratch<int32_t>(ScratchUse::Bias, w.channels);
  for (int64_t oh = 0; oh < w.rows.output; ++oh)
    for (int64_t ow = 0; ow < w.cols.output; ++ow, dy += w.channels) {
      forEachPlace(w, oh, ow, [&](int64_t at, int32_t place) {
        const T *__restrict row = x + at;
        for (int64_t c = 0; c < w.channels; ++c) {
          C value = load<T>(row[c]), before = best[c];
          bool isLarger = place == 0 || (value > before) | ((value != value) & (before == before));
          best[c] = isLarger ? value : before;
          places[c] = isLarger ? place : places[c];
        }
      });
      forEachPlace(w, oh, ow, [&](int64_t at, int32_t place) {
        C *__restrict sum = sums + at;
        for (int64_t c = 0; c < w.channels; ++c) sum[c] += places[c] == place ? C(load<T>(dy[c])) : C(0);
      });
    }
  finishSums<T>(sums, static_cast<T *>(to), w.inputPlane());
}

template <class T> void avgGrad(const void *, const void *gradient, void *to, const PoolWindows &w) {
  using C = Compute<T>;
  const T *dy = static_cast<const T *>(gradient);
  C *sums = startSums(static_cast<T *>(to), w.inputPlane());
  const C scale = 1 / static_cast<C>(w.rows.kernel * w.cols.kernel);
  for (int64_t oh = 0; oh < w.rows.output; ++oh)
    for (int64_t ow = 0; ow < w.cols.output; ++ow, dy += w.channels)
      forEachPlace(w, oh, ow, [&](int64_t at, int32_t) {
        C *__restrict sum = sums + at;
        for (int64_t c = 0; c < w.channels; ++c) sum[c] += load<T>(dy[c]) * scale;
      });
  finishSums<T>(sums, static_cast<T *>(to), w.inputPlane());
}

} // namespace

PoolFn poolOfRows(DType dtype, bool isMax) {
  return visitFloat(dtype, [&](auto tag) -> PoolFn {
    using T = ElementOf<decltype(tag)>;
    return isMax ? pool<T, true> : pool<T, false>;
  });
}

PoolGradFn poolGradOfRows(DType dtype, bool isMax) {
  return visitFloat(dtype, [&](auto tag) -> PoolGradFn {
    using T = ElementOf<decltype(tag)>;
    return isMax ? maxGrad<T> : avgGrad<T>;
  });
}

} // namespace tinyfin
