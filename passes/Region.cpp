// SPDX-License-Identifier: Apache-2.0
// One walk over the candidate ops gives each value a class (full, kept, uniform); the first value that has none
// refuses the region.
#include "passes/Region.h"
#include "ir/Splat.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "passes/Storage.h"
#include <list>

using namespace mlir;

namespace tinyfin::fin {
namespace {

constexpr size_t kMostOps = 64, kMostInputs = 16, kMostResults = 16;
constexpr unsigned kMostLevels = 4;
constexpr int64_t kFewestRows = 16, kSmallDomain = 32768;

/// Extents; a symbolic one is its Dim's word, which is negative and equal for equal dims alone.
using Shape = llvm::ArrayRef<int64_t>;
constexpr int64_t kManyRows = 1024; // what a symbol is taken for where sizes decide

/// Shapes of values. Those of static types are the types' own; others are put together, and live as long as this.
class Shapes {
public:
  Shape of(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.getEncoding()) return type.getShape();
    SmallVector<int64_t> &shape = made.emplace_back();
    TensorSpec spec = *specOf(type); // not in the loop's head: it would be gone before the body
    for (Dim dim : spec.dims) shape.push_back(dim.word());
    return shape;
  }

private:
  std::list<SmallVector<int64_t>> made;
};

int64_t count(Shape shape) {
  int64_t product = 1;
  for (int64_t dim : shape) product *= dim < 0 ? Dim::fromWord(dim).factor() * kManyRows : dim;
  return product;
}

/// Whether the shapes are equal but for leading ones that `shape` lacks, and ones where `mayRepeat`.
bool fits(Shape shape, Shape whole, bool mayRepeat) {
  if (shape.size() > whole.size()) return false;
  size_t missing = whole.size() - shape.size();
  if (!mayRepeat && !llvm::all_of(whole.take_front(missing), [](int64_t extent) { return extent == 1; })) return false;
  return std::equal(shape.begin(), shape.end(), whole.begin() + missing,
                    [&](int64_t dim, int64_t extent) { return dim == extent || (mayRepeat && dim == 1); });
}
bool broadcastsTo(Shape shape, Shape domain) { return fits(shape, domain, /*mayRepeat=*/true); }

bool isReduction(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp>(op); }
llvm::ArrayRef<int64_t> axesOf(Operation *op) { return op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef(); }

/// A slice that cannot fail: its starts are known and in range.
bool isKnownSlice(SliceOp slice) {
  ElementsAttr starts;
  if (!matchPattern(slice.getStarts(), m_Constant(&starts))) return false;
  auto values = dyn_cast<DenseIntElementsAttr>(starts);
  if (!values) return false;
  Shapes shapes;
  Shape from = shapes.of(slice.getX()), to = shapes.of(slice.getResult());
  for (auto [start, size, step, extent] : llvm::zip(values.getValues<int64_t>(), to, slice.getSteps(), from)) {
    int64_t last = start + (size - 1) * step;
    if (size && (std::min(start, last) < 0 || std::max(start, last) >= extent)) return false;
  }
  return true;
}

bool isTransform(Operation *op) { return isa<TransposeOp, PadOp, ConcatOp, SliceOp>(op); }

enum class Class : uint8_t { Full, Kept, Uniform, Source };
struct ValueClass {
  Class cls;
  unsigned level; // how many reductions it depends on, one after the other
};

class Analyzer {
public:
  explicit Analyzer(llvm::ArrayRef<Operation *> ops) : ops(ops), members(ops.begin(), ops.end()) {}

  std::optional<Region> run() {
    if (ops.size() > kMostOps || !findContraction() || !findDomain()) return std::nullopt;
    for (Operation *op : ops)
      if (!classify(op)) return std::nullopt;
    if (!findResults() || region.inputs.size() > kMostInputs || region.results.size() > kMostResults)
      return std::nullopt;
    if (!chooseKind()) return std::nullopt;
    return std::move(region);
  }

private:
  Shape shapeOf(Value value) { return shapes.of(value); }

  // One product and at least one op that finishes it.
  bool findContraction() {
    for (Operation *op : ops) {
      if (!isContractible(op)) continue;
      if (contraction) return false;
      contraction = op;
    }
    return !contraction || ops.size() > 1;
  }

