// SPDX-License-Identifier: Apache-2.0
// The run loop. It is the whole cost of a compiled graph beyond its kernels: no locks, no heap, one table of bases.
#include "runtime/KernelList.h"
#include "runtime/FirstTouch.h"
#include "runtime/FloatMode.h"
#include "runtime/Interrupt.h"
#include "runtime/Profiler.h"
#include <cstring>

namespace tinyfin {
namespace {

struct GeneratedCall {
  GeneratedFn function;
  void *const *args;
  const int64_t *dims;
};

void runPiece(void *closure, int64_t begin, int64_t end) {
  auto *call = static_cast<GeneratedCall *>(closure);
  call->function(call->args, call->dims, begin, end);
}

constexpr size_t kStackBlock = 2048; // arenas and tables up to this size need no buffer
constexpr size_t kLongArena = size_t(32) << 20; // a new one gets its pages at once
constexpr size_t alignUp(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

} // namespace

size_t KernelList::frameBytes() const {
  size_t bases = inputs.size() + outputs.size() + constants.size() + 1;
  return alignUp((bases + maxStepArgs) * sizeof(void *)) + maxStepArgs * sizeof(TensorArg);
}

Status KernelList::run(std::span<void *const> in, std::span<void *const> out) {
  if (in.size() != inputs.size() || out.size() != outputs.size())
    return Status::error(StatusCode::Internal, "run with " + std::to_string(in.size()) + " inputs and " +
                                                   std::to_string(out.size()) + " outputs, wanted " +
                                                   std::to_string(inputs.size()) + " and " +
                                                   std::to_string(outputs.size()));
  alignas(64) std::byte stack[kStackBlock];
  BufferRef buffer;
  std::byte *block = stack;
  if (size_t bytes = arenaBytes + frameBytes(); bytes > kStackBlock) {
    StatusOr<BufferRef> allocated = Device::cpu().allocate(bytes);
    if (!allocated.isOk()) return allocated.status();
    buffer = std::move(allocated.value());
    block = static_cast<std::byte *>(buffer->data());
    if (buffer->isNew() && bytes >= kLongArena) touchFirst({block, bytes}, ThreadPool::process());
  }

  auto **bases = reinterpret_cast<void **>(block + arenaBytes);
  size_t numBases = 0;
  for (void *pointer : in) bases[numBases++] = pointer;
  for (void *pointer : out) bases[numBases++] = pointer;
  for (const BufferRef &constant : constants) bases[numBases++] = constant->data();
  bases[numBases++] = block;
  auto *scratch = reinterpret_cast<std::byte *>(bases) + alignUp((numBases + maxStepArgs) * sizeof(void *));
  Frame frame{bases, bases + numBases, reinterpret_cast<TensorArg *>(scratch), ThreadPool::process()};

  FlushedDenormals mode(flushesDenormals);
  // Workers that idled since the last run would go to sleep while the first steps, mostly small ones, run here.
  if (isLong) frame.pool.rouse();
  bool isProfiled = Profiler::isOn();
  InterruptWatch watch;
  for (const Step &step : steps) {
    if (watch.wantsStop(step.bytes) && !hasWrittenDonated(in, out, static_cast<size_t>(&step - steps.data())))
      return Status::error(StatusCode::Interrupted, "interrupted");
    Status status = isProfiled ? runProfiled(step, frame) : runStep(step, frame);
    if (status.isOk()) continue;
    status.setOrigin(step.origin);
    return status;
  }
  return Status::ok();
}

/// Whether one of the steps before `end` may have written memory that this run was given as input and output.
bool KernelList::hasWrittenDonated(std::span<void *const> in, std::span<void *const> out, size_t end) const {
  uint32_t endArg = end < steps.size() ? steps[end].firstArg : static_cast<uint32_t>(args.size());
  for (auto [input, output] : donations) {
    if (in[input] != out[output]) continue;
    for (uint32_t i = 0; i < endArg; ++i)
      if (args[i].base == inputs.size() + output) return true;
  }
  return false;
}

inline Status KernelList::runStep(const Step &step, const Frame &frame) const {
  if (step.kind == StepKind::Eager) return runEager(step, frame);
  const Arg *stepArgs = args.data() + step.firstArg;
  for (uint32_t i = 0; i < step.numArgs; ++i)
    frame.pointers[i] = static_cast<std::byte *>(frame.bases[stepArgs[i].base]) + stepArgs[i].offset;
  if (step.kind == StepKind::Call) return step.call(step.closure, frame.pointers, frame.pool);
  const int64_t *stepDims = words.data() + step.firstWord;
  if (step.count <= step.grain) {
    if (step.count > 0) step.generated(frame.pointers, stepDims, 0, step.count);
    return Status::ok();
  }
  GeneratedCall call{step.generated, frame.pointers, stepDims};
  frame.pool.parallelFor(step.count, step.grain, runPiece, &call, step.wakes);
  return Status::ok();
}

Status KernelList::runEager(const Step &step, const Frame &frame) const {
  const Arg *stepArgs = args.data() + step.firstArg;
  std::memcpy(static_cast<void *>(frame.tensors), tensors.data() + step.firstArg, step.numArgs * sizeof(TensorArg));
  for (uint32_t i = 0; i < step.numArgs; ++i)
    frame.tensors[i].data = static_cast<std::byte *>(frame.bases[stepArgs[i].base]) + stepArgs[i].offset;
  std::span<const TensorArg> all(frame.tensors, step.numArgs);
  return step.eager({AttrReader({words.data() + step.firstWord, step.numWords}), all.first(step.numInputs),
                     all.subspan(step.numInputs), frame.pool});
}

Status KernelList::runProfiled(const Step &step, const Frame &frame) const {
  int64_t start = Profiler::now();
  Status status = runStep(step, frame);
  Profiler::process().record(step.name, start, Profiler::now() - start, step.bytes);
  return status;
}

std::string KernelList::listing() const {
  std::string text;
  uint32_t firstOutput = inputs.size(), firstConstant = firstOutput + outputs.size(),
           arena = firstConstant + constants.size();
  for (const Step &step : steps) {
    text += Profiler::process().nameOf(step.name) + "(";
    for (uint32_t i = step.firstArg; i < step.firstArg + step.numArgs; ++i) {
      auto [base, offset] = args[i];
      if (i != step.firstArg) text += ", ";
      if (base < firstOutput)
        text += "input " + std::to_string(base);
      else if (base < firstConstant)
        text += "output " + std::to_string(base - firstOutput);
      else if (base < arena)
        text += "constant " + std::to_string(base - firstConstant);
      else
        text += "arena";
      if (base == arena || offset) text += " + " + std::to_string(offset);
    }
    text += ")\n";
  }
  return text;
}

} // namespace tinyfin
