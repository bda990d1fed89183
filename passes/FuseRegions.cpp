// SPDX-License-Identifier: Apache-2.0
// Wraps groups of ops in fin.fusion and asks the backend about each.
//   1. groups (Grouping.h) become regions, placed where their last op was
//   2. a refused region of several ops is taken apart: into regions without a product, then reductions and maps, then
//      maps, then single ops
//   3. what only repeats or counts and is still read from outside becomes a region too
//   4. the block is put in order again: a region stands behind all it reads
// Long blocks are sampled first: what their beginning would be grouped to is shown to a backend that compiles early, so that
// its threads need not wait until all is grouped. The first layers have the kernels of those that follow.
#include "ir/Claim.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Grouping.h"
#include "passes/Passes.h"
#include <queue>

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_FUSEREGIONSPASS
#include "passes/Passes.h.inc"

namespace {

/// Copies an op's operands into the body as far as regions have their own: constants, fills, views of the body's values.
class BodyBuilder {
public:
  BodyBuilder(const Region &region, ArrayRef<Operation *> ops, Block &body)
      : members(ops.begin(), ops.end()), builder(OpBuilder::atBlockEnd(&body)) {
    for (OpOperand *read : region.reads) mapping.map(read->get(), body.addArgument(read->get().getType(), read->get().getLoc()));
  }
  void add(Operation *op) {
    for (Value operand : op->getOperands()) provide(operand);
    builder.clone(*op, mapping);
  }
  void yield(Location location, ArrayRef<Value> results) {
    SmallVector<Value> values;
    for (Value result : results) values.push_back(mapping.lookup(result));
    YieldOp::create(builder, location, values);
  }

private:
  void provide(Value value) {
    if (!mapping.contains(value)) add(value.getDefiningOp());
  }
  llvm::SmallPtrSet<Operation *, 16> members;
  IRMapping mapping;
  OpBuilder builder;
};

/// A contraction stands where its product stood, so that what it reads need not be kept for long; the order is restored
/// in the end.
FusionOp wrap(ArrayRef<Operation *> ops, const Region &region) {
  Operation *last = ops.back(), *at = last;
  if (region.kind == "contraction") at = *llvm::find_if(ops, isContractible);
  OpBuilder builder(at);
  Location location = last->getLoc();
  OperationState state(location, FusionOp::getOperationName());
  for (OpOperand *read : region.reads) state.operands.push_back(read->get());
  for (Value result : region.results) state.addTypes(result.getType());
  state.addAttribute("kind", builder.getStringAttr(region.kind));
  bool isStatic = llvm::all_of(region.domain, [](int64_t extent) { return extent >= 0; });
  if (isStatic) state.addAttribute(kDomainAttr, builder.getDenseI64ArrayAttr(region.domain));
  state.addAttribute(kReducedAxesAttr, builder.getDenseI64ArrayAttr(region.reducedAxes));
  state.addRegion()->emplaceBlock();
  auto fusion = cast<FusionOp>(builder.create(state));
  BodyBuilder body(region, ops, fusion.getBody().front());
  for (Operation *op : ops) body.add(op);
  body.yield(location, region.results);
  return fusion;
}

void replaceByFusion(ArrayRef<Operation *> ops, const Region &region, FusionOp fusion) {
  for (auto [value, replacement] : llvm::zip_equal(region.results, fusion.getResults())) {
    Value result = value;
    result.replaceUsesWithIf(replacement, [&](OpOperand &use) { return !fusion->isAncestor(use.getOwner()); });
  }
  for (Operation *op : llvm::reverse(ops)) {
    // What is left of the uses are copied ops that nobody reads any more.
    op->dropAllUses();
    op->erase();
  }
}

constexpr size_t kLongBlock = 2048; // of ops that regions are grown from: where grouping takes milliseconds
constexpr size_t kSample = 128;     // of them, a few layers
constexpr size_t kRim = 32;         // the sample's last: groups there may have members beyond it

class Fuser {
public:
  Fuser(Block &block, Ambition ambition, const ClaimInterface *claim) : block(block), ambition(ambition), claim(claim) {}

