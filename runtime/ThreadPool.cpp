// SPDX-License-Identifier: Apache-2.0
// The thread pool. A region is published as one word, `work` = generation : pieces not yet claimed, and is claimed
// piece by piece with compare-and-swap. Who holds a claimed piece keeps the region's description alive, so a worker
// that comes late finds nothing to claim and nobody waits for it: a core taken away costs at most the piece it held.
#include "runtime/ThreadPool.h"
#include "runtime/Log.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" void omp_set_num_threads(int); // libgomp is linked for oneDNN

namespace tinyfin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kMaxPieces = UINT32_MAX;

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futexWake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

inline void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

/// Waits until done() or the time is up. Reads the clock rarely: a pause takes some 50 ns.
template <class Done> bool spinUntil(Done done, std::chrono::microseconds limit) {
  Clock::time_point end = Clock::now() + limit;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pauseCpu();
    }
  } while (Clock::now() < end);
  return done();
}

thread_local bool isInsideRegion = false;

int positiveNumber(const char *text) {
  int value = text ? std::atoi(text) : 0;
  return value > 0 ? value : 0;
}

int processThreads() {
  if (int64_t asked = config::numThreads()) return static_cast<int>(std::min<int64_t>(asked, 1024));
  if (int asked = positiveNumber(std::getenv("OMP_NUM_THREADS"))) return asked;
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
  return std::max(1u, std::thread::hardware_concurrency());
}

} // namespace

struct ThreadPool::State {
  explicit State(int threads)
      : threads(std::max(1, threads)), spinTime(std::chrono::microseconds(config::spinMicroseconds())) {}
  ~State();

  void start();
  void workerLoop(uint32_t seenGeneration);
  bool waitForWork(uint32_t seenGeneration);
  void runPieces();
  void waitForPieces();
  void publish(int64_t count, int64_t grain, uint32_t pieces, Body body, void *closure);
  uint32_t generation() const { return static_cast<uint32_t>(work.load(std::memory_order_acquire) >> 32); }

  const int threads;
  const uint32_t batchShare = 4 * static_cast<uint32_t>(threads); // a batch is at most this part of what is left
  const std::chrono::microseconds spinTime;
  std::vector<std::thread> workers; // started by the first region, under `busy`

  // The region's description: written by the publisher when no piece is out, read by who holds a piece.
  int64_t count = 0, grain = 1;
  uint32_t pieces = 0;
  Body body = nullptr;
  void *closure = nullptr;

  alignas(64) std::atomic<uint64_t> work{0}; // generation << 32 | unclaimed pieces
  alignas(64) std::atomic<uint32_t> unfinished{0};
  std::atomic<uint32_t> publisherSleeps{0};
  alignas(64) std::atomic<uint32_t> wakeups{0}; // what idle workers sleep on
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  alignas(64) std::atomic<bool> busy{false}; // a region is running
};

ThreadPool::State::~State() {
  stopping.store(true);
  wakeups.fetch_add(1);
  futexWake(wakeups, INT_MAX);
  for (std::thread &worker : workers) worker.join();
}

void ThreadPool::State::start() {
  if (isLogOn(LogChannel::Runtime)) logLine(LogChannel::Runtime, "thread pool of " + std::to_string(threads));
  workers.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) workers.emplace_back([this, seen = generation()] { workerLoop(seen); });
}

void ThreadPool::State::workerLoop(uint32_t seen) {
  isInsideRegion = true;
  omp_set_num_threads(1); // a library called from a body must not start a team of its own
  while (waitForWork(seen)) {
    seen = generation();
    if (sleepers.load(std::memory_order_relaxed) && static_cast<uint32_t>(work.load(std::memory_order_relaxed)) > 1)
      futexWake(wakeups, 1);
    runPieces();
  }
}

