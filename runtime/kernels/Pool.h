// SPDX-License-Identifier: Apache-2.0
// The windows of a pool, and plans of pools' gradients: made once for a static shape, run many times from any thread.
// Eager kernels and compiled code run the same plans.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <algorithm>
#include <span>

namespace tinyfin {

/// One axis of the windows.
struct PoolAxis {
  int64_t input, output, kernel, stride, padding;
  /// The part of window `at` that lies inside the input.
  int64_t begin(int64_t at) const { return std::max<int64_t>(at * stride - padding, 0); }
  int64_t end(int64_t at) const { return std::min(at * stride - padding + kernel, input); }
};

/// A plane is one channel of an image, or with channels last all of them, side by side at each place.
struct PoolWindows {
  PoolAxis rows, cols;
  int64_t planes, channels = 1; // channels: a plane
  bool channelsLast = false;
  int64_t inputPlane() const { return rows.input * cols.input * channels; }
  int64_t outputPlane() const { return rows.output * cols.output * channels; }
  /// What remains of the attributes is kernel_size, strides, padding, channels_last.
  PoolWindows(std::span<const int64_t> input, std::span<const int64_t> output, AttrReader attrs);
};

/// A gradient with its windows, its chunks and the loop for them chosen. Cheap to make.
/// Pools of planes with channels last, any float dtype.
using PoolFn = void (*)(const void *x, void *y, const PoolWindows &windows);
PoolFn poolOfRows(DType dtype, bool isMax);
/// Their gradients, as PoolGradPlan calls them.
using PoolGradFn = void (*)(const void *x, const void *dy, void *dx, const PoolWindows &windows);
PoolGradFn poolGradOfRows(DType dtype, bool isMax);

/// A pool with channels last.
class PoolPlan {
public:
  PoolPlan(DType dtype, const PoolWindows &windows, bool isMax);
  Status execute(const void *x, void *y, ThreadPool &pool) const;

private:
  PoolWindows windows;
  PoolFn plane;
  int64_t elementBytes;
};

class PoolGradPlan {
public:
  /// The op's attributes, operands' and result's dims, as in fin.max_pool2d_grad and fin.avg_pool2d_grad; a float
  /// dtype.
  static PoolGradPlan max(DType dtype, std::span<const int64_t> x, std::span<const int64_t> dy, AttrReader attrs);
  static PoolGradPlan avg(DType dtype, std::span<const int64_t> dy, std::span<const int64_t> dx, AttrReader attrs);
  /// `x` is what was pooled; null for means, whose gradient does not depend on it.
  Status execute(const void *x, const void *dy, void *dx, ThreadPool &pool) const;

private:
  PoolGradPlan(DType dtype, const PoolWindows &windows, bool isMax);

  PoolWindows windows;
  PoolGradFn plane = nullptr;
  int64_t planesPerChunk, elementBytes;
};

} // namespace tinyfin
