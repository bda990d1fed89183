// SPDX-License-Identifier: Apache-2.0
// Builds the two specs of a reduction in pieces.
#include "backends/cpu/Split.h"
#include "backends/cpu/Domain.h"
#include "backends/cpu/Index.h"
#include "backends/cpu/Loops.h"

namespace tinyfin::cpu {
namespace {

constexpr int64_t kEnoughIndices = 32, kMaxPieces = 64, kPieceElements = 8192;
constexpr int64_t kColumnsAnIndex = 128; // about what one parallel index of a column reduction takes

bool isStatic(const KernelSpec &spec) {
  return llvm::all_of(spec.values, [](const TensorSpec &type) { return llvm::all_of(type.dims, [](Dim dim) { return dim.isConstant(); }); });
}

int64_t piecesOf(const Domain &domain, int64_t columnsAnIndex) {
  int64_t total = 1, indices = 1, firstReduced = 0;
  for (auto [loop, extent] : llvm::enumerate(domain.loops)) {
    bool isLane = loop + 1 == domain.loops.size();
    total *= extent.constant();
    if (domain.isReduced[loop]) firstReduced = firstReduced ? firstReduced : extent.constant();
    else indices *= isLane ? (extent.constant() + columnsAnIndex - 1) / columnsAnIndex : extent.constant();
  }
  if (total < 4 * kPieceElements || indices >= kEnoughIndices) return 0;
  return std::min({kMaxPieces / std::max<int64_t>(1, indices), total / kPieceElements, firstReduced});
}

bool isKept(const KernelSpec &spec, const Domain &domain, uint32_t output) {
  return product(spec.values[output].dims) == product(domain.keptLoops());
}
/// Whether pieces can write the full results: none depends on a reduction.
bool canWriteFull(const KernelSpec &spec, const Domain &domain) {
  return llvm::all_of(spec.outputs, [&](uint32_t output) { return isKept(spec, domain, output) || domain.levels[output] == 0; });
}

class Combiner {
public:
  Combiner(const KernelSpec &spec, const Domain &domain, int64_t pieces) : spec(spec), pieces(pieces) {
    for (auto [number, output] : llvm::enumerate(spec.outputs))
      (isKept(spec, domain, output) ? split.keptOutputs : split.fullOutputs).push_back(number);
    for (auto [axis, dim] : llvm::enumerate(domain.shape))
      if (!dim.is(1) && !llvm::is_contained(domain.axes, static_cast<int64_t>(axis))) kept.push_back(dim);
    for (int64_t axis : domain.axes) reduced *= domain.shape[axis].constant();
    number.assign(spec.values.size(), -1);
  }

