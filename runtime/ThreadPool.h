// SPDX-License-Identifier: Apache-2.0
// One pool a process. The caller takes part, chunks are handed out dynamically. Who waits spins, then leaves its core to
// others, then sleeps.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace tinyfin {

class ThreadPool {
public:
  /// A plain function pointer and closure, so that generated code can call it too.
  using Body = void (*)(void *closure, int64_t begin, int64_t end);

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;

  /// Has defaultThreads() as of the first call. A fork()ed child gets workers of its own.
  static ThreadPool &process();
  /// TINYFIN_NUM_THREADS, else OMP_NUM_THREADS, else the processors this process may use.
  static int defaultThreads();

  int threads() const;
  /// Applies body to [0, count) in pieces of `grain` (the last may be short). Which thread runs a piece is
  /// free, what a piece is depends on count and grain alone. Calls from inside a body run serially, and so do
  /// those of a second thread while a region runs. A piece should take 5 us or more: handing it out costs 0.1.
  /// Unless it is worth waking threads (`wakes`), it runs serially while one of them sleeps.
  void parallelFor(int64_t count, int64_t grain, Body body, void *closure, bool wakes = true);

  template <class F> void parallelFor(int64_t count, int64_t grain, F &&body) {
    parallelFor(count, grain, [](void *f, int64_t begin, int64_t end) { (*static_cast<std::remove_reference_t<F> *>(f))(begin, end); }, &body);
  }

  /// Wakes the workers, or makes those that spin go on for another spin time: a region follows soon. Nothing without
  /// spinning (TINYFIN_SPIN_MICROSECONDS=0).
  void rouse();

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace tinyfin
