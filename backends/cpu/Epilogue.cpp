// SPDX-License-Identifier: Apache-2.0
// Rows of a tile one after the other, columns in vectors. Other tiles are finished at the same time: nothing is read but
// at the index that is written, or what nobody writes.
#include "backends/cpu/Epilogue.h"
#include "backends/cpu/Loops.h"

using namespace mlir;

namespace tinyfin::cpu {

int EpilogueEmitter::unroll() const {
  if (code.lanes == 1) return 1;
  return weigh(spec).heavy || spec.ops.size() + spec.outputs.size() > 10 ? 2 : 4;
}

/// A tile's rows are apart in memory, so that the processor does not foresee the next ones by itself.
void EpilogueEmitter::prefetch(const Access &access) {
  constexpr int64_t kRowsAhead = 4, kFewestElements = 1 << 16;
  const Dims &dims = spec.values[product].dims;
  Dim count = fin::numElements(dims).value_or(Dim(0));
  if (!count.isConstant() || count.constant() < kFewestElements || !dims.back().isConstant()) return;
  IndexMath math = evaluator.math();
  for (uint32_t input = 0; input < spec.numInputs; ++input) {
    const TensorSpec &type = spec.values[input];
    bool isRead = llvm::any_of(spec.ops, [&](const KernelOp &op) {
      bool isFinish = op.isConstant() || !isContraction(op.id);
      return isFinish && llvm::is_contained(op.operands, input);
    });
    if (input != product && type.dims == dims && isRead)
      code.prefetch(type.dtype, pointers[input], math.add(math.linear(access, dims), kRowsAhead * dims.back().constant()));
  }
}

void EpilogueEmitter::vectors(const ProductTile &tile, Value row, ArrayRef<Index> columns, Value mask) {
  IndexMath math = evaluator.math();
  unsigned rank = spec.values[product].rank();
  Value start = code.sub(code.mul(code.sub(row, tile.firstRow), tile.stride), tile.firstColumn);
  SmallVector<Access> accesses;
  evaluator.forget();
  for (const Index &column : columns) {
    Access access{{Index::uniform(row), rank - 1}, {column, 1}};
    Value item = code.load(DType::F32, tile.block, math.add(column, Index::uniform(start)), mask);
    evaluator.know(product, access, {{}, mask}, item);
    accesses.push_back(access);
    prefetch(access);
  }
  // All results are computed before the first is stored: an output may lie over an input.
  for (const Access &access : accesses)
    for (uint32_t output : spec.outputs) evaluator.at(output, access, {{}, mask});
  for (const Access &access : accesses)
    for (auto [number, output] : llvm::enumerate(spec.outputs))
      code.store(spec.values[output].dtype, evaluator.at(output, access, {{}, mask}), pointers[spec.numInputs + number],
                 math.linear(access, spec.values[output].dims), mask);
  evaluator.forget();
}

void EpilogueEmitter::emit(const ProductTile &tile) {
  code.loop(tile.firstRow, tile.endRow, code.i64(1), {}, [&](Value row, ValueRange) {
    SmallVector<Value> none;
    VectorLoop(code, unroll()).run(tile.firstColumn, tile.endColumn, 1, none,
                                   [&](ArrayRef<Index> columns, Value mask, llvm::SmallVectorImpl<Value> &) {
                                     vectors(tile, row, columns, mask);
                                   });
    return SmallVector<Value>();
  });
}

void emitTiles(Code &code, const KernelSpec &spec, ArrayRef<Value> pointers, Value begin, Value end) {
  auto item = [&](int64_t number) {
    Type i64 = code.b.getI64Type();
    Value at = LLVM::GEPOp::create(code.b, code.loc, pointers[0].getType(), i64, code.dimsArg, ValueRange{code.i64(number)});
    return LLVM::LoadOp::create(code.b, code.loc, i64, at, 8, false, false, /*isInvariant=*/true).getResult();
  };
  EpilogueEmitter(code, spec, 0, pointers).emit({pointers[0], item(0), begin, end, item(1), item(2)});
}

} // namespace tinyfin::cpu
