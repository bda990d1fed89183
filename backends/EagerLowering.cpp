// SPDX-License-Identifier: Apache-2.0
// Planned functions to kernel lists, by eager kernels.
#include "backends/EagerLowering.h"
#include "backends/Constants.h"
#include "backends/KernelTable.h"
#include "llvm/Support/MathExtras.h"
#include "passes/Arena.h"

using namespace mlir;

namespace tinyfin {

static constexpr llvm::StringLiteral kOriginFile = "<recorded op>";

Location originLocation(MLIRContext *context, int64_t origin) {
  return FileLineColLoc::get(context, kOriginFile, static_cast<unsigned>(origin), 0);
}

int64_t originOf(Location location) {
  int64_t origin = -1;
  location->walk([&](Location part) {
    auto place = dyn_cast<FileLineColLoc>(part);
    if (!place || place.getFilename() != kOriginFile) return WalkResult::advance();
    origin = place.getLine();
    return WalkResult::interrupt();
  });
  return origin;
}

EagerLowering::EagerLowering(func::FuncOp main, KernelListBuilder &list) : list(list), storage(main) {
  auto bytes = main->getAttrOfType<IntegerAttr>(fin::kArenaBytesAttr);
  if (!bytes) {
    problem = Status::error(StatusCode::Internal, "function has no fin.arena_bytes: plan it first (--fin-plan)");
    return;
  }
  arenaBytes = bytes.getInt();
  if (auto live = main->getAttrOfType<IntegerAttr>(fin::kMaxLiveBytesAttr)) list.stats().maxLiveBytes = live.getInt();
  addSignature(main);
  for (Operation &op : main.front())
    if (isa<fin::ConstantOp>(op) && problem.isOk()) problem = addConstant(&op).status();
}

void EagerLowering::addSignature(func::FuncOp main) {
  for (Type type : main.getArgumentTypes()) list.addInput(tensorTypeOf(type));
  for (auto [output, value] : llvm::enumerate(main.front().getTerminator()->getOperands())) {
    list.addOutput(tensorTypeOf(value.getType()));
    auto alias = value.getDefiningOp<fin::AliasOp>();
    auto into = alias ? dyn_cast<BlockArgument>(alias.getInto()) : BlockArgument();
    if (into) list.donate(into.getArgNumber(), output);
  }
}

StatusOr<uint32_t> EagerLowering::addConstant(Operation *op) {
  ElementsAttr value = cast<fin::ConstantOp>(op).getValue();
  StatusOr<BufferRef> buffer = Device::cpu().allocate(tensorTypeOf(value.getType()).bytes());
  if (!buffer.isOk()) return buffer.status();
  if (failed(copyElements(value, buffer.value()->data())))
    return Status::error(StatusCode::InvalidArgument, "the bytes of a constant are missing or of the wrong size");
  return list.addConstant(std::move(buffer.value()));
}

ArgRef EagerLowering::refOf(Value value) const {
  const fin::StorageClass &held = storage.of(value);
  switch (held.place) {
  case fin::Place::Input: return ArgRef::input(held.number);
  case fin::Place::Output: return ArgRef::output(held.number);
  case fin::Place::Constant: return ArgRef::constant(held.number);
  case fin::Place::Arena: break;
  }
  return ArgRef::arena(held.offset);
}

Status EagerLowering::addEager(Operation *op, bool isInterpreted) {
  if (isa<fin::ConstantOp>(op) || fin::isView(op) || op->hasTrait<OpTrait::IsTerminator>()) return Status::ok();
  if (isa<fin::FusionOp>(op)) return addFusion(op, isInterpreted);
  if (!fin::opIdOfOperation(op))
    return Status::error(StatusCode::Unsupported, op->getName().getStringRef().str() + " has no eager kernel");
  addStep(op, [this](Value value) { return refOf(value); }, isInterpreted);
  return Status::ok();
}

void EagerLowering::addStep(Operation *op, llvm::function_ref<ArgRef(Value)> where, bool isInterpreted) {
  fin::OpId id = *fin::opIdOfOperation(op);
  EagerStep step{{fin::infoOf(id).name, originOf(op->getLoc()), isInterpreted}, kernelOf(id), fin::wordsOf(op), {}, {}};
  step.inputs.reserve(op->getNumOperands());
  for (Value operand : op->getOperands()) step.inputs.push_back({where(operand), tensorTypeOf(operand.getType())});
  step.outputs.reserve(op->getNumResults());
  for (Value result : op->getResults()) step.outputs.push_back({where(result), tensorTypeOf(result.getType())});
  list.add(std::move(step));
}

// Values of the body live in scratch memory behind the arena. Results are copied out last: a result may lie over an
// input, which a kernel of the whole region reads first, but op by op a later one may still read.
Status EagerLowering::addFusion(Operation *op, bool isInterpreted) {
  auto fusion = cast<fin::FusionOp>(op);
  Block &body = fusion.getBody().front();
  llvm::DenseMap<Value, ArgRef> places;
  for (auto [argument, input] : llvm::zip(body.getArguments(), fusion.getInputs())) places[argument] = refOf(input);
  size_t used = 0;
  for (Operation &inner : body) {
    if (isa<fin::YieldOp>(inner)) break;
    if (isa<fin::ConstantOp>(inner)) {
      StatusOr<uint32_t> constant = addConstant(&inner);
      if (!constant.isOk()) return constant.status();
      places[inner.getResult(0)] = ArgRef::constant(constant.value());
      continue;
    }
    for (Value result : inner.getResults()) {
      places[result] = ArgRef::arena(arenaBytes + used);
      used += llvm::alignTo(fin::bytesOf(result.getType()), fin::kArenaAlignment);
    }
    if (!fin::opIdOfOperation(&inner))
      return Status::error(StatusCode::Unsupported, inner.getName().getStringRef().str() + " has no eager kernel");
    addStep(&inner, [&](Value value) { return places.lookup(value); }, isInterpreted);
  }
  for (auto [value, result] : llvm::zip(body.getTerminator()->getOperands(), fusion.getResults()))
    list.addCopy(places.lookup(value), refOf(result), fin::bytesOf(result.getType()), originOf(op->getLoc()));
  scratchBytes = std::max(scratchBytes, used);
  return Status::ok();
}

ArgRef EagerLowering::scratch(size_t offset, size_t bytes) {
  scratchBytes = std::max(scratchBytes, offset + bytes);
  return ArgRef::arena(arenaBytes + offset);
}

void EagerLowering::finish() {
  for (const fin::OutputCopy &copy : storage.copies())
    list.addCopy(refOf(copy.value), ArgRef::output(copy.output), fin::bytesOf(copy.value.getType()),
                 originOf(copy.value.getLoc()));
  list.setArenaBytes(arenaBytes + scratchBytes);
}

} // namespace tinyfin
