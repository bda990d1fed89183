// SPDX-License-Identifier: Apache-2.0
// Sliding windows over the last two axes of [N, C, H, W].
#pragma once
#include "runtime/aot/kernels/Op.h"

namespace tinyfin::aot {

/// One axis of the windows.
struct WindowAxis {
  int64_t input, output, kernel, stride, padding;
  /// The part of window `at` that lies inside the input.
  int64_t begin(int64_t at) const { return std::max<int64_t>(at * stride - padding, 0); }
  int64_t end(int64_t at) const { return std::min(at * stride - padding + kernel, input); }
};

struct Windows {
  WindowAxis rows, cols;
  int64_t inputPlane() const { return rows.input * cols.input; }
  int64_t outputPlane() const { return rows.output * cols.output; }

  /// From the planes' dims (H, W) and the attributes kernel, strides, padding.
  Windows(const int64_t *input, const int64_t *output, const int64_t *kernel, const int64_t *strides,
          const int64_t *padding)
      : rows{input[0], output[0], kernel[0], strides[0], padding[0]},
        cols{input[1], output[1], kernel[1], strides[1], padding[1]} {}
};

} // namespace tinyfin::aot
