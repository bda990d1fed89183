// SPDX-License-Identifier: Apache-2.0
// Column reductions of what is dear to compute. Few vectors of columns at a time, with their sums in registers, would walk
// down narrow stripes of every operand, a page a row. Here a chunk walks rows of up to 512 columns, its sums in the nearest
// cache: memory is read as it lies, and the loop's body is emitted once.
#include "backends/cpu/Loops.h"
#include "runtime/Config.h"

using namespace mlir;

namespace tinyfin::cpu {

bool ReductionEmitter::walksWide() const {
  bool areSingle = llvm::all_of(items[0], [&](const Item &item) {
    DType dtype = spec.values[item.op->operands[0]].dtype;
    return isFloat(dtype) && dtype != DType::F64;
  });
  return !domain.laneIsReduced() && items.size() == 1 && !items[0].empty() && areSingle && code.lanes > 1 && weigh(spec).heavy &&
         (!writesFull || writeLevel == 0) && !config::isDisabled("wide-columns");
}

void ReductionEmitter::eachWide(llvm::function_ref<void(const Index &, Value)> body) {
  Dim extent = domain.loops.back();
  Value first = evaluator.math().scalar(columns[0]), left = code.sub(code.extent(extent), first);
  Value vectors = code.divide(code.add(left, code.i64(code.lanes - 1)), code.i64(code.lanes));
  bool isWhole = extent.isConstant() && extent.constant() % code.lanes == 0;
  code.loop(code.i64(0), code.least(vectors, code.i64(columnCount)), code.i64(1), {}, [&](Value number, ValueRange) {
    Value offset = code.mul(number, code.i64(code.lanes));
    at.back() = Index::vector(code.add(first, offset), code.lanes);
    evaluator.forget();
    body(Index::vector(offset, code.lanes), isWhole ? Value() : code.tailMask(code.sub(left, offset)));
    evaluator.forget();
    return SmallVector<Value>();
  });
}

void ReductionEmitter::wideBody() {
  eachWide([&](const Index &place, Value mask) {
    Access coords = coordsOf(at), access = evaluator.math().reshape(coords, domain.loops, domain.shape);
    for (auto [item, sums] : llvm::zip_equal(items[0], wideSums)) {
      Value value = code.widen(evaluator.at(item.op->operands[0], access, {{}, mask}));
      Value sum = combine(code, spec, *item.op, code.load(DType::F32, sums, place, {}), value);
      code.store(DType::F32, sum, sums, place, {});
    }
    for (unsigned number = 0; number < spec.outputs.size(); ++number)
      if (!isKept(number)) storeOutput(number, coords, domain.loops, {{}, mask});
  });
}

void ReductionEmitter::wideRow() {
  while (wideSums.size() < items[0].size()) wideSums.push_back(code.scratch(code.b.getF32Type(), int64_t(columnCount) * code.lanes));
  eachWide([&](const Index &place, Value) {
    for (auto [item, sums] : llvm::zip_equal(items[0], wideSums))
      code.store(DType::F32, code.widen(identityOf(code, spec, *item.op)), sums, place, {});
  });
  SmallVector<Value> none;
  current = 0;
  nest(0, none);
  Index first = columns[0];
  eachWide([&](const Index &place, Value mask) {
    columns[0] = at.back(), columnMasks[0] = mask;
    SmallVector<Value> carried;
    for (Value sums : wideSums) carried.push_back(code.load(DType::F32, sums, place, {}));
    finish(carried);
    spec.partials ? storePartials() : storeKept();
    columns[0] = first;
  });
}

} // namespace tinyfin::cpu
