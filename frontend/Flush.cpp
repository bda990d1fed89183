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
  return CompileQueue::process().waitIdle(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
}

/// One flush, step by step.
class Run {
public:
  Run(Recorder &recorder, const char *reason) : recorder(recorder), reason(reason) {}

  void operator()() {
    auto start = Clock::now();
    collectLive();
    if (live.empty() && !recorder.hasEffects) return bindScalars(), recorder.reset();
    try {
      findExecutable();
      inputPointers();
      outputPointers();
    } catch (const UserError &error) {
      return fail(Status::error(StatusCode::Internal, error.what()), error.kind);
    }
    double before = microsecondsSince(start);
    for (auto &[slot, value] : live) value->state = ValueState::Running;
    Status status;
    ++service().running;
    runUnlocked([&] { status = executable->run(inputs, outputs); });
    if (--service().running == 0) service().retired.clear();
    auto after = Clock::now();
    if (!status.isOk()) return fail(status, kindOf(status.code()));
    bind();
    note(before + microsecondsSince(after));
    recorder.reset();
  }

private:
  void collectLive() {
    for (size_t slot = 0; slot < recorder.slots.size(); ++slot) {
      Value *value = recorder.slots[slot];
      if (!value) continue;
      // Scalars keep data of their own; results become outputs.
      (isScalarInput(slot) ? scalars : live).push_back({static_cast<uint32_t>(slot), value});
    }
    for (auto &[slot, value] : live) liveSlots.push_back(slot);
  }

  bool isScalarInput(size_t slot) {
    while (nextInput < recorder.inputs.size() && recorder.inputs[nextInput].slot < slot) ++nextInput;
    return nextInput < recorder.inputs.size() && recorder.inputs[nextInput].slot == slot;
  }

  void findExecutable() {
    ExecutionCache &cache = ExecutionCache::process();
    Lookup found = cache.find(recorder.key(), liveSlots);
    hit = bool(found);
    if (!hit) return compileNew(cache);
    entry = found.entry;
    executable = found.executable;
    bool wantsCompile = entry->state() == CompileState::Interpreted && config::backgroundCompile();
    if (wantsCompile) submitCompile(found.seen);
  }

  void compileNew(ExecutionCache &cache) {
    Backend *interpreter = findBackend("interpreter").value();
    bool isRemote = !backend().device().isHostAccessible(); // where the interpreter has no access
    bool now = (config::deterministic() || isRemote) && &backend() != interpreter;
    auto compiled = compileTrace(recorder.trace(), liveSlots, now ? backend() : *interpreter, {true, now});
    throwIfError(compiled.status());
    executable = compiled.value();
    bool final = now || &backend() == interpreter;
    entry = cache.insert(recorder.key(), liveSlots, executable,
                         {.state = final ? CompileState::Compiled : CompileState::Interpreted});
  }

  void submitCompile(uint64_t seen) {
    if (seen < 2) return; // submit() moves the state: a graph is queued once
    Words trace(recorder.trace().begin(), recorder.trace().end());
    auto target = entry;
    Backend *compiler = &backend();
    CompileQueue::process().submit(entry, [trace = std::move(trace), target, compiler]() -> StatusOr<std::shared_ptr<Executable>> {
      llvm::ArrayRef<uint32_t> outputs(target->outputSlots().data(), target->outputSlots().size());
      return compileTrace(trace, outputs, *compiler, {});
    });
  }

  void inputPointers() {
    Device &device = backend().device();
    std::byte *pool = scalarAddress(device);
    for (const TraceInput &input : recorder.inputs) {
      if (input.value && &input.value->buffer->device() != &device) moveTo(device, *input.value);
      inputs.push_back(input.value ? input.value->buffer->data() : pool + input.scalarAt * sizeof(int64_t));
    }
  }

  /// Where the device finds the runtime scalars.
  std::byte *scalarAddress(Device &device) {
    if (device.isHostAccessible()) return reinterpret_cast<std::byte *>(recorder.scalarPool.data());
    size_t bytes = recorder.scalarPool.size() * sizeof(int64_t);
    scalarBuffer = allocate(device, bytes);
    throwIfError(device.copyFromHost(*scalarBuffer.get(), recorder.scalarPool.data(), bytes));
    return static_cast<std::byte *>(scalarBuffer->data());
  }

  /// A value made on another device stays where it is used.
  static void moveTo(Device &device, Value &value) {
    BufferRef buffer = allocate(device, value.bytes());
    throwIfError(copyBetween(*value.buffer.get(), *buffer.get(), value.bytes()));
    std::swap(value.buffer, buffer);
    if (service().running) service().retired.push_back(std::move(buffer));
  }

