// SPDX-License-Identifier: Apache-2.0
// Compiles cache entries on one background thread: newest first, one at a time, within a budget of wall time.
#pragma once
#include "runtime/ExecutionCache.h"
#include <chrono>
#include <functional>

namespace tinyfin {

/// Makes the compiled form of an entry's key, or says why there is none. Runs on any thread, takes no lock of its
/// submitter.
using CompileJob = std::function<StatusOr<std::shared_ptr<Executable>>()>;

struct CompileQueueStats {
  uint64_t submitted = 0, compiled = 0, refused = 0, cancelled = 0;
  double compileSeconds = 0;
  uint64_t pending = 0;
};

/// Safe to use from any thread. Who waits here must not hold the GIL: a job may log to a sink that takes it. A fork()ed
/// child starts with an empty queue and its own worker.
class CompileQueue {
public:
  /// Background compiles may take `creditSeconds` plus `share` of the wall time since the queue was made.
  struct Budget {
    double creditSeconds = 3, share = 0.1;
  };
  explicit CompileQueue(ExecutionCache &cache) : CompileQueue(cache, Budget()) {}
  CompileQueue(ExecutionCache &cache, Budget budget);
  ~CompileQueue();
  CompileQueue(const CompileQueue &) = delete;
  /// Compiles for ExecutionCache::process(); shuts itself down before the process' static objects go.
  static CompileQueue &process();

  /// False if the entry is queued, compiled or refused already, or the queue is shut down. The entry's state then goes
  /// Queued, Compiling, and Compiled or Refused; back to Interpreted if the job is cancelled.
  bool submit(std::shared_ptr<CacheEntry> entry, CompileJob job);
  /// Compiles on the calling thread, whatever the budget; fails with the reason of a refusal.
  Status compileNow(CacheEntry &entry, const CompileJob &job);

  /// Waits until nothing is queued or running; false if the time is up first.
  bool waitIdle(std::chrono::milliseconds timeout);
  /// The same, and what is queued now may overdraw the budget.
  bool drain(std::chrono::milliseconds timeout);
  /// Cancels what is queued and waits for the job that runs. Later submissions are refused.
  void shutdown();
  CompileQueueStats stats() const;

  static constexpr size_t kMaxPending = 256; // beyond, the oldest jobs are cancelled

private:
  struct State;
  void workerLoop(State &state);
  void runJob(State &state, CacheEntry &entry, const CompileJob &job);
  ExecutionCache &cache;
  const Budget budget;
  std::unique_ptr<State> state;
};

} // namespace tinyfin
