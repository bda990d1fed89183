// SPDX-License-Identifier: Apache-2.0
// Arena offsets.
//   1. each storage class that is in the arena gets a lifetime
//   2. an elementwise result joins the lifetime of an operand that dies there (same bytes, same index)
//   3. lifetimes are laid out (Arena.h), offsets become attributes
#include "llvm/Support/MathExtras.h"
#include "passes/Arena.h"
#include "passes/Passes.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_PLANMEMORYPASS
#include "passes/Passes.h.inc"

namespace {

constexpr unsigned kNone = ~0u;

class Planner {
public:
  explicit Planner(func::FuncOp function) : storage(function), lifetimeOf(storage.all().size(), kNone) {}

  void plan(func::FuncOp function) {
    for (auto [i, held] : llvm::enumerate(storage.all()))
      if (held.place == Place::Arena) addLifetime(i, held);
    layout = layOutArena(lifetimes);
    Builder b(function.getContext());
    for (Operation &op : function.front()) writeOffsets(op, b);
    function->setAttr(kArenaBytesAttr, b.getI64IntegerAttr(layout.bytes));
    function->setAttr(kMaxLiveBytesAttr, b.getI64IntegerAttr(maxLiveBytes(lifetimes)));
  }

private:
  void addLifetime(unsigned index, const StorageClass &held) {
    int64_t bytes = llvm::alignTo(bytesOf(held.root.getType()), kArenaAlignment);
    if (unsigned reused = findDyingOperand(held, bytes); reused != kNone) {
      lifetimeOf[index] = reused;
      lifetimes[reused].last = held.last;
      return;
    }
    lifetimeOf[index] = lifetimes.size();
    lifetimes.push_back({bytes, held.first, held.last});
  }

  unsigned findDyingOperand(const StorageClass &held, int64_t bytes) {
    Operation *op = held.root.getDefiningOp();
    for (OpOperand &operand : op->getOpOperands()) {
      unsigned index = storage.indexOf(operand.get()), lifetime = lifetimeOf[index];
      if (lifetime == kNone || lifetimes[lifetime].bytes != bytes || lifetimes[lifetime].last != held.first) continue;
      if (mayOverwrite(op, held.root, operand.get(), index)) return lifetime;
    }
    return kNone;
  }

  // Every read of the operand's memory by the op must be at the written index, also through a view of it.
  bool mayOverwrite(Operation *op, Value result, Value dying, unsigned index) {
    auto type = cast<ShapedType>(result.getType()), from = cast<ShapedType>(dying.getType());
    if (type.getShape() != from.getShape() || bytesOf(type) != bytesOf(from)) return false;
    return llvm::all_of(op->getOpOperands(), [&](OpOperand &use) {
      return storage.indexOf(use.get()) != index ||
             (use.get() == dying && readsAtWrittenIndex(op, use.getOperandNumber()));
    });
  }

  void writeOffsets(Operation &op, Builder &b) {
    if (op.getNumResults() == 0 || isView(&op) || isa<ConstantOp>(op)) return;
    SmallVector<int64_t, 4> offsets;
    for (Value result : op.getResults()) {
      unsigned lifetime = lifetimeOf[storage.indexOf(result)];
      offsets.push_back(lifetime == kNone ? kNotInArena : layout.offsets[lifetime]);
    }
    op.setAttr(kOffsetsAttr, b.getDenseI64ArrayAttr(offsets));
  }

  Storage storage;
  SmallVector<unsigned> lifetimeOf; // one a storage class
  SmallVector<Lifetime> lifetimes;
  ArenaLayout layout;
};

struct PlanMemory : impl::PlanMemoryPassBase<PlanMemory> {
  void runOnOperation() override {
    auto isDynamic = [](Type type) { return !cast<ShapedType>(type).hasStaticShape(); };
    WalkResult walk = getOperation().walk([&](Operation *op) {
      if (!llvm::any_of(op->getResultTypes(), isDynamic)) return WalkResult::advance();
      op->emitOpError("has a dynamic result: memory is planned for static shapes, specialize first");
      return WalkResult::interrupt();
    });
    if (walk.wasInterrupted()) return signalPassFailure();
    Planner(getOperation()).plan(getOperation());
  }
};

} // namespace
} // namespace tinyfin::fin
