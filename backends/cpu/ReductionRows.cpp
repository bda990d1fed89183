// SPDX-License-Identifier: Apache-2.0
// What reductions of rows do about memory: values that are dear to compute are held for later loops, the next row is
// fetched while this one is computed, and the element that a label picks is read instead of looked for.
#include "backends/cpu/Loops.h"
#include "runtime/Config.h"
#include <numeric>

using namespace mlir;

namespace tinyfin::cpu {

void ReductionEmitter::planRows() {
  constexpr int64_t kMaxRow = 32768, kMaxElements = 32768; // 128 KiB of stack
  int64_t row = 1;
  for (auto [extent, reduced] : llvm::zip_equal(domain.loops, domain.isReduced)) {
    if (!reduced) continue;
    if (!extent.isConstant() || extent.constant() > kMaxRow) return;
    row *= extent.constant();
  }
  if (!domain.laneIsReduced() || row > kMaxRow || spec.partials) return;
  for (const KernelOp &op : llvm::reverse(spec.ops)) { // what is nearest to the results saves most
    const TensorSpec &type = spec.values[op.result];
    bool isSingle = isFloat(type.dtype) && type.dtype != DType::F64;
    if (op.isConstant() || !isHeavy(op.id) || type.dims != domain.shape || !isSingle || (held.size() + 1) * row > kMaxElements) continue;
    auto uses = [&](const std::vector<bool> &loop) { return loop[op.result]; };
    if (llvm::count_if(used, uses) < 2) continue;
    unsigned first = llvm::find_if(used, uses) - used.begin();
    held.push_back({op.result, first, code.scratch(code.b.getF32Type(), row)});
  }
}

Index ReductionEmitter::rowPosition() {
  Access access;
  SmallVector<Dim> extents;
  for (unsigned loop = 0; loop < at.size(); ++loop)
    if (domain.isReduced[loop]) access.push_back({at[loop], 1}), extents.push_back(domain.loops[loop]);
  return evaluator.math().linear(access, extents);
}

/// Memory is to be busy all the time: a loop fetches as much of the next row as it takes of the time for this one.
void ReductionEmitter::planFetches() {
  constexpr int kEighths = 8, kHeavy = 5; // a heavy op takes as long as so many plain loops
  unsigned loops = std::max<unsigned>(items.size(), writesFull ? writeLevel + 1 : 0);
  SmallVector<int, 4> weights;
  for (unsigned number = 0; number < loops; ++number) {
    int heavy = 0;
    for (const KernelOp &op : spec.ops) {
      bool isRead = llvm::any_of(held, [&](const HeldRow &row) { return row.value == op.result && number > row.firstLevel; });
      heavy += used[number][op.result] && !isRead && isHeavy(op.id);
    }
    weights.push_back(walks(number) ? 1 + kHeavy * heavy + (writesFull && number == writeLevel) : 0);
  }
  int total = std::accumulate(weights.begin(), weights.end(), 0), before = 0;
  fetches.assign(loops, {});
  if (!domain.laneIsReduced() || llvm::count_if(weights, [](int weight) { return weight > 0; }) < 2) return;
  auto share = [&](int weight) { return (weight * kEighths + total / 2) / total; };
  for (auto [fetch, weight] : llvm::zip_equal(fetches, weights)) {
    fetch = {share(before), share(before + weight) - share(before)};
    before += weight;
  }
}

void ReductionEmitter::fetchAhead(const Access &access, ArrayRef<Index> lanes, unsigned vector) {
  const auto [begin, count] = fetches[current];
  if (vector * 8 >= lanes.size() * count) return;
  Dim row(1);
  for (auto [extent, reduced] : llvm::zip_equal(domain.loops, domain.isReduced))
    if (reduced) row = product({row, extent});
  if (!row.isConstant()) return;
  constexpr int64_t kNearBytes = 4096; // of a row: more is fetched to where it leaves the nearest cache alone
  IndexMath math = evaluator.math();
  Index position = rowPosition();
  position.offset -= vector * code.lanes, position.stride = 0;
  Value here = math.scalar(position), ahead = count == 8 ? here : code.divide(code.mul(here, code.i64(count)), code.i64(8));
  Value step = code.add(code.sub(ahead, here), code.i64(row.constant() + row.constant() * begin / 8));
  for (uint32_t input = 0; input < spec.numInputs; ++input) {
    const TensorSpec &type = spec.values[input];
    if (!used[0][input] || type.dims != domain.shape) continue;
    bool isNear = row.constant() * static_cast<int64_t>(sizeOf(type.dtype)) <= kNearBytes;
    code.prefetch(type.dtype, pointers[input], math.add(math.linear(access, type.dims), Index::uniform(step)), isNear ? 3 : 2);
  }
}

/// Inputs, and what elementwise ops make of them.
static bool isPlain(const KernelSpec &spec, uint32_t value) {
  int producer = spec.producerOf(value);
  if (producer < 0 || spec.ops[producer].isConstant()) return true;
  const KernelOp &op = spec.ops[producer];
  bool isPassedOn = fin::infoOf(op.id).isElementwise || op.id == OpId::Broadcast || op.id == OpId::Reshape;
  return isReduction(op.id) || (isPassedOn && llvm::all_of(op.operands, [&](uint32_t operand) { return isPlain(spec, operand); }));
}

/// sum(select(iota == label, from, 0)) over the whole of a row.
std::optional<ReductionEmitter::Pick> ReductionEmitter::pickOf(const KernelOp &op) const {
  bool isRow = domain.axes.size() == 1 && domain.laneIsReduced() && llvm::count(domain.isReduced, true) == 1;
  if (op.id != OpId::Sum || spec.partials || !isRow || config::isDisabled("pick-elements")) return {};
  auto producer = [&](uint32_t value) -> const KernelOp * {
    int number = spec.producerOf(value);
    return number < 0 ? nullptr : &spec.ops[number];
  };
  auto is = [](const KernelOp *found, OpId id) { return found && !found->isConstant() && found->id == id; };
  // The axis of a value that stands where the reduced one does; negative if it has none.
  auto reducedAxis = [&](uint32_t value) {
    return domain.axes[0] - static_cast<int64_t>(domain.shape.size()) + static_cast<int64_t>(spec.values[value].rank());
  };
  const KernelOp *choice = producer(op.operands[0]);
  if (!is(choice, OpId::Select) || spec.values[choice->result].dims != domain.shape) return {};
  const KernelOp *equal = producer(choice->operands[0]), *other = producer(choice->operands[2]);
  if (!is(equal, OpId::Eq) || !other || !other->isConstant() || other->attrs[0] != 0 || !isPlain(spec, choice->operands[1])) return {};
  for (unsigned i = 0; i < 2; ++i) {
    const KernelOp *count = producer(equal->operands[i]);
    uint32_t label = equal->operands[1 - i];
    DType dtype = spec.values[label].dtype;
    if (!is(count, OpId::Iota) || (dtype != DType::I64 && dtype != DType::I32) || !isPlain(spec, label)) continue;
    AttrReader attrs(count->attrs);
    attrs.list();
    int64_t axis = attrs.integer(), ofLabel = reducedAxis(label);
    bool isWhole = axis == reducedAxis(count->result) && spec.values[count->result].dims[axis] == domain.loops.back();
    if (isWhole && (ofLabel < 0 || spec.values[label].dims[ofLabel].is(1)))
      return Pick{&op, choice->operands[1], label, static_cast<unsigned>(domain.levels[op.operands[0]]), {}};
  }
  return {};
}

void ReductionEmitter::pickElements(unsigned level) {
  for (Pick &pick : picks) {
    if (pick.level != level) continue;
    for (const HeldRow &row : held) evaluator.setRowUse(row.value, row.memory, Evaluator::RowUse::None);
    select(0);
    auto valueAt = [&](uint32_t value, const Index &position) {
      at.back() = position;
      Access access = evaluator.math().reshape(coordsOf(at), domain.loops, domain.shape);
      return evaluator.at(value, evaluator.broadcast(access, domain.shape, spec.values[value].dims), {});
    };
    code.readsAreShared = false; // the row may be written over
    Value label = emitCast(code, spec.values[pick.label].dtype, DType::I64, valueAt(pick.label, Index()));
    Value isThere = code.compare(arith::CmpIPredicate::ult, label, code.extent(domain.loops.back()));
    Value picked = valueAt(pick.from, Index::uniform(code.select(isThere, label, code.i64(0))));
    pick.result = code.select(isThere, picked, code.constant(0, picked));
    code.readsAreShared = true;
    evaluator.forget();
  }
}

} // namespace tinyfin::cpu
