// SPDX-License-Identifier: Apache-2.0
// Idle contexts of backends that only decode and plan. Compiling backends load dialects of their own: theirs are fresh.
#include "backends/ContextPool.h"
#include "backends/Compile.h"
#include "mlir/IR/MLIRContext.h"
#include "runtime/Fork.h"
#include <mutex>

using namespace mlir;

namespace tinyfin {
namespace {

constexpr size_t kMostOps = 8192; // made in one context: some MB of types, attributes and locations
constexpr size_t kMostIdle = 4;   // threads that record at the same time

struct Idle {
  Backend *backend;
  std::unique_ptr<MLIRContext> context;
  size_t used;
};

struct Pool {
  std::mutex mutex;
  std::vector<Idle> idle;
};

// Never destroyed: an executable may be compiled while the process ends.
Pool &pool() {
  static auto *shared = [] {
    auto *made = new Pool;
    holdAcrossFork(made->mutex);
    return made;
  }();
  return *shared;
}

} // namespace

ContextLoan::ContextLoan(Backend &backend, size_t ops) : backend(backend), used(ops) {
  if (!backend.wantsFusion()) {
    std::lock_guard lock(pool().mutex);
    for (auto it = pool().idle.begin(); it != pool().idle.end(); ++it) {
      if (it->backend != &backend) continue;
      context = std::move(it->context);
      used += it->used;
      pool().idle.erase(it);
      return;
    }
  }
  context = makeContext(backend);
}

ContextLoan::~ContextLoan() {
  if (backend.wantsFusion() || used > kMostOps) return;
  std::lock_guard lock(pool().mutex);
  if (pool().idle.size() < kMostIdle) pool().idle.push_back({&backend, std::move(context), used});
}

} // namespace tinyfin
