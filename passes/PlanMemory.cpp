// SPDX-License-Identifier: Apache-2.0
// Arena offsets.
//   1. each storage class that is in the arena gets a lifetime
//   2. an elementwise result joins the lifetime of an operand that dies there (same bytes, same index); so does a result of
//      rows that are normalized
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

/// Values whose bytes are multiples of the same product of symbols; the first part has none.
struct Part {
  SmallVector<std::string, 2> symbols;
  SmallVector<Lifetime> lifetimes;
  ArenaLayout layout;
};
struct Slot {
  int part = -1; // not in the arena
  unsigned lifetime = 0;
};

class Planner {
public:
  Planner(func::FuncOp function, bool overwriteRows)
      : overwriteRows(overwriteRows), storage(function), slots(storage.all().size()), parts(1) {}

  void plan(func::FuncOp function) {
    for (auto [i, held] : llvm::enumerate(storage.all()))
      if (held.place == Place::Arena) addLifetime(i, held);
    for (Part &part : parts) part.layout = layOutArena(part.lifetimes);
    Builder b(function.getContext());
    for (Operation &op : function.front()) writeOffsets(op, b);
    function->setAttr(kArenaBytesAttr, b.getI64IntegerAttr(parts[0].layout.bytes));
    function->setAttr(kMaxLiveBytesAttr, b.getI64IntegerAttr(maxLiveBytes(parts[0].lifetimes)));
    if (parts.size() > 1) writeRegions(function, b);
  }

private:
  Size sizeOf(Type type) {
    if (cast<ShapedType>(type).hasStaticShape()) return {bytesOf(type), {}};
    return *sizeOfTensor(type);
  }

  void addLifetime(unsigned index, const StorageClass &held) {
    Size size = sizeOf(held.root.getType());
    size.bytes = llvm::alignTo(size.bytes, kArenaAlignment);
    int part = partOf(size);
    Slot &slot = slots[index] = findDyingOperand(held, part, size.bytes);
    if (slot.part >= 0) {
      parts[part].lifetimes[slot.lifetime].last = held.last;
      return;
    }
    slot = {part, static_cast<unsigned>(parts[part].lifetimes.size())};
    parts[part].lifetimes.push_back({size.bytes, held.first, held.last});
  }

  int partOf(const Size &size) {
    if (size.symbols.empty()) return 0;
    auto found = llvm::find_if(parts, [&](const Part &part) { return part.symbols == size.symbols; });
    if (found == parts.end()) parts.push_back({size.symbols, {}, {}}), found = parts.end() - 1;
    return found - parts.begin();
  }

  Slot findDyingOperand(const StorageClass &held, int part, int64_t bytes) {
    Operation *op = held.root.getDefiningOp();
    for (OpOperand &operand : op->getOpOperands()) {
      unsigned index = storage.indexOf(operand.get());
      Slot slot = slots[index];
      if (slot.part != part) continue;
      const Lifetime &lifetime = parts[part].lifetimes[slot.lifetime];
      if (lifetime.bytes == bytes && lifetime.last == held.first && mayOverwrite(op, held.root, operand.get(), index)) return slot;
    }
    return {};
  }

  // Every read of the operand's memory by the op must be at the written index or in its row, also through a view of it.
  bool mayOverwrite(Operation *op, Value result, Value dying, unsigned index) {
    Type type = result.getType(), from = dying.getType();
    if (!haveSameShape(type, from) || sizeOf(type).bytes != sizeOf(from).bytes) return false;
    return llvm::all_of(op->getOpOperands(), [&](OpOperand &use) {
      if (storage.indexOf(use.get()) != index) return true;
      unsigned number = use.getOperandNumber();
      return use.get() == dying && (readsAtWrittenIndex(op, number) || (overwriteRows && readsInWrittenRow(op, number)));
    });
  }

  void writeOffsets(Operation &op, Builder &b) {
    if (op.getNumResults() == 0 || isView(&op) || isa<ConstantOp>(op)) return;
    SmallVector<int64_t, 4> offsets;
    for (Value result : op.getResults()) {
      Slot slot = slots[storage.indexOf(result)];
      offsets.push_back(slot.part < 0 ? kNotInArena : parts[slot.part].layout.offsets[slot.lifetime]);
    }
    op.setAttr(kOffsetsAttr, b.getDenseI64ArrayAttr(offsets));
  }

  void writeRegions(func::FuncOp function, Builder &b) {
    SmallVector<Attribute> regions;
    for (const Part &part : ArrayRef(parts).drop_front()) {
      SmallVector<Attribute> entry{b.getI64IntegerAttr(part.layout.bytes)};
      for (const std::string &symbol : part.symbols) entry.push_back(b.getStringAttr(symbol));
      regions.push_back(b.getArrayAttr(entry));
    }
    function->setAttr(kArenaRegionsAttr, b.getArrayAttr(regions));
  }

  bool overwriteRows;
  Storage storage;
  SmallVector<Slot> slots; // one a storage class
  SmallVector<Part, 1> parts;
};

/// Shapes are static, or symbolic where that is wanted.
LogicalResult checkShapes(func::FuncOp function, bool symbolic) {
  auto isBad = [&](Type type) {
    return symbolic ? !sizeOfTensor(type) : !cast<ShapedType>(type).hasStaticShape();
  };
  WalkResult walk = function.walk([&](Operation *op) {
    if (!llvm::any_of(op->getResultTypes(), isBad)) return WalkResult::advance();
    op->emitOpError(symbolic ? "has a result too large to address"
                             : "has a dynamic result: memory is planned for static shapes, specialize first");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

struct PlanMemory : impl::PlanMemoryPassBase<PlanMemory> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(checkShapes(getOperation(), symbolic))) return signalPassFailure();
    Planner(getOperation(), overwriteRows).plan(getOperation());
  }
};

} // namespace
} // namespace tinyfin::fin
