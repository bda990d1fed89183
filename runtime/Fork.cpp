// SPDX-License-Identifier: Apache-2.0
// One list of mutexes and one set of fork handlers.
#include "runtime/Fork.h"
#include <pthread.h>
#include <vector>

namespace tinyfin {
namespace {

struct Held {
  std::mutex listMutex;
  std::vector<std::mutex *> mutexes;
};

Held &held() {
  static Held *instance = new Held; // never destroyed: fork handlers cannot be taken back
  return *instance;
}

void lockAll() {
  held().listMutex.lock();
  for (std::mutex *mutex : held().mutexes) mutex->lock();
}

void unlockAll() {
  for (std::mutex *mutex : held().mutexes) mutex->unlock();
  held().listMutex.unlock();
}

} // namespace

void holdAcrossFork(std::mutex &mutex) {
  static const int registered = pthread_atfork(lockAll, unlockAll, unlockAll);
  (void)registered;
  std::lock_guard lock(held().listMutex);
  held().mutexes.push_back(&mutex);
}

} // namespace tinyfin
