// SPDX-License-Identifier: Apache-2.0
// Compiles and runs a captured program.
#include "backends/Compile.h"
#include "frontend/Flush.h"
#include "frontend/Jit.h"
#include "frontend/Random.h"
#include "runtime/ExecutionCache.h"
#include "runtime/Log.h"

namespace tinyfin {

void JitProgram::compile() {
  ExecutionCache &cache = ExecutionCache::process();
  Lookup found = cache.find(key, outputs);
  if (found && found.entry->state() == CompileState::Compiled) {
    entry = found.entry;
  } else {
    auto compiled = compileTrace(trace, outputs, flush::backend(), {});
    if (!compiled.isOk()) {
      refusal = compiled.status().message();
      logLine(LogChannel::Fallback, "jit: not compiled: " + refusal);
      compiled = compileTrace(trace, outputs, *findBackend("interpreter").value(), {});
      throwIfError(compiled.status());
    }
    entry = cache.insert(key, outputs, compiled.value(), {.state = CompileState::Compiled});
  }
  auto slots = entry->outputSlots();
  outputAt.clear();
  size_t next = 0;
  for (uint32_t slot : slots) {
    bool wanted = next < outputs.size() && outputs[next] == slot;
    outputAt.push_back(wanted ? static_cast<int32_t>(next++) : -1);
  }
}

static void dropGrad(Cell &cell) {
  cell.grad = Tensor();
  cell.missingGrad = "the gradient was made and used inside a jitted function; return it to keep it";
}

void JitProgram::runCaptured(Capture &capture) {
  if (!entry) compile();
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

ValueRef JitProgram::valueOf(const Source &source, llvm::ArrayRef<Tensor> args) const {
  if (source.kind == Source::Constant) return source.constant;
  Var var = cellAt(source.index, source.kind == Source::Arg, args).read();
  return var.value;
}

namespace {

/// What one call gathers; the vectors are this thread's and keep their capacity.
struct CallBuffers {
  std::vector<ValueRef> values;
  std::vector<void *> inputs, outputs;
  std::vector<BufferRef> buffers;
  std::vector<int32_t> donors;
};

} // namespace

llvm::SmallVector<Tensor> JitProgram::run(llvm::ArrayRef<Tensor> args, llvm::ArrayRef<int64_t> numbers) {
  std::shared_ptr<Executable> executable = entry->executable();
  CallBuffers call;
  // Views and pending arguments record what derives them; one flush then makes everything Ready.
  call.values.reserve(inputs.size());
  bool anyPending = false;
  for (const Source &source : inputs) {
    bool isTensor = source.kind == Source::Arg || source.kind == Source::Outside || source.kind == Source::Constant;
    call.values.push_back(isTensor ? valueOf(source, args) : ValueRef());
    anyPending |= isTensor && call.values.back()->state != ValueState::Ready;
  }
  if (anyPending || Recorder::current().ops()) {
    Recorder::current().flush("call of a jitted function");
    for (const ValueRef &value : call.values)
      if (value && value->state != ValueState::Ready) Recorder::materialize(*value, "call of a jitted function");
  }
  Generator &generator = Generator::process();
  int64_t random[2] = {generator.seed, generator.counter};
  for (auto [i, source] : llvm::enumerate(inputs)) {
    void *data = nullptr;
    switch (source.kind) {
    case Source::Number: data = source.number.data(); break;
    case Source::NumberArg: data = const_cast<int64_t *>(&numbers[source.index]); break;
    case Source::RandomState: data = random; break;
    default: data = call.values[i]->buffer->data();
    }
    call.inputs.push_back(data);
  }

  call.donors.assign(executable->outputs.size(), -1);
  for (Donation donation : executable->donations) {
    const Source &source = inputs[donation.input];
    if (source.kind != Source::Outside && source.kind != Source::Arg) continue;
    bool isState = llvm::any_of(states, [&](const State &state) { return state.cell == source.index && state.isArg == (source.kind == Source::Arg); });
    // One reference is the cell's, one is ours.
    ValueRef &value = call.values[donation.input];
    if (isState && value->references == 2 && value->buffer->isSoleReference()) call.donors[donation.output] = static_cast<int32_t>(donation.input);
  }
  for (size_t i = 0; i < executable->outputs.size(); ++i) {
    BufferRef buffer;
    if (call.donors[i] >= 0 && outputAt[i] >= 0) {
      buffer = call.values[call.donors[i]]->buffer;
    } else {
      auto fresh = flush::backend().device().allocate(executable->outputs[i].bytes());
      throwIfError(fresh.status());
      buffer = std::move(fresh.value());
    }
    call.outputs.push_back(buffer->data());
    call.buffers.push_back(std::move(buffer));
  }
  Status status;
  runUnlocked([&] { status = executable->run(call.inputs, call.outputs); });
  throwIfError(status);
  generator.counter += randomDrawn;

  std::vector<ValueRef> produced(outputs.size());
  for (size_t i = 0; i < outputAt.size(); ++i) {
    if (outputAt[i] < 0) continue;
    TensorSpec spec{executable->outputs[i].dtype, {}};
    for (int64_t extent : executable->outputs[i].dims) spec.dims.push_back(Dim(extent));
    produced[outputAt[i]] = readyValue(std::move(spec), std::move(call.buffers[i]));
  }
  auto valueAt = [&](const Place &place) {
    if (place.kind == Place::Input) return call.values[place.index];
    return produced[llvm::lower_bound(outputs, place.index) - outputs.begin()];
  };
  std::vector<ValueRef> saved;
  for (const Place &place : savedPlaces) {
    const Source *source = place.kind == Place::Input ? &inputs[place.index] : nullptr;
    if (source && !call.values[place.index]) { // a number or the random state: kept as data
      auto copy = flush::backend().device().allocate(executable->inputs[place.index].bytes());
      throwIfError(copy.status());
      std::memcpy(copy.value()->data(), call.inputs[place.index], executable->inputs[place.index].bytes());
      saved.push_back(readyValue({}, std::move(copy.value())));
    } else {
      saved.push_back(valueAt(place));
    }
  }
  // Results first: a cell that is returned is the same tensor as before.
  llvm::SmallVector<Tensor> returned;
  for (const Place &place : results)
    returned.push_back(place.kind == Place::Cell ? Tensor(&cellAt(place.index, place.isArg, args)) : makeTensor({valueAt(place), {}}));
  if (backward && isGradEnabled()) attachBackward(returned, args, std::move(saved));
  for (const State &state : states) {
    Cell &cell = cellAt(state.cell, state.isArg, args);
    cell.var = {valueAt(state.value), {}};
    ++cell.version;
  }
  for (const GradEffect &effect : grads) {
    Cell &cell = cellAt(effect.cell, effect.isArg, args);
    if (effect.kind == GradEffect::Drop) dropGrad(cell);
    else cell.grad = effect.kind == GradEffect::Set ? makeTensor({valueAt(effect.value), {}}) : Tensor();
  }
  return returned;
}

} // namespace tinyfin
