// SPDX-License-Identifier: Apache-2.0
// Values of elementwise, broadcast, transposed, reduced and loaded values at given positions.
#include "backends/cpu/Evaluate.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Value Evaluator::at(uint32_t value, const Access &access, Mask mask) {
  for (const Known &known : memo)
    if (known.value == value && known.access == access && known.mask == mask) return known.result;
  int producer = spec.producerOf(value);
  auto row = rows.find(value);
  RowUse use = row == rows.end() ? RowUse::None : row->second.use;
  Value result = use == RowUse::Read ? code.load(DType::F32, row->second.memory, rowPosition, mask.lanes)
                 : producer < 0      ? loadInput(value, access, mask)
                                     : emit(spec.ops[producer], access, mask);
  if (use == RowUse::Write) code.store(DType::F32, result, row->second.memory, rowPosition, mask.lanes);
  memo.push_back({value, access, mask, result});
  return result;
}

Value Evaluator::loadInput(uint32_t value, const Access &access, Mask mask) {
  const TensorSpec &type = spec.values[value];
  Index position = math().linear(access, type.dims);
  if (strides) strides->push_back({value, position.stride});
  Value both = mask.uniform && !position.isUniform() ? code.conjunction(mask.uniform, mask.lanes)
               : position.isUniform()                ? mask.uniform
                                                     : mask.lanes;
  return code.load(type.dtype, pointers[value], position, both);
}

Value Evaluator::constantOf(const KernelOp &op) {
  DType dtype = spec.values[op.result].dtype;
  Type type = code.computeType(dtype);
  int64_t bits = op.attrs[0];
  switch (dtype) {
  case DType::F32: return code.real(std::bit_cast<float>(static_cast<uint32_t>(bits)), type);
  case DType::F64: return code.real(std::bit_cast<double>(bits), type);
  case DType::BF16: return code.real(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16), type);
  case DType::F16: {
    llvm::APFloat half(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
    bool lost;
    half.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &lost);
    return code.real(half.convertToFloat(), type);
  }
  case DType::Bool: return code.integer(bits != 0, type);
  default: return code.integer(type.isInteger(8) ? static_cast<int8_t>(bits) : bits, type);
  }
}

Value Evaluator::emit(const KernelOp &op, const Access &access, Mask mask) {
  if (op.isConstant()) return constantOf(op);
  ArrayRef<Dim> dims = spec.values[op.result].dims;
  auto dimsOf = [&](unsigned operand) -> ArrayRef<Dim> { return spec.values[op.operands[operand]].dims; };
  AttrReader attrs(op.attrs);
  switch (op.id) {
  case OpId::Broadcast: case OpId::Full: return at(op.operands[0], broadcast(access, dims, dimsOf(0)), mask);
  case OpId::Reshape: return at(op.operands[0], math().reshape(access, dims, dimsOf(0)), mask);
  case OpId::Transpose: return at(op.operands[0], transpose(access, dims, attrs.list()), mask);
  case OpId::Sum: case OpId::Mean: case OpId::ReduceMax: case OpId::ReduceMin: return reduced(op.result, access);
  case OpId::Slice: return sliced(op, access, mask);
  case OpId::Concat: return concatenated(op, access, mask);
  case OpId::Pad: return padded(op, access, mask);
  case OpId::Gather: return gathered(op, access, mask);
  case OpId::Iota: return counted(op, access);
  case OpId::RandomBits: case OpId::Uniform: case OpId::Normal: return random(op, access, mask);
  default: break;
  }
  if (!fin::infoOf(op.id).isElementwise) {
    code.refuse(std::string(fin::infoOf(op.id).name) + " has no generated form");
    return code.widen(code.constant(0, code.integer(0, code.computeType(spec.values[op.result].dtype))));
  }
  if (op.id == OpId::Eq)
    if (Value equal = isCountedEqual(op, access, mask)) return equal;
  SmallVector<Value> operands;
  for (auto [i, operand] : llvm::enumerate(op.operands))
    operands.push_back(at(operand, broadcast(access, dims, dimsOf(i)), mask));
  return emitElementwise(code, op.id, spec.values[op.operands[0]].dtype, spec.values[op.result].dtype, operands);
}

