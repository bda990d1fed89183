// SPDX-License-Identifier: Apache-2.0
// A planned function, op by op: first what kernels there are, then their compilation all together (equal ones once), then
// the steps.
#include "backends/cpu/Lowering.h"
#include "backends/EagerLowering.h"
#include "backends/cpu/Calls.h"
#include "backends/cpu/Checks.h"
#include "backends/cpu/Contractions.h"
#include "backends/cpu/Domain.h"
#include "backends/cpu/KernelForge.h"
#include "backends/cpu/Split.h"
#include "backends/cpu/TuneContractions.h"
#include "runtime/Config.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

struct PlannedKernel {
  KernelSpec spec;
  std::vector<ArgRef> args; // inputs, then outputs
};

class Lowering {
public:
  Lowering(func::FuncOp main, const CompileOptions &options, KernelForge &forge)
      : main(main), options(options), forge(forge), list("cpu"), eager(main, list) {}
  StatusOr<std::shared_ptr<Executable>> run();

private:
  void plan(Operation *op);
  void planTiled(fin::FusionOp fusion);
  void planSplit(Operation *op, SplitReduction split, ArrayRef<ArgRef> inputs, ArrayRef<ArgRef> outputs);
  void addKernelOf(Operation *op, KernelSpec spec, std::vector<ArgRef> args);
  Status compile();
  Status addSteps(Operation *op);
  Status addCall(Operation *op, StatusOr<CallStep> step);
  Status addTiled(Operation *op, const PlannedKernel &kernel, const CompiledKernel &code);
  Status addRefused(Operation *op, const std::string &why);
  void addChecks(Operation *op, const PlannedKernel &kernel);
  void addGenerated(Operation *op, const PlannedKernel &kernel, const CompiledKernel &code);

  /// Whether the op runs as a call of a plan.
  bool isCall(Operation *op) const {
    if (!options.libraries) return isa<fin::AssertOp>(op);
    return isPlanned(op) || (isContraction(op) && !isGenerated(op));
  }
  /// Whether the op is a contraction region of which a plan makes tiles and a kernel finishes them.
  bool isTiled(Operation *op) const { return options.libraries && productOf(op) && !isGenerated(op); }
  /// Whether a contraction is a kernel of its own. A packed operand is read faster by the plan it was packed for.
  bool isGenerated(Operation *op) const {
    auto tried = generated.find(op);
    return tried == generated.end() ? prefersGenerated(op) && !frozenRhs(op) : tried->second;
  }
  void tune();
  const void *frozenRhs(Operation *op) const;
  StatusOr<CallStep> callOf(Operation *op) {
    if (!isContraction(op)) return plannedStep(op);
    Frozen frozen{frozenRhs(op), 0, tuning()};
    StatusOr<CallStep> step = contractionStep(op, frozen);
    list.stats().prepackedBytes += frozen.packedBytes;
    return step;
  }
  const void *frozenData(Value value) const;
  TuneNotes *tuning() { return options.autotune && options.libraries && !options.deterministic ? &notes : nullptr; }

  func::FuncOp main;
  const CompileOptions &options;
  KernelForge &forge;
  KernelListBuilder list;
  EagerLowering eager;
  std::vector<PlannedKernel> kernels;
  std::vector<CompiledKernel> compiled;
  llvm::DenseMap<Operation *, SmallVector<unsigned, 2>> planned;
  llvm::DenseMap<Operation *, std::string> unplanned; // why there is no kernel
  llvm::DenseMap<Operation *, bool> generated;        // contractions of which both forms were tried
  TuneNotes notes;
};

/// Bytes of a tensor whose shape is known.
size_t bytesOf(const TensorSpec &type) {
  size_t bytes = sizeOf(type.dtype);
  for (Dim dim : type.dims) bytes *= dim.constant();
  return bytes;
}

/// The right operand of a product, alone or of a region, if it never changes.
const void *Lowering::frozenRhs(Operation *op) const {
  if (options.frozen.empty()) return nullptr;
  if (auto product = dyn_cast<fin::MatmulOp>(op)) return frozenData(product.getRhs());
  fin::MatmulOp product = productOf(op);
  return product ? frozenData(op->getOperand(cast<BlockArgument>(product.getRhs()).getArgNumber())) : nullptr;
}

/// The data of an input that never changes, through views of it; null for other values.
const void *Lowering::frozenData(Value value) const {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<fin::ReshapeOp>(op)) return nullptr;
    value = op->getOperand(0);
  }
  unsigned input = cast<BlockArgument>(value).getArgNumber();
  return input < options.frozen.size() ? options.frozen[input] : nullptr;
}

bool needsNoStep(Operation &op) {
  return isa<fin::ConstantOp>(op) || fin::isView(&op) || op.hasTrait<OpTrait::IsTerminator>();
}

void Lowering::addKernelOf(Operation *op, KernelSpec spec, std::vector<ArgRef> args) {
  planned[op].push_back(kernels.size());
  kernels.push_back({std::move(spec), std::move(args)});
}

