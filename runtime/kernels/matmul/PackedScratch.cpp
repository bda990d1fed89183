// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernels/matmul/PackedScratch.h"
#include <atomic>

namespace tinyfin::gemm {
namespace {

struct Held {
  uint64_t execution = 0; // 0 is none
  int64_t part = 0;
  bool operator==(const Held &) const = default;
};
thread_local Held held;
std::atomic<uint64_t> executions{0}; // so far

} // namespace

uint64_t newExecution() { return executions.fetch_add(1, std::memory_order_relaxed) + 1; }

bool holdsPacked(uint64_t execution, int64_t part) {
  const Held wanted{execution, part};
  if (held == wanted) return true;
  held = wanted;
  return false;
}

} // namespace tinyfin::gemm
