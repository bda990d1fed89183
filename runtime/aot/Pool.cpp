// SPDX-License-Identifier: Apache-2.0
// Threads of a library. Idle ones spin shortly, then sleep; the caller takes part and waits only for threads that
// joined.
#include "runtime/aot/Library.h"

namespace tinyfin::aot {
namespace {

constexpr int kSpins = 4000; // some 20 microseconds

template <class T> T peek(const T &value) { return __atomic_load_n(&value, __ATOMIC_ACQUIRE); }

void takePieces(Pool &pool) {
  for (;;) {
    int64_t begin = __atomic_fetch_add(&pool.next, pool.grain, __ATOMIC_RELAXED);
    if (begin >= pool.count) return;
    int64_t end = pool.count - begin > pool.grain ? begin + pool.grain : pool.count;
    pool.body(pool.context, begin, end);
  }
}

/// False when the pool stops.
bool waitForJob(Pool &pool, uint32_t seen) {
  for (int i = 0; i < kSpins && peek(pool.generation) == seen && !peek(pool.isStopping); ++i) __builtin_ia32_pause();
  pthread_mutex_lock(&pool.lock);
  while (pool.generation == seen && !pool.isStopping) pthread_cond_wait(&pool.wake, &pool.lock);
  return !pool.isStopping; // the lock is held
}

void *work(void *argument) {
  Worker &worker = *static_cast<Worker *>(argument);
  Pool &pool = worker.library->pool;
  setWorker(&worker);
  for (uint32_t seen = 0; waitForJob(pool, seen);) {
    seen = pool.generation;
    bool joins = pool.isOpen;
    pool.joined += joins;
    pthread_mutex_unlock(&pool.lock);
    if (!joins) continue;
    takePieces(pool);
    pthread_mutex_lock(&pool.lock);
    if (--pool.joined == 0) pthread_cond_signal(&pool.done);
    pthread_mutex_unlock(&pool.lock);
  }
  pthread_mutex_unlock(&pool.lock);
  return nullptr;
}

} // namespace

void initPool(Library *library) {
  Pool &pool = library->pool;
  pthread_mutex_init(&pool.lock, nullptr);
  pthread_cond_init(&pool.wake, nullptr);
  pthread_cond_init(&pool.done, nullptr);
  pool.threads = 1;
  for (int i = 0; i < kMaxThreads; ++i) library->workers[i].library = library, library->workers[i].number = i;
}

bool startThreads(Library *library, int32_t threads) {
  Pool &pool = library->pool;
  pool.generation = 0, pool.isStopping = false;
  for (pool.threads = 1; pool.threads < threads; ++pool.threads) {
    Worker &worker = library->workers[pool.threads];
    if (!growScratch(library, worker) || pthread_create(&worker.thread, nullptr, work, &worker) != 0) return false;
  }
  return true;
}

void stopThreads(Library *library) {
  Pool &pool = library->pool;
  pthread_mutex_lock(&pool.lock);
  __atomic_store_n(&pool.isStopping, true, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  for (int32_t i = 1; i < pool.threads; ++i) {
    pthread_join(library->workers[i].thread, nullptr);
    freeScratch(library->workers[i]);
  }
  pool.threads = 1;
}

extern "C" void aot_parallel(Library *library, int64_t count, int64_t grain, void (*body)(void *, int64_t, int64_t),
                             void *context) {
  if (count <= 0) return;
  Pool &pool = library->pool;
  if (pool.threads == 1 || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain)
      body(context, begin, count - begin > grain ? begin + grain : count);
    return;
  }
  pthread_mutex_lock(&pool.lock);
  pool.next = 0, pool.count = count, pool.grain = grain, pool.body = body, pool.context = context;
  pool.isOpen = true;
  __atomic_store_n(&pool.generation, pool.generation + 1, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  takePieces(pool);
  pthread_mutex_lock(&pool.lock);
  pool.isOpen = false;
  while (pool.joined > 0) pthread_cond_wait(&pool.done, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
}

namespace {
struct Launched {
  KernelFn kernel;
  void *const *args;
  const int64_t *dims;
};
} // namespace

extern "C" void aot_launch(Library *library, KernelFn kernel, void *const *args, const int64_t *dims, int64_t count,
                           int64_t grain) {
  if (count <= 0) return;
  if (library->pool.threads == 1 || count <= grain) return kernel(args, dims, 0, count);
  Launched launched{kernel, args, dims};
  aot_parallel(
      library, count, grain,
      [](void *context, int64_t begin, int64_t end) {
        auto *launched = static_cast<Launched *>(context);
        launched->kernel(launched->args, launched->dims, begin, end);
      },
      &launched);
}

} // namespace tinyfin::aot