/// Returns when there is a generation other than the one seen; false when the pool ends.
bool ThreadPool::State::waitForWork(uint32_t seen) {
  auto isOver = [&] { return generation() != seen || stopping.load(std::memory_order_relaxed); };
  if (!spinUntil(isOver, spinTime)) {
    // Sequentially consistent: either we see the new work here or its publisher sees us in `sleepers`.
    for (;;) {
      uint32_t word = wakeups.load();
      sleepers.fetch_add(1);
      bool over = work.load() >> 32 != seen || stopping.load();
      if (!over) futexWait(wakeups, word);
      sleepers.fetch_sub(1);
      if (over || isOver()) break;
    }
  }
  return !stopping.load();
}

/// Claims and runs pieces until none is left. A claimed and unaccounted piece pins the generation.
void ThreadPool::State::runPieces() {
  uint32_t done = 0;
  uint64_t seen = work.load(std::memory_order_acquire);
  while (uint32_t left = static_cast<uint32_t>(seen)) {
    uint32_t batch = std::max<uint32_t>(1, left / batchShare); // many small pieces would fight for the word
    if (!work.compare_exchange_weak(seen, seen - batch, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    int64_t begin = static_cast<int64_t>(pieces - left) * grain;
    for (uint32_t i = 0; i < batch; ++i, begin += grain) body(closure, begin, std::min(begin + grain, count));
    done += batch;
    seen = work.load(std::memory_order_acquire);
  }
  if (done && unfinished.fetch_sub(done) == done && publisherSleeps.load()) futexWake(unfinished, 1);
}

void ThreadPool::State::publish(int64_t newCount, int64_t newGrain, uint32_t newPieces, Body newBody,
                                void *newClosure) {
  count = newCount, grain = newGrain, pieces = newPieces, body = newBody, closure = newClosure;
  unfinished.store(newPieces, std::memory_order_relaxed);
  work.store((static_cast<uint64_t>(generation()) + 1) << 32 | newPieces);
  if (sleepers.load() == 0) return;
  wakeups.fetch_add(1);
  futexWake(wakeups, 1); // a wake costs up to 10 us on a virtual machine: the woken worker wakes the next
}

void ThreadPool::State::waitForPieces() {
  auto isDone = [&] { return unfinished.load(std::memory_order_acquire) == 0; };
  if (spinUntil(isDone, spinTime)) return;
  publisherSleeps.store(1);
  while (uint32_t left = unfinished.load()) futexWait(unfinished, left);
  publisherSleeps.store(0);
}

ThreadPool::ThreadPool(int threads) : state(std::make_unique<State>(threads)) {}
ThreadPool::~ThreadPool() = default;
int ThreadPool::threads() const { return state->threads; }

ThreadPool &ThreadPool::process() {
  static ThreadPool *pool = [] {
    auto *created = new ThreadPool(processThreads()); // never destroyed: workers may run while the process ends
    pthread_atfork(nullptr, nullptr, [] {
      // The child has none of the workers. The old state is left as it is: its threads cannot be joined.
      ThreadPool &inherited = process();
      int threads = inherited.threads();
      (void)inherited.state.release();
      inherited.state = std::make_unique<State>(threads);
      isInsideRegion = false;
    });
    return created;
  }();
  return *pool;
}

void ThreadPool::parallelFor(int64_t count, int64_t grain, Body body, void *closure) {
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain) {
    if (count > 0) body(closure, 0, count);
    return;
  }
  State &s = *state;
  int64_t pieces = (count - 1) / grain + 1;
  // Nested regions and those of a second caller run serially, in the same pieces.
  if (isInsideRegion || s.threads == 1 || pieces > kMaxPieces || s.busy.exchange(true, std::memory_order_acquire)) {
    for (int64_t begin = 0; begin < count; begin += std::min(grain, count - begin))
      body(closure, begin, begin + std::min(grain, count - begin));
    return;
  }
  if (s.workers.empty()) s.start();
  isInsideRegion = true;
  s.publish(count, grain, static_cast<uint32_t>(pieces), body, closure);
  s.runPieces();
  s.waitForPieces();
  isInsideRegion = false;
  s.busy.store(false, std::memory_order_release);
}

} // namespace tinyfin
