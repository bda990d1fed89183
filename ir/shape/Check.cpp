// SPDX-License-Identifier: Apache-2.0
// Checks around and inside the shape rules.
#include "ir/shape/Check.h"
#include "llvm/ADT/STLExtras.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {
namespace {

LogicalResult fail(std::string &error, const Twine &message) { return error = message.str(), failure(); }

bool contains(DTypeSet set, DType dtype) {
  switch (set) {
  case DTypeSet::Any: return true;
  case DTypeSet::Number: return dtype != DType::Bool;
  case DTypeSet::Float: return isFloat(dtype);
  case DTypeSet::Bool: return dtype == DType::Bool;
  case DTypeSet::Index: return dtype == DType::I64 || dtype == DType::I32;
  case DTypeSet::Int64: return dtype == DType::I64;
  }
  return false;
}

const char *describe(DTypeSet set) {
  switch (set) {
  case DTypeSet::Any: return "any dtype";
  case DTypeSet::Number: return "a number dtype";
  case DTypeSet::Float: return "a floating-point dtype";
  case DTypeSet::Bool: return "bool";
  case DTypeSet::Index: return "int64 or int32";
  case DTypeSet::Int64: return "int64";
  }
  return "";
}

// Bounds the constant part; a symbol's extent is checked when it becomes known.
bool isTooLarge(llvm::ArrayRef<Dim> dims) {
  constexpr int64_t limit = int64_t(1) << 62;
  int64_t product = 1;
  bool overflow = false;
  for (Dim dim : dims) {
    int64_t extent = dim.isConstant() ? dim.constant() : dim.factor();
    if (extent == 0) return false;
    overflow |= __builtin_mul_overflow(product, extent, &product) || product > limit;
  }
  return overflow;
}

LogicalResult checkDims(const TensorSpec &spec, std::string &error) {
  if (spec.rank() > kMaxRank) return fail(error, "rank " + Twine(spec.rank()) + " is more than the limit of 8");
  for (Dim dim : spec.dims)
    if (!dim.isValid()) return fail(error, "extent " + Twine(dim.word()) + " is negative");
  if (isTooLarge(spec.dims)) return fail(error, spec.str() + " has more than 2**62 elements");
  return success();
}

LogicalResult checkOperands(const ShapeQuery &q, std::string &error) {
  const OpInfo &info = infoOf(q.op);
  size_t wanted = info.operands.size(), found = q.operands.size();
  if (info.isVariadic ? found == 0 : found != wanted)
    return fail(error, "found " + Twine(found) + " operands, wanted " + (info.isVariadic ? "at least " : "") + Twine(wanted));
  for (size_t i = 0; i < found; ++i) {
    const TensorSpec &spec = q.operands[i];
    if (failed(checkDims(spec, error))) return failure();
    DTypeSet set = info.operandDTypes[std::min(i, wanted - 1)];
    if (!contains(set, spec.dtype))
      return fail(error, Twine(operandName(q, i)) + " is " + spec.str() + ", wanted " + describe(set));
  }
  return success();
}

LogicalResult checkAttr(const AttrInfo &info, AttrReader &attrs, std::string &error) {
  switch (info.kind) {
  case AttrKind::Integer:
  case AttrKind::Real: attrs.integer(); break;
  case AttrKind::List: attrs.list(); break;
  case AttrKind::Text: attrs.text(); break;
  case AttrKind::Flag:
    if (int64_t word = attrs.integer(); word != 0 && word != 1)
      return fail(error, Twine(info.name) + " is " + Twine(word) + ", wanted 0 or 1");
    break;
  case AttrKind::DType:
    if (int64_t word = attrs.integer(); !isValidDType(word))
      return fail(error, Twine(info.name) + " has no dtype of number " + Twine(word));
    break;
  case AttrKind::Shape:
    for (int64_t word : attrs.list())
      if (!Dim::fromWord(word).isValid())
        return fail(error, Twine(info.name) + " has the negative extent " + Twine(word));
    break;
  }
  return attrs.failed() ? fail(error, Twine("attribute words end inside ") + info.name) : success();
}

} // namespace

