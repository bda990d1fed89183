// SPDX-License-Identifier: Apache-2.0
// Copies elements between two strided views of one shape: transpose, broadcast, slice, concat and pad are this.
#pragma once
#include "runtime/kernels/Broadcast.h"

namespace tinyfin {

/// Axes are appended outermost first; those of extent 1 vanish, neighbours that advance as one are merged.
class StridedCopy {
public:
  StridedCopy(void *to, const void *from, DType dtype);

  /// Strides in elements; a source stride of 0 repeats.
  void axis(int64_t extent, int64_t toStride, int64_t fromStride);
  Status run(ThreadPool &pool);
  /// The same copy between other places.
  StridedCopy placedAt(void *newTo, const void *newFrom) const {
    StridedCopy moved = *this;
    moved.to = newTo;
    moved.from = newFrom;
    return moved;
  }

private:
  template <class T> void copy(ThreadPool &pool) const;
  template <class T> void copyRows(ThreadPool &pool) const;
  template <class T> void copyTiles(ThreadPool &pool, int crossing) const;
  /// Offsets of the `index`-th combination of all axes but the innermost and `except`.
  std::pair<int64_t, int64_t> offsets(int64_t index, int except) const;

  struct Axis {
    int64_t extent, to, from;
  };
  void *to;
  const void *from;
  DType dtype;
  int axes = 0;
  bool empty = false;
  bool overflow = false;
  Axis axis_[kMaxAxes];
};

/// Elements from one index of an axis to the next, in a dense row-major tensor.
inline int64_t strideOf(std::span<const int64_t> dims, size_t axis) {
  int64_t stride = 1;
  for (size_t i = axis + 1; i < dims.size(); ++i) stride *= dims[i];
  return stride;
}

} // namespace tinyfin
