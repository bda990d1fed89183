// SPDX-License-Identifier: Apache-2.0
// The process's oneDNN engine and the bounded cache.
#include "runtime/kernels/conv/OneDnnSupport.h"
#include <algorithm>

// Declared here because clang does not ship libgomp's omp.h.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int);
}

namespace tinyfin::onednn {

const dnnl::engine &engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream &stream() {
  thread_local dnnl::stream ofThread(engine());
  return ofThread;
}

SingleThread::SingleThread() : before(omp_get_max_threads()) {
  if (before != 1) omp_set_num_threads(1);
}
SingleThread::~SingleThread() {
  if (before != 1) omp_set_num_threads(before);
}

size_t MadeOnce::Hash::operator()(std::span<const int64_t> key) const {
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (int64_t word : key) {
    hash = (hash ^ static_cast<uint64_t>(word)) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}
bool MadeOnce::Same::operator()(std::span<const int64_t> a, std::span<const int64_t> b) const {
  return std::ranges::equal(a, b);
}

MadeOnce::Object MadeOnce::find(std::span<const int64_t> key) {
  std::lock_guard lock(mutex);
  auto found = objects.find(key);
  return found == objects.end() ? nullptr : found->second;
}

StatusOr<MadeOnce::Object> MadeOnce::get(std::span<const int64_t> key, const std::function<StatusOr<Object>()> &make) {
  if (Object object = find(key)) return object;
  // Made outside the lock: it may take milliseconds, and two threads making the same object do no harm.
  StatusOr<Object> made = make();
  if (!made.isOk()) return made;
  std::lock_guard lock(mutex);
  auto [entry, isNew] = objects.try_emplace(std::vector<int64_t>(key.begin(), key.end()), made.value());
  Object object = entry->second;
  if (!isNew) return object;
  if (order.size() < bound) {
    order.push_back(&entry->first);
    return object;
  }
  objects.erase(objects.find(*order[oldest]));
  order[oldest] = &entry->first;
  oldest = (oldest + 1) % bound;
  return object;
}

size_t MadeOnce::size() {
  std::lock_guard lock(mutex);
  return objects.size();
}

} // namespace tinyfin::onednn
