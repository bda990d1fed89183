// SPDX-License-Identifier: Apache-2.0
// Compiles and runs a captured program.
#include "backends/Compile.h"
#include "frontend/Flush.h"
#include "frontend/Jit.h"
#include "frontend/Random.h"
#include "runtime/Config.h"
#include "runtime/ExecutionCache.h"
#include "runtime/Log.h"
#include <chrono>

namespace tinyfin {

using Clock = std::chrono::steady_clock;
static constexpr size_t kComparedBytes = size_t(64) << 20; // an interpreter's arena that is never too large to compare

void JitProgram::compile() {
  entry = flush::compiledNow(key, trace, outputs, modes, refusal);
  executable = entry->executable();
  if (refusal.empty()) refusal = entry->refusal();
  planOutputs();
}

bool JitProgram::isFrozen(const JitCall &call) const {
  if (frozen.empty()) return false;
  for (auto [value, now] : llvm::zip_equal(frozen, call.values))
    if (value && value.get() != now.get()) return false;
  return true;
}

/// Compiles once more, for the values that the tensors from outside have now. Kernels are shared with the first
/// compilation; what is new is what the backend makes of the data. The entry in the cache stays the general one.
void JitProgram::freeze(const JitCall &call) {
  CompileOptions options = modes.options(config::deterministic());
  std::vector<ValueRef> values(inputs.size());
  options.frozen.resize(inputs.size());
  for (auto [i, source] : llvm::enumerate(inputs)) {
    if (source.kind != Source::Outside || isState(source.index)) continue;
    values[i] = call.values[i];
    options.frozen[i] = values[i]->buffer->data();
  }
  llvm::ArrayRef<uint32_t> slots(entry->outputSlots().data(), entry->outputSlots().size());
  auto compiled = compileTrace(trace, slots, flush::backend(), options);
  frozen = std::move(values); // also where it failed: it would fail again
  if (!compiled.isOk()) return logLine(LogChannel::Fallback, "not compiled for constant weights: " + compiled.status().message());
  executable = std::move(compiled.value());
}

/// While compiled code may still be compared with the interpreter: who makes this call. See runtime/Trial.h.
CacheEntry::Choice JitProgram::chooseOnTrial() {
  CacheEntry::Choice choice = entry->choose();
  if (choice.isTimed) return choice;
  isOnTrial = false;
  executable = choice.executable;
  refusal = entry->refusal();
  planDonations();
  return choice;
}

/// The second recording may run by the interpreter, for comparison: later calls are all compiled, but where it won.
void JitProgram::offerInterpreted() {
  auto slots = entry->outputSlots();
  auto interpreted = compileTrace(trace, {slots.data(), slots.size()}, *findBackend("interpreter").value(), {});
  if (!interpreted.isOk()) return entry->endTrial();
  // What is only compared must not set the process's peak of memory.
  size_t most = std::max(kComparedBytes, executable->stats.arenaBytes), wanted = interpreted.value()->stats.arenaBytes;
  if (wanted <= most) return entry->offerInterpreted(interpreted.value());
  entry->endTrial();
  logLine(LogChannel::Fallback, "not compared with the interpreter, which needs " + std::to_string(wanted >> 20) + " MiB, compiled code " +
                                    std::to_string(executable->stats.arenaBytes >> 20) + " MiB");
}

/// What each output of the executable is and whose memory it may take.
void JitProgram::planOutputs() {
  outputPlans.clear();
  size_t next = 0;
  for (auto [i, slot] : llvm::enumerate(entry->outputSlots())) {
    const TensorType &type = executable->outputs[i];
    OutputPlan plan;
    plan.bytes = type.bytes();
    plan.spec.dtype = type.dtype;
    for (int64_t extent : type.dims) plan.spec.dims.push_back(Dim(extent));
    bool isWanted = next < outputs.size() && outputs[next] == slot;
    if (isWanted) plan.place = static_cast<int32_t>(next++);
    outputPlans.push_back(std::move(plan));
  }
  auto number = [&](Place &place) {
    if (place.kind == Place::Output) place.index = static_cast<uint32_t>(llvm::lower_bound(outputs, place.index) - outputs.begin());
  };
  for (const State &state : states) statePlan.push_back(state.value);
  for (const Place &place : results) resultPlan.push_back(place);
  for (const GradEffect &effect : grads) gradPlan.push_back(effect.value);
  for (auto *places : {&statePlan, &resultPlan, &gradPlan})
    for (Place &place : *places) number(place);
  for (Place &place : savedPlaces) number(place);

  planDonations();
}

void JitProgram::planDonations() {
  for (OutputPlan &plan : outputPlans) plan.donor = -1;
  // A value that is passed on (`last.copy_(p)`) must outlive the call: its memory is not reused.
  llvm::DenseSet<uint32_t> passedOn;
  for (auto *places : {&statePlan, &resultPlan, &gradPlan, &savedPlaces})
    for (const Place &place : *places)
      if (place.kind == Place::Input) passedOn.insert(place.index);
  for (Donation donation : executable->donations) {
    const Source &source = inputs[donation.input];
    bool isTensor = source.kind == Source::Outside || source.kind == Source::Arg;
    bool isState = isTensor && llvm::any_of(states, [&](const State &state) { return state.cell == source.index && state.isArg == (source.kind == Source::Arg); });
    if (isState && outputPlans[donation.output].place >= 0 && !passedOn.contains(donation.input))
      outputPlans[donation.output].donor = static_cast<int32_t>(donation.input);
  }
}

static void dropGrad(Cell &cell) {
  if (!cell.grad && !cell.missingGrad.empty()) return;
  cell.grad = Tensor();
  cell.missingGrad = "this gradient was made and used inside a jitted function; return it to keep it";
}

void JitProgram::runCaptured(Capture &capture) {
  if (!entry) compile();
  else if (entry->wantsInterpreted()) offerInterpreted();
  // What later calls drop is dropped now, before liveness is sampled.
  for (const GradEffect &effect : grads)
    if (effect.kind == GradEffect::Drop) dropGrad(cellAt(effect.cell, effect.isArg, capture.args));
  capture.leave();
  capture.recorder.flush("a jitted function's first calls");
}

Cell &JitProgram::cellAt(uint32_t index, bool isArg, llvm::ArrayRef<Tensor> args) const {
  if (isArg) return *args[index];
  const OutsideCell &at = outside[index];
  if (at.gradOf < 0) return *at.cell;
  return *cellAt(at.gradOf, at.gradOfArg, args).grad;
}

/// Views and pending arguments record what derives them; one flush then makes everything Ready. Another thread may run
/// during that, and during a wait for one: then the cells are read again. True: nothing happened since they were read.
bool JitProgram::gatherValues(JitCall &call, llvm::ArrayRef<Tensor> args) const {
  call.values.clear();
  bool isReady = true;
  for (const Source &source : inputs) {
    ValueRef value;
    if (source.kind == Source::Constant) value = source.constant;
    else if (source.kind == Source::Arg || source.kind == Source::Outside)
      value = cellAt(source.index, source.kind == Source::Arg, args).current();
    isReady &= !value || value->state == ValueState::Ready;
    call.values.push_back(std::move(value));
  }
  if (Recorder::current().ops()) return Recorder::current().flush("call of a jitted function"), false;
  for (const ValueRef &value : call.values)
    if (!isReady && value && value->state != ValueState::Ready) Recorder::materialize(*value, "call of a jitted function");
  return isReady;
}

void JitProgram::gather(JitCall &call, llvm::ArrayRef<Tensor> args, llvm::ArrayRef<int64_t> numbers) const {
  while (!gatherValues(call, args)) {}
  Device &device = flush::backend().device();
  const Generator &generator = Generator::process();
  call.random[0] = generator.seed;
  call.random[1] = generator.counter;
  for (auto [source, value] : llvm::zip_equal(inputs, call.values)) {
    const void *data = nullptr;
    switch (source.kind) {
    case Source::Number: data = source.number.data(); break;
    case Source::NumberArg: data = &numbers[source.index]; break;
    case Source::RandomState: data = call.random; break;
    default:
      if (&value->buffer->device() != &device) flush::moveTo(device, *value);
      data = value->buffer->data();
    }
    call.inputs.push_back(const_cast<void *>(data));
  }
  if (!device.isHostAccessible()) copyNumbers(call, device);
}

/// Numbers to where a device that cannot read the host's memory finds them.
void JitProgram::copyNumbers(JitCall &call, Device &device) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (call.values[i]) continue;
    size_t bytes = executable->inputs[i].bytes();
    auto buffer = device.allocate(bytes);
    throwIfError(buffer.status());
    throwIfError(device.copyFromHost(*buffer.value().get(), call.inputs[i], bytes));
    call.inputs[i] = buffer.value()->data();
    call.numberBuffers.push_back({static_cast<uint32_t>(i), std::move(buffer.value())});
  }
}

