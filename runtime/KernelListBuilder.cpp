// SPDX-License-Identifier: Apache-2.0
// Flattens steps into a KernelList and checks them once, so that the run loop need not.
#include "runtime/KernelList.h"
#include "runtime/Profiler.h"
#include <cstring>

namespace tinyfin {
namespace {

constexpr size_t kLongRunBytes = size_t{16} << 20; // some 200 us
constexpr int64_t kCopyGrain = int64_t{1} << 18; // bytes; a smaller copy is faster on one thread

Status copyBytes(void *closure, void *const *args, ThreadPool &pool) {
  auto *to = static_cast<std::byte *>(args[1]);
  auto *from = static_cast<const std::byte *>(args[0]);
  if (to == from) return Status::ok();
  pool.parallelFor(static_cast<int64_t>(*static_cast<size_t *>(closure)), kCopyGrain,
                   [&](int64_t begin, int64_t end) { std::memcpy(to + begin, from + begin, end - begin); });
  return Status::ok();
}

} // namespace

KernelListBuilder::KernelListBuilder(std::string backend) : list(std::make_shared<KernelList>()) {
  list->backendName = std::move(backend);
  list->device = &Device::cpu();
}

uint32_t KernelListBuilder::addInput(TensorType type) {
  list->inputs.push_back(std::move(type));
  return list->inputs.size() - 1;
}
uint32_t KernelListBuilder::addOutput(TensorType type) {
  list->outputs.push_back(std::move(type));
  return list->outputs.size() - 1;
}
uint32_t KernelListBuilder::addConstant(BufferRef constant) {
  list->stats.constantBytes += constant->size();
  list->constants.push_back(std::move(constant));
  return list->constants.size() - 1;
}
void KernelListBuilder::donate(uint32_t input, uint32_t output) { list->donations.push_back({input, output}); }
void KernelListBuilder::setArenaBytes(size_t bytes) { list->arenaBytes = (bytes + 63) & ~size_t{63}; }
void KernelListBuilder::keepAlive(std::shared_ptr<void> owner) { list->owned.push_back(std::move(owner)); }
void KernelListBuilder::flushDenormals() { list->flushesDenormals = true; }

KernelList::Step &KernelListBuilder::append(KernelList::StepKind kind, const StepInfo &info,
                                            std::span<const ArgRef> args, const Words &words) {
  KernelList::Step step{};
  step.kind = kind;
  step.firstArg = refs.size();
  step.numArgs = args.size();
  step.name = Profiler::process().nameId(info.name);
  step.origin = info.origin;
  step.firstWord = list->words.size();
  step.numWords = words.size();
  list->words.insert(list->words.end(), words.begin(), words.end());
  refs.insert(refs.end(), args.begin(), args.end());
  list->tensors.resize(refs.size());
  list->maxStepArgs = std::max(list->maxStepArgs, step.numArgs);
  (info.isInterpreted ? list->stats.interpretedOps : list->stats.kernels)++;
  return list->steps.emplace_back(step);
}

/// `bytes` beyond the argument's offset are used. Checked at the end, when the arena's size is known.
void KernelListBuilder::check(const StepInfo &info, const ArgRef &arg, size_t bytes) {
  if (arg.kind == ArgRef::Kind::Arena) reaches.emplace_back(info.name, arg.offset + bytes);
}

void KernelListBuilder::add(EagerStep step) {
  std::vector<ArgRef> args;
  for (auto *group : {&step.inputs, &step.outputs})
    for (const EagerStep::Arg &arg : *group) args.push_back(arg.at);
  KernelList::Step &added = append(KernelList::StepKind::Eager, step.info, args, step.attrs);
  added.eager = step.kernel;
  added.numInputs = step.inputs.size();
  size_t at = added.firstArg;
  for (auto *group : {&step.inputs, &step.outputs})
    for (EagerStep::Arg &arg : *group) {
      check(step.info, arg.at, arg.type.bytes());
      added.bytes += arg.type.bytes();
      const Words &dims = list->dims.emplace_back(std::move(arg.type.dims)); // the items of a Words do not move
      list->tensors[at++] = {nullptr, arg.type.dtype, dims};
    }
}

void KernelListBuilder::add(GeneratedStep step) {
  KernelList::Step &added = append(KernelList::StepKind::Generated, step.info, step.args, step.dims);
  added.generated = step.function;
  added.count = step.count;
  added.grain = std::max<int64_t>(step.grain, 1);
  added.wakes = step.wakes;
  added.bytes = step.bytes;
  for (const ArgRef &arg : step.args) check(step.info, arg, 0);
}

void KernelListBuilder::add(CallStep step) {
  KernelList::Step &added = append(KernelList::StepKind::Call, step.info, step.args, {});
  added.call = step.function;
  added.closure = step.closure.get();
  added.bytes = step.bytes;
  for (const ArgRef &arg : step.args) check(step.info, arg, 0);
  if (step.closure) list->owned.push_back(std::move(step.closure));
}

void KernelListBuilder::addCopy(ArgRef from, ArgRef to, size_t bytes, int64_t origin) {
  check({"copy"}, from, bytes);
  check({"copy"}, to, bytes);
  add(CallStep{{"copy", origin}, copyBytes, std::make_shared<size_t>(bytes), {from, to}, 2 * bytes});
}

void KernelListBuilder::resolveBases() {
  const size_t counts[] = {list->inputs.size(), list->outputs.size(), list->constants.size(), 1};
  uint32_t first[4] = {};
  for (int kind = 1; kind < 4; ++kind) first[kind] = first[kind - 1] + counts[kind - 1];
  for (const ArgRef &ref : refs) {
    auto kind = static_cast<size_t>(ref.kind);
    if (ref.index >= counts[kind])
      problem = Status::error(StatusCode::Internal, "kernel list: argument " + std::to_string(ref.index) + " of " +
                                                        std::to_string(counts[kind]));
    list->args.push_back({first[kind] + ref.index, ref.offset});
  }
  for (const auto &[name, end] : reaches)
    if (end > list->arenaBytes)
      problem = Status::error(StatusCode::Internal, "kernel list: " + name + " reaches " + std::to_string(end) +
                                                        " bytes into an arena of " + std::to_string(list->arenaBytes));
}

StatusOr<std::shared_ptr<Executable>> KernelListBuilder::build() {
  size_t bytes = 0;
  for (const KernelList::Step &step : list->steps) bytes += step.bytes;
  list->isLong = list->steps.size() > 1 && bytes >= kLongRunBytes;
  resolveBases();
  list->stats.arenaBytes = list->arenaBytes;
  list->stats.codeBytes += list->steps.size() * sizeof(KernelList::Step) + list->words.size() * sizeof(int64_t) +
                           list->args.size() * (sizeof(KernelList::Arg) + sizeof(TensorArg));
  Status status = std::move(problem);
  std::shared_ptr<Executable> built = std::move(list);
  *this = KernelListBuilder(built->backend());
  if (!status.isOk()) return status;
  return built;
}

} // namespace tinyfin
