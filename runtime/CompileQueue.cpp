// SPDX-License-Identifier: Apache-2.0
// The worker: waits for a job and for the budget, takes the newest, compiles it without holding a lock.
#include "runtime/CompileQueue.h"
#include "runtime/Log.h"
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <pthread.h>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace tinyfin {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Pending {
  std::shared_ptr<CacheEntry> entry;
  CompileJob job;
};

} // namespace

struct CompileQueue::State {
  const Clock::time_point start = Clock::now();
  std::mutex mutex; // guards all below
  std::condition_variable changed, idle;
  std::deque<Pending> pending; // newest last
  std::thread worker;          // started by the first job
  bool isRunning = false, isStopping = false, isDraining = false;
  CompileQueueStats stats;

  bool isIdle() const { return pending.empty() && !isRunning; }
  /// How long until the budget allows the next job; zero or less: now.
  double secondsToWait(const Budget &budget) const {
    double over = stats.compileSeconds - budget.creditSeconds - budget.share * secondsSince(start);
    if (isDraining || over <= 0) return 0;
    return budget.share > 0 ? over / budget.share : 3600;
  }
  /// What is cancelled moves to `dropped`, to be destroyed without the lock: jobs and entries may own a good deal.
  void cancel(size_t at, std::vector<Pending> &dropped) {
    pending[at].entry->advance(CompileState::Queued, CompileState::Interpreted);
    dropped.push_back(std::move(pending[at]));
    pending.erase(pending.begin() + at);
    stats.cancelled++;
  }
  void cancelEvicted(std::vector<Pending> &dropped) {
    for (size_t at = pending.size(); at-- > 0;)
      if (pending[at].entry->isEvicted()) cancel(at, dropped);
  }
};

CompileQueue::CompileQueue(ExecutionCache &cache, Budget budget)
    : cache(cache), budget(budget), state(std::make_unique<State>()) {}

CompileQueue::~CompileQueue() { shutdown(); }

CompileQueue &CompileQueue::process() {
  static CompileQueue *queue = [] {
    auto *created = new CompileQueue(ExecutionCache::process()); // shut down by atexit, never destroyed
    std::atexit([] { process().shutdown(); });
    pthread_atfork([] { process().state->mutex.lock(); }, [] { process().state->mutex.unlock(); },
                   [] {
                     // The worker is not in the child. Its thread object cannot be joined, so the state is left behind.
                     State *inherited = process().state.release();
                     process().state = std::make_unique<State>();
                     process().state->isStopping = inherited->isStopping;
                   });
    return created;
  }();
  return *queue;
}

bool CompileQueue::submit(std::shared_ptr<CacheEntry> entry, CompileJob job) {
  State &s = *state;
  std::vector<Pending> dropped;
  std::lock_guard lock(s.mutex);
  if (s.isStopping || !entry->advance(CompileState::Interpreted, CompileState::Queued)) return false;
  if (s.pending.size() == kMaxPending) s.cancel(0, dropped);
  s.pending.push_back({std::move(entry), std::move(job)});
  s.stats.submitted++;
  if (!s.worker.joinable()) s.worker = std::thread([this, &s] { workerLoop(s); });
  s.changed.notify_all();
  return true;
}

Status CompileQueue::compileNow(CacheEntry &entry, const CompileJob &job) {
  entry.advance(CompileState::Interpreted, CompileState::Compiling);
  entry.advance(CompileState::Queued, CompileState::Compiling); // the background job will find it taken
  StatusOr<std::shared_ptr<Executable>> compiled = job();
  if (compiled.isOk())
    cache.install(entry, std::move(compiled.value()));
  else
    entry.refuse(compiled.status().message());
  return compiled.status();
}

void CompileQueue::workerLoop(State &s) {
  setpriority(PRIO_PROCESS, 0, 5); // of this thread alone on Linux: the threads that run kernels come first
  std::unique_lock lock(s.mutex);
  while (!s.isStopping) {
    std::vector<Pending> dropped;
    s.cancelEvicted(dropped);
    if (!dropped.empty()) {
      lock.unlock();
      dropped.clear();
      lock.lock();
      continue;
    }
    if (s.pending.empty()) {
      s.isDraining = false;
      s.idle.notify_all();
      s.changed.wait(lock);
      continue;
    }
    if (double seconds = s.secondsToWait(budget); seconds > 0) {
      s.changed.wait_for(lock, std::chrono::duration<double>(seconds));
      continue;
    }
    Pending next = std::move(s.pending.back());
    s.pending.pop_back();
    s.isRunning = true;
    lock.unlock();
    runJob(s, *next.entry, next.job);
    next = {}; // may own a good deal: destroyed without the lock
    lock.lock();
    s.isRunning = false;
  }
  s.idle.notify_all();
}

void CompileQueue::runJob(State &s, CacheEntry &entry, const CompileJob &job) {
  if (!entry.advance(CompileState::Queued, CompileState::Compiling)) return; // compiled on demand meanwhile
  Clock::time_point start = Clock::now();
  Status status = compileNow(entry, job);
  double seconds = secondsSince(start);
  {
    std::lock_guard lock(s.mutex);
    s.stats.compileSeconds += seconds;
    (status.isOk() ? s.stats.compiled : s.stats.refused)++;
  }
  if (!isLogOn(LogChannel::Compile)) return;
  std::string what = status.isOk() ? "compiled" : "refused (" + status.message() + ")";
  logLine(LogChannel::Compile, what + " in " + std::to_string(seconds * 1e3) + " ms");
}

bool CompileQueue::waitIdle(std::chrono::milliseconds timeout) {
  State &s = *state;
  std::unique_lock lock(s.mutex);
  return s.idle.wait_for(lock, timeout, [&] { return s.isIdle(); });
}

bool CompileQueue::drain(std::chrono::milliseconds timeout) {
  {
    std::lock_guard lock(state->mutex);
    state->isDraining = !state->isIdle();
    state->changed.notify_all();
  }
  return waitIdle(timeout);
}

void CompileQueue::shutdown() {
  State &s = *state;
  std::thread worker;
  std::vector<Pending> dropped;
  {
    std::lock_guard lock(s.mutex);
    s.isStopping = true;
    while (!s.pending.empty()) s.cancel(s.pending.size() - 1, dropped);
    worker = std::move(s.worker);
    s.changed.notify_all();
  }
  if (worker.joinable()) worker.join();
}

CompileQueueStats CompileQueue::stats() const {
  std::lock_guard lock(state->mutex);
  CompileQueueStats stats = state->stats;
  stats.pending = state->pending.size();
  return stats;
}

} // namespace tinyfin
