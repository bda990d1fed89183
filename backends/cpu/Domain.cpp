// SPDX-License-Identifier: Apache-2.0
// Follows the root's axes down to every value and notes where two neighbours come apart.
#include "backends/cpu/Domain.h"
#include "backends/cpu/Index.h"
#include <numeric>
#include <set>

namespace tinyfin::cpu {

SmallVector<Dim> Domain::keptLoops() const {
  SmallVector<Dim> kept;
  for (auto [extent, reduced] : llvm::zip_equal(loops, isReduced))
    if (!reduced) kept.push_back(extent);
  return kept;
}

namespace {

using Factors = SmallVector<int, 2>;      // numbers of the root's factors that an axis runs over, outermost first
using AxisMap = SmallVector<Factors, 6>; // one an axis; empty: the axis has one element, or is repeated

class Tracer {
public:
  Tracer(const KernelSpec &spec, const Domain &domain, ArrayRef<Dim> factors)
      : spec(spec), domain(domain), factors(factors), apart(factors.size(), false) {}

  void visit(uint32_t value, const AxisMap &map);
  std::optional<AxisMap> mapOf(ArrayRef<Dim> dims);

  const KernelSpec &spec;
  const Domain &domain;
  ArrayRef<Dim> factors;
  SmallVector<bool> apart; // factor i and i - 1 may not share a loop
  int cutFactor = -1;      // a factor that a reshape wants cut, into outer and inner
  Dim cutInner;

private:
  void noteNeighbours(const AxisMap &map);
  void breakBefore(const Factors &axis) { if (!axis.empty()) apart[axis.front()] = true; }
  void breakAfter(const Factors &axis) { if (!axis.empty() && axis.back() + 1 < int(factors.size())) apart[axis.back() + 1] = true; }
  void visitOperands(const KernelOp &op, const AxisMap &map);
  std::optional<AxisMap> throughReshape(const AxisMap &map, ArrayRef<Dim> from, ArrayRef<Dim> to);
  bool share(ArrayRef<int> run, ArrayRef<Dim> axes, AxisMap &result);
  std::set<std::vector<int>> seen;
};

AxisMap repeatedTo(const AxisMap &map, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  AxisMap result;
  unsigned missing = from.size() - to.size();
  for (unsigned axis = 0; axis < to.size(); ++axis)
    result.push_back(to[axis] == from[axis + missing] ? map[axis + missing] : Factors());
  return result;
}

/// Deals a run of factors out to axes, from the innermost; false if a factor has to be cut or does not fit.
bool Tracer::share(ArrayRef<int> run, ArrayRef<Dim> axes, AxisMap &result) {
  AxisMap reversed;
  for (Dim axis : llvm::reverse(axes)) {
    Factors mine;
    Dim have(1);
    while (!(have == axis) && !run.empty()) {
      Dim factor = factors[run.back()];
      std::optional<Dim> lacking = fin::divideExactly(axis, have);
      if (lacking && fin::divideExactly(*lacking, factor)) {
        have = *fin::multiply(have, factor);
        mine.insert(mine.begin(), run.back());
        run = run.drop_back();
        continue;
      }
      if (lacking && fin::divideExactly(factor, *lacking)) cutFactor = run.back(), cutInner = *lacking;
      return false;
    }
    reversed.push_back(mine);
  }
  result.append(reversed.rbegin(), reversed.rend());
  return run.empty();
}

std::optional<AxisMap> Tracer::throughReshape(const AxisMap &map, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  AxisMap result;
  unsigned i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    Dim left(1), right(1);
    Factors run;
    unsigned firstTo = j;
    bool isWhole = true;
    auto takeFrom = [&] {
      left = fin::multiply(left, from[i]).value_or(left);
      isWhole &= !map[i].empty() || from[i].is(1);
      run.append(map[i]);
      ++i;
    };
    if (i < from.size()) takeFrom();
    else right = to[j++];
    while (!(left == right)) {
      bool axisIsBehind = right.isConstant() && (!left.isConstant() || right.constant() < left.constant());
      if (j < to.size() && (axisIsBehind || i == from.size())) right = fin::multiply(right, to[j++]).value_or(right);
      else if (i < from.size()) takeFrom();
      else return std::nullopt;
    }
    if (!isWhole && j - firstTo != 1 && !run.empty()) return std::nullopt;
    if (!share(run, to.slice(firstTo, j - firstTo), result)) return std::nullopt;
  }
  return result;
}

void Tracer::noteNeighbours(const AxisMap &map) {
  SmallVector<int> order;
  for (const Factors &axis : map) order.append(axis);
  for (int factor = 1; factor < int(factors.size()); ++factor) {
    auto here = llvm::find(order, factor), before = llvm::find(order, factor - 1);
    bool hasHere = here != order.end(), hasBefore = before != order.end();
    if (hasHere != hasBefore || (hasHere && here != before + 1)) apart[factor] = true;
  }
}

void Tracer::visit(uint32_t value, const AxisMap &map) {
  std::vector<int> key{static_cast<int>(value)};
  for (const Factors &axis : map) {
    key.insert(key.end(), axis.begin(), axis.end());
    key.push_back(-1);
  }
  if (cutFactor >= 0 || !seen.insert(key).second) return;
  // A value without the root's axes (a scalar) says nothing about them.
  if (llvm::any_of(map, [](const Factors &axis) { return !axis.empty(); })) noteNeighbours(map);
  int producer = spec.producerOf(value);
  if (producer >= 0) visitOperands(spec.ops[producer], map);
}

void Tracer::visitOperands(const KernelOp &op, const AxisMap &map) {
  ArrayRef<Dim> dims = spec.values[op.result].dims;
  auto dimsOf = [&](unsigned i) -> ArrayRef<Dim> { return spec.values[op.operands[i]].dims; };
  AttrReader attrs(op.attrs);
  if (op.isConstant()) return;
  switch (op.id) {
  case OpId::Reshape:
    if (auto through = throughReshape(map, dims, dimsOf(0))) visit(op.operands[0], *through);
    return;
  case OpId::Transpose: {
    AxisMap moved(map.size());
    for (auto [axis, from] : llvm::enumerate(attrs.list())) moved[from] = map[axis];
    return visit(op.operands[0], moved);
  }
  case OpId::Sum: case OpId::Mean: case OpId::ReduceMax: case OpId::ReduceMin:
    if (auto whole = mapOf(dimsOf(0))) visit(op.operands[0], *whole);
    return;
  case OpId::Slice: {
    attrs.list();
    std::span<const int64_t> steps = attrs.list();
    for (unsigned axis = 0; axis < dims.size(); ++axis) {
      if (dims[axis] == dimsOf(0)[axis] && steps[axis] == 1) continue;
      breakBefore(map[axis]);
      if (steps[axis] != 1) breakAfter(map[axis]);
    }
    return visit(op.operands[0], map);
  }
  case OpId::Concat:
    breakBefore(map[attrs.integer()]);
    for (uint32_t operand : op.operands) visit(operand, map);
    return;
  case OpId::Pad: {
    std::span<const int64_t> low = attrs.list(), high = attrs.list();
    for (unsigned axis = 0; axis < dims.size(); ++axis)
      if (low[axis] || high[axis]) breakBefore(map[axis]);
    return visit(op.operands[0], map);
  }
  case OpId::Iota: {
    attrs.list();
    const Factors &axis = map[attrs.integer()];
    breakBefore(axis);
    return breakAfter(axis);
  }
  case OpId::Gather: {
    unsigned axis = attrs.integer(), rank = dimsOf(1).size();
    for (const Factors &index : ArrayRef(map).slice(axis, rank)) breakBefore(index), breakAfter(index);
    AxisMap from(map.begin(), map.begin() + axis);
    from.push_back({});
    from.append(map.begin() + axis + rank, map.end());
    visit(op.operands[1], AxisMap(map.begin() + axis, map.begin() + axis + rank));
    return visit(op.operands[0], from);
  }
  case OpId::RandomBits: case OpId::Uniform: case OpId::Normal: return;
  default: if (!fin::infoOf(op.id).isElementwise && op.id != OpId::Broadcast && op.id != OpId::Full) return;
  }
  for (auto [i, operand] : llvm::enumerate(op.operands)) visit(operand, repeatedTo(map, dims, dimsOf(i)));
}

std::optional<AxisMap> Tracer::mapOf(ArrayRef<Dim> dims) {
  SmallVector<int> all(factors.size());
  std::iota(all.begin(), all.end(), 0);
  AxisMap result;
  return share(all, dims, result) ? std::optional(result) : std::nullopt;
}

bool hasNoElements(ArrayRef<Dim> dims) {
  return llvm::any_of(dims, [](Dim dim) { return dim.is(0); });
}

/// Fills shape, axes and levels.
Status findRoot(const KernelSpec &spec, Domain &domain) {
  domain.levels.assign(spec.values.size(), 0);
  const KernelOp *root = nullptr;
  for (const KernelOp &op : spec.ops) {
    int level = 0;
    for (uint32_t operand : op.operands) level = std::max(level, domain.levels[operand]);
    domain.levels[op.result] = level;
    if (op.isConstant() || !isReduction(op.id)) continue;
    AttrReader attrs(op.attrs);
    std::span<const int64_t> list = attrs.list();
    SmallVector<int64_t, 4> axes(list.begin(), list.end());
    llvm::sort(axes);
    const Dims &shape = spec.values[op.operands[0]].dims;
    if (root && (domain.shape != shape || domain.axes != axes))
      return Status::error(StatusCode::Unsupported, "reductions of " + fin::str(domain.shape) + " and " + fin::str(shape) +
                                                        " over different axes in one region");
    root = &op;
    domain.shape = shape;
    domain.axes = axes;
    domain.levels[op.result] = level + 1;
    domain.numLevels = std::max(domain.numLevels, level + 1);
  }
  if (!root) domain.shape = spec.values[spec.outputs[0]].dims;
  return Status::ok();
}

/// An output is as large as the root, or as the kept part of it.
Status checkOutputs(const KernelSpec &spec, const Domain &domain) {
  SmallVector<Dim> kept;
  for (auto [axis, dim] : llvm::enumerate(domain.shape))
    if (!llvm::is_contained(domain.axes, static_cast<int64_t>(axis))) kept.push_back(dim);
  for (uint32_t output : spec.outputs) {
    Dim size = product(spec.values[output].dims);
    if (size == product(domain.shape) || (!domain.isMap() && size == product(kept))) continue;
    return Status::error(StatusCode::Unsupported, "a result of shape " + fin::str(spec.values[output].dims) + " in a region over " +
                                                      fin::str(domain.shape));
  }
  return Status::ok();
}

void traceAll(Tracer &tracer, const KernelSpec &spec, const Domain &domain) {
  std::optional<AxisMap> root = tracer.mapOf(domain.shape);
  if (!root) return;
  for (int64_t axis : domain.axes) {
    const Factors &run = (*root)[axis];
    if (run.empty()) continue;
    auto isReduced = [&](int factor) {
      return llvm::any_of(domain.axes, [&](int64_t other) { return llvm::is_contained((*root)[other], factor); });
    };
    if (run.front() > 0 && !isReduced(run.front() - 1)) tracer.apart[run.front()] = true;
    if (run.back() + 1 < int(tracer.factors.size()) && !isReduced(run.back() + 1)) tracer.apart[run.back() + 1] = true;
  }
  for (uint32_t output : spec.outputs)
    if (product(spec.values[output].dims) == product(domain.shape))
      if (auto map = tracer.mapOf(spec.values[output].dims)) tracer.visit(output, *map);
  for (const KernelOp &op : spec.ops)
    if (!op.isConstant() && isReduction(op.id)) tracer.visit(op.operands[0], *root);
}

void mergeLoops(const Tracer &tracer, Domain &domain, ArrayRef<Dim> factors) {
  SmallVector<bool> reduced(factors.size(), false);
  if (std::optional<AxisMap> root = const_cast<Tracer &>(tracer).mapOf(domain.shape))
    for (int64_t axis : domain.axes)
      for (int factor : (*root)[axis]) reduced[factor] = true;
  for (unsigned i = 0; i < factors.size(); ++i) {
    std::optional<Dim> merged = i && !tracer.apart[i] ? fin::multiply(domain.loops.back(), factors[i]) : std::nullopt;
    if (merged) {
      domain.loops.back() = *merged;
      continue;
    }
    domain.loops.push_back(factors[i]);
    domain.isReduced.push_back(reduced[i]);
  }
}

} // namespace

