// SPDX-License-Identifier: Apache-2.0
// Appends ops to the pending trace. What happens at a flush is in Flush.cpp.
#include "frontend/Recorder.h"
#include "frontend/Capture.h"
#include "frontend/Flush.h"
#include "frontend/Random.h"
#include "frontend/Scalars.h"
#include "ir/Trace.h"
#include "runtime/Config.h"
#include <chrono>
#include <thread>

namespace tinyfin {
namespace {

uint64_t lastTraceId = 0;
thread_local Recorder *currentOverride = nullptr;

Recorder &threadRecorder() {
  // Leaked on purpose at thread end: values other objects still hold may point to it.
  thread_local Recorder *recorder = new Recorder;
  return *recorder;
}

} // namespace

Generator &Generator::process() {
  static Generator generator;
  return generator;
}

Recorder::Recorder() { reset(); }
Recorder::~Recorder() {
  for (Value *value : slots)
    if (value) value->recorder = nullptr;
  clear();
}

Recorder &Recorder::current() { return currentOverride ? *currentOverride : threadRecorder(); }
Recorder *Recorder::setCurrent(Recorder *recorder) { return std::exchange(currentOverride, recorder); }

PendingTrace::PendingTrace() = default;
PendingTrace::PendingTrace(PendingTrace &&) noexcept = default;
PendingTrace &PendingTrace::operator=(PendingTrace &&) noexcept = default;
PendingTrace::~PendingTrace() = default;

void PendingTrace::clear() {
  for (SourceRef source : sources)
    if (source.code && host().release) host().release(source);
  words.clear();
  slots.clear();
  inputs.clear();
  scalarPool.clear();
  sources.clear();
  rebinds.clear();
  newGrads.clear();
  inputBytes = 0;
  hasEffects = false;
}

void Recorder::reset() {
  id = ++lastTraceId;
  words.clear();
  prefixWords = 0;
  putPrefix();
  pinCheckBytes = config::pendingInputBytes();
  cutRequested = false;
}

void Recorder::putPrefix() {
  words.erase(words.begin(), words.begin() + prefixWords);
  auto last = modes.words();
  words.insert(words.begin(), last.begin(), last.end());
  std::span<const int64_t> first = flush::keyPrefix();
  words.insert(words.begin(), first.begin(), first.end());
  prefixWords = first.size() + last.size();
}

void Recorder::setModes(const Modes &wanted) {
  modes = wanted;
  putPrefix();
}

PendingTrace Recorder::take() {
  random = {};
  dropUnobserved();
  // The backend or a mode may have changed since the trace began.
  if (!std::ranges::equal(flush::keyPrefix(), std::span(words).first(prefixWords - modes.words().size()))) putPrefix();
  PendingTrace &current = *this;
  PendingTrace taken = std::exchange(current, std::exchange(spare, {}));
  reset();
  return taken;
}

void Recorder::dropUnobserved() {
  // Dropping one may free another: a leaf holds its `.grad`.
  for (bool changed = true; changed;) {
    auto isOurs = [](const Ref<Cell> &cell) { return cell->references == 1; };
    std::vector<Ref<Cell>> dropped;
    auto drop = [&](auto &items, auto cellOf) {
      auto kept = std::remove_if(items.begin(), items.end(), [&](auto &item) {
        if (!isOurs(cellOf(item))) return false;
        dropped.push_back(std::move(cellOf(item)));
        return true;
      });
      items.erase(kept, items.end());
    };
    drop(rebinds, [](Rebind &item) -> Ref<Cell> & { return item.cell; });
    drop(newGrads, [](Ref<Cell> &item) -> Ref<Cell> & { return item; });
    changed = !dropped.empty();
  }
}

void Recorder::forget(Value &value) { slots[value.slot] = nullptr; }

void Recorder::noteRebind(Cell &cell) {
  if (ops() == 0 && !capture) return; // nothing pending that could fail
  if (cell.rebindTrace == id) return; // only the first: that is what a failure goes back to
  cell.rebindTrace = id;
  // A value that this trace makes is lost with it: there is nothing to go back to.
  if (cell.var.value->state == ValueState::Pending && cell.var.value->traceId == id) return;
  rebinds.push_back({Ref<Cell>(&cell), cell.var});
}

void Recorder::noteNewGrad(Cell &cell) {
  if (ops() != 0) newGrads.push_back(Ref<Cell>(&cell));
}

void Recorder::restoreCells(PendingTrace &failed) {
  // Each cell is in the list once, with its value from before the trace. One that another thread wrote since keeps that.
  auto undo = std::exchange(failed.rebinds, {});
  for (Rebind &rebind : undo) {
    if (rebind.cell->rebindTrace != failed.id) continue;
    rebind.cell->var = std::move(rebind.previous);
    ++rebind.cell->version;
  }
  for (Ref<Cell> &cell : failed.newGrads)
    if (cell->grad && cell->grad->var.value && cell->grad->var.value->state == ValueState::Failed) cell->grad = {};
}

/// Neither data nor a value of the trace `id`.
bool Recorder::isForeign(const Value &value, uint64_t id) {
  return value.state != ValueState::Ready && value.state != ValueState::Placeholder &&
         !(value.state == ValueState::Pending && value.traceId == id);
}

uint32_t Recorder::slotOf(Value &value) {
  if (value.traceId == id) return value.slot;
  fin::appendInput(words, value.spec, fin::InputRole::Tensor);
  value.traceId = id;
  value.slot = static_cast<uint32_t>(slots.size());
  inputs.push_back({ValueRef(&value), value.slot, 0, 0, static_cast<uint32_t>(ops())});
  inputBytes += value.bytes();
  slots.push_back(nullptr); // inputs are held by `inputs`
  return value.slot;
}

ValueRef Recorder::scalar(const TensorSpec &spec, const void *data, size_t bytes) {
  return scalarAs(fin::InputRole::Scalar, spec, data, bytes);
}

// A jitted body is recorded twice and may only go on without Python if its numbers were the same: code may be made for
// them. Of these only places are worth it; with them known, a slice cannot fail and is read where it is used.
ValueRef Recorder::starts(llvm::ArrayRef<int64_t> values) {
  bool isKnown = capture && !values.empty();
  return scalarAs(isKnown ? fin::InputRole::Known : fin::InputRole::Scalar, {DType::I64, {Dim(static_cast<int64_t>(values.size()))}},
                  values.data(), values.size() * sizeof(int64_t));
}

ValueRef Recorder::constant(DType dtype, int64_t bits) {
  bool isKnown = capture && dtype != DType::Bool;
  return scalarAs(isKnown ? fin::InputRole::Known : fin::InputRole::Scalar, {dtype, {}}, &bits, sizeOf(dtype));
}

ValueRef Recorder::scalarAs(fin::InputRole role, const TensorSpec &spec, const void *data, size_t bytes) {
  if (cutRequested) flush("step");
  ValueRef value(new Value(spec, ValueState::Pending));
  value->recorder = this;
  value->traceId = id;
  value->slot = static_cast<uint32_t>(slots.size());
  Words known(role == fin::InputRole::Known ? (bytes + 7) / 8 : 0);
  if (!known.empty()) std::memcpy(known.data(), data, bytes);
  fin::appendInput(words, spec, role, known);
  inputs.push_back({ValueRef(), value->slot, static_cast<uint32_t>(scalarPool.size()), static_cast<uint32_t>(bytes), static_cast<uint32_t>(ops())});
  scalarPool.resize(scalarPool.size() + (bytes + 7) / 8);
  if (bytes) std::memcpy(scalarPool.data() + inputs.back().scalarAt, data, bytes);
  slots.push_back(value.get());
  return value;
}

llvm::SmallVector<ValueRef, 2> Recorder::record(OpId op, llvm::ArrayRef<int64_t> attrs,
                                                llvm::ArrayRef<Value *> operands) {
  if (cutRequested) flush("step");
  llvm::SmallVector<TensorSpec, 3> specs;
  llvm::SmallVector<TensorSpec, 2> resultSpecs;
  for (Value *operand : operands) specs.push_back(operand->spec);
  std::string error;
  if (failed(fin::inferResults(op, specs, attrs, resultSpecs, error)))
    throw UserError(ErrorKind::Value, std::string(fin::infoOf(op).mnemonic) + ": " + error);

  // Waiting for another thread's values lets others run, who may flush this recorder: no slot is taken before.
  for (bool waited = true; std::exchange(waited, false);)
    for (Value *operand : operands)
      if (isForeign(*operand, id)) materialize(*operand, "used by another trace"), waited = true;

  llvm::SmallVector<uint32_t, 4> operandSlots;
  for (Value *operand : operands) operandSlots.push_back(slotOf(*operand));
  fin::appendOp(words, op, operandSlots, attrs);
  sources.push_back(captureSource());
  hasEffects |= fin::infoOf(op).hasEffect;

  llvm::SmallVector<ValueRef, 2> results;
  for (TensorSpec &spec : resultSpecs) {
    ValueRef value(new Value(std::move(spec), ValueState::Pending));
    value->recorder = this;
    value->traceId = id;
    value->slot = static_cast<uint32_t>(slots.size());
    slots.push_back(value.get());
    results.push_back(std::move(value));
  }
  afterOp();
  return results;
}

void Recorder::afterOp() {
  if (capture) return;
  if (config::isEagerImmediate()) return flush("immediate mode");
  if (ops() >= static_cast<size_t>(config::hardPendingOps())) return flush("limit of pending ops");
  if (inputBytes > pinCheckBytes && pinsTooMuch()) flush("limit of pinned bytes");
}

/// Whether the inputs that nobody but the trace still holds are too large, as when batches are dropped unobserved.
bool Recorder::pinsTooMuch() {
  size_t pinned = 0, limit = config::pendingInputBytes();
  for (const TraceInput &input : inputs)
    if (input.value && input.value->references == 1) pinned += input.value->bytes();
  pinCheckBytes = inputBytes + limit;
  return pinned > limit / 2;
}

Recorder::RandomResult Recorder::recordRandom(OpId op, Words attrs, llvm::ArrayRef<Value *> operands) {
  if (cutRequested) flush("step");
  Generator &generator = Generator::process();
  // Offsets count from the state input; draws on another thread or a new seed start a new state.
  if (!random.state || random.trace != id || random.seed != generator.seed ||
      random.base + random.drawn != generator.counter) {
    int64_t state[2] = {generator.seed, generator.counter};
    random.state = scalar({DType::I64, {Dim(2)}}, state, sizeof(state));
    random.trace = id;
    random.seed = generator.seed;
    random.base = generator.counter;
    random.drawn = 0;
  }
  int64_t offset = random.drawn;
  attrs.push_back(offset);
  llvm::SmallVector<Value *, 4> withState(operands.begin(), operands.end());
  withState.push_back(random.state.get());
  ValueRef state = random.state;
  auto results = record(op, attrs, withState);
  std::optional<Dim> elements = fin::numElements(results[0]->spec.dims);
  if (!elements || !elements->isConstant())
    throw UserError(ErrorKind::Value, "random numbers of a symbolic shape: " + results[0]->spec.str());
  generator.counter += blocksFor(elements->constant());
  random.drawn += blocksFor(elements->constant());
  return {std::move(results), std::move(state), offset};
}

void Recorder::flush(const char *reason) {
  cutRequested = false;
  if (capture) capture->demote(std::string(reason) + " inside the function needs a value");
  flush::run(*this, reason);
}

Recorder::Mark Recorder::mark() const {
  return {words.size() - prefixWords, scalarPool.size(), inputs.size(), ops(), static_cast<uint32_t>(slots.size())};
}

void Recorder::truncate(const Mark &mark) {
  words.resize(prefixWords + mark.words);
  scalarPool.resize(mark.scalarWords);
  for (size_t i = mark.inputs; i < inputs.size(); ++i)
    if (inputs[i].value) inputs[i].value->traceId = 0;
  inputs.resize(mark.inputs);
  for (size_t i = mark.ops; i < sources.size(); ++i)
    if (sources[i].code && host().release) host().release(sources[i]);
  sources.resize(mark.ops);
  for (size_t i = mark.slots; i < slots.size(); ++i)
    if (slots[i]) slots[i]->traceId = 0, slots[i]->recorder = nullptr, slots[i]->state = ValueState::Failed;
  slots.resize(mark.slots);
}

std::vector<TensorSpec> Recorder::slotSpecs() const {
  std::vector<TensorSpec> specs;
  auto all = trace();
  for (size_t at = 0; at < all.size();) {
    if (all[at] == fin::kInput) {
      TensorSpec spec{static_cast<DType>(all[at + 1]), {}};
      for (int64_t word : all.subspan(at + 4, all[at + 3])) spec.dims.push_back(Dim::fromWord(word));
      specs.push_back(std::move(spec));
      at += fin::inputWords(all, at);
      continue;
    }
    uint64_t head = static_cast<uint64_t>(all[at]);
    size_t operandCount = head >> 16 & 0xffff, attrCount = head >> 32;
    llvm::SmallVector<TensorSpec, 3> operands;
    llvm::SmallVector<TensorSpec, 2> results;
    for (int64_t slot : all.subspan(at + 1, operandCount)) operands.push_back(specs[slot]);
    auto attrs = all.subspan(at + 1 + operandCount, attrCount);
    std::string error;
    // Recorded ops passed this rule before.
    if (failed(fin::inferResults(static_cast<OpId>(head & 0xffff), operands, {attrs.data(), attrs.size()}, results, error))) break;
    specs.insert(specs.end(), results.begin(), results.end());
    at += 1 + operandCount + attrCount;
  }
  return specs;
}

void Recorder::requestCut() {
  if (capture) return capture->noteStep();
  cutRequested = ops() != 0;
}

void Recorder::softCut() {
  if (!capture && ops() >= static_cast<size_t>(config::maxPendingOps())) flush("end of the outermost module call");
}

void Recorder::materialize(Value &value, const char *reason) {
  ValueRef keep(&value);
  while (value.state == ValueState::Running) // another thread's flush
    runUnlocked([] { std::this_thread::sleep_for(std::chrono::microseconds(20)); });
  if (value.state == ValueState::Pending) value.recorder->flush(reason);
  if (value.state == ValueState::Placeholder)
    throw UserError(ErrorKind::Runtime, "the value of a placeholder was asked for: an exported graph cannot depend on data");
  if (value.state == ValueState::Failed)
    throw UserError(ErrorKind::Runtime, "this tensor was not computed: " + (value.error ? *value.error : std::string("its graph failed")));
}

} // namespace tinyfin