  /// Changes nothing.
  void sample() {
    if (!claim || !claim->compilesEarly()) return;
    SmallVector<Operation *> ops = groupableOps(block);
    if (ops.size() < kLongBlock) return;
    llvm::DenseSet<Operation *> rim(ops.begin() + kSample - kRim, ops.begin() + kSample);
    for (const OpGroup &group : groupOps(ArrayRef(ops).take_front(kSample), ambition)) {
      if (llvm::any_of(group.ops, [&](Operation *op) { return rim.contains(op); })) continue;
      FusionOp fusion = wrap(group.ops, group.region);
      (void)claim->refuse(fusion); // what is refused here is refused again
      fusion->erase();
    }
  }

  void run() {
    for (const OpGroup &group : groupOps(groupableOps(block), ambition)) fuse(group.ops, group.region, ambition);
    eraseUnreadCopies();
    for (Operation &op : llvm::make_early_inc_range(block))
      if (isCopiedIntoRegions(&op) && !isa<ConstantOp>(op))
        if (std::optional<Region> region = analyzeRegion(&op)) fuse(&op, *region, ambition);
    eraseUnreadCopies();
    restoreOrder();
  }

private:
  void fuse(ArrayRef<Operation *> ops, const Region &region, Ambition ambition) {
    FusionOp fusion = wrap(ops, region);
    std::optional<std::string> refusal = claim ? claim->refuse(fusion) : std::nullopt;
    if (!refusal) return replaceByFusion(ops, region, fusion);
    fusion->erase();
    if (ops.size() == 1) return ops[0]->setAttr(kRefusalAttr, StringAttr::get(ops[0]->getContext(), *refusal));
    Ambition next = static_cast<Ambition>(static_cast<int>(ambition) + 1);
    for (const OpGroup &part : groupOps(ops, next)) fuse(part.ops, part.region, next);
  }

  // Views and copied ops whose readers now have their own.
  void eraseUnreadCopies() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if ((isCopiedIntoRegions(&op) || isa<ReshapeOp>(op)) && op.use_empty()) op.erase();
  }

  // Kahn's algorithm; of the ops that are ready the one that stood first goes first. Effects keep their order.
  void restoreOrder() {
    SmallVector<Operation *> ops;
    llvm::DenseMap<Operation *, unsigned> numbers;
    for (Operation &op : block.without_terminator()) numbers[&op] = ops.size(), ops.push_back(&op);
    SmallVector<unsigned> waiting(ops.size(), 0);
    SmallVector<SmallVector<unsigned>> readers(ops.size());
    std::optional<unsigned> lastEffect;
    for (auto [i, op] : llvm::enumerate(ops)) {
      for (Value operand : op->getOperands())
        if (Operation *producer = operand.getDefiningOp()) readers[numbers[producer]].push_back(i), ++waiting[i];
      if (isMemoryEffectFree(op)) continue;
      if (lastEffect) readers[*lastEffect].push_back(i), ++waiting[i];
      lastEffect = i;
    }
    std::priority_queue<unsigned, std::vector<unsigned>, std::greater<unsigned>> ready;
    for (unsigned i = 0; i < ops.size(); ++i)
      if (!waiting[i]) ready.push(i);
    while (!ready.empty()) {
      unsigned next = ready.top();
      ready.pop();
      ops[next]->moveBefore(block.getTerminator());
      for (unsigned reader : readers[next])
        if (!--waiting[reader]) ready.push(reader);
    }
  }

  Block &block;
  Ambition ambition;
  const ClaimInterface *claim;
};

struct FuseRegions : impl::FuseRegionsPassBase<FuseRegions> {
  using Base::Base;

  void runOnOperation() override {
    auto *dialect = getContext().getLoadedDialect<FinDialect>();
    Ambition ambition = contractions ? Ambition::Contractions : Ambition::Normalizations;
    Fuser fuser(getOperation().front(), ambition, dialect->getRegisteredInterface<ClaimInterface>());
    if (samples) fuser.sample();
    fuser.run();
  }
};

} // namespace
} // namespace tinyfin::fin
