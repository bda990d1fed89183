// SPDX-License-Identifier: Apache-2.0
// Compiles the kernels of one graph on threads of its own, from the moment each is known: while passes still work on the
// graph, and then with the help of who waits. Threads take what weighs most first, in modules that become smaller as
// less is left, so that they end together.
#pragma once
#include "backends/cpu/KernelCache.h"
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace tinyfin::cpu {

class KernelForge {
public:
  /// `threads` with the caller's.
  explicit KernelForge(int threads) : threads(threads) {}
  /// Drops what has not begun and waits for the rest.
  ~KernelForge();
  KernelForge(const KernelForge &) = delete;

  /// Starts all threads at once, to be ready when the first kernel comes; the process' first ones also compile one that nobody
  /// wants: much of what a thread's first kernel takes is LLVM's code being mapped and bound.
  void warm();
  /// A kernel that will be wanted. Does not wait; does nothing for what is known.
  void add(const KernelSpec &spec);
  /// An entry a spec. Called once, last; takes part in the work.
  StatusOr<std::vector<CompiledKernel>> finish(ArrayRef<KernelSpec> specs, KernelBatchStats *stats);

private:
  struct Job {
    KernelSpec spec;
    CompiledKernel kernel;
    size_t weight() const { return spec.ops.size() + 8; } // 8: what any kernel costs
  };
  void enqueue(const Words &key, const KernelSpec &spec);
  std::vector<Job *> take();
  void startWorkers();
  void work(bool mayWait, bool isCold = false);
  void join();

  const int threads;
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<Words, Job> jobs;
  std::vector<Job *> waiting; // the heaviest last
  size_t waitingWeight = 0;
  std::vector<std::thread> workers;
  int idle = 0;
  bool isClosed = false;
  Status problem;
  CompileTimes times;
};

} // namespace tinyfin::cpu
