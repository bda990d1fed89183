// SPDX-License-Identifier: Apache-2.0
// A queue and threads that live as long as one compilation.
#include "backends/cpu/KernelForge.h"
#include "backends/cpu/Codegen.h"
#include "runtime/Config.h"
#include <array>
#include <atomic>
#include <set>

using namespace mlir;

namespace tinyfin::cpu {
namespace {

/// Emits and compiles kernels as one module.
template <class Jobs> Status compileModule(Jobs &jobs, Codegen &codegen, CompileTimes &times) {
  auto start = CompileTimes::Clock::now();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&codegen.context()));
  bool hasCode = false;
  for (auto [i, job] : llvm::enumerate(jobs)) {
    Emitted emitted = emitKernel(*module, job->spec, Machine::host(), "k" + std::to_string(i));
    job->kernel.refusal = emitted.refusal;
    job->kernel.launch = emitted.launch;
    hasCode |= emitted.refusal.empty();
  }
  times.add("emit", CompileTimes::since(start));
  if (!hasCode) return Status::ok();
  std::string folder = config::dump();
  auto object = folder.empty() ? codegen.object(*module) : codegen.dumpedObject(*module, folder, "kernel");
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

/// Sums of exp(x) along rows: loops, vectors, a reduction and a polynomial.
KernelSpec warmUpKernel() {
  KernelSpec spec;
  TensorSpec whole{DType::F32, {Dim(64), Dim(128)}}, sums{DType::F32, {Dim(64), Dim(1)}};
  spec.values = {whole, whole, sums};
  spec.numInputs = 1;
  KernelOp exp{OpId::Exp, {0}, {}, 1}, sum{OpId::Sum, {1}, {}, 2};
  AttrWriter(sum.attrs).list(std::array<int64_t, 1>{1}).flag(true);
  spec.ops = {exp, sum};
  spec.outputs = {2};
  return spec;
}

} // namespace

KernelForge::~KernelForge() {
  {
    std::lock_guard lock(mutex);
    waiting.clear();
    isClosed = true;
  }
  join();
}

void KernelForge::join() {
  arrived.notify_all();
  for (std::thread &worker : workers) worker.join();
  workers.clear();
}

void KernelForge::enqueue(const Words &key, const KernelSpec &spec) {
  auto [job, isNew] = jobs.try_emplace(key);
  if (!isNew) return;
  job->second.spec = spec;
  size_t weight = job->second.weight();
  auto place = llvm::upper_bound(waiting, weight, [](size_t w, const Job *other) { return w < other->weight(); });
  waiting.insert(place, &job->second);
  waitingWeight += weight;
}

void KernelForge::add(const KernelSpec &spec) {
  Words key = spec.key();
  if (isKernelKnown(key)) return;
  std::lock_guard lock(mutex);
  enqueue(key, spec);
  startWorkers();
  arrived.notify_one();
}

void KernelForge::warm() {
  static std::atomic<bool> isProcessWarm = false;
  std::lock_guard lock(mutex);
  bool isCold = config::dump().empty() && !isProcessWarm.exchange(true);
  while (static_cast<int>(workers.size()) < threads - 1) {
    workers.emplace_back([this, isCold] { work(/*mayWait=*/true, isCold); });
    ++idle;
  }
}

/// One for each job that nobody is there to take; the caller's thread counts, but is busy.
void KernelForge::startWorkers() {
  while (static_cast<int>(workers.size()) < threads - 1 && static_cast<size_t>(idle) < waiting.size()) {
    workers.emplace_back([this] { work(/*mayWait=*/true); });
    ++idle;
  }
}

std::vector<KernelForge::Job *> KernelForge::take() {
  std::vector<Job *> batch;
  size_t share = waitingWeight / threads, taken = 0;
  while (!waiting.empty() && (batch.empty() || taken + waiting.back()->weight() <= share)) {
    batch.push_back(waiting.back());
    taken += waiting.back()->weight();
    waiting.pop_back();
    if (!config::dump().empty()) break; // to be read, each kernel stands alone
  }
  waitingWeight -= taken;
  return batch;
}

/// Threads count as idle from their start to their first job.
void KernelForge::work(bool mayWait, bool isCold) {
  auto start = CompileTimes::Clock::now();
  Codegen codegen(Machine::host());
  CompileTimes spent;
  spent.add("contexts", CompileTimes::since(start));
  if (isCold) {
    PhaseTimer timer(spent, "warm-up");
    CompileTimes nobodys;
    Job job{warmUpKernel(), {}};
    std::array jobs{&job};
    (void)compileModule(jobs, codegen, nobodys); // what goes wrong here goes wrong again where it matters
    codegen.times = {};
  }
  std::unique_lock lock(mutex);
  while (true) {
    if (mayWait) arrived.wait(lock, [&] { return isClosed || !waiting.empty(); });
    if (waiting.empty()) break;
    std::vector<Job *> batch = take();
    idle -= mayWait;
    lock.unlock();
    Status status = compileModule(batch, codegen, spent);
    lock.lock();
    idle += mayWait;
    if (!status.isOk()) problem = status;
  }
  times.add(spent);
  times.add(codegen.times);
}

StatusOr<std::vector<CompiledKernel>> KernelForge::finish(ArrayRef<KernelSpec> specs, KernelBatchStats *stats) {
  std::vector<CompiledKernel> kernels(specs.size());
  std::vector<std::pair<size_t, Words>> missing;
  std::set<Words> all;
  {
    std::lock_guard lock(mutex);
    for (auto [i, spec] : llvm::enumerate(specs)) {
      Words key = spec.key();
      all.insert(key);
      if (findKernel(key, kernels[i])) continue;
      enqueue(key, spec);
      missing.push_back({i, std::move(key)});
    }
    isClosed = true;
    startWorkers();
  }
  arrived.notify_all();
  if (!jobs.empty()) work(/*mayWait=*/false);
  join();
  if (!problem.isOk()) return problem;
  for (auto &[key, job] : jobs) insertKernel(key, job.kernel);
  for (auto &[i, key] : missing) kernels[i] = jobs.find(key)->second.kernel;
  if (stats) stats->unique = all.size(), stats->generated = jobs.size(), stats->times = times;
  return kernels;
}

StatusOr<std::vector<CompiledKernel>> compileKernels(ArrayRef<KernelSpec> specs, int threads, KernelBatchStats *stats) {
  return KernelForge(threads).finish(specs, stats);
}

} // namespace tinyfin::cpu
