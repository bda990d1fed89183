// SPDX-License-Identifier: Apache-2.0
// One walk over the candidate ops gives each value a class (full, kept, uniform); the first value that has none
// refuses the region.
#include "passes/Region.h"
#include "ir/Splat.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kMostOps = 64, kMostInputs = 16, kMostResults = 16;
constexpr unsigned kMostLevels = 4;
constexpr int64_t kFewestRows = 16, kSmallDomain = 32768;
constexpr int64_t kManyRows = 1024; // what a symbol is taken for where sizes decide

int64_t count(Extents shape) {
  int64_t product = 1;
  for (int64_t dim : shape) product *= dim < 0 ? Dim::fromWord(dim).factor() * kManyRows : dim;
  return product;
}

/// Whether the shapes are equal but for leading ones that `shape` lacks, and ones where `mayRepeat`.
bool fits(Extents shape, Extents whole, bool mayRepeat) {
  if (shape.size() > whole.size()) return false;
  size_t missing = whole.size() - shape.size();
  if (!mayRepeat && !llvm::all_of(whole.take_front(missing), [](int64_t extent) { return extent == 1; })) return false;
  return std::equal(shape.begin(), shape.end(), whole.begin() + missing,
                    [&](int64_t dim, int64_t extent) { return dim == extent || (mayRepeat && dim == 1); });
}
bool broadcastsTo(Extents shape, Extents domain) { return fits(shape, domain, /*mayRepeat=*/true); }

/// A slice that cannot fail: its starts are known and in range.
bool isKnownSlice(SliceOp slice) {
  ElementsAttr starts;
  if (!matchPattern(slice.getStarts(), m_Constant(&starts))) return false;
  auto values = dyn_cast<DenseIntElementsAttr>(starts);
  if (!values) return false;
  auto from = cast<RankedTensorType>(slice.getX().getType()), to = cast<RankedTensorType>(slice.getType());
  for (auto [start, size, step, extent] : llvm::zip(values.getValues<int64_t>(), to.getShape(), slice.getSteps(), from.getShape())) {
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(extent)) return false;
    int64_t last = start + (size - 1) * step;
    if (size && (std::min(start, last) < 0 || std::max(start, last) >= extent)) return false;
  }
  return true;
}

class Analyzer {
public:
  Analyzer(RegionGraph &graph, llvm::ArrayRef<RegionNode *> ops) : graph(graph), ops(ops), analysis(graph.nextAnalysis()) {}

  std::optional<Region> run() {
    if (ops.size() > kMostOps || !findContraction() || !findDomain()) return std::nullopt;
    for (RegionNode *op : ops) op->memberOf = analysis;
    for (RegionNode *op : ops)
      if (!classify(op) || region.inputs.size() > kMostInputs) return std::nullopt;
    if (!findResults() || !chooseKind()) return std::nullopt;
    return std::move(region);
  }

private:
  using Class = RegionNode::Class;

  // One product and at least one op that finishes it.
  bool findContraction() {
    for (RegionNode *op : ops) {
      if (!op->isContractible) continue;
      if (contraction) return false;
      contraction = op;
    }
    return !contraction || ops.size() > 1;
  }

  bool findDomain() {
    for (RegionNode *op : ops) {
      if (!op->isReduction) continue;
      if (contraction) return false;
      Extents shape = op->operands[0].shape;
      if (!hasReduction) {
        region.domain.assign(shape), region.reducedAxes.assign(op->axes), hasReduction = true;
      } else if (Extents(region.domain) != shape || Extents(region.reducedAxes) != op->axes) {
        return false;
      }
    }
    if (contraction) region.domain.assign(contraction->shape);
    else if (!hasReduction) findMapDomain();
    for (auto [axis, extent] : llvm::enumerate(region.domain)) {
      bool isReduced = llvm::is_contained(region.reducedAxes, axis);
      keptShape.push_back(isReduced ? 1 : extent);
      if (!isReduced) droppedShape.push_back(extent);
    }
    return count(region.domain) > 0 && !(hasReduction && region.reducedAxes.empty());
  }

  void findMapDomain() {
    Extents largest = ops[0]->shape;
    for (RegionNode *op : ops)
      if (op->shape != largest && std::pair(count(op->shape), op->shape.size()) > std::pair(count(largest), largest.size()))
        largest = op->shape;
    region.domain.assign(largest);
  }