  bool findDomain() {
    for (Operation *op : ops) {
      if (!isReduction(op)) continue;
      if (contraction) return false;
      SmallVector<int64_t> axes(axesOf(op));
      llvm::sort(axes);
      Shape shape = shapeOf(op->getOperand(0));
      if (!hasReduction) {
        region.domain.assign(shape), region.reducedAxes = axes, hasReduction = true;
      } else if (Shape(region.domain) != shape || region.reducedAxes != axes) {
        return false;
      }
    }
    if (contraction) region.domain.assign(shapeOf(contraction->getResult(0)));
    else if (!hasReduction) findMapDomain();
    for (auto [axis, extent] : llvm::enumerate(region.domain)) {
      bool isReduced = llvm::is_contained(region.reducedAxes, axis);
      keptShape.push_back(isReduced ? 1 : extent);
      if (!isReduced) droppedShape.push_back(extent);
    }
    return count(region.domain) > 0 && !(hasReduction && region.reducedAxes.empty());
  }

  void findMapDomain() {
    Shape largest = shapeOf(ops[0]->getResult(0));
    for (Operation *op : ops)
      if (Shape shape = shapeOf(op->getResult(0));
          std::pair(count(shape), shape.size()) > std::pair(count(largest), largest.size()))
        largest = shape;
    region.domain.assign(largest);
  }

  std::optional<Class> classOfShape(Shape shape) const {
    if (shape == Shape(region.domain)) return Class::Full;
    if (hasReduction && (isKeptShape(shape) || shape == Shape(droppedShape))) return Class::Kept;
    if (count(shape) == 1 && shape.size() <= region.domain.size()) return Class::Uniform;
    return std::nullopt;
  }

  // Leading unit dims may be missing.
  bool isKeptShape(Shape shape) const {
    return fits(shape, keptShape, /*mayRepeat=*/false);
  }

  bool classify(Operation *op) {
    std::optional<Class> cls = classOfShape(shapeOf(op->getResult(0)));
    if (op == contraction) return classifyContraction();
    if (isReduction(op)) return classifyReduction(op);
    if (isa<RandomBitsOp, UniformOp, NormalOp>(op)) {
      if (cls != Class::Full) return false;
      region.inputs.insert(op->getOperand(0));
      return note(op, Class::Full, 0);
    }
    if (isTransform(op)) return !contraction && classifyTransform(op, cls);
    // A repetition or iota is a member only where it stands alone: its result is wanted in memory.
    if (!cls || !(op->hasTrait<Elementwise>() || isCopiedIntoRegions(op))) return false;
    unsigned level = 0;
    for (Value operand : op->getOperands())
      if (!readOperand(operand, *cls, shapeOf(op->getResult(0)), level)) return false;
    return note(op, *cls, level);
  }

  // The product's operands lie in memory: nothing that the region computes, and no view of it.
  bool classifyContraction() {
    for (Value operand : contraction->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (producer && (members.contains(producer) || viewsMember(producer, members))) return false;
      region.inputs.insert(operand);
    }
    return note(contraction, Class::Full, 0);
  }

  bool classifyReduction(Operation *op) {
    unsigned level = 0;
    if (!readOperand(op->getOperand(0), Class::Full, region.domain, level)) return false;
    return level < kMostLevels && note(op, Class::Kept, level + 1);
  }

  bool classifyTransform(Operation *op, std::optional<Class> cls) {
    Shape shape = shapeOf(op->getResult(0));
    if (!broadcastsTo(shape, region.domain)) return false;
    for (OpOperand &operand : op->getOpOperands())
      if (!readTransformed(operand)) return false;
    return note(op, cls == Class::Full ? Class::Full : Class::Source, 0);
  }

  // What transforms move are inputs; a slice's starts and a pad's value may be constants of the body.
  bool readTransformed(OpOperand &operand) {
    Operation *producer = operand.get().getDefiningOp();
    bool isParameter = isa<PadOp, SliceOp>(operand.getOwner()) && operand.getOperandNumber() == 1;
    if (producer && isParameter && isa<ConstantOp>(producer)) return true;
    if (producer && (members.contains(producer) || viewsMember(producer, members))) return false;
    return region.inputs.insert(operand.get()), true;
  }

