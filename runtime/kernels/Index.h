// SPDX-License-Identifier: Apache-2.0
// slice_update and scatter_add planned for static shapes: eager kernels and compiled code run the same plans. Every index
// is checked before the first write; a result may lie over x.
#pragma once
#include "runtime/Status.h"
#include "runtime/kernels/StridedCopy.h"

namespace tinyfin {

/// Rows of a tensor along one axis: x[outer, extent, inner].
struct AxisView {
  int64_t outer = 1, extent, inner;
  AxisView(std::span<const int64_t> dims, size_t axis) : extent(dims[axis]), inner(strideOf(dims, axis)) {
    for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  }
};

class SliceUpdatePlan {
public:
  /// The lists outlive the plan.
  SliceUpdatePlan(DType dtype, std::span<const int64_t> x, std::span<const int64_t> update,
                  std::span<const int64_t> steps);
  Status execute(const void *x, const void *update, const int64_t *starts, void *out, ThreadPool &pool) const;

private:
  std::span<const int64_t> dims, sizes, steps;
  StridedCopy base, copy; // of x, of the update; without their places
  int64_t elementBytes;
  bool isEmpty = false;
};

class ScatterAddPlan {
public:
  /// `indexType` is int32 or int64.
  ScatterAddPlan(DType dtype, std::span<const int64_t> x, DType indexType, int64_t numIndices, int64_t axis);
  Status execute(const void *x, const void *indices, const void *updates, void *out, ThreadPool &pool) const;

private:
  using LoopFn = void (*)(const AxisView &view, const void *indices, bool isWide, int64_t count, const void *updates,
                          void *out, ThreadPool &pool);
  AxisView view;
  int64_t axis, numIndices;
  bool isWide;
  StridedCopy base;
  LoopFn loop = nullptr;
};

} // namespace tinyfin
