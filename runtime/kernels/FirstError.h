// SPDX-License-Identifier: Apache-2.0
// Collects the failure of a parallel loop: the first one noted is kept.
#pragma once
#include "runtime/Status.h"
#include <mutex>

namespace tinyfin {

class FirstError {
public:
  void note(Status status) {
    if (status.isOk()) return;
    std::lock_guard lock(mutex);
    if (first.isOk()) first = std::move(status);
  }
  /// After the loop.
  Status take() { return std::move(first); }

private:
  std::mutex mutex;
  Status first;
};

} // namespace tinyfin
