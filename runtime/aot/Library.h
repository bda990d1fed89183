// SPDX-License-Identifier: Apache-2.0
// The state behind the C interface's handle.
#pragma once
#include "runtime/aot/Aot.h"
#include "runtime/kernels/Scratch.h"
#include <pthread.h>

namespace tinyfin::aot {

inline constexpr int kMaxRegions = 16;

/// Scratch memory of one thread, a block for each use.
struct Worker {
  void *blocks[static_cast<int>(ScratchUse::Count)];
  Library *library;
  int number;
  pthread_t thread;
};

/// One parallel loop at a time. Threads join under the lock while the job is open and then take pieces without it.
struct Pool {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  int32_t threads; // the caller of run() counts
  int32_t joined;  // threads still inside the job
  uint32_t generation;
  bool isOpen, isStopping;
  int64_t next, count, grain;
  void (*body)(void *, int64_t, int64_t);
  void *context;
};

struct Library {
  const Descriptor *descriptor;
  Entry entry;
  char *workspace;
  size_t workspaceBytes;
  size_t scratchBytes[static_cast<int>(ScratchUse::Count)]; // of every worker's blocks
  Region regions[kMaxRegions];
  Worker workers[kMaxThreads];
  Pool pool;
  char error[256];
};

/// The calling thread takes the part of a worker from now on; null: none.
void setWorker(Worker *worker);
void initPool(Library *library);
bool startThreads(Library *library, int32_t threads);
void stopThreads(Library *library);
void freeScratch(Worker &worker);
bool growScratch(Library *library, Worker &worker);

} // namespace tinyfin::aot
