// SPDX-License-Identifier: Apache-2.0
// Loads and stores of emitted kernels: uniform, contiguous or gathered, with conversion between storage and registers.
#include "backends/cpu/Code.h"
#include "backends/cpu/Index.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Value Code::address(Value pointer, Value index, Type storage) {
  return LLVM::GEPOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), storage, pointer, ValueRange{index});
}

Value Code::scratch(Type element, int64_t count) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(cast<BlockArgument>(dimsArg).getOwner());
  return LLVM::AllocaOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), element, i64(count), /*alignment=*/64);
}

Value Code::argument(Value args, unsigned number) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::LoadOp::create(b, loc, pointer, address(args, i64(number), pointer), 8, false, false, true);
}

Value Code::fromStorage(DType dtype, Value v) {
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  switch (dtype) {
  case DType::Bool: return compare(CmpIPredicate::ne, v, constant(0, v));
  case DType::BF16: {
    Value bits = ExtUIOp::create(b, loc, shapedLike(i32, v), v), wide = bitcast(binary<ShLIOp>(bits, integer(16, i32)), f32);
    narrow[wide] = v;
    return wide;
  }
  case DType::F16:
    if (!machine.hasF16c) refuse("float16 without hardware conversion");
    return ExtFOp::create(b, loc, shapedLike(f32, v), bitcast(v, b.getF16Type()));
  default: return v;
  }
}

/// Rounds to nearest, ties to even; NaNs stay NaNs.
Value Code::roundToBfloat(Value v) {
  Type i32 = b.getI32Type();
  if (machine.hasBf16 && isVector(v)) return bitcast(TruncFOp::create(b, loc, shapedLike(b.getBF16Type(), v), v), b.getI16Type());
  Value bits = bitcast(v, i32);
  Value odd = binary<AndIOp>(binary<ShRUIOp>(bits, integer(16, i32)), integer(1, i32));
  Value rounded = binary<AddIOp>(bits, binary<AddIOp>(odd, integer(0x7fff, i32)));
  Value quiet = binary<OrIOp>(bits, integer(0x400000, i32));
  Value top = binary<ShRUIOp>(select(compare(CmpFPredicate::UNO, v, v), quiet, rounded), integer(16, i32));
  return TruncIOp::create(b, loc, shapedLike(b.getI16Type(), v), top);
}

Value Code::toStorage(DType dtype, Value v) {
  switch (dtype) {
  case DType::Bool: return ExtUIOp::create(b, loc, shapedLike(b.getI8Type(), v), v);
  case DType::BF16: {
    Value known = narrow.lookup(v);
    return known ? known : roundToBfloat(v);
  }
  case DType::F16:
    if (!machine.hasF16c) refuse("float16 without hardware conversion");
    return bitcast(TruncFOp::create(b, loc, shapedLike(b.getF16Type(), v), v), b.getI16Type());
  default: return v;
  }
}

Value Code::load(DType dtype, Value pointer, const Index &at, Value mask) {
  Type storage = storageType(dtype);
  unsigned alignment = sizeOf(dtype);
  IndexMath math(*this);
  if (lanes == 1 && mask) {
    // One lane that may be masked off reads element 0 instead, which always exists.
    Value position = select(mask, math.scalar(at), i64(0));
    Value item = LLVM::LoadOp::create(b, loc, storage, address(pointer, position, storage), alignment);
    return fromStorage(dtype, item);
  }
  if (at.isUniform()) {
    Value position = math.scalar(at);
    if (mask && !isVector(mask)) position = select(mask, position, i64(0));
    // No other iteration writes what all lanes share, so that it can be read once before the loop.
    bool isShared = lanes > 1 && readsAreShared;
    Value item = LLVM::LoadOp::create(b, loc, storage, address(pointer, position, storage), alignment, false, false, isShared);
    return fromStorage(dtype, item);
  }
  Type type = vectorOf(storage);
  if (at.stride == 1 && !at.lanes) {
    Value where = address(pointer, math.scalar(at), storage);
    if (!mask) return fromStorage(dtype, LLVM::LoadOp::create(b, loc, type, where, alignment));
    Value zero = LLVM::ZeroOp::create(b, loc, type);
    return fromStorage(dtype, LLVM::MaskedLoadOp::create(b, loc, type, where, widen(mask), zero,
                                                         b.getI32IntegerAttr(alignment), UnitAttr()));
  }
  auto pointers = LLVM::GEPOp::create(b, loc, VectorType::get({lanes}, LLVM::LLVMPointerType::get(b.getContext())), storage,
                                      pointer, ValueRange{math.perLane(at)});
  Value on = mask ? widen(mask) : widen(integer(1, b.getI1Type()));
  Value zero = LLVM::ZeroOp::create(b, loc, type);
  return fromStorage(dtype, LLVM::masked_gather::create(b, loc, type, pointers, on, ValueRange{zero},
                                                        b.getI32IntegerAttr(alignment)));
}

/// A mask known to have no lane but the first.
static bool isFirstLaneOnly(Value mask) {
  DenseElementsAttr lanes;
  if (!mask || !matchPattern(mask, m_Constant(&lanes))) return false;
  auto values = lanes.getValues<bool>();
  return llvm::count(values, true) == 1 && *values.begin();
}

void Code::prefetch(DType dtype, Value pointer, const Index &at, unsigned nearness) {
  Value where = address(pointer, IndexMath(*this).scalar(at), storageType(dtype));
  LLVM::Prefetch::create(b, loc, where, /*rw=*/0u, /*hint=*/nearness, /*cache=*/1u);
}

void Code::fenceStores() {
  LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.x86.sse.sfence"), ValueRange());
}

void Code::store(DType dtype, Value value, Value pointer, const Index &at, Value mask, bool streams) {
  Type storage = storageType(dtype);
  unsigned alignment = sizeOf(dtype);
  IndexMath math(*this);
  Value where = address(pointer, math.scalar(at), storage);
  // As a masked store LLVM 22 would write 32 bits of a 16-bit element that was truncated on the way.
  if (!at.isUniform() && isFirstLaneOnly(mask)) {
    Value first = vector::ExtractOp::create(b, loc, widen(value), ArrayRef<int64_t>{0});
    return void(LLVM::StoreOp::create(b, loc, toStorage(dtype, first), where, alignment));
  }
  Value item = toStorage(dtype, at.isUniform() ? value : widen(value));
  bool isWhole = !mask && isVector(item) && at.stride == 1;
  if (streams && isWhole && (isAligned || (at.align % lanes == 0 && at.offset % lanes == 0))) return void(LLVM::StoreOp::create(b, loc, item, where, alignment * lanes, false, /*isNonTemporal=*/true));
  if (at.isUniform() || !mask) return void(LLVM::StoreOp::create(b, loc, item, where, alignment));
  LLVM::MaskedStoreOp::create(b, loc, item, where, widen(mask), b.getI32IntegerAttr(alignment));
}

} // namespace tinyfin::cpu
