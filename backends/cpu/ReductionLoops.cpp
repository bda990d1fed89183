// SPDX-License-Identifier: Apache-2.0
// Reductions and normalizations. A parallel index stands at one element of the kept loops, or at a few vectors of
// columns where the innermost loop is kept. For each level of reductions:
//   1. the reduced loops run once, several accumulators side by side; elementwise values are computed anew each time;
//   2. the accumulators become the reductions' results, which later levels and outputs read.
// What is as large as the domain is written by the last loop: an output may lie over an input that earlier loops read.
#include "backends/cpu/Loops.h"
#include <numeric>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

static DType dtypeOfReduction(const KernelSpec &spec, const KernelOp &op) { return spec.values[op.operands[0]].dtype; }

Value identityOf(Code &code, const KernelSpec &spec, const KernelOp &op) {
  DType dtype = dtypeOfReduction(spec, op);
  Type type = code.computeType(dtype);
  bool isMax = op.id == OpId::ReduceMax;
  if (op.id == OpId::Sum || op.id == OpId::Mean) return code.constant(0, code.integer(0, type));
  if (isFloat(dtype)) return code.real(isMax ? -INFINITY : INFINITY, type);
  unsigned bits = type.getIntOrFloatBitWidth();
  if (dtype == DType::U8) return code.integer(isMax ? 0 : -1, type);
  auto limit = isMax ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getSignedMaxValue(bits);
  return code.integer(limit.getSExtValue(), type);
}

Value combine(Code &code, const KernelSpec &spec, const KernelOp &op, Value a, Value b) {
  DType dtype = dtypeOfReduction(spec, op);
  if (op.id == OpId::ReduceMax) return emitMaximum(code, dtype, b, a);
  if (op.id == OpId::ReduceMin) return emitMinimum(code, dtype, b, a);
  return isFloat(dtype) ? code.fadd(a, b) : code.binary<AddIOp>(a, b);
}

static vector::CombiningKind kindOf(const KernelSpec &spec, const KernelOp &op) {
  DType dtype = dtypeOfReduction(spec, op);
  bool isMax = op.id == OpId::ReduceMax;
  if (op.id == OpId::Sum || op.id == OpId::Mean) return vector::CombiningKind::ADD;
  if (isFloat(dtype)) return isMax ? vector::CombiningKind::MAXIMUMF : vector::CombiningKind::MINIMUMF;
  if (dtype == DType::U8) return isMax ? vector::CombiningKind::MAXUI : vector::CombiningKind::MINUI;
  return isMax ? vector::CombiningKind::MAXSI : vector::CombiningKind::MINSI;
}

/// Of all lanes: as a tree, each step one shuffle. Extremes of floats have no instruction that NaN wins in.
Value ReductionEmitter::overLanes(const KernelOp &op, Value v) {
  bool isExtreme = op.id == OpId::ReduceMax || op.id == OpId::ReduceMin;
  if (!isExtreme || !isFloat(dtypeOfReduction(spec, op)) || !Code::isVector(v)) return code.acrossLanes(kindOf(spec, op), v);
  for (int distance = code.lanes / 2; distance > 0; distance /= 2) {
    SmallVector<int64_t> from(code.lanes);
    for (int lane = 0; lane < code.lanes; ++lane) from[lane] = lane ^ distance;
    v = combine(code, spec, op, v, vector::ShuffleOp::create(code.b, code.loc, v, v, from));
  }
  return vector::ExtractOp::create(code.b, code.loc, v, ArrayRef<int64_t>{0});
}

ReductionEmitter::ReductionEmitter(Code &code, const KernelSpec &spec, const Domain &domain, ArrayRef<Value> pointers)
    : LoopEmitter(code, spec, domain, pointers), items(domain.numLevels), keptExtents(domain.keptLoops()) {
  for (const KernelOp &op : spec.ops) {
    if (op.isConstant() || !isReduction(op.id)) continue;
    std::optional<Pick> pick = pickOf(op);
    if (pick) picks.push_back(*pick);
    else items[domain.levels[op.operands[0]]].push_back({&op, {}});
  }
  writeLevel = domain.numLevels - 1;
  for (auto [number, output] : llvm::enumerate(spec.outputs)) {
    if (isKept(number)) continue;
    writesFull = true;
    writeLevel = std::max<unsigned>(writeLevel, domain.levels[output]);
  }
  at.resize(domain.loops.size());
}

bool ReductionEmitter::isKept(unsigned output) const {
  return product(spec.values[spec.outputs[output]].dims) == product(keptExtents);
}

