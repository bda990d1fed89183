// SPDX-License-Identifier: Apache-2.0
// argmax planned for a static shape: eager kernels and compiled code run the same plan.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <span>

namespace tinyfin {

struct ArgmaxShape {
  int64_t outer = 1, extent = 1, inner = 1;
};

class ArgmaxPlan {
public:
  /// A number dtype; `axis` is within dims and not empty unless the result is.
  ArgmaxPlan(DType dtype, std::span<const int64_t> dims, int64_t axis);
  Status execute(const void *x, int64_t *out, ThreadPool &pool) const;

private:
  ArgmaxShape shape;
  void (*loop)(const void *x, int64_t *out, const ArgmaxShape &shape, ThreadPool &pool) = nullptr;
};

} // namespace tinyfin
