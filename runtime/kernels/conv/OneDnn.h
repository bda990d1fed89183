// SPDX-License-Identifier: Apache-2.0
// Plans of convolutions: made once for a static shape, run many times from any thread. They choose between oneDNN and
// own kernels, and how the work is cut into chunks (by the shape alone). Eager kernels and compiled code run the same
// plans.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/DType.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace tinyfin {

/// What is done to a forward convolution before it is stored: `+ bias` over the output channels, `+ what the output
/// holds`, then relu.
struct Epilogue {
  bool bias = false, accumulate = false, relu = false;
};

enum class ConvKind : uint8_t { Forward, InputGrad, WeightGrad };

/// conv2d of x [images, inChannels, h, w] with weight [outChannels, inChannels, kh, kw] and one of its gradients.
struct ConvSpec {
  ConvKind kind = ConvKind::Forward;
  DType dtype = DType::F32;
  int64_t images = 0, inChannels = 0, outChannels = 0;
  std::array<int64_t, 2> input{}, kernel{}, strides{1, 1}, padding{}; // height, width
  Epilogue epilogue;                                                  // Forward only
  bool channelsLast = false;                                          // images are [N, H, W, C]
  std::array<int64_t, 2> output() const;

  /// From the attributes of fin.conv2d or its gradient and the dims of its operands, which were checked.
  static ConvSpec from(ConvKind kind, DType dtype, std::span<const int64_t> first, std::span<const int64_t> second,
                       AttrReader attrs);
};

class ConvPlan {
public:
  /// Not cheap (oneDNN generates code): keep it, or use `cached`.
  static StatusOr<std::shared_ptr<const ConvPlan>> create(const ConvSpec &spec);
  /// From the process's bounded cache.
  static StatusOr<std::shared_ptr<const ConvPlan>> cached(const ConvSpec &spec);
  virtual ~ConvPlan() = default;
  /// Row-major images, NCHW or channels last, and OIHW. (first, second) -> result: Forward (x, weight) -> y, InputGrad (dy, weight) -> dx,
  /// WeightGrad (x, dy) -> dweight.
  virtual Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                         const void *bias = nullptr) const = 0;
};

} // namespace tinyfin