bool ReductionEmitter::isFirstReduced(unsigned loop) const {
  return llvm::find(domain.isReduced, true) - domain.isReduced.begin() == loop;
}

void ReductionEmitter::planColumns() {
  if (domain.laneIsReduced()) return;
  int heavy = weigh(spec).heavy;
  unsigned most = 1;
  for (const auto &level : items) most = std::max<unsigned>(most, level.size());
  isWide = walksWide();
  columnCount = isWide ? kWideColumns / code.lanes : heavy ? 2 : std::max(1u, 8 / most);
  Dim extent = domain.loops.back();
  if (!extent.isConstant()) return;
  int64_t needed = std::max<int64_t>(1, (extent.constant() + code.lanes - 1) / code.lanes);
  int64_t blocks = (needed + columnCount - 1) / columnCount;
  columnCount = (needed + blocks - 1) / blocks;
}

/// Sets `at` for the kept loops from a parallel index.
void ReductionEmitter::standAt(Value index, int64_t indicesPerPart) {
  if (spec.partials) {
    part = code.divide(index, code.i64(indicesPerPart));
    index = code.remainder(index, code.i64(indicesPerPart));
  }
  SmallVector<Dim> outer(keptExtents);
  columns.clear();
  columnMasks.clear();
  if (!domain.laneIsReduced()) {
    Dim extent = outer.pop_back_val();
    int64_t block = int64_t(code.lanes) * columnCount;
    Value size = code.extent(extent), blocks = code.divide(code.add(size, code.i64(block - 1)), code.i64(block));
    Value first = code.mul(outer.empty() ? index : code.remainder(index, blocks), code.i64(block));
    index = code.divide(index, blocks);
    bool isWhole = extent.isConstant() && extent.constant() % block == 0;
    for (int u = 0; u < (isWide ? 1 : columnCount); ++u) {
      Index lane = Index::uniform(first, block);
      lane.offset = u * code.lanes;
      lane.stride = code.lanes == 1 ? 0 : 1;
      columns.push_back(lane);
      columnMasks.push_back(isWhole ? Value() : code.tailMask(code.sub(size, evaluator.math().scalar(lane))));
    }
  }
  unsigned next = 0;
  SmallVector<Index> kept = unravel(index, outer);
  for (unsigned loop = 0; loop < domain.loops.size(); ++loop)
    if (!domain.isReduced[loop] && next < kept.size()) at[loop] = kept[next++];
}

Access ReductionEmitter::keptCoords(unsigned column) {
  Access access;
  for (unsigned loop = 0; loop < at.size(); ++loop)
    if (!domain.isReduced[loop]) access.push_back({loop + 1 == at.size() ? columns[column] : at[loop], 1});
  return access;
}

void ReductionEmitter::select(unsigned column) {
  evaluator.forget();
  evaluator.setKept(keptCoords(column), keptExtents);
  for (const auto &level : items)
    for (const Item &item : level)
      if (!item.results.empty()) evaluator.bind(item.op->result, item.results[column]);
  for (const Pick &pick : picks)
    if (pick.result) evaluator.bind(pick.op->result, pick.result);
}

void ReductionEmitter::markUsed(uint32_t value, std::vector<bool> &used) const {
  if (used[value]) return;
  used[value] = true;
  int producer = spec.producerOf(value);
  if (producer < 0 || spec.ops[producer].isConstant() || isReduction(spec.ops[producer].id)) return;
  for (uint32_t operand : spec.ops[producer].operands) markUsed(operand, used);
}

/// Notes which values each level's loop computes.
void ReductionEmitter::planUses() {
  for (unsigned number = 0; number <= items.size(); ++number) {
    used.emplace_back(spec.values.size(), false);
    if (number < items.size())
      for (const Item &item : items[number]) markUsed(item.op->operands[0], used.back());
    for (unsigned output = 0; output < spec.outputs.size(); ++output)
      if (number == writeLevel && !isKept(output)) markUsed(spec.outputs[output], used.back());
  }
}

/// Fewer vectors at once where each has a lot to compute.
int ReductionEmitter::unrollOf(unsigned number) const {
  int heavy = 0;
  for (const KernelOp &op : spec.ops) {
    bool isRead = llvm::any_of(held, [&](const HeldRow &row) { return row.value == op.result && number > row.firstLevel; });
    heavy += used[number][op.result] && !isRead && isHeavy(op.id);
  }
  return code.lanes == 1 || heavy > 2 ? 1 : heavy ? 2 : 4;
}

