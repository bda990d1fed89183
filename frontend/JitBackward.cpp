// SPDX-License-Identifier: Apache-2.0
#include "frontend/JitBackward.h"
#include "backends/Compile.h"
#include "frontend/Flush.h"
#include "frontend/Scalars.h"
#include "ir/Trace.h"
#include "runtime/ExecutionCache.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

namespace tinyfin {

BoundaryNode::BoundaryNode(const Var &outer) {
  sequence = nextSequence();
  next.push_back(outer.edge);
  resultSpecs.push_back(outer.spec());
}

namespace {

bool wantsGradient(const Tensor &result) {
  Edge edge = result->read().edge;
  auto *node = edge ? dynamic_cast<OpNode *>(edge.node.get()) : nullptr;
  return node && !node->freed;
}

/// Copies the ops behind a mark of a trace into a trace of their own. Slots from before the mark become inputs.
class Extractor {
public:
  Extractor(std::span<const int64_t> whole, size_t mark, uint32_t firstSlot, llvm::ArrayRef<TensorSpec> specs, Words &out)
      : whole(whole), at(mark), slot(firstSlot), firstSlot(firstSlot), specs(specs), out(out) {}

  void run() {
    collectUses();
    for (auto &[used, place] : uses) {
      place = next++;
      fin::appendInput(out, specs[used], fin::InputRole::Tensor);
    }
    while (at < whole.size()) whole[at] == fin::kInput ? copyInput() : copyOp();
  }
  uint32_t placeOf(uint32_t old) const { return old < firstSlot ? uses.find(old)->second : renumbered[old - firstSlot]; }

  llvm::MapVector<uint32_t, uint32_t> uses; // slots from before the mark, and their place as inputs
  llvm::SmallVector<std::pair<uint32_t, uint32_t>> laterInputs; // old slot, new slot of inputs behind the mark

private:
  struct Head {
    size_t operands, attrs;
  };
  Head headAt(size_t position) const {
    uint64_t head = static_cast<uint64_t>(whole[position]);
    return {head >> 16 & 0xffff, head >> 32};
  }
  void collectUses() {
    for (size_t position = at; position < whole.size();) {
      if (whole[position] == fin::kInput) {
        position += fin::inputWords(whole, position);
        continue;
      }
      Head head = headAt(position);
      for (int64_t operand : whole.subspan(position + 1, head.operands))
        if (static_cast<uint32_t>(operand) < firstSlot) uses.insert({static_cast<uint32_t>(operand), 0});
      position += 1 + head.operands + head.attrs;
    }
  }
  void copyInput() {
    size_t size = fin::inputWords(whole, at);
    out.insert(out.end(), whole.begin() + at, whole.begin() + at + size);
    laterInputs.push_back({slot, next});
    renumbered.push_back(next++);
    ++slot;
    at += size;
  }
  void copyOp() {
    Head head = headAt(at);
    out.push_back(whole[at]);
    for (int64_t operand : whole.subspan(at + 1, head.operands)) out.push_back(placeOf(static_cast<uint32_t>(operand)));
    auto attrs = whole.subspan(at + 1 + head.operands, head.attrs);
    out.insert(out.end(), attrs.begin(), attrs.end());
    size_t results = fin::infoOf(static_cast<OpId>(whole[at] & 0xffff)).results.size();
    for (size_t i = 0; i < results; ++i, ++slot) renumbered.push_back(next++);
    at += 1 + head.operands + head.attrs;
  }

