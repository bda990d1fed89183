// SPDX-License-Identifier: Apache-2.0
// The emitter's hands: typed, folding wrappers over arith, vector, scf and LLVM memory ops. A value is a scalar when all
// lanes share it and a vector<lanes> otherwise; operations accept a mix and widen.
#pragma once
#include "backends/cpu/Machine.h"
#include "ir/Dim.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "runtime/DType.h"

namespace tinyfin::cpu {

struct Index;
using fin::Dim;
using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::Type;
using mlir::Value;

class Code {
public:
  Code(mlir::OpBuilder &builder, const Machine &machine, int lanes)
      : b(builder), loc(builder.getUnknownLoc()), machine(machine), lanes(lanes) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Machine &machine;
  int lanes;        // 1 when the kernel has to be emitted element by element
  Value dimsArg;    // const int64_t *dims; its block is the function's entry
  std::vector<std::string> symbols;
  std::string refusal;     // why no code can be emitted
  bool streamsResults = false; // loops are emitted for results that are far larger than the caches
  bool readsAreShared = true;  // what all lanes read at one place is never written by the kernel
  bool isAligned = false;      // whole vectors are stored where their length divides the position
  bool wantsScalar = false; // lanes part ways: emit anew with one lane

  llvm::DenseMap<Value, Value> narrow; // what float32 values were widened from: nothing is left to round

  void refuse(const std::string &reason) { if (refusal.empty()) refusal = reason; }
  void failScalar() { lanes == 1 ? refuse("an access that is not affine") : void(wantsScalar = true); }

  // Types. float16 and bfloat16 are computed in float32; bool is i1 in registers and i8 in memory.
  Type computeType(DType dtype);
  Type storageType(DType dtype);
  Type vectorOf(Type element) { return lanes == 1 ? element : mlir::VectorType::get({lanes}, element); }
  static bool isVector(Value v) { return mlir::isa<mlir::VectorType>(v.getType()); }
  static Type elementOf(Value v) { return mlir::getElementTypeOrSelf(v.getType()); }
  /// `type`, or a vector of it as wide as `like`.
  static Type shapedLike(Type element, Value like);

  // Constants and scalars of type i64.
  Value i64(int64_t value);
  Value real(double value, Type element);
  Value integer(int64_t value, Type element);
  /// A constant of the element type of `like`, as a scalar.
  Value constant(double value, Value like);
  Value extent(Dim dim);
  Value add(Value a, Value c);
  Value sub(Value a, Value c);
  Value mul(Value a, Value c);
  Value divide(Value a, Value c);    // unsigned, i64
  Value remainder(Value a, Value c); // unsigned, i64
  Value least(Value a, Value c);     // signed, i64
  Value less(Value a, Value c);      // signed, i64 scalars
  std::optional<int64_t> known(Value v);

  /// Makes both scalars, or both vectors.
  void unify(Value &a, Value &c);
  Value widen(Value v); // to a vector (nothing to do with one lane)
  template <class Op> Value binary(Value a, Value c) {
    unify(a, c);
    return b.createOrFold<Op>(loc, a, c);
  }
  template <class Op> Value real2(Value a, Value c) { // add, sub, mul that may be contracted to an fma
    unify(a, c);
    return Op::create(b, loc, a, c, mlir::arith::FastMathFlags::contract);
  }
  Value fadd(Value a, Value c) { return real2<mlir::arith::AddFOp>(a, c); }
  Value fsub(Value a, Value c) { return real2<mlir::arith::SubFOp>(a, c); }
  Value fmul(Value a, Value c) { return real2<mlir::arith::MulFOp>(a, c); }
  Value fdiv(Value a, Value c) { return binary<mlir::arith::DivFOp>(a, c); }
  Value select(Value condition, Value a, Value c);
  Value compare(mlir::arith::CmpFPredicate predicate, Value a, Value c);
  Value compare(mlir::arith::CmpIPredicate predicate, Value a, Value c);
  Value conjunction(Value a, Value c); // i1; either may be null (true)
  Value bitcast(Value v, Type element);
  /// 0, 1, 2, ... as a vector of i64.
  Value laneNumbers();
  /// lane < count, for the last vector of a row.
  Value tailMask(Value count);
  /// Adds up (or takes the extreme of) the lanes of a vector.
  Value acrossLanes(mlir::vector::CombiningKind kind, Value v);

  // Memory. `mask` null means all lanes; a masked-off lane reads 0 and writes nothing.
  /// Memory of the running thread, 64-byte aligned, for the whole call.
  Value scratch(Type element, int64_t count);
  Value argument(Value args, unsigned number);
  Value load(DType dtype, Value pointer, const Index &at, Value mask);
  /// `streams`: past the caches, where the vector is whole and `at` is a multiple of its length, or `isAligned` says so (the
  /// pointer must be one too).
  void store(DType dtype, Value value, Value pointer, const Index &at, Value mask, bool streams = false);
  /// Asks for what will be read soon; nothing happens where there is no memory. Nearness 3: into the nearest cache, 2: the next.
  void prefetch(DType dtype, Value pointer, const Index &at, unsigned nearness = 3);
  /// Orders streamed stores before what the thread stores next.
  void fenceStores();
  Value toStorage(DType dtype, Value value);
  Value fromStorage(DType dtype, Value value);

  // Control flow. Bodies return the values carried on.
  using Body = llvm::function_ref<SmallVector<Value>(Value iv, mlir::ValueRange carried)>;
  SmallVector<Value> loop(Value low, Value high, Value step, mlir::ValueRange init, Body body);
  SmallVector<Value> branch(Value condition, mlir::TypeRange types, llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> otherwise);

private:
  Value address(Value pointer, Value index, Type storage);
  Value roundToBfloat(Value value);
};

} // namespace tinyfin::cpu
