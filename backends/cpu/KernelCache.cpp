// SPDX-License-Identifier: Apache-2.0
// The process-wide, bounded table of compiled kernels and the threads that fill it.
#include "backends/cpu/KernelCache.h"
#include "backends/cpu/Codegen.h"
#include "runtime/Config.h"
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>

using namespace mlir;

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

struct Job {
  const KernelSpec *spec;
  Words key;
  CompiledKernel kernel;
};

/// Emits and compiles one thread's share as one module.
Status compileBatch(ArrayRef<Job *> jobs, CompileTimes &times) {
  auto start = CompileTimes::Clock::now();
  Codegen codegen(Machine::host());
  times.add("contexts", CompileTimes::since(start));
  start = CompileTimes::Clock::now();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&codegen.context()));
  bool hasCode = false;
  for (auto [i, job] : llvm::enumerate(jobs)) {
    Emitted emitted = emitKernel(*module, *job->spec, Machine::host(), "k" + std::to_string(i));
    job->kernel.refusal = emitted.refusal;
    job->kernel.launch = emitted.launch;
    hasCode |= emitted.refusal.empty();
  }
  times.add("emit", CompileTimes::since(start));
  if (!hasCode) return Status::ok();
  std::string folder = config::dump();
  auto object = folder.empty() ? codegen.object(*module) : codegen.dumpedObject(*module, folder, "kernel");
  times.add(codegen.times);
  if (!object.isOk()) return object.status();
  PhaseTimer link(times, "link");
  auto code = LoadedCode::load(std::move(object.value()));
  if (!code.isOk()) return code.status();
  for (auto [i, job] : llvm::enumerate(jobs)) {
    if (!job->kernel.refusal.empty()) continue;
    auto function = code.value()->find("k" + std::to_string(i));
    if (!function.isOk()) return function.status();
    job->kernel.function = reinterpret_cast<GeneratedFn>(function.value());
    job->kernel.code = code.value();
    job->kernel.codeBytes = code.value()->bytes() / jobs.size();
  }
  return Status::ok();
}

/// Deals jobs out so that each batch has about as many ops.
std::vector<SmallVector<Job *>> dealOut(std::vector<Job> &jobs, int threads) {
  std::vector<Job *> byWeight;
  for (Job &job : jobs) byWeight.push_back(&job);
  llvm::sort(byWeight, [](Job *a, Job *b) { return a->spec->ops.size() > b->spec->ops.size(); });
  // To be read, each kernel stands alone.
  size_t count = config::dump().empty() ? std::min<size_t>(std::max(1, threads), byWeight.size()) : byWeight.size();
  std::vector<SmallVector<Job *>> batches(count);
  std::vector<size_t> weights(count, 0);
  for (Job *job : byWeight) {
    size_t least = llvm::min_element(weights) - weights.begin();
    batches[least].push_back(job);
    weights[least] += job->spec->ops.size() + 8; // 8: what any kernel costs
  }
  return batches;
}

Status compileAll(std::vector<Job> &jobs, int threads, CompileTimes &times) {
  std::vector<SmallVector<Job *>> batches = dealOut(jobs, threads);
  std::vector<Status> results(batches.size());
  std::vector<CompileTimes> spent(batches.size());
  std::vector<std::thread> workers;
  for (size_t i = 1; i < batches.size(); ++i) workers.emplace_back([&, i] { results[i] = compileBatch(batches[i], spent[i]); });
  if (!batches.empty()) results[0] = compileBatch(batches[0], spent[0]);
  for (std::thread &worker : workers) worker.join();
  for (CompileTimes &part : spent) times.add(part);
  for (Status &result : results) TINYFIN_RETURN_IF_ERROR(result);
  return Status::ok();
}

} // namespace

KernelCacheStats kernelCacheStats() { return Table::process().statistics(); }

StatusOr<std::vector<CompiledKernel>> compileKernels(ArrayRef<KernelSpec> specs, int threads, KernelBatchStats *stats) {
  std::vector<CompiledKernel> kernels(specs.size());
  std::vector<Job> jobs;
  std::map<Words, SmallVector<size_t>> missing;
  std::set<Words> all;
  for (auto [i, spec] : llvm::enumerate(specs)) {
    Words key = spec.key();
    all.insert(key);
    if (!Table::process().find(key, kernels[i])) missing[key].push_back(i);
  }
  for (auto &[key, users] : missing) jobs.push_back({&specs[users.front()], key, {}});
  KernelBatchStats batch;
  TINYFIN_RETURN_IF_ERROR(compileAll(jobs, threads, batch.times));
  batch.unique = all.size(), batch.generated = jobs.size();
  if (stats) *stats = std::move(batch);
  for (Job &job : jobs) {
    Table::process().insert(job.key, job.kernel);
    for (size_t user : missing[job.key]) kernels[user] = job.kernel;
  }
  return kernels;
}

} // namespace tinyfin::cpu
