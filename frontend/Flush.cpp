// SPDX-License-Identifier: Apache-2.0
#include "frontend/Flush.h"
#include "backends/Compile.h"
#include "frontend/Recorder.h"
#include "frontend/Tensor.h"
#include "runtime/CompileQueue.h"
#include "runtime/Config.h"
#include "runtime/Log.h"
#include <chrono>
#include <deque>

namespace tinyfin::flush {
namespace {

struct Service {
  Backend *backend = nullptr;
  Words prefix;
  Stats stats;
  std::deque<std::string> history;
  // Threads that are running code without the host's lock, and what they may still read though its value moved away.
  int running = 0;
  std::vector<BufferRef> retired;
};
Service &service() {
  static Service state;
  return state;
}

void choose(const std::string &name) {
  StatusOr<Backend *> found = findBackend(name);
  throwIfError(found.status());
  Service &state = service();
  state.backend = found.value();
  // The target in full: a key names what its code needs, not a number that could be reused.
  std::string target = state.backend->target();
  state.prefix.clear();
  AttrWriter(state.prefix).text(target).flag(config::deterministic());
}

using Clock = std::chrono::steady_clock;
double microsecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

} // namespace

Backend &backend() {
  if (service().backend) return *service().backend;
  // A backend asked for by name and not there is an error; the default falls back.
  bool named = Config::process().isSet(Setting::backend);
  choose(named || findBackend(config::backend()).isOk() ? config::backend() : "interpreter");
  return *service().backend;
}
Device &device() { return backend().device(); }
void setBackend(const std::string &name) { choose(name); }
std::span<const int64_t> keyPrefix() { return backend(), service().prefix; }
Stats stats() { return service().stats; }
std::vector<std::string> history() { return {service().history.begin(), service().history.end()}; }
bool waitForCompiles(double seconds) {
  return CompileQueue::process().drain(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
}

std::shared_ptr<CacheEntry> compiledNow(std::span<const int64_t> key, std::span<const int64_t> trace,
                                        std::span<const uint32_t> outputs, const Modes &modes, std::string &refusal) {
  ExecutionCache &cache = ExecutionCache::process();
  Lookup found = cache.find(key, outputs);
  bool isSettled = found && (found.entry->state() == CompileState::Compiled || found.entry->trial().verdict() == Trial::Verdict::Interpreted);
  if (isSettled) return found.entry;
  llvm::ArrayRef<uint32_t> slots(outputs.data(), outputs.size());
  auto compiled = compileTrace(trace, slots, backend(), modes.options(config::deterministic()));
  if (!compiled.isOk()) {
    refusal = compiled.status().message();
    logLine(LogChannel::Fallback, "not compiled: " + refusal);
    compiled = compileTrace(trace, slots, *findBackend("interpreter").value(), {});
    throwIfError(compiled.status());
  }
  auto entry = cache.insert(key, outputs, compiled.value(), {.state = CompileState::Compiled});
  if (!refusal.empty() || !backend().device().isHostAccessible()) entry->endTrial();
  return entry;
}

void moveTo(Device &device, Value &value) {
  StatusOr<BufferRef> buffer = device.allocate(value.bytes());
  throwIfError(buffer.status());
  BufferRef moved = std::move(buffer.value());
  throwIfError(copyBetween(*value.buffer.get(), *moved.get(), value.bytes()));
  std::swap(value.buffer, moved);
  if (service().running) service().retired.push_back(std::move(moved));
}

/// One flush, step by step. It owns the trace: its recorder starts another at once, so that while kernels run without
/// the lock, any thread may record, look at what is here, or drop it.
class Run {
public:
  Run(Recorder &recorder, const char *reason) : recorder(recorder), reason(reason), trace(recorder.take()) {}
  ~Run() {
    trace.clear();
    recorder.giveBack(std::move(trace));
  }

  void operator()() {
    auto start = Clock::now();
    collectLive();
    try {
      bindScalars();
      if (live.empty() && !trace.hasEffects) return;
      findExecutable();
      inputPointers();
      outputPointers();
    } catch (const UserError &error) {
      return fail(Status::error(StatusCode::Internal, error.what()), error.kind);
    } catch (const std::bad_alloc &) {
      return fail(Status::error(StatusCode::OutOfMemory, "out of memory while a graph was prepared"), ErrorKind::Memory);
    }
    double before = microsecondsSince(start);
    Status status;
    ++service().running;
    auto begin = Clock::now();
    runUnlocked([&] { status = choice.executable->run(inputs, outputs); });
    if (--service().running == 0) service().retired.clear();
    auto after = Clock::now();
    if (!status.isOk()) return fail(status, kindOf(status.code()));
    if (choice.isTimed) entry->note(choice.side, std::chrono::duration<double, std::micro>(after - begin).count());
    bind();
    note(before + microsecondsSince(after));
  }

private:
  void collectLive() {
    for (size_t slot = 0; slot < trace.slots.size(); ++slot) {
      Value *value = trace.slots[slot];
      if (!value) continue;
      value->recorder = nullptr;
      value->state = ValueState::Running;
      // Scalars keep data of their own; results become outputs.
      (isScalarInput(slot) ? scalars : live).push_back({static_cast<uint32_t>(slot), ValueRef(value)});
    }
    for (auto &[slot, value] : live) liveSlots.push_back(slot);
  }

  bool isScalarInput(size_t slot) {
    while (nextInput < trace.inputs.size() && trace.inputs[nextInput].slot < slot) ++nextInput;
    return nextInput < trace.inputs.size() && trace.inputs[nextInput].slot == slot;
  }

  std::span<const int64_t> key() const { return trace.words; }
  std::span<const int64_t> traceWords() const { return key().subspan(trace.prefixWords); }

  void findExecutable() {
    ExecutionCache &cache = ExecutionCache::process();
    Lookup found = cache.find(key(), liveSlots);
    hit = bool(found);
    if (!hit) return compileNew(cache);
    entry = found.entry;
    choice = entry->choose();
    bool wantsCompile = entry->state() == CompileState::Interpreted && config::backgroundCompile();
    if (wantsCompile) submitCompile(found.seen);
  }

  void compileNew(ExecutionCache &cache) {
    Backend *interpreter = findBackend("interpreter").value();
    bool isRemote = !backend().device().isHostAccessible(); // where the interpreter has no access
    bool now = (config::deterministic() || isRemote) && &backend() != interpreter;
    auto compiled = compileTrace(traceWords(), liveSlots, now ? backend() : *interpreter, recorder.modes.options(now));
    throwIfError(compiled.status());
    bool final = now || &backend() == interpreter;
    entry = cache.insert(key(), liveSlots, compiled.value(), {.state = final ? CompileState::Compiled : CompileState::Interpreted});
    if (final) entry->endTrial();
    choice = entry->choose();
  }

  void submitCompile(uint64_t seen) {
    if (seen < 2) return; // submit() moves the state: a graph is queued once
    Words words(traceWords().begin(), traceWords().end());
    auto target = entry;
    Backend *compiler = &backend();
    CompileQueue::process().submit(entry, [words = std::move(words), target, compiler, modes = recorder.modes]() -> StatusOr<std::shared_ptr<Executable>> {
      llvm::ArrayRef<uint32_t> outputs(target->outputSlots().data(), target->outputSlots().size());
      return compileTrace(words, outputs, *compiler, modes.options());
    });
  }

  void inputPointers() {
    Device &device = backend().device();
    std::byte *pool = scalarAddress(device);
    for (const TraceInput &input : trace.inputs) {
      if (input.value && &input.value->buffer->device() != &device) moveTo(device, *input.value);
      inputs.push_back(input.value ? input.value->buffer->data() : pool + input.scalarAt * sizeof(int64_t));
    }
  }

  /// Where the device finds the runtime scalars.
  std::byte *scalarAddress(Device &device) {
    if (device.isHostAccessible()) return reinterpret_cast<std::byte *>(trace.scalarPool.data());
    size_t bytes = trace.scalarPool.size() * sizeof(int64_t);
    scalarBuffer = allocate(device, bytes);
    throwIfError(device.copyFromHost(*scalarBuffer.get(), trace.scalarPool.data(), bytes));
    return static_cast<std::byte *>(scalarBuffer->data());
  }

  static BufferRef allocate(Device &device, size_t bytes) {
    StatusOr<BufferRef> buffer = device.allocate(bytes);
    throwIfError(buffer.status());
    return std::move(buffer.value());
  }

  /// How many references to an input's value are this trace's own: its place as input, and as what a rebound cell
  /// would go back to.
  void countOwnReferences() {
    own.assign(trace.inputs.size(), 1);
    llvm::DenseMap<Value *, size_t> places;
    for (auto [i, input] : llvm::enumerate(trace.inputs))
      if (input.value) places[input.value.get()] = i;
    for (const auto &rebind : trace.rebinds)
      if (auto place = places.find(rebind.previous.value.get()); place != places.end()) ++own[place->second];
  }

  void outputPointers() {
    const Executable *executable = choice.executable.get();
    std::vector<int32_t> donor(executable->outputs.size(), -1);
    if (!executable->donations.empty()) countOwnReferences();
    for (Donation donation : executable->donations) {
      const TraceInput &input = trace.inputs[donation.input];
      if (input.value && input.value->references == own[donation.input] && input.value->buffer->isSoleReference())
        donor[donation.output] = static_cast<int32_t>(donation.input);
    }
    auto slots = entry->outputSlots();
    size_t next = 0;
    for (size_t i = 0; i < slots.size(); ++i) {
      bool wanted = next < live.size() && live[next].first == slots[i];
      BufferRef buffer;
      if (donor[i] >= 0 && wanted) {
        buffer = trace.inputs[donor[i]].value->buffer;
      } else {
        buffer = allocate(backend().device(), executable->outputs[i].bytes());
      }
      outputs.push_back(buffer->data());
      buffers.push_back(std::move(buffer));
      if (wanted) ++next;
    }
  }

  void bindScalars() {
    for (auto &[slot, value] : scalars) {
      auto input = llvm::find_if(trace.inputs, [&](const TraceInput &input) { return input.slot == slot; });
      Device &device = backend().device();
      BufferRef buffer = allocate(device, input->scalarBytes);
      throwIfError(device.copyFromHost(*buffer.get(), trace.scalarPool.data() + input->scalarAt, input->scalarBytes));
      makeReady(*value, std::move(buffer));
    }
  }

  static void makeReady(Value &value, BufferRef buffer) {
    value.buffer = std::move(buffer);
    value.state = ValueState::Ready;
  }

  void bind() {
    auto slots = entry->outputSlots();
    size_t next = 0;
    for (size_t i = 0; i < slots.size() && next < live.size(); ++i)
      if (live[next].first == slots[i]) makeReady(*live[next++].second, std::move(buffers[i]));
  }

  /// State goes back to what it was before the trace; what depended on it says why it is not there.
  void fail(const Status &status, ErrorKind kind) {
    std::string message = status.message();
    int64_t origin = status.origin();
    if (origin >= 0 && static_cast<size_t>(origin) < trace.sources.size())
      if (std::string line = describeSource(trace.sources[origin]); !line.empty()) message += " (" + line + ")";
    auto shared = std::make_shared<const std::string>(message);
    for (auto *group : {&live, &scalars})
      for (auto &[slot, value] : *group) {
        if (value->state != ValueState::Running) continue;
        value->state = ValueState::Failed;
        value->error = shared;
      }
    Recorder::restoreCells(trace);
    throw UserError(kind, message);
  }

  void note(double microseconds) {
    Service &state = service();
    bool compiled = choice.side == Trial::Side::Compiled;
    ++state.stats.flushes;
    state.stats.ops += trace.sources.size();
    ++(hit ? state.stats.hits : state.stats.misses);
    ++(compiled ? state.stats.compiledRuns : state.stats.interpretedRuns);
    state.stats.lookupMicroseconds += microseconds;
    if (state.history.size() >= 256) state.history.pop_front();
    state.history.push_back(std::string(reason) + ": " + std::to_string(trace.sources.size()) + " ops, " +
                            (hit ? "seen before, " : "new, ") + choice.executable->backend());
  }

  Recorder &recorder;
  const char *reason;
  PendingTrace trace;
  std::vector<std::pair<uint32_t, ValueRef>> live, scalars;
  std::vector<uint32_t> liveSlots, own;
  std::vector<void *> inputs, outputs;
  std::vector<BufferRef> buffers;
  BufferRef scalarBuffer; // on devices that cannot read the pool
  std::shared_ptr<CacheEntry> entry;
  CacheEntry::Choice choice;
  size_t nextInput = 0;
  bool hit = false;
};

void run(Recorder &recorder, const char *reason) { Run(recorder, reason)(); }

} // namespace tinyfin::flush