void JitProgram::allocateOutputs(JitCall &call, bool mayDonate) const {
  Device &device = flush::backend().device();
  call.produced.resize(outputs.size());
  for (const OutputPlan &plan : outputPlans) {
    BufferRef buffer;
    // One reference to the old value is the cell's, one is ours.
    if (mayDonate && plan.donor >= 0 && call.values[plan.donor]->references == 2 && call.values[plan.donor]->buffer->isSoleReference()) {
      buffer = call.values[plan.donor]->buffer;
    } else {
      auto fresh = device.allocate(plan.bytes);
      throwIfError(fresh.status());
      buffer = std::move(fresh.value());
    }
    call.outputs.push_back(buffer->data());
    if (plan.place >= 0) {
      ValueRef value(new Value(plan.spec, ValueState::Running));
      value->buffer = std::move(buffer);
      call.produced[plan.place] = std::move(value);
    } else {
      call.buffers.push_back(std::move(buffer));
    }
  }
}

/// State cells take their new values before these are computed: another thread that reads one waits for this call,
/// and nobody reads memory that is being reused.
void JitProgram::bindState(JitCall &call, llvm::ArrayRef<Tensor> args) const {
  for (auto [state, place] : llvm::zip_equal(states, statePlan)) {
    Cell &cell = cellAt(state.cell, state.isArg, args);
    const ValueRef &value = place.kind == Place::Input ? call.values[place.index] : call.produced[place.index];
    call.previous.push_back(cell.var);
    cell.var.value = value;
    if (!state.keepsEdge) cell.var.edge = {};
    call.versions.push_back(++cell.version);
  }
}