  std::span<const int64_t> whole;
  size_t at;
  uint32_t slot, firstSlot, next = 0;
  llvm::ArrayRef<TensorSpec> specs;
  Words &out;
  std::vector<uint32_t> renumbered;
};

} // namespace

std::unique_ptr<BackwardProgram> BackwardProgram::record(Capture &capture, llvm::ArrayRef<Tensor> results) {
  if (!isGradEnabled() || llvm::none_of(results, wantsGradient)) return nullptr;
  auto program = std::make_unique<BackwardProgram>();
  Recorder &recorder = capture.recorder;
  program->modes = recorder.modes;
  Recorder::Mark mark = recorder.mark();
  Vars roots, cotangents;
  for (auto [i, result] : llvm::enumerate(results)) {
    if (!wantsGradient(result)) continue;
    program->roots.push_back(static_cast<uint32_t>(i));
    roots.push_back(result->read());
    cotangents.push_back({ValueRef(new Value(roots.back().spec(), ValueState::Placeholder)), {}});
    recorder.slotOf(*cotangents.back().value);
  }
  llvm::SmallVector<Edge> edges;
  capture.forEachDifferentiable([&](uint32_t cell, bool isArg, const Edge &edge) {
    program->targets.push_back({cell, isArg, -1, -1});
    edges.push_back(edge);
  });
  Vars found = runBackward(roots, cotangents, edges, /*retainGraph=*/true, /*createGraph=*/false);

  std::vector<TensorSpec> specs = recorder.slotSpecs();
  Extractor extract(recorder.trace(), mark.words, mark.slots, specs, program->trace);
  extract.run();
  for (auto [old, place] : extract.uses) {
    program->inputs.push_back({Input::Saved, static_cast<uint32_t>(program->savedSlots.size()), {}});
    program->savedSlots.push_back(old);
  }
  for (auto [old, place] : extract.laterInputs) {
    const TraceInput &input = *llvm::find_if(recorder.inputs, [&](const TraceInput &input) { return input.slot == old; });
    auto cotangent = llvm::find_if(cotangents, [&](const Var &var) { return var.value->slot == old; });
    if (cotangent != cotangents.end()) {
      program->inputs.push_back({Input::Cotangent, static_cast<uint32_t>(cotangent - cotangents.begin()), {}});
    } else {
      auto begin = recorder.scalarPool.begin() + input.scalarAt;
      program->inputs.push_back({Input::Number, 0, Words(begin, begin + (input.scalarBytes + 7) / 8)});
    }
  }
  for (auto [target, grad] : llvm::zip_equal(program->targets, found)) {
    if (!grad) continue;
    uint32_t place = extract.placeOf(grad.value->slot);
    bool isInput = grad.value->state == ValueState::Placeholder;
    if (isInput) {
      target.passed = static_cast<int32_t>(llvm::find_if(cotangents, [&](const Var &var) { return var.value == grad.value; }) - cotangents.begin());
      continue;
    }
    target.output = static_cast<int32_t>(place); // a slot for now
    program->outputs.push_back(place);
  }
  llvm::sort(program->outputs);
  program->outputs.erase(std::unique(program->outputs.begin(), program->outputs.end()), program->outputs.end());
  for (Target &target : program->targets)
    if (target.output >= 0)
      target.output = static_cast<int32_t>(llvm::lower_bound(program->outputs, static_cast<uint32_t>(target.output)) - program->outputs.begin());
  found.clear();
  cotangents.clear();
  recorder.truncate(mark);
  return program;
}

void BackwardProgram::compile() {
  Words key(flush::keyPrefix().begin(), flush::keyPrefix().end());
  auto words = modes.words();
  key.insert(key.end(), words.begin(), words.end());
  key.insert(key.end(), trace.begin(), trace.end());
  std::string refusal; // logged where it happens
  entry = flush::compiledNow(key, trace, outputs, modes, refusal);
  for (uint32_t slot : entry->outputSlots()) {
    auto wanted = llvm::lower_bound(outputs, slot);
    outputAt.push_back(wanted != outputs.end() && *wanted == slot ? static_cast<int32_t>(wanted - outputs.begin()) : -1);
  }
}

static void *numberOnDevice(Words &number, std::vector<BufferRef> &kept) {
  Device &device = flush::device();
  if (device.isHostAccessible()) return number.data();
  size_t bytes = number.size() * sizeof(int64_t);
  auto buffer = device.allocate(bytes);
  throwIfError(buffer.status());
  throwIfError(device.copyFromHost(*buffer.value().get(), number.data(), bytes));
  kept.push_back(std::move(buffer.value()));
  return kept.back()->data();
}

Vars BackwardProgram::run(llvm::ArrayRef<ValueRef> saved, llvm::ArrayRef<Var> cotangents) {
  if (!entry && !outputs.empty()) compile();
  std::vector<ValueRef> produced(outputs.size());
  if (!outputs.empty()) {
    std::shared_ptr<Executable> executable = entry->executable();
    std::vector<void *> in, out;
    std::vector<BufferRef> buffers;
    std::vector<BufferRef> numbers; // where the device cannot read host memory
    for (Input &input : inputs)
      in.push_back(input.kind == Input::Saved       ? saved[input.index]->buffer->data()
                   : input.kind == Input::Cotangent ? cotangents[input.index].value->buffer->data()
                                                    : numberOnDevice(input.number, numbers));
    for (const TensorType &type : executable->outputs) {
      auto buffer = flush::backend().device().allocate(type.bytes());
      throwIfError(buffer.status());
      out.push_back(buffer.value()->data());
      buffers.push_back(std::move(buffer.value()));
    }
    Status status;
    runUnlocked([&] { status = executable->run(in, out); });
    throwIfError(status);
    for (size_t i = 0; i < outputAt.size(); ++i) {
      if (outputAt[i] < 0) continue;
      TensorSpec spec{executable->outputs[i].dtype, {}};
      for (int64_t extent : executable->outputs[i].dims) spec.dims.push_back(Dim(extent));
      produced[outputAt[i]] = readyValue(std::move(spec), std::move(buffers[i]));
    }
  }
  Vars grads;
  for (const Target &target : targets)
    grads.push_back(target.output >= 0   ? Var{produced[target.output], {}}
                    : target.passed >= 0 ? Var{cotangents[target.passed].value, {}}
                                         : Var());
  return grads;
}

Vars JitNode::apply(llvm::ArrayRef<Var> given, bool createGraph) {
  if (createGraph)
    throw UserError(ErrorKind::NotImplemented, "create_graph through a jitted function: take the gradient inside the function instead");
  if (freed)
    throw UserError(ErrorKind::Runtime, "backward through jit a second time: what it saved was freed; pass retain_graph=True the first time");
  Vars cotangents;
  for (auto [spec, cotangent] : llvm::zip_equal(resultSpecs, given))
    cotangents.push_back(cotangent ? cotangent : Var{filled(scalarValue(0.0, spec.dtype), spec.dims).value, {}});
  for (const Var &cotangent : cotangents)
    if (cotangent.value->state != ValueState::Ready) Recorder::materialize(*cotangent.value, "backward of a jitted function");
  return program->run(saved, cotangents);
}

} // namespace tinyfin