Value Evaluator::reduced(uint32_t value, const Access &access) {
  Value result = bound.lookup(value);
  ArrayRef<Dim> dims = spec.values[value].dims;
  // The reader must stand in the row that was reduced: the same positions, but for axes of one element.
  unsigned next = 0;
  bool isSame = result != nullptr;
  for (const Coord &coord : access) {
    Dim extent = product(dims.take_front(coord.count));
    dims = dims.drop_front(coord.count);
    if (extent.is(1)) continue;
    while (next < kept.size() && keptExtents[next].is(1)) ++next;
    isSame &= next < kept.size() && keptExtents[next] == extent && kept[next].at == coord.at;
    ++next;
  }
  while (next < kept.size() && keptExtents[next].is(1)) ++next;
  if (isSame && next == kept.size()) return result;
  code.refuse("a reduction read at other positions than it was reduced at");
  return result ? result : code.constant(0, code.integer(0, code.computeType(spec.values[value].dtype)));
}

void Evaluator::splitBefore(Access &access, ArrayRef<Dim> dims, unsigned axis) {
  unsigned first = 0;
  for (auto [i, coord] : llvm::enumerate(access)) {
    if (first >= axis) return;
    unsigned end = first + coord.count;
    if (axis < end) {
      Dim inner = product(dims.slice(axis, end - axis)), outer = product(dims.slice(first, axis - first));
      Coord high{outer.is(1) ? Index() : inner.is(1) ? coord.at : math().divide(coord.at, inner), axis - first};
      Coord low{inner.is(1) ? Index() : outer.is(1) ? coord.at : math().remainder(coord.at, inner), end - axis};
      access[i] = high;
      access.insert(access.begin() + i + 1, low);
      return;
    }
    first = end;
  }
}

std::pair<unsigned, Dim> Evaluator::coordAt(const Access &access, ArrayRef<Dim> dims, unsigned axis) {
  unsigned first = 0;
  for (auto [i, coord] : llvm::enumerate(access)) {
    if (first == axis) return {static_cast<unsigned>(i), product(dims.slice(axis + 1, coord.count - 1))};
    first += coord.count;
  }
  llvm_unreachable("splitBefore made a coordinate begin here");
}

Access Evaluator::broadcast(Access access, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  if (from == to) return access;
  unsigned missing = from.size() - to.size();
  enum Class { Same, Repeated, Unit };
  auto classOf = [&](unsigned axis) {
    if (from[axis].is(1)) return Unit;
    return axis < missing || !(to[axis - missing] == from[axis]) ? Repeated : Same;
  };
  // Coordinates over axes that are repeated and axes that are not come apart.
  std::optional<Class> last;
  SmallVector<unsigned> cuts;
  unsigned first = 0;
  for (const Coord &coord : access) {
    last.reset();
    for (unsigned axis = first; axis < first + coord.count; ++axis) {
      if (classOf(axis) == Unit) continue;
      if (last && *last != classOf(axis)) cuts.push_back(axis);
      last = classOf(axis);
    }
    first += coord.count;
  }
  for (unsigned cut : cuts) splitBefore(access, from, cut);
  Access result;
  first = 0;
  for (const Coord &coord : access) {
    unsigned end = first + coord.count, kept = end - std::min(end, std::max(first, missing));
    bool isRepeated = llvm::any_of(llvm::seq(first, end), [&](unsigned axis) { return classOf(axis) == Repeated; });
    if (kept) result.push_back({isRepeated ? Index() : coord.at, kept});
    first = end;
  }
  return result;
}

Access Evaluator::transpose(Access access, ArrayRef<Dim> dims, std::span<const int64_t> permutation) {
  for (unsigned axis = 1; axis < permutation.size(); ++axis)
    if (permutation[axis] != permutation[axis - 1] + 1) splitBefore(access, dims, axis);
  SmallVector<std::pair<int64_t, Coord>> placed;
  unsigned first = 0;
  for (const Coord &coord : access) {
    placed.push_back({permutation[first], coord});
    first += coord.count;
  }
  llvm::sort(placed, [](const auto &a, const auto &b) { return a.first < b.first; });
  Access result;
  for (auto &[axis, coord] : placed) result.push_back(coord);
  return result;
}

Value Evaluator::element(uint32_t value, int64_t number) {
  Value item = at(value, {{Index::constant(number), 1}}, {});
  return item.getType().isInteger(64) ? item : emitCast(code, spec.values[value].dtype, DType::I64, item);
}

} // namespace tinyfin::cpu