LogicalResult checkQuery(const ShapeQuery &q, std::string &error) {
  if (failed(checkOperands(q, error))) return failure();
  AttrReader attrs = q.attrs;
  for (const AttrInfo &info : infoOf(q.op).attrs)
    if (failed(checkAttr(info, attrs, error))) return failure();
  return attrs.atEnd() ? success() : fail(error, "there are more attribute words than the op has attributes");
}

LogicalResult checkResults(llvm::ArrayRef<TensorSpec> results, std::string &error) {
  for (const TensorSpec &spec : results)
    if (failed(checkDims(spec, error))) return failure();
  return success();
}

const char *operandName(const ShapeQuery &q, size_t operand) {
  const OpInfo &info = infoOf(q.op);
  return info.operands[std::min(operand, info.operands.size() - 1)];
}

LogicalResult expectAxis(ShapeQuery &q, int64_t axis, size_t rank) {
  if (axis >= 0 && axis < static_cast<int64_t>(rank)) return success();
  return q.fail("axis " + Twine(axis) + " is out of range for rank " + Twine(rank));
}

LogicalResult expectDistinctAxes(ShapeQuery &q, std::span<const int64_t> axes, size_t rank) {
  uint64_t seen = 0; // rank is at most kMaxRank
  for (int64_t axis : axes) {
    if (failed(expectAxis(q, axis, rank))) return failure();
    if (seen >> axis & 1) return q.fail("axes repeat axis " + Twine(axis));
    seen |= uint64_t(1) << axis;
  }
  return success();
}

LogicalResult expectEqualDTypes(ShapeQuery &q, size_t first) {
  for (const TensorSpec &spec : q.operands.drop_front(first))
    if (DType wanted = q.operands[first].dtype; spec.dtype != wanted)
      return q.fail(Twine("operand dtypes differ: ") + nameOf(wanted) + " vs " + nameOf(spec.dtype));
  return success();
}

LogicalResult expectRank(ShapeQuery &q, size_t operand, size_t rank) {
  const TensorSpec &spec = q.operands[operand];
  if (spec.rank() == rank) return success();
  return q.fail(Twine(operandName(q, operand)) + " is " + spec.str() + ", wanted rank " + Twine(rank));
}

LogicalResult expectEntries(ShapeQuery &q, const char *name, std::span<const int64_t> items, size_t count,
                            int64_t least) {
  if (items.size() != count)
    return q.fail(Twine(name) + " has " + Twine(items.size()) + " entries, wanted " + Twine(count));
  for (int64_t item : items)
    if (item < least) return q.fail(Twine(name) + " has the entry " + Twine(item) + ", wanted at least " + Twine(least));
  return success();
}

LogicalResult expectState(ShapeQuery &q, size_t operand) {
  const TensorSpec &spec = q.operands[operand];
  if (spec.rank() == 1 && spec.dims[0].is(2)) return success();
  return q.fail(Twine(operandName(q, operand)) + " is " + spec.str() + ", wanted int64[2] (seed, counter)");
}

static LogicalResult failBroadcast(ShapeQuery &q) {
  std::string shapes;
  for (const TensorSpec &spec : q.operands) shapes += (shapes.empty() ? "" : " vs ") + str(spec.dims);
  return q.fail("shapes do not broadcast: " + shapes);
}

LogicalResult broadcastDims(ShapeQuery &q, Dims &dims) {
  dims = q.operands[0].dims;
  for (const TensorSpec &spec : q.operands.drop_front()) {
    llvm::ArrayRef<Dim> other = spec.dims;
    if (llvm::ArrayRef<Dim>(dims) == other) continue;
    if (other.size() > dims.size()) dims.insert(dims.begin(), other.size() - dims.size(), Dim(1));
    size_t lead = dims.size() - other.size();
    for (size_t i = 0; i < other.size(); ++i) {
      Dim &dim = dims[lead + i];
      if (dim.is(1))
        dim = other[i];
      else if (dim != other[i] && !other[i].is(1))
        return failBroadcast(q);
    }
  }
  return success();
}

Dims readDims(AttrReader &attrs) {
  Dims dims;
  for (int64_t word : attrs.list()) dims.push_back(Dim::fromWord(word));
  return dims;
}

} // namespace tinyfin::fin::shape
