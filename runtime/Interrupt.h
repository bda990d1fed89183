// SPDX-License-Identifier: Apache-2.0
// Whether the user wants a long run to stop. The language above installs how to ask.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>

namespace tinyfin {

using InterruptPoll = bool (*)();
/// A registry of one; null: never interrupted. May be called on any thread that runs a graph.
inline std::atomic<InterruptPoll> &interruptPoll() {
  static std::atomic<InterruptPoll> poll{nullptr};
  return poll;
}

/// Asks now and then while a graph runs: looks at the clock only after some work, at the user only after some time.
class InterruptWatch {
public:
  bool wantsStop(size_t bytesOfWork) {
    work += bytesOfWork + kBytesAStep;
    if (work < kBytesALook) return false;
    work = 0;
    auto now = std::chrono::steady_clock::now();
    if (now - asked < std::chrono::milliseconds(50)) return false;
    asked = now;
    InterruptPoll poll = interruptPoll().load(std::memory_order_relaxed);
    return poll && poll();
  }

private:
  static constexpr size_t kBytesAStep = 16 << 10, kBytesALook = 1 << 20;
  size_t work = 0;
  std::chrono::steady_clock::time_point asked{}; // the first look asks at once: a key pressed before counts
};

} // namespace tinyfin