void Lowering::planSplit(Operation *op, SplitReduction split, ArrayRef<ArgRef> inputs, ArrayRef<ArgRef> outputs) {
  std::vector<ArgRef> first, second;
  for (uint32_t input : split.pieceInputs) first.push_back(inputs[input]);
  size_t used = 0;
  for (unsigned i = 0; i < split.pieces.outputs.size() - split.fullOutputs.size(); ++i) {
    size_t bytes = llvm::alignTo(bytesOf(split.combination.values[i]), fin::kArenaAlignment);
    ArgRef partial = eager.scratch(used, bytes);
    used += bytes;
    first.push_back(partial);
    second.push_back(partial);
  }
  for (unsigned output : split.fullOutputs) first.push_back(outputs[output]);
  for (uint32_t input : split.otherInputs) second.push_back(inputs[input]);
  for (unsigned output : split.keptOutputs) second.push_back(outputs[output]);
  addKernelOf(op, std::move(split.pieces), std::move(first));
  addKernelOf(op, std::move(split.combination), std::move(second));
}

void Lowering::planTiled(fin::FusionOp fusion) {
  StatusOr<KernelSpec> spec = specOfFusion(fusion);
  if (!spec.isOk()) return void(unplanned[fusion] = spec.status().message());
  SmallVector<uint32_t> used;
  KernelSpec epilogue = epilogueOf(spec.value(), used);
  std::vector<ArgRef> args;
  for (uint32_t input : used) args.push_back(eager.refOf(fusion.getOperand(input)));
  for (Value result : fusion.getResults()) args.push_back(eager.refOf(result));
  addKernelOf(fusion, std::move(epilogue), std::move(args));
}

void Lowering::plan(Operation *op) {
  auto fusion = dyn_cast<fin::FusionOp>(op);
  if (isTiled(op)) return planTiled(fusion);
  StatusOr<KernelSpec> spec = fusion ? specOfFusion(fusion) : specOfOp(op);
  if (!spec.isOk()) return void(unplanned[op] = spec.status().message());
  std::vector<ArgRef> inputs, outputs;
  llvm::SmallPtrSet<void *, 8> seen;
  for (Value operand : op->getOperands())
    if (fusion || seen.insert(operand.getAsOpaquePointer()).second) inputs.push_back(eager.refOf(operand));
  for (Value result : op->getResults()) outputs.push_back(eager.refOf(result));
  if (productOf(op)) {
    inputs.insert(inputs.end(), outputs.begin(), outputs.end());
    return addKernelOf(op, std::move(spec.value()), std::move(inputs));
  }
  if (auto split = splitReduction(spec.value())) return planSplit(op, std::move(*split), inputs, outputs);
  // Results that do not fit one set of loops are computed by a kernel each.
  for (const SmallVector<unsigned> &group : groupOutputs(spec.value())) {
    SmallVector<uint32_t, 4> used;
    KernelSpec part = extract(spec.value(), group, used);
    std::vector<ArgRef> args;
    for (uint32_t input : used) args.push_back(inputs[input]);
    for (unsigned output : group) args.push_back(outputs[output]);
    addKernelOf(op, std::move(part), std::move(args));
  }
}

/// All trials, so that planning finds their results.
void Lowering::tune() {
  for (Operation &op : main.front()) {
    fin::MatmulOp product = productOf(&op);
    if ((!product && !isContraction(&op)) || frozenRhs(&op)) continue;
    generated[&op] = choosesGenerated(&op, notes);
    Frozen frozen{nullptr, 0, &notes};
    if (isCall(&op)) (void)contractionStep(&op, frozen);
    else if (isTiled(&op)) (void)tiledStep(product, nullptr, 1, frozen);
  }
}

Status Lowering::compile() {
  std::vector<KernelSpec> specs;
  for (const PlannedKernel &kernel : kernels) specs.push_back(kernel.spec);
  KernelBatchStats batch;
  auto result = forge.finish(specs, &batch);
  list.stats().uniqueKernels = batch.unique;
  list.stats().newKernels = batch.generated;
  list.stats().kernelTimes = std::move(batch.times);
  if (!result.isOk()) return result.status();
  compiled = std::move(result.value());
  return Status::ok();
}

Status Lowering::addRefused(Operation *op, const std::string &why) {
  list.stats().refusals.push_back(op->getName().getStringRef().str() + ": " + why);
  return eager.addEager(op, /*isInterpreted=*/true);
}

void Lowering::addChecks(Operation *op, const PlannedKernel &kernel) {
  for (const KernelOp &entry : kernel.spec.ops) {
    if (entry.isConstant()) continue;
    Check check = checkOf(kernel.spec, entry);
    // Starts that a region computes are checked where fusion formed it.
    if (!check.function || entry.operands[check.operand] >= kernel.spec.numInputs) continue;
    CallStep step;
    step.info = {std::string("check ") + fin::infoOf(entry.id).name, originOf(op->getLoc())};
    step.function = check.function;
    step.closure = check.closure;
    step.args = {kernel.args[entry.operands[check.operand]]};
    list.add(std::move(step));
  }
}

