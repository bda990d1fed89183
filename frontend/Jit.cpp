// SPDX-License-Identifier: Apache-2.0
// From a capture to a program: what each input and output is.
#include "frontend/Jit.h"
#include "frontend/Flush.h"
#include "frontend/Random.h"
#include "runtime/ExecutionCache.h"
#include "llvm/ADT/STLExtras.h"

namespace tinyfin {

JitProgram::JitProgram(Capture &capture, llvm::ArrayRef<Tensor> returned, bool withBackward) {
  Recorder &recorder = capture.recorder;
  modes = recorder.modes;
  collectState(capture);
  collectGrads(capture);
  if (withBackward) planBackward(capture, returned);
  for (const Tensor &result : returned) {
    // An argument or an outside cell that is returned is that tensor itself.
    auto known = capture.cells.find(result.get());
    if (known != capture.cells.end()) {
      results.push_back({Place::Cell, known->second.index, known->second.kind == Source::Arg});
    } else {
      Var value = result->read();
      results.push_back(placeOf(capture, *value.value));
    }
    resultSpecs.push_back(result->spec);
  }
  collectViews(capture, returned);
  classifyInputs(capture);
  if (capture.movedGenerator()) throw UserError(ErrorKind::Runtime, "the random state is set inside the function");
  outside = capture.outside;
  for (auto [i, at] : llvm::enumerate(outside)) {
    at.grad = Tensor();
    if (at.gradOf >= 0) at.cell = Tensor(); // found anew at each call
    else outsideIndex[at.cell.get()] = static_cast<uint32_t>(i);
  }
  for (const Tensor &grad : capture.argGrads) argHadGrad.push_back(bool(grad));
  key.assign(recorder.key().begin(), recorder.key().end());
  trace.assign(recorder.trace().begin(), recorder.trace().end());
  randomDrawn = recorder.random.drawn;
  opCount = recorder.ops();
  describeLines(recorder);
  llvm::sort(outputs);
  outputs.erase(std::unique(outputs.begin(), outputs.end()), outputs.end());
}

void JitProgram::planBackward(Capture &capture, llvm::ArrayRef<Tensor> returned) {
  backward = BackwardProgram::record(capture, returned);
  if (!backward) return;
  for (uint32_t slot : backward->savedSlots) {
    auto input = llvm::find_if(capture.recorder.inputs, [&](const TraceInput &input) { return input.slot == slot; });
    if (input != capture.recorder.inputs.end()) {
      savedPlaces.push_back({Place::Input, static_cast<uint32_t>(input - capture.recorder.inputs.begin()), false});
    } else {
      savedPlaces.push_back({Place::Output, slot, false});
      outputs.push_back(slot);
    }
  }
}

void JitProgram::attachBackward(llvm::MutableArrayRef<Tensor> returned, llvm::MutableArrayRef<Edge> edges,
                                std::vector<ValueRef> saved) const {
  auto *node = new JitNode;
  Ref<Node> owner(node);
  node->sequence = nextSequence();
  node->program = backward;
  node->saved = std::move(saved);
  for (Edge &edge : edges) node->next.push_back(std::move(edge));
  for (auto [i, root] : llvm::enumerate(backward->roots)) {
    node->resultSpecs.push_back(resultSpecs[root]);
    if (results[root].kind != Place::Cell) returned[root]->attachEdge({owner, static_cast<uint32_t>(i)});
  }
}

Place JitProgram::placeOf(Capture &capture, Value &value) {
  Recorder &recorder = capture.recorder;
  bool isOutput = value.state == ValueState::Pending && value.recorder == &recorder && value.traceId == recorder.traceId();
  uint32_t slot = isOutput ? value.slot : recorder.slotOf(value);
  for (auto [i, input] : llvm::enumerate(recorder.inputs))
    if (input.slot == slot) return {Place::Input, static_cast<uint32_t>(i), false};
  outputs.push_back(slot);
  return {Place::Output, slot, false};
}

void JitProgram::collectState(Capture &capture) {
  // The list grows when a value is passed on, so it is walked by number.
  for (size_t i = 0; i < capture.recorder.rebinds.size(); ++i) {
    Tensor cell = capture.recorder.rebinds[i].cell;
    if (cell->born >= capture.firstInside) continue;
    if (!capture.cells.contains(cell.get())) {
      // Written before it was read: known by what it held.
      uint32_t index = static_cast<uint32_t>(capture.outside.size());
      capture.outside.push_back({cell, -1, false, bool(cell->grad), cell->grad});
      capture.cells.try_emplace(cell.get(), Capture::Origin{Source::Outside, index});
    }
    Capture::Origin origin = capture.cells.lookup(cell.get());
    if (origin.kind == Source::Arg) writtenArgs.push_back(cell);
    Node *node = cell->var.edge.node.get();
    if (node && !node->isBoundary())
      throw UserError(ErrorKind::Runtime, "a tensor from outside is written with a value that a gradient flows to" + capture.lineOf(*cell));
    states.push_back({origin.index, origin.kind == Source::Arg, node != nullptr, placeOf(capture, *cell->var.value)});
  }
}

void JitProgram::collectGrads(Capture &capture) {
  auto collect = [&](Cell &cell, bool hadGrad, uint32_t index, bool isArg) {
    Tensor now = cell.grad;
    bool isNew = now && now->born >= capture.firstInside;
    if (!now && hadGrad) grads.push_back({index, isArg, GradEffect::Clear, {}});
    if (!isNew) return;
    if (capture.steps) return grads.push_back({index, isArg, GradEffect::Drop, {}});
    grads.push_back({index, isArg, GradEffect::Set, placeOf(capture, *now->read().value)});
  };
  for (size_t i = 0; i < capture.outside.size(); ++i)
    if (capture.outside[i].gradOf < 0) collect(*capture.outside[i].cell, capture.outside[i].hadGrad, i, false);
  for (auto [i, arg] : llvm::enumerate(capture.args)) {
    bool had = llvm::any_of(capture.outside, [&](const OutsideCell &cell) { return cell.gradOfArg && cell.gradOf == static_cast<int32_t>(i); });
    collect(*arg, had, static_cast<uint32_t>(i), true);
  }
}

/// Results that alias each other or what the caller has, as they would without jit. Views of a tensor that is not
/// returned itself are tensors of their own: nobody else can write to what they show, but each other.
void JitProgram::collectViews(Capture &capture, llvm::ArrayRef<Tensor> returned) {
  for (auto [i, result] : llvm::enumerate(returned)) {
    if (results[i].kind == Place::Cell) continue;
    ResultView view;
    view.result = static_cast<uint32_t>(i);
    for (Tensor cell = result; cell; cell = cell->base) {
      auto first = llvm::find(returned, cell);
      auto known = capture.cells.find(cell.get());
      if (known != capture.cells.end() && (known->second.kind == Source::Arg || capture.outside[known->second.index].gradOf < 0))
        view.base = {Place::Cell, known->second.index, known->second.kind == Source::Arg};
      else if (first != returned.end() && static_cast<size_t>(first - returned.begin()) != i)
        view.of = static_cast<int32_t>(first - returned.begin());
      if (view.base.kind == Place::Cell || view.of >= 0) break;
      if (!cell->base) break;
      view.steps.push_back(cell->view);
      view.specs.push_back(cell->spec);
    }
    if (view.base.kind != Place::Cell && view.of < 0) continue;
    std::reverse(view.steps.begin(), view.steps.end());
    std::reverse(view.specs.begin(), view.specs.end());
    views.push_back(std::move(view));
  }
  // A result may come before the one it is a view of, which has fewer steps from the root.
  auto rank = [&](const ResultView &view) {
    size_t steps = 0;
    for (Cell *cell = returned[view.result].get(); cell->base; cell = cell->base.get()) ++steps;
    return std::pair(steps, view.result);
  };
  llvm::sort(views, [&](const ResultView &a, const ResultView &b) { return rank(a) < rank(b); });
}

void JitProgram::classifyInputs(Capture &capture) {
  Recorder &recorder = capture.recorder;
  for (const TraceInput &input : recorder.inputs) {
    Source source;
    source.op = input.op;
    if (input.value) {
      auto known = capture.values.find(input.value.get());
      if (known != capture.values.end()) {
        source.kind = known->second.kind;
        source.index = known->second.index;
      } else {
        source.kind = Source::Constant;
        source.constant = input.value;
      }
    } else if (auto number = llvm::find_if(capture.numberSlots, [&](auto &slot) { return slot.slot == input.slot; });
               number != capture.numberSlots.end()) {
      source.kind = Source::NumberArg;
      source.index = number->index;
    } else if (recorder.random.state && recorder.random.state->slot == input.slot) {
      source.kind = Source::RandomState;
    } else {
      source.kind = Source::Number;
      auto begin = recorder.scalarPool.begin() + input.scalarAt;
      source.number.assign(begin, begin + (input.scalarBytes + 7) / 8);
    }
    inputs.push_back(std::move(source));
  }
}

void JitProgram::describeLines(const Recorder &recorder) {
  // Many ops share a line, and finding one takes a walk over the code's table.
  llvm::DenseMap<std::pair<void *, int32_t>, size_t> known;
  for (size_t op = 0; op < recorder.ops(); ++op) {
    auto [at, isNew] = known.try_emplace({recorder.sources[op].code, recorder.sources[op].instruction}, op);
    opLines.push_back(isNew ? recorder.lineOf(op) : opLines[at->second]);
  }
}

bool JitProgram::isState(uint32_t outsideCell) const {
  return llvm::any_of(states, [&](const State &state) { return !state.isArg && state.cell == outsideCell; });
}
bool JitProgram::writes(const Cell &arg) const {
  return llvm::any_of(writtenArgs, [&](const Tensor &written) { return written.get() == &arg; });
}
size_t JitProgram::outputIndex(uint32_t slot) const { return llvm::lower_bound(outputs, slot) - outputs.begin(); }

static std::string describeKind(const Source &source) {
  constexpr const char *names[] = {"an argument", "a captured tensor", "a tensor made inside", "a number", "a number argument", "the random state", "a gradient"};
  return names[source.kind];
}

/// Whether an outside cell here is that of another recording: the same tensor, or `.grad` of the same.
bool JitProgram::isSameCell(uint32_t index, const JitProgram &other, uint32_t otherIndex) const {
  const OutsideCell &a = outside[index], &b = other.outside[otherIndex];
  if (a.gradOf < 0 || b.gradOf < 0) return a.gradOf < 0 && b.gradOf < 0 && a.cell == b.cell;
  if (a.gradOfArg != b.gradOfArg) return false;
  return a.gradOfArg ? a.gradOf == b.gradOf : isSameCell(a.gradOf, other, b.gradOf);
}

/// A value's data, wherever it is.
static std::vector<std::byte> hostBytes(const Value &value) {
  std::vector<std::byte> bytes(value.bytes());
  throwIfError(value.buffer->device().copyToHost(bytes.data(), *value.buffer.get(), bytes.size()));
  return bytes;
}

std::string JitProgram::lineOf(const Source &source) const {
  return source.op < opLines.size() && !opLines[source.op].empty() ? " (" + opLines[source.op] + ")" : "";
}

std::string JitProgram::differenceFrom(const JitProgram &other) const {
  if (bool(backward) != bool(other.backward) || (backward && backward->trace != other.backward->trace))
    return "the gradient graph differs from the first call's";
  // What a slice starts at is in the trace: it is named before traces are compared.
  for (size_t i = 0; i < std::min(inputs.size(), other.inputs.size()); ++i)
    if (inputs[i].kind == Source::Number && other.inputs[i].kind == Source::Number && inputs[i].number != other.inputs[i].number)
      return "a Python number changed between calls" + lineOf(inputs[i]) + ": pass it as an argument or keep it in a tensor";
  if (trace != other.trace) return "the second call recorded other ops than the first: " + std::to_string(other.opCount) + " and " + std::to_string(opCount);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Source &a = other.inputs[i], &b = inputs[i];
    std::string at = lineOf(b);
    if (a.kind != b.kind) return describeKind(a) + " became " + describeKind(b) + at;
    if (a.kind == Source::Constant) {
      if (hostBytes(*a.constant) != hostBytes(*b.constant))
        return "a tensor made from data inside the function changed between calls" + at;
    }
    if (a.kind == Source::Outside && !isSameCell(b.index, other, a.index))
      return "the function reads another tensor than in the first call" + at;
    bool isNumbered = a.kind == Source::Arg || a.kind == Source::NumberArg;
    if (isNumbered && a.index != b.index) return describeKind(a) + " is another one" + at;
  }
  auto samePlace = [](const Place &a, const Place &b) { return a.kind == b.kind && a.index == b.index && a.isArg == b.isArg; };
  if (results.size() != other.results.size()) return "the number of returned tensors changed";
  for (size_t i = 0; i < results.size(); ++i)
    if (!samePlace(results[i], other.results[i]) || (results[i].kind == Place::Cell && !results[i].isArg && !isSameCell(results[i].index, other, other.results[i].index)))
      return "another tensor is returned";
  auto sameView = [](const ResultView &a, const ResultView &b) { return a.result == b.result && a.of == b.of && a.steps == b.steps; };
  if (!llvm::equal(views, other.views, sameView)) return "another view is returned";
  if (states.size() != other.states.size()) return "other tensors are written";
  for (size_t i = 0; i < states.size(); ++i) {
    const State &a = other.states[i], &b = states[i];
    bool sameCell = a.isArg == b.isArg && (a.isArg ? a.cell == b.cell : isSameCell(b.cell, other, a.cell));
    if (!sameCell || !samePlace(a.value, b.value)) return "other tensors are written";
  }
  if (grads.size() != other.grads.size()) return "other gradients are left";
  for (size_t i = 0; i < grads.size(); ++i) {
    const GradEffect &a = other.grads[i], &b = grads[i];
    bool sameCell = a.isArg == b.isArg && (a.isArg ? a.cell == b.cell : isSameCell(b.cell, other, a.cell));
    if (!sameCell || a.kind != b.kind || !samePlace(a.value, b.value)) return "other gradients are left";
  }
  return "";
}

bool JitProgram::fits(llvm::ArrayRef<Tensor> args) const {
  for (const OutsideCell &cell : outside)
    if (cell.gradOf < 0 && !cell.anyGrad && bool(cell.cell->grad) != cell.hadGrad) return false;
  for (auto [i, arg] : llvm::enumerate(args))
    if (argHadGrad[i].value_or(bool(arg->grad)) != bool(arg->grad) || outsideIndex.contains(arg.get())) return false;
  return true;
}

void JitProgram::acceptGradsOf(const JitProgram &again) {
  for (OutsideCell &at : outside) {
    auto found = at.cell ? again.outsideIndex.find(at.cell.get()) : again.outsideIndex.end();
    if (found != again.outsideIndex.end()) at.anyGrad |= again.outside[found->second].hadGrad != at.hadGrad;
  }
  for (auto [had, now] : llvm::zip_equal(argHadGrad, again.argHadGrad))
    if (had != now) had.reset();
}

bool JitProgram::readsOutside(uint64_t born) const {
  return llvm::any_of(outside, [&](const OutsideCell &at) { return at.cell && at.cell->born == born; });
}

const ExecutableStats *JitProgram::stats() const {
  return executable ? &executable->stats : nullptr;
}

} // namespace tinyfin