  /// Whether an op of class `cls` and `shape` may read `operand`; raises `level` to the operand's.
  bool readOperand(Value operand, Class cls, Shape shape, unsigned &level) {
    Operation *producer = operand.getDefiningOp();
    if (producer && isCopiedIntoRegions(producer)) return readCopied(producer, cls, shape, level);
    if (producer && viewsMember(producer, members)) {
      if (classOfShape(shapeOf(operand)) != Class::Kept) return false;
      ValueClass viewed{};
      if (!findClass(producer->getOperand(0), viewed) || viewed.cls != Class::Kept) return false;
      level = std::max(level, viewed.level);
      return mayRead(Class::Kept, shapeOf(operand), cls, shape);
    }
    ValueClass read{};
    if (!findClass(operand, read)) {
      region.inputs.insert(operand);
      return broadcastsTo(shapeOf(operand), shape);
    }
    level = std::max(level, read.level);
    return mayRead(read.cls, shapeOf(operand), cls, shape);
  }

  // A repetition, a fill or iota: as if its operand were read at the broadcast index.
  bool readCopied(Operation *copied, Class cls, Shape shape, unsigned &level) {
    Shape from = shapeOf(copied->getResult(0));
    if (!broadcastsTo(from, shape)) return false;
    if (copied->getNumOperands() == 0) return true;
    return readOperand(copied->getOperand(0), cls, shape, level);
  }

  bool mayRead(Class read, Shape from, Class reader, Shape shape) const {
    if (read == Class::Uniform || count(from) == 1) return true;
    if (reader == Class::Uniform) return false;
    if (reader == Class::Kept) return read == Class::Kept && (from == shape || (isKeptShape(from) && isKeptShape(shape)));
    // Aligned at the right the operand must say which axes it keeps.
    return read != Class::Kept || isKeptShape(from);
  }

  bool findClass(Value value, ValueClass &found) const {
    auto entry = classes.find(value);
    if (entry == classes.end()) return false;
    return found = entry->second, true;
  }
  bool note(Operation *op, Class cls, unsigned level) {
    classes[op->getResult(0)] = {cls, level};
    dependsOnReduction |= cls == Class::Full && level > 0;
    return true;
  }

  // Values that ops outside read: through a reshape, the reshape's operand is what is read.
  bool findResults() {
    for (Operation *op : ops) {
      Value value = op->getResult(0);
      if (llvm::all_of(value.getUsers(), [&](Operation *user) { return isInside(user); })) continue;
      Class cls = classes[value].cls;
      if (cls == Class::Uniform || cls == Class::Source) return false;
      region.results.push_back(value);
    }
    return !region.results.empty();
  }
  bool isInside(Operation *user) {
    if (members.contains(user)) return true;
    if (!isCopiedIntoRegions(user) && !isa<ReshapeOp>(user)) return false;
    return llvm::all_of(user->getUsers(), [&](Operation *next) { return isInside(next); });
  }

  bool chooseKind() {
    region.kind = contraction ? "contraction" : !hasReduction ? "map" : dependsOnReduction ? "normalization" : "reduction";
    if (!dependsOnReduction) return true;
    int64_t rows = count(keptShape);
    return !droppedShape.empty() && (rows >= kFewestRows || count(region.domain) <= kSmallDomain);
  }

  llvm::ArrayRef<Operation *> ops;
  llvm::SmallPtrSet<Operation *, 16> members;
  Shapes shapes;
  Region region;
  Operation *contraction = nullptr;
  SmallVector<int64_t> keptShape, droppedShape;
  llvm::SmallDenseMap<Value, ValueClass, 16> classes;
  bool hasReduction = false, dependsOnReduction = false;
};

} // namespace

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
  return op->hasTrait<Elementwise>() || isReduction(op) || isTransform(op) || isa<RandomBitsOp, UniformOp, NormalOp>(op);
}

bool isContractible(Operation *op) {
  if (!isa<MatmulOp>(op)) return false;
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  return type.hasStaticShape() && type.getNumElements() > 0 && type.getElementType().isFloat() && !type.getElementType().isF64();
}

bool viewsMember(Operation *op, const llvm::SmallPtrSetImpl<Operation *> &members) {
  if (op->getNumOperands() == 0 || !(isa<ReshapeOp>(op) || isCopiedIntoRegions(op))) return false;
  Value from = op->getOperand(0);
  Operation *viewed = from ? from.getDefiningOp() : nullptr; // none: what it read is in a region now, with the copy
  return viewed && (members.contains(viewed) || viewsMember(viewed, members));
}

std::optional<Region> analyzeRegion(llvm::ArrayRef<Operation *> ops) { return Analyzer(ops).run(); }

} // namespace tinyfin::fin
