// SPDX-License-Identifier: Apache-2.0
// Runs an elementwise op over NumPy-broadcast operands: axes are merged, and what is left are rows in which each
// operand either advances element by element or stands still.
#pragma once
#include "runtime/kernels/Kernel.h"

namespace tinyfin {

/// Work below this many elements is not worth waking threads for.
inline constexpr int64_t kSerialElements = 32768;
inline constexpr int64_t kElementGrain = 16384;
inline constexpr int kMaxOperands = 3;
/// Axes left after merging.
inline constexpr int kMaxAxes = 32;

/// Computes `count` elements. Bit k of `moving` says that operand k advances; an operand whose bit is clear is one
/// element.
using RowFn = void (*)(void *out, const void *const *inputs, unsigned moving, int64_t count);

/// Applies `row` to all inputs and the one output of `args`. A null `row` means a dtype the op excludes.
Status runRows(const KernelArgs &args, RowFn row);

/// parallelFor that stays on this thread, without asking the pool, where `count` is small.
template <class F> void forElements(ThreadPool &pool, int64_t count, F &&body) {
  if (count <= kSerialElements) {
    if (count > 0) body(0, count);
    return;
  }
  pool.parallelFor(count, kElementGrain, body);
}

} // namespace tinyfin