void ReductionEmitter::body(ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &carried) {
  bool isRow = domain.laneIsReduced();
  unsigned width = isRow ? unroll : columnCount;
  for (unsigned u = 0; u < lanes.size(); ++u) {
    at.back() = lanes[u];
    select(isRow ? 0 : u);
    Value tail = isRow ? mask : columnMasks[u];
    if (!held.empty()) evaluator.setRowPosition(rowPosition());
    Access coords = coordsOf(at), access = evaluator.math().reshape(coords, domain.loops, domain.shape);
    if (isRow) fetchAhead(access, lanes, u);
    if (current < items.size()) {
      for (auto [i, item] : llvm::enumerate(items[current])) {
        Value value = code.widen(evaluator.at(item.op->operands[0], access, {{}, tail}));
        if (isRow && tail) value = code.select(tail, value, identityOf(code, spec, *item.op));
        Value &slot = carried[i * width + u];
        slot = combine(code, spec, *item.op, slot, value);
      }
    }
    if (current != writeLevel) continue;
    // All results are computed before the first is stored: an output may lie over an input.
    for (unsigned number = 0; number < spec.outputs.size(); ++number)
      if (!isKept(number)) evaluator.at(spec.outputs[number], evaluator.math().reshape(coords, domain.loops, spec.values[spec.outputs[number]].dims), {{}, tail});
    for (unsigned number = 0; number < spec.outputs.size(); ++number)
      if (!isKept(number)) storeOutput(number, coords, domain.loops, {{}, tail});
  }
  evaluator.forget();
}

Value ReductionEmitter::shiftOfStores() {
  bool isSingleLoop = llvm::count(domain.isReduced, true) == 1;
  Dim row = domain.loops.back();
  if (!code.streamsResults || !writesFull || current != writeLevel || !isSingleLoop || !domain.laneIsReduced()) return {};
  if (!row.isConstant() || row.constant() % code.lanes == 0 || row.constant() < 4 * code.lanes) return {};
  IndexMath math = evaluator.math();
  Value start = code.mul(math.scalar(math.linear(keptCoords(0), keptExtents)), code.i64(row.constant()));
  return code.remainder(start, code.i64(code.lanes));
}

void ReductionEmitter::nest(unsigned loop, llvm::SmallVectorImpl<Value> &carried) {
  while (loop < domain.loops.size() && !domain.isReduced[loop]) ++loop;
  if (loop == domain.loops.size()) return isWide ? wideBody() : body(columns, {}, carried);
  Dim extent = domain.loops[loop];
  bool isLane = loop + 1 == domain.loops.size();
  Value low = code.i64(0), high = code.extent(extent);
  bool isCut = spec.partials && isFirstReduced(loop);
  int64_t chunk = 0;
  if (isCut) {
    chunk = pieceOf(extent.constant(), spec.partials, isLane);
    // Whole vectors a piece can leave the last pieces nothing.
    low = code.least(code.mul(part, code.i64(chunk)), high);
    high = code.least(code.add(low, code.i64(chunk)), high);
  }
  if (isLane) {
    auto inner = [&](ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &values) { body(lanes, mask, values); };
    VectorLoop vectors(code, unroll);
    if (Value shift = shiftOfStores()) {
      code.isAligned = true;
      vectors.runShifted(extent, shift, carried, inner);
      code.isAligned = false;
      return;
    }
    return isCut ? vectors.run(low, high, chunk, carried, inner) : vectors.run(extent, carried, inner);
  }
  SmallVector<Value> results = code.loop(low, high, code.i64(1), ValueRange(carried), [&](Value iv, ValueRange inside) {
    at[loop] = Index::uniform(iv);
    SmallVector<Value> next(inside.begin(), inside.end());
    nest(loop + 1, next);
    return next;
  });
  carried.assign(results.begin(), results.end());
}

void ReductionEmitter::finish(ArrayRef<Value> carried) {
  bool isRow = domain.laneIsReduced();
  unsigned width = isRow ? unroll : isWide ? 1 : columnCount;
  for (auto [i, item] : llvm::enumerate(items[current])) {
    ArrayRef<Value> slots = carried.slice(i * width, width);
    item.results.assign(slots.begin(), slots.end());
    if (isRow) {
      Value sum = slots[0];
      for (Value slot : slots.drop_front()) sum = combine(code, spec, *item.op, sum, slot);
      item.results.assign(1, overLanes(*item.op, sum));
    }
    if (item.op->id != OpId::Mean || spec.partials) continue;
    Value count = code.i64(1);
    for (auto [extent, reduced] : llvm::zip_equal(domain.loops, domain.isReduced))
      if (reduced) count = code.mul(count, code.extent(extent));
    Value divisor = emitCast(code, DType::I64, dtypeOfReduction(spec, *item.op) == DType::F64 ? DType::F64 : DType::F32, count);
    for (Value &result : item.results) result = code.fdiv(result, divisor);
  }
}

