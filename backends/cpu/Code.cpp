// SPDX-License-Identifier: Apache-2.0
// Scalars, vectors and control flow of emitted kernels.
#include "backends/cpu/Code.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Type Code::computeType(DType dtype) {
  switch (dtype) {
  case DType::F32: case DType::BF16: case DType::F16: return b.getF32Type();
  case DType::F64: return b.getF64Type();
  case DType::I64: return b.getI64Type();
  case DType::I32: return b.getI32Type();
  case DType::I8: case DType::U8: return b.getI8Type();
  case DType::Bool: return b.getI1Type();
  }
  return {};
}

Type Code::storageType(DType dtype) {
  if (dtype == DType::BF16 || dtype == DType::F16) return b.getI16Type();
  return dtype == DType::Bool ? b.getI8Type() : computeType(dtype);
}

Type Code::shapedLike(Type element, Value like) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? VectorType::get(vector.getShape(), element) : element;
}

Value Code::i64(int64_t value) { return integer(value, b.getI64Type()); }
Value Code::integer(int64_t value, Type element) {
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(element, value));
}
Value Code::real(double value, Type element) { return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value)); }
Value Code::constant(double value, Value like) {
  Type element = elementOf(like);
  return isa<FloatType>(element) ? real(value, element) : integer(static_cast<int64_t>(value), element);
}

Value Code::extent(Dim dim) {
  if (dim.isConstant()) return i64(dim.constant());
  auto found = llvm::find(symbols, dim.symbolName().str());
  Value pointer = address(dimsArg, i64(found - symbols.begin()), b.getI64Type());
  Value symbol = LLVM::LoadOp::create(b, loc, b.getI64Type(), pointer, 8, false, false, /*isInvariant=*/true);
  return mul(symbol, i64(dim.factor()));
}

std::optional<int64_t> Code::known(Value v) {
  APInt value;
  return matchPattern(v, m_ConstantInt(&value)) ? std::optional(value.getSExtValue()) : std::nullopt;
}

Value Code::add(Value a, Value c) { return b.createOrFold<AddIOp>(loc, a, c); }
Value Code::sub(Value a, Value c) { return b.createOrFold<SubIOp>(loc, a, c); }
Value Code::mul(Value a, Value c) { return b.createOrFold<MulIOp>(loc, a, c); }
Value Code::divide(Value a, Value c) { return b.createOrFold<DivUIOp>(loc, a, c); }
Value Code::remainder(Value a, Value c) { return b.createOrFold<RemUIOp>(loc, a, c); }
Value Code::least(Value a, Value c) { return b.createOrFold<MinSIOp>(loc, a, c); }
Value Code::less(Value a, Value c) { return b.createOrFold<CmpIOp>(loc, CmpIPredicate::slt, a, c); }

Value Code::widen(Value v) {
  return lanes == 1 || isVector(v) ? v : vector::BroadcastOp::create(b, loc, vectorOf(v.getType()), v).getResult();
}
void Code::unify(Value &a, Value &c) {
  if (isVector(a) == isVector(c)) return;
  a = widen(a);
  c = widen(c);
}

Value Code::select(Value condition, Value a, Value c) {
  unify(a, c);
  // A scalar condition chooses between vectors, a vector condition between lanes.
  if (isVector(condition)) a = widen(a), c = widen(c);
  return b.createOrFold<SelectOp>(loc, condition, a, c);
}
Value Code::compare(CmpFPredicate predicate, Value a, Value c) {
  unify(a, c);
  return CmpFOp::create(b, loc, predicate, a, c);
}
Value Code::compare(CmpIPredicate predicate, Value a, Value c) {
  unify(a, c);
  return b.createOrFold<CmpIOp>(loc, predicate, a, c);
}
Value Code::conjunction(Value a, Value c) {
  if (!a || !c) return a ? a : c;
  return binary<AndIOp>(a, c);
}
Value Code::bitcast(Value v, Type element) {
  return b.createOrFold<arith::BitcastOp>(loc, shapedLike(element, v), v);
}

Value Code::laneNumbers() {
  if (lanes == 1) return i64(0);
  SmallVector<int64_t> numbers(lanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto type = cast<ShapedType>(vectorOf(b.getI64Type()));
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>(numbers)));
}

Value Code::tailMask(Value count) {
  if (lanes == 1) return {};
  if (std::optional<int64_t> whole = known(count)) {
    SmallVector<bool> on;
    for (int lane = 0; lane < lanes; ++lane) on.push_back(lane < *whole);
    auto type = cast<ShapedType>(vectorOf(b.getI1Type()));
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<bool>(on)));
  }
  // 32-bit lanes: one register instead of two. The count is clamped first, it may be far beyond a vector.
  Type i32 = b.getI32Type();
  SmallVector<int32_t> numbers(lanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto type = cast<ShapedType>(vectorOf(i32));
  Value lane = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
  Value clamped = b.createOrFold<MaxSIOp>(loc, least(count, i64(lanes)), i64(0));
  return compare(CmpIPredicate::slt, lane, b.createOrFold<TruncIOp>(loc, i32, clamped));
}

Value Code::acrossLanes(vector::CombiningKind kind, Value v) {
  if (!isVector(v)) return v;
  // The lanes are summed as a tree, which the order-keeping default would forbid.
  return vector::ReductionOp::create(b, loc, kind, v, FastMathFlags::reassoc | FastMathFlags::contract);
}

SmallVector<Value> Code::loop(Value low, Value high, Value step, ValueRange init, Body body) {
  auto loop = scf::ForOp::create(b, loc, low, high, step, init);
  // Without carried values the builder has already ended the body.
  if (!loop.getBody()->empty()) loop.getBody()->back().erase();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> Code::branch(Value condition, TypeRange types, llvm::function_ref<SmallVector<Value>()> then,
                                llvm::function_ref<SmallVector<Value>()> otherwise) {
  auto branch = scf::IfOp::create(b, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (auto [region, body] : {std::pair(&branch.getThenRegion(), then), {&branch.getElseRegion(), otherwise}}) {
    if (!region->front().empty()) region->front().back().erase();
    b.setInsertionPointToEnd(&region->front());
    SmallVector<Value> results = body();
    scf::YieldOp::create(b, loc, results);
  }
  return SmallVector<Value>(branch.getResults());
}

} // namespace tinyfin::cpu