void Lowering::addGenerated(Operation *op, const PlannedKernel &kernel, const CompiledKernel &code) {
  addChecks(op, kernel);
  GeneratedStep step;
  step.info = {kernel.spec.summary(), originOf(op->getLoc())};
  step.function = code.function;
  step.args = kernel.args;
  step.count = code.launch.count();
  step.grain = code.launch.grain({}, {}, config::isDisabled("short-pieces") ? kWakingNanoseconds : kPieceNanoseconds);
  step.wakes = step.count > code.launch.grain({}, {}, kWakingNanoseconds);
  for (uint32_t input = 0; input < kernel.spec.numInputs; ++input) step.bytes += bytesOf(kernel.spec.values[input]);
  for (uint32_t output : kernel.spec.outputs) step.bytes += bytesOf(kernel.spec.values[output]);
  list.keepAlive(code.code);
  list.stats().codeBytes += code.codeBytes;
  list.add(std::move(step));
}

Status Lowering::addCall(Operation *op, StatusOr<CallStep> made) {
  if (!made.isOk()) return addRefused(op, made.status().message());
  CallStep &step = made.value();
  step.info = {op->getName().getStringRef().str(), originOf(op->getLoc())};
  for (Value operand : op->getOperands()) step.args.push_back(eager.refOf(operand));
  for (Value result : op->getResults()) step.args.push_back(eager.refOf(result));
  for (Value value : op->getOperands()) step.bytes += fin::bytesOf(value.getType());
  for (Value value : op->getResults()) step.bytes += fin::bytesOf(value.getType());
  list.add(std::move(step));
  return Status::ok();
}

Status Lowering::addTiled(Operation *op, const PlannedKernel &kernel, const CompiledKernel &code) {
  fin::MatmulOp product = productOf(op);
  auto operandOf = [&](Value argument) { return op->getOperand(cast<BlockArgument>(argument).getArgNumber()); };
  Frozen frozen{frozenRhs(op), 0, tuning()};
  StatusOr<CallStep> made = tiledStep(product, code.function, kernel.args.size() + 1, frozen);
  list.stats().prepackedBytes += frozen.packedBytes;
  if (!made.isOk()) return made.status();
  CallStep &step = made.value();
  step.info = {"matmul, " + kernel.spec.summary(), originOf(op->getLoc())};
  step.args = {eager.refOf(operandOf(product.getLhs())), eager.refOf(operandOf(product.getRhs()))};
  step.args.insert(step.args.end(), kernel.args.begin(), kernel.args.end());
  for (Value value : op->getOperands()) step.bytes += fin::bytesOf(value.getType());
  for (Value value : op->getResults()) step.bytes += fin::bytesOf(value.getType());
  list.keepAlive(code.code);
  list.stats().codeBytes += code.codeBytes;
  list.add(std::move(step));
  return Status::ok();
}

Status Lowering::addSteps(Operation *op) {
  if (isCall(op)) return addCall(op, callOf(op));
  auto found = planned.find(op);
  if (found == planned.end()) return addRefused(op, unplanned.lookup(op));
  for (unsigned kernel : found->second)
    if (!compiled[kernel].refusal.empty()) return addRefused(op, compiled[kernel].refusal);
  if (isTiled(op)) return addTiled(op, kernels[found->second[0]], compiled[found->second[0]]);
  for (unsigned kernel : found->second) addGenerated(op, kernels[kernel], compiled[kernel]);
  return Status::ok();
}

StatusOr<std::shared_ptr<Executable>> Lowering::run() {
  TINYFIN_RETURN_IF_ERROR(eager.status());
  CompileTimes &times = list.stats().compileTimes;
  if (tuning()) {
    PhaseTimer timer(times, "autotune");
    tune();
  }
  {
    PhaseTimer timer(times, "plan-kernels");
    for (Operation &op : main.front())
      if (!needsNoStep(op) && !isCall(&op)) plan(&op);
  }
  {
    PhaseTimer timer(times, "kernels");
    TINYFIN_RETURN_IF_ERROR(compile());
  }
  {
    PhaseTimer timer(times, "steps"); // plans of libraries are made here
    for (Operation &op : main.front())
      if (!needsNoStep(op)) TINYFIN_RETURN_IF_ERROR(addSteps(&op));
    eager.finish();
  }
  list.stats().tuned = std::move(notes.lines);
  if (!config::isDisabled("flush-denormals")) list.flushDenormals();
  return list.build();
}

} // namespace

StatusOr<std::shared_ptr<Executable>> lowerToKernels(func::FuncOp main, const CompileOptions &options, KernelForge &forge) {
  return Lowering(main, options, forge).run();
}

} // namespace tinyfin::cpu