  std::optional<Class> classOfShape(Extents shape) const {
    if (shape == Extents(region.domain)) return Class::Full;
    if (hasReduction && (isKeptShape(shape) || shape == Extents(droppedShape))) return Class::Kept;
    if (count(shape) == 1 && shape.size() <= region.domain.size()) return Class::Uniform;
    return std::nullopt;
  }

  // Leading unit dims may be missing.
  bool isKeptShape(Extents shape) const {
    return fits(shape, keptShape, /*mayRepeat=*/false);
  }

  bool classify(RegionNode *op) {
    if (op == contraction) return classifyContraction();
    if (op->isReduction) return classifyReduction(op);
    std::optional<Class> cls = classOfShape(op->shape);
    if (op->isRandom) {
      if (cls != Class::Full) return false;
      addInput(op->operands[0]);
      return note(op, Class::Full, 0);
    }
    if (op->isTransform) return !contraction && classifyTransform(op, cls);
    // A repetition or iota is a member only where it stands alone: its result is wanted in memory.
    if (!cls || !(op->isElementwise || op->isCopied)) return false;
    uint8_t level = 0;
    for (const RegionOperand &operand : op->operands)
      if (!readOperand(operand, *cls, op->shape, level)) return false;
    return note(op, *cls, level);
  }

  // The product's operands lie in memory: nothing that the region computes, and no view of it.
  bool classifyContraction() {
    for (const RegionOperand &operand : contraction->operands) {
      if (isOrViewsMember(graph.producerOf(operand))) return false;
      addInput(operand);
    }
    return note(contraction, Class::Full, 0);
  }

  bool classifyReduction(RegionNode *op) {
    uint8_t level = 0;
    if (!readOperand(op->operands[0], Class::Full, region.domain, level)) return false;
    return level < kMostLevels && note(op, Class::Kept, level + 1);
  }

  bool classifyTransform(RegionNode *op, std::optional<Class> cls) {
    if (!broadcastsTo(op->shape, region.domain)) return false;
    for (auto [number, operand] : llvm::enumerate(op->operands))
      if (!readTransformed(op, number, operand)) return false;
    return note(op, cls == Class::Full ? Class::Full : Class::Source, 0);
  }

  // What transforms move are inputs; a slice's starts and a pad's value may be constants of the body.
  bool readTransformed(RegionNode *reader, unsigned number, const RegionOperand &operand) {
    RegionNode *producer = graph.producerOf(operand);
    bool isParameter = number == 1 && isa<PadOp, SliceOp>(reader->op);
    if (producer && isParameter && isa<ConstantOp>(producer->op)) return true;
    if (isOrViewsMember(producer)) return false;
    return addInput(operand), true;
  }

  void addInput(const RegionOperand &operand) {
    if (region.inputs.insert(operand.value())) region.reads.push_back(operand.use);
  }

  bool isMember(const RegionNode *op) const { return op->memberOf == analysis; }
  /// Whether a reshape or a copied op belongs to the region: what it reads, at last, is computed there.
  bool viewsMember(RegionNode *op) {
    return op->isView && !op->operands.empty() && isOrViewsMember(graph.producerOf(op->operands[0]));
  }
  bool isOrViewsMember(RegionNode *op) { return op && (isMember(op) || viewsMember(op)); }

  /// Whether an op of class `cls` and `shape` may read `operand`; raises `level` to the operand's.
  bool readOperand(const RegionOperand &operand, Class cls, Extents shape, uint8_t &level) {
    RegionNode *producer = graph.producerOf(operand);
    if (producer && producer->isCopied) return readCopied(producer, cls, shape, level);
    if (producer && viewsMember(producer)) {
      if (classOfShape(operand.shape) != Class::Kept) return false;
      const RegionNode *viewed = graph.producerOf(producer->operands[0]);
      if (!hasClass(viewed) || viewed->cls != Class::Kept) return false;
      level = std::max(level, viewed->level);
      return mayRead(Class::Kept, operand.shape, cls, shape);
    }
    if (!hasClass(producer)) {
      addInput(operand);
      return broadcastsTo(operand.shape, shape);
    }
    level = std::max(level, producer->level);
    return mayRead(producer->cls, operand.shape, cls, shape);
  }

  // A repetition, a fill or iota: as if its operand were read at the broadcast index.
  bool readCopied(RegionNode *copied, Class cls, Extents shape, uint8_t &level) {
    if (!broadcastsTo(copied->shape, shape)) return false;
    return copied->operands.empty() || readOperand(copied->operands[0], cls, shape, level);
  }

