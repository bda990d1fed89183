// SPDX-License-Identifier: Apache-2.0
// The process-wide, bounded table of compiled kernels.
#include "backends/cpu/KernelCache.h"
#include <list>
#include <map>
#include <mutex>

namespace tinyfin::cpu {
namespace {

constexpr size_t kMaxEntries = 2048;

class Table {
public:
  static Table &process() {
    static Table *table = new Table; // kernels may be looked up while the process ends
    return *table;
  }
  bool find(const Words &key, CompiledKernel &kernel) {
    std::lock_guard lock(mutex);
    auto found = entries.find(key);
    if (found == entries.end()) return ++stats.misses, false;
    order.splice(order.begin(), order, found->second.place);
    kernel = found->second.kernel;
    return ++stats.hits, true;
  }
  bool contains(const Words &key) {
    std::lock_guard lock(mutex);
    return entries.contains(key);
  }
  void insert(const Words &key, const CompiledKernel &kernel) {
    std::lock_guard lock(mutex);
    auto [entry, isNew] = entries.try_emplace(key);
    if (!isNew) return;
    order.push_front(key);
    entry->second = {kernel, order.begin()};
    while (entries.size() > kMaxEntries) {
      entries.erase(order.back());
      order.pop_back();
    }
  }
  KernelCacheStats statistics() {
    std::lock_guard lock(mutex);
    KernelCacheStats result = stats;
    result.entries = entries.size();
    return result;
  }

private:
  struct Entry {
    CompiledKernel kernel;
    std::list<Words>::iterator place;
  };
  std::mutex mutex;
  std::map<Words, Entry> entries;
  std::list<Words> order; // most recently used first
  KernelCacheStats stats;
};

} // namespace

KernelCacheStats kernelCacheStats() { return Table::process().statistics(); }

bool findKernel(const Words &key, CompiledKernel &kernel) { return Table::process().find(key, kernel); }
bool isKernelKnown(const Words &key) { return Table::process().contains(key); }
void insertKernel(const Words &key, const CompiledKernel &kernel) { Table::process().insert(key, kernel); }

} // namespace tinyfin::cpu
