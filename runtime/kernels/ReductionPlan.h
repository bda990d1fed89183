// SPDX-License-Identifier: Apache-2.0
// A reduction's shape after merging axes, and the policies (sum, mean, max, min) of what is done with elements.
#pragma once
#include "runtime/kernels/Broadcast.h"
#include "runtime/kernels/Dispatch.h"
#include <limits>
#include <type_traits>

namespace tinyfin {

/// Kept and reduced axes apart, innermost first, neighbours of one kind merged. Strides are in elements of the operand.
struct ReductionShape {
  struct Axis {
    int64_t extent, stride;
  };
  Axis kept[kMaxAxes], reduced[kMaxAxes];
  int keptAxes = 0, reducedAxes = 0;
  int64_t outputs = 1; // elements of the result
  int64_t count = 1;   // elements that make one of them
  bool innermostReduced = true;

  /// False where more axes are left than fit.
  bool build(std::span<const int64_t> dims, std::span<const int64_t> axes);

  /// Where the operand's elements of the `index`-th combination of `axes[first..]` start.
  static int64_t offset(const Axis *axes, int size, int first, int64_t index) {
    int64_t at = 0;
    for (int i = first; i < size && index > 0; ++i) {
      at += index % axes[i].extent * axes[i].stride;
      index /= axes[i].extent;
    }
    return at;
  }
};

/// Blocks accumulate in the compute type, blocks are added up in f64; integers wrap in 64 bits.
template <class T> struct SumPolicy {
  static constexpr bool integer = std::is_integral_v<T>;
  using Block = std::conditional_t<integer, uint64_t, Compute<T>>;
  using Total = std::conditional_t<integer, uint64_t, double>;
  static constexpr Block identity() { return Block(0); }
  static Block accumulate(Block a, Compute<T> x) { return a + static_cast<Block>(x); }
  static Block join(Block a, Block b) { return a + b; }
  static Total merge(Total a, Total b) { return a + b; }
  static Total finish(Total total, int64_t) { return total; }
};

template <class T> struct MeanPolicy : SumPolicy<T> {
  static double finish(double total, int64_t count) { return total / static_cast<double>(count); }
};

template <class T> struct MaxPolicy {
  using Block = Compute<T>;
  using Total = Compute<T>;
  static constexpr Block identity() {
    if constexpr (std::is_floating_point_v<Block>)
      return -std::numeric_limits<Block>::infinity();
    else
      return std::numeric_limits<Block>::min();
  }
  static Block accumulate(Block a, Block b) { return ((a > b) | (a != a)) ? a : b; }
  static Block join(Block a, Block b) { return accumulate(a, b); }
  static Block merge(Block a, Block b) { return accumulate(a, b); }
  static Total finish(Total total, int64_t) { return total; }
};

template <class T> struct MinPolicy : MaxPolicy<T> {
  using Block = Compute<T>;
  static constexpr Block identity() {
    if constexpr (std::is_floating_point_v<Block>)
      return std::numeric_limits<Block>::infinity();
    else
      return std::numeric_limits<Block>::max();
  }
  static Block accumulate(Block a, Block b) { return ((a < b) | (a != a)) ? a : b; }
  static Block join(Block a, Block b) { return accumulate(a, b); }
  static Block merge(Block a, Block b) { return accumulate(a, b); }
};

inline constexpr int64_t kReductionBlock = 1024;

/// At least `lanes` elements in a row: independent lanes, then a tree over them.
template <int lanes, class Policy, class T> typename Policy::Block reduceLanes(const T *__restrict x, int64_t count) {
  typename Policy::Block lane[lanes];
  for (int l = 0; l < lanes; ++l) lane[l] = Policy::accumulate(Policy::identity(), load<T>(x[l]));
  int64_t i = lanes;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; ++l) lane[l] = Policy::accumulate(lane[l], load<T>(x[i + l]));
  for (int l = 0; i < count; ++i, ++l) lane[l] = Policy::accumulate(lane[l], load<T>(x[i]));
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int l = 0; l < width; ++l) lane[l] = Policy::join(lane[l], lane[l + width]);
  return lane[0];
}

/// At most kReductionBlock elements in a row.
template <class Policy, class T> typename Policy::Block reduceBlock(const T *x, int64_t count) {
  if (count >= 64) return reduceLanes<32, Policy>(x, count);
  if (count >= 8) return reduceLanes<8, Policy>(x, count);
  typename Policy::Block result = Policy::identity();
  for (int64_t i = 0; i < count; ++i) result = Policy::accumulate(result, load<T>(x[i]));
  return result;
}

template <class Policy, class T> typename Policy::Total reduceRow(const T *x, int64_t count) {
  typename Policy::Total total = Policy::identity();
  for (int64_t i = 0; i < count; i += kReductionBlock)
    total = Policy::merge(total, reduceBlock<Policy>(x + i, std::min(kReductionBlock, count - i)));
  return total;
}

} // namespace tinyfin