  SplitReduction build() {
    KernelSpec reductions = spec;
    reductions.outputs.clear();
    for (const KernelOp &op : spec.ops)
      if (!op.isConstant() && isReduction(op.id)) reductions.outputs.push_back(op.result);
    SmallVector<uint32_t> sums(reductions.outputs.begin(), reductions.outputs.end());
    for (unsigned number : split.fullOutputs) reductions.outputs.push_back(spec.outputs[number]);
    SmallVector<unsigned> all(reductions.outputs.size());
    std::iota(all.begin(), all.end(), 0u);
    split.pieces = extract(reductions, all, split.pieceInputs);
    split.pieces.partials = pieces;
    markNeeded(sums);
    for (uint32_t value : sums) addPartial(value);
    for (uint32_t input = 0; input < spec.numInputs; ++input) {
      if (!needed[input]) continue;
      number[input] = define(spec.values[input]);
      split.otherInputs.push_back(input);
    }
    split.combination.numInputs = split.combination.values.size();
    for (const KernelOp &op : spec.ops) add(op);
    for (unsigned output : split.keptOutputs) split.combination.outputs.push_back(number[spec.outputs[output]]);
    return std::move(split);
  }

private:
  /// What the outputs need, short of what the reductions need.
  void markNeeded(ArrayRef<uint32_t> reductions) {
    needed.assign(spec.values.size(), false);
    for (unsigned output : split.keptOutputs) needed[spec.outputs[output]] = true;
    for (const KernelOp &op : llvm::reverse(spec.ops))
      if (needed[op.result] && !llvm::is_contained(reductions, op.result))
        for (uint32_t operand : op.operands) needed[operand] = true;
  }
  uint32_t define(TensorSpec type) {
    split.combination.values.push_back(std::move(type));
    return split.combination.values.size() - 1;
  }
  static DType computed(DType dtype) { return dtype == DType::BF16 || dtype == DType::F16 ? DType::F32 : dtype; }
  void addPartial(uint32_t value) {
    TensorSpec type{computed(spec.values[value].dtype), {Dim(pieces)}};
    type.dims.append(kept.begin(), kept.end());
    partial[value] = define(type);
  }
  uint32_t append(OpId id, SmallVector<uint32_t, 3> operands, Words attrs, TensorSpec type) {
    KernelOp op;
    op.id = id;
    op.operands = std::move(operands);
    op.attrs = std::move(attrs);
    op.result = define(std::move(type));
    split.combination.ops.push_back(op);
    return op.result;
  }
  void add(const KernelOp &op) {
    auto found = partial.find(op.result);
    if (found != partial.end()) return addCombination(op, found->second);
    if (!needed[op.result]) return;
    KernelOp copy = op;
    for (uint32_t &operand : copy.operands) operand = number[operand];
    copy.result = number[op.result] = define(spec.values[op.result]);
    split.combination.ops.push_back(std::move(copy));
  }
  void addCombination(const KernelOp &op, uint32_t from) {
    const TensorSpec &type = spec.values[op.result];
    DType dtype = computed(type.dtype);
    Words attrs;
    AttrWriter(attrs).list(std::vector<int64_t>{0}).flag(false);
    OpId combine = op.id == OpId::Mean ? OpId::Sum : op.id;
    uint32_t value = append(combine, {from}, attrs, {dtype, kept});
    if (op.id == OpId::Mean) {
      double count = static_cast<double>(reduced);
      int64_t bits = dtype == DType::F64 ? std::bit_cast<int64_t>(count) : std::bit_cast<int32_t>(static_cast<float>(count));
      uint32_t divisor = append(OpId::kCount, {}, {bits}, {dtype, {}});
      value = append(OpId::Div, {value, divisor}, {}, {dtype, kept});
    }
    if (dtype != type.dtype) value = append(OpId::Cast, {value}, {static_cast<int64_t>(type.dtype)}, {type.dtype, kept});
    if (kept != type.dims) {
      std::vector<int64_t> shape;
      for (Dim dim : type.dims) shape.push_back(dim.word());
      Words reshape;
      AttrWriter(reshape).list(shape);
      value = append(OpId::Reshape, {value}, reshape, type);
    }
    number[op.result] = value;
  }

  const KernelSpec &spec;
  int64_t pieces, reduced = 1;
  Dims kept;
  SplitReduction split;
  std::vector<int64_t> number;
  std::vector<bool> needed;
  llvm::DenseMap<uint32_t, uint32_t> partial;
};

} // namespace

std::optional<SplitReduction> splitReduction(const KernelSpec &spec) {
  if (!isStatic(spec) || spec.partials) return std::nullopt;
  StatusOr<Domain> domain = planDomain(spec);
  if (!domain.isOk() || domain->numLevels != 1 || !canWriteFull(spec, domain.value())) return std::nullopt;
  int64_t pieces = piecesOf(domain.value(), weigh(spec).heavy ? kWideColumns : kColumnsAnIndex);
  if (pieces < 2) return std::nullopt;
  return Combiner(spec, domain.value(), pieces).build();
}

std::vector<KernelSpec> kernelsOf(const KernelSpec &spec) {
  if (auto split = splitReduction(spec)) return {std::move(split->pieces), std::move(split->combination)};
  std::vector<KernelSpec> parts;
  SmallVector<uint32_t, 4> inputs;
  for (const SmallVector<unsigned> &group : groupOutputs(spec)) parts.push_back(extract(spec, group, inputs));
  return parts;
}

} // namespace tinyfin::cpu