  bool mayRead(Class read, Extents from, Class reader, Extents shape) const {
    if (read == Class::Uniform || count(from) == 1) return true;
    if (reader == Class::Uniform) return false;
    if (reader == Class::Kept) return read == Class::Kept && (from == shape || (isKeptShape(from) && isKeptShape(shape)));
    // Aligned at the right the operand must say which axes it keeps.
    return read != Class::Kept || isKeptShape(from);
  }

  bool hasClass(const RegionNode *op) const { return op && op->classifiedIn == analysis; }
  bool note(RegionNode *op, Class cls, unsigned level) {
    op->cls = cls, op->level = level, op->classifiedIn = analysis;
    dependsOnReduction |= cls == Class::Full && level > 0;
    return true;
  }

  // Values that ops outside read: through a reshape, the reshape's operand is what is read.
  bool findResults() {
    for (RegionNode *op : ops) {
      if (llvm::all_of(graph.usersOf(op), [&](RegionNode *user) { return isInside(user); })) continue;
      if (op->cls == Class::Uniform || op->cls == Class::Source || region.results.size() == kMostResults) return false;
      region.results.push_back(op->result());
    }
    return !region.results.empty();
  }
  bool isInside(RegionNode *user) {
    if (isMember(user)) return true;
    return user->isView && llvm::all_of(graph.usersOf(user), [&](RegionNode *next) { return isInside(next); });
  }

  bool chooseKind() {
    region.kind = contraction ? "contraction" : !hasReduction ? "map" : dependsOnReduction ? "normalization" : "reduction";
    if (!dependsOnReduction) return true;
    int64_t rows = count(keptShape);
    return !droppedShape.empty() && (rows >= kFewestRows || count(region.domain) <= kSmallDomain);
  }

  RegionGraph &graph;
  llvm::ArrayRef<RegionNode *> ops;
  const unsigned analysis;
  Region region;
  RegionNode *contraction = nullptr;
  SmallVector<int64_t> keptShape, droppedShape;
  bool hasReduction = false, dependsOnReduction = false;
};

} // namespace

bool isReduction(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp>(op); }
bool isTransform(Operation *op) { return isa<TransposeOp, PadOp, ConcatOp, SliceOp>(op); }
bool isRandom(Operation *op) { return isa<RandomBitsOp, UniformOp, NormalOp>(op); }

bool isWideningCast(Operation *op) {
  auto cast = dyn_cast<CastOp>(op);
  if (!cast) return false;
  if (!op->getOperand(0)) return true; // what it read is in a region now, with the copy
  Type from = getElementTypeOrSelf(cast.getX().getType()), to = getElementTypeOrSelf(cast.getType());
  return to.isF32() && (from.isBF16() || from.isF16());
}

/// Where something else reads it, a widening cast is an op like others.
static bool isReadByRegionsAlone(Operation *cast) {
  return llvm::all_of(cast->getUsers(), [](Operation *user) { return user->hasTrait<Elementwise>() || isReduction(user); });
}

bool isCopiedIntoRegions(Operation *op) {
  if (isWideningCast(op)) return isReadByRegionsAlone(op);
  if (auto constant = dyn_cast<ConstantOp>(op)) return !!splatBehind(constant.getResult());
  return isa<BroadcastOp, FullOp, IotaOp>(op);
}

bool isFusable(Operation *op) {
  if (auto slice = dyn_cast<SliceOp>(op)) return isKnownSlice(slice);
  if (mayFail(op)) return false;
  return op->hasTrait<Elementwise>() || isReduction(op) || isTransform(op) || isRandom(op);
}

bool isContractible(Operation *op) {
  if (!isa<MatmulOp>(op)) return false;
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  return type.hasStaticShape() && type.getNumElements() > 0 && type.getElementType().isFloat() && !type.getElementType().isF64();
}

std::optional<Region> analyzeRegion(RegionGraph &graph, llvm::ArrayRef<RegionNode *> ops) { return Analyzer(graph, ops).run(); }

std::optional<Region> analyzeRegion(llvm::ArrayRef<Operation *> ops) {
  RegionGraph graph;
  SmallVector<RegionNode *> nodes;
  for (Operation *op : ops) nodes.push_back(graph.nodeOf(op));
  return analyzeRegion(graph, nodes);
}

} // namespace tinyfin::fin