  static BufferRef allocate(Device &device, size_t bytes) {
    StatusOr<BufferRef> buffer = device.allocate(bytes);
    throwIfError(buffer.status());
    return std::move(buffer.value());
  }

  /// How many references to an input's value are this trace's own: its place as input, and as what a rebound cell
  /// would go back to.
  void countOwnReferences() {
    own.assign(recorder.inputs.size(), 1);
    llvm::DenseMap<Value *, size_t> places;
    for (auto [i, input] : llvm::enumerate(recorder.inputs))
      if (input.value) places[input.value.get()] = i;
    for (const auto &rebind : recorder.rebinds)
      if (auto place = places.find(rebind.previous.value.get()); place != places.end()) ++own[place->second];
  }

  void outputPointers() {
    std::vector<int32_t> donor(executable->outputs.size(), -1);
    if (!executable->donations.empty()) countOwnReferences();
    for (Donation donation : executable->donations) {
      const TraceInput &input = recorder.inputs[donation.input];
      if (input.value && input.value->references == own[donation.input] && input.value->buffer->isSoleReference())
        donor[donation.output] = static_cast<int32_t>(donation.input);
    }
    auto slots = entry->outputSlots();
    size_t next = 0;
    for (size_t i = 0; i < slots.size(); ++i) {
      bool wanted = next < live.size() && live[next].first == slots[i];
      BufferRef buffer;
      if (donor[i] >= 0 && wanted) {
        buffer = recorder.inputs[donor[i]].value->buffer;
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
      auto input = llvm::find_if(recorder.inputs, [&](const TraceInput &input) { return input.slot == slot; });
      Device &device = backend().device();
      BufferRef buffer = allocate(device, input->scalarBytes);
      throwIfError(device.copyFromHost(*buffer.get(), recorder.scalarPool.data() + input->scalarAt, input->scalarBytes));
      makeReady(*value, std::move(buffer));
    }
  }

  static void makeReady(Value &value, BufferRef buffer) {
    value.buffer = std::move(buffer);
    value.state = ValueState::Ready;
    value.recorder = nullptr;
  }

  void bind() {
    bindScalars();
    auto slots = entry->outputSlots();
    size_t next = 0;
    for (size_t i = 0; i < slots.size() && next < live.size(); ++i) {
      if (live[next].first != slots[i]) continue;
      // The value may have died while the lock was free.
      if (Value *value = recorder.slots[slots[i]]) makeReady(*value, std::move(buffers[i]));
      ++next;
    }
  }

  /// State goes back to what it was before the trace; what depended on it says why it is not there.
  void fail(const Status &status, ErrorKind kind) {
    std::string message = status.message();
    int64_t origin = status.origin();
    if (origin >= 0 && static_cast<size_t>(origin) < recorder.sources.size())
      if (std::string line = recorder.lineOf(origin); !line.empty()) message += " (" + line + ")";
    auto shared = std::make_shared<const std::string>(message);
    bindScalars();
    for (auto &[slot, value] : live) {
      if (!recorder.slots[slot]) continue;
      value->state = ValueState::Failed;
      value->error = shared;
      value->recorder = nullptr;
    }
    recorder.restoreCells();
    recorder.reset();
    throw UserError(kind, message);
  }

  void note(double microseconds) {
    Service &state = service();
    bool compiled = entry->state() == CompileState::Compiled;
    ++state.stats.flushes;
    state.stats.ops += recorder.ops();
    ++(hit ? state.stats.hits : state.stats.misses);
    ++(compiled ? state.stats.compiledRuns : state.stats.interpretedRuns);
    state.stats.lookupMicroseconds += microseconds;
    if (state.history.size() >= 256) state.history.pop_front();
    state.history.push_back(std::string(reason) + ": " + std::to_string(recorder.ops()) + " ops, " +
                            (hit ? "seen before, " : "new, ") + executable->backend());
  }

  Recorder &recorder;
  const char *reason;
  std::vector<std::pair<uint32_t, Value *>> live, scalars;
  std::vector<uint32_t> liveSlots, own;
  std::vector<void *> inputs, outputs;
  std::vector<BufferRef> buffers;
  BufferRef scalarBuffer; // on devices that cannot read the pool
  std::shared_ptr<CacheEntry> entry;
  std::shared_ptr<Executable> executable;
  size_t nextInput = 0;
  bool hit = false;
};

void run(Recorder &recorder, const char *reason) { Run(recorder, reason)(); }

} // namespace tinyfin::flush