StatusOr<Domain> planDomain(const KernelSpec &spec) {
  Domain domain;
  TINYFIN_RETURN_IF_ERROR(findRoot(spec, domain));
  TINYFIN_RETURN_IF_ERROR(checkOutputs(spec, domain));
  SmallVector<Dim> factors;
  for (Dim dim : domain.shape)
    if (!dim.is(1)) factors.push_back(dim);
  if (hasNoElements(domain.shape)) factors.assign({Dim(0)}); // nothing to enumerate
  for (int round = 0; round < 16; ++round) {
    Tracer tracer(spec, domain, factors);
    if (!hasNoElements(domain.shape)) traceAll(tracer, spec, domain);
    if (tracer.cutFactor >= 0) {
      Dim outer = *fin::divideExactly(factors[tracer.cutFactor], tracer.cutInner);
      factors[tracer.cutFactor] = tracer.cutInner;
      factors.insert(factors.begin() + tracer.cutFactor, outer);
      continue;
    }
    mergeLoops(tracer, domain, factors);
    break;
  }
  if (domain.loops.empty()) {
    domain.loops.push_back(Dim(1));
    domain.isReduced.push_back(!domain.isMap() && domain.shape.size() == domain.axes.size());
  }
  return domain;
}

std::vector<SmallVector<unsigned>> groupOutputs(const KernelSpec &spec) {
  SmallVector<unsigned> all(spec.outputs.size());
  std::iota(all.begin(), all.end(), 0u);
  if (spec.outputs.size() < 2 || planDomain(spec).isOk()) return {all};
  std::vector<SmallVector<unsigned>> groups;
  for (unsigned output : all) {
    bool placed = false;
    for (SmallVector<unsigned> &group : groups) {
      SmallVector<unsigned> larger = group;
      larger.push_back(output);
      llvm::SmallVector<uint32_t> inputs;
      if (!planDomain(extract(spec, larger, inputs)).isOk()) continue;
      group = larger;
      placed = true;
      break;
    }
    if (!placed) groups.push_back({output});
  }
  return groups;
}

} // namespace tinyfin::cpu