void JitProgram::fail(JitCall &call, llvm::ArrayRef<Tensor> args, const Status &status) const {
  std::string message = status.message();
  int64_t op = status.origin();
  if (op >= 0 && static_cast<size_t>(op) < opLines.size() && !opLines[op].empty()) message += " (" + opLines[op] + ")";
  auto shared = std::make_shared<const std::string>(message);
  for (const ValueRef &value : call.produced) {
    if (!value) continue;
    value->state = ValueState::Failed;
    value->error = shared;
    value->buffer = BufferRef();
  }
  for (size_t i = 0; i < states.size(); ++i) {
    Cell &cell = cellAt(states[i].cell, states[i].isArg, args);
    if (cell.version != call.versions[i]) continue; // another thread wrote it since
    cell.var = std::move(call.previous[i]);
    ++cell.version;
  }
  call.clear();
  throw UserError(kindOf(status.code()), message);
}

BufferRef JitProgram::numberBuffer(const JitCall &call, uint32_t input) const {
  for (auto &[at, buffer] : call.numberBuffers)
    if (at == input) return buffer;
  size_t bytes = executable->inputs[input].bytes();
  auto copy = flush::backend().device().allocate(bytes);
  throwIfError(copy.status());
  std::memcpy(copy.value()->data(), call.inputs[input], bytes);
  return std::move(copy.value());
}