void ReductionEmitter::level(unsigned number) {
  current = number;
  if (!walks(number)) return;
  unroll = domain.laneIsReduced() ? unrollOf(number) : 1;
  for (const HeldRow &row : held)
    evaluator.setRowUse(row.value, row.memory,
                        number < row.firstLevel    ? Evaluator::RowUse::None
                        : number == row.firstLevel ? Evaluator::RowUse::Write
                                                   : Evaluator::RowUse::Read);
  SmallVector<Value> carried;
  if (number < items.size())
    for (const Item &item : items[number])
      carried.append(domain.laneIsReduced() ? unroll : columnCount, code.widen(identityOf(code, spec, *item.op)));
  nest(0, carried);
  if (number < items.size()) finish(carried);
}

void ReductionEmitter::storeKept() {
  for (unsigned column = 0; column < (domain.laneIsReduced() ? 1u : columns.size()); ++column) {
    select(column);
    Mask mask{{}, domain.laneIsReduced() ? Value() : columnMasks[column]};
    for (unsigned number = 0; number < spec.outputs.size(); ++number)
      if (isKept(number)) storeOutput(number, keptCoords(column), keptExtents, mask);
  }
}

void ReductionEmitter::storePartials() {
  for (auto [number, output] : llvm::enumerate(spec.outputs)) {
    if (!isKept(number)) continue; // written by the loop
    auto item = llvm::find_if(items[0], [&](const Item &entry) { return entry.op->result == output; });
    if (item == items[0].end()) return code.refuse("a partial result that is not a reduction");
    DType dtype = spec.values[output].dtype;
    if (dtype == DType::BF16 || dtype == DType::F16) dtype = DType::F32;
    for (unsigned column = 0; column < item->results.size(); ++column) {
      IndexMath math = evaluator.math();
      Index row = math.multiply(Index::uniform(part), product(keptExtents));
      Index where = math.add(row, math.linear(keptCoords(column), keptExtents));
      code.store(dtype, item->results[column], pointers[spec.numInputs + number], where,
                 domain.laneIsReduced() ? Value() : columnMasks[column]);
    }
  }
}

void ReductionEmitter::row() {
  if (isWide) return wideRow();
  for (auto &level : items)
    for (Item &item : level) item.results.clear();
  for (Pick &pick : picks) pick.result = {};
  if (online) sumOnline();
  for (unsigned number = 0; number < items.size(); ++number) {
    // The loop that writes may write over what elements are picked from.
    const bool isPickedFirst = writesFull && number == writeLevel;
    if (isPickedFirst) pickElements(number);
    if (!online) level(number);
    if (!isPickedFirst) pickElements(number);
  }
  if (spec.partials) return storePartials();
  if (writesFull && writeLevel >= items.size()) level(writeLevel);
  for (const HeldRow &row : held) evaluator.setRowUse(row.value, row.memory, Evaluator::RowUse::None);
  storeKept();
}

void ReductionEmitter::emit(Value begin, Value end, Launch &launch) {
  planColumns();
  if (spec.partials && !llvm::is_contained(domain.isReduced, true)) code.refuse("pieces of a reduction of one element");
  planUses();
  planRows();
  planFetches();
  online = findOnline();
  launch.cost = weigh(spec).cost * domain.numLevels * (code.lanes == 1 ? 8 : 1);
  launch.work = domain.loops;
  launch.outer.assign(keptExtents.begin(), keptExtents.end());
  if (!domain.laneIsReduced()) {
    launch.last = launch.outer.pop_back_val();
    launch.block = int64_t(code.lanes) * columnCount;
  }
  int64_t perPart = spec.partials ? launch.count() : 0;
  if (spec.partials) launch.outer.insert(launch.outer.begin(), Dim(spec.partials));
  code.loop(begin, end, code.i64(1), {}, [&](Value index, ValueRange) {
    standAt(index, perPart);
    row();
    return SmallVector<Value>();
  });
}

int64_t pieceOf(int64_t extent, int64_t pieces, bool isLane) {
  int64_t piece = (extent + pieces - 1) / pieces;
  return isLane ? (piece + 63) / 64 * 64 : piece;
}

} // namespace tinyfin::cpu