std::vector<ValueRef> JitProgram::savedValues(const JitCall &call) const {
  std::vector<ValueRef> saved;
  for (const Place &place : savedPlaces) {
    bool isInput = place.kind == Place::Input;
    if (isInput && !call.values[place.index]) { // a number or the random state: kept as data
      saved.push_back(readyValue({}, numberBuffer(call, place.index)));
    } else {
      saved.push_back(isInput ? call.values[place.index] : call.produced[place.index]);
    }
  }
  return saved;
}

void JitProgram::makeViews(JitResults &returned, llvm::ArrayRef<Tensor> args) const {
  for (const ResultView &view : views) {
    Tensor shown = view.of >= 0 ? returned[view.of] : Tensor(&cellAt(view.base.index, view.base.isArg, args));
    ValueRef current = returned[view.result]->var.value;
    for (size_t i = 0; i < view.steps.size(); ++i)
      shown = makeView(*shown, view.steps[i], view.specs[i], i + 1 == view.steps.size() ? current : ValueRef());
    returned[view.result] = shown;
  }
}

JitResults JitProgram::run(llvm::ArrayRef<Tensor> args, llvm::ArrayRef<int64_t> numbers) {
  // Taken under the lock; several threads may be in here.
  std::unique_ptr<JitCall> owner = idle.empty() ? std::make_unique<JitCall>() : idle.pop_back_val();
  JitCall &call = *owner;
  call.clear();
  gather(call, args, numbers);
  if (freezes && !isFrozen(call)) freeze(call);
  CacheEntry::Choice choice;
  if (isOnTrial && !freezes) choice = chooseOnTrial(); // frozen code is this program's own
  bool isPlanned = !choice.executable || choice.executable == executable;
  allocateOutputs(call, isPlanned);
  bool wantsBackward = backward && isGradEnabled();
  llvm::SmallVector<Edge, 4> edges; // of the inputs, before state is rebound
  if (wantsBackward)
    for (const BackwardProgram::Target &target : backward->targets) edges.push_back(cellAt(target.cell, target.isArg, args).read().edge);
  bindState(call, args);
  Generator::process().counter += randomDrawn;

  struct Work {
    Executable &executable;
    JitCall &call;
    Status status;
  } work{isPlanned ? *executable : *choice.executable, call, {}};
  auto begin = choice.isTimed ? Clock::now() : Clock::time_point();
  runUnlocked([&work] { work.status = work.executable.run(work.call.inputs, work.call.outputs); });
  if (choice.isTimed && work.status.isOk()) entry->note(choice.side, std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  if (!work.status.isOk()) {
    Generator &generator = Generator::process();
    if (generator.seed == call.random[0] && generator.counter == call.random[1] + randomDrawn) generator.counter = call.random[1];
    fail(call, args, work.status);
  }
  for (const ValueRef &value : call.produced)
    if (value) value->state = ValueState::Ready;

  auto valueAt = [&](const Place &place) -> const ValueRef & {
    return place.kind == Place::Input ? call.values[place.index] : call.produced[place.index];
  };
  JitResults returned;
  for (const Place &place : resultPlan)
    returned.push_back(place.kind == Place::Cell ? Tensor(&cellAt(place.index, place.isArg, args)) : makeTensor({valueAt(place), {}}));
  if (!views.empty()) makeViews(returned, args);
  if (wantsBackward) attachBackward(returned, edges, savedValues(call));
  for (auto [effect, place] : llvm::zip_equal(grads, gradPlan)) {
    Cell &cell = cellAt(effect.cell, effect.isArg, args);
    if (effect.kind == GradEffect::Drop) dropGrad(cell);
    else cell.grad = effect.kind == GradEffect::Set ? makeTensor({valueAt(place), {}}) : Tensor();
  }
  call.clear();
  idle.push_back(std::move(owner));
  return returned;
}

} // namespace tinyfin
