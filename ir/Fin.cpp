// SPDX-License-Identifier: Apache-2.0
// Registers the dialect; converts types and attributes between MLIR and the recorder's plain data.
#include "ir/Fin.h"
#include "ir/Version.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace tinyfin;
using namespace tinyfin::fin;

#include "ir/FinDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/FinAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "ir/FinOps.cpp.inc"

void FinDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/FinAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/FinOps.cpp.inc"
      >();
  addVersionInterface(*this);
}

Operation *FinDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location location) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type) return nullptr;
  return ConstantOp::create(builder, location, elements);
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

namespace tinyfin::fin {

Type elementTypeOf(MLIRContext *context, DType dtype) {
  Builder b(context);
  switch (dtype) {
  case DType::F32: return b.getF32Type();
  case DType::F64: return b.getF64Type();
  case DType::BF16: return b.getBF16Type();
  case DType::F16: return b.getF16Type();
  case DType::I64: return b.getI64Type();
  case DType::I32: return b.getI32Type();
  case DType::I8: return b.getI8Type();
  case DType::U8: return b.getIntegerType(8, /*isSigned=*/false);
  case DType::Bool: return b.getI1Type();
  }
  return {};
}

std::optional<DType> dtypeOf(Type type) {
  if (type.isF32()) return DType::F32;
  if (type.isF64()) return DType::F64;
  if (type.isBF16()) return DType::BF16;
  if (type.isF16()) return DType::F16;
  if (type.isSignlessInteger(64)) return DType::I64;
  if (type.isSignlessInteger(32)) return DType::I32;
  if (type.isSignlessInteger(8)) return DType::I8;
  if (type.isUnsignedInteger(8)) return DType::U8;
  if (type.isSignlessInteger(1)) return DType::Bool;
  return std::nullopt;
}

RankedTensorType typeOf(MLIRContext *context, const TensorSpec &spec) {
  SmallVector<int64_t> shape;
  for (Dim dim : spec.dims) shape.push_back(dim.isConstant() ? dim.constant() : ShapedType::kDynamic);
  Attribute encoding;
  if (ShapedType::isDynamicShape(shape)) {
    SmallVector<StringAttr> names;
    for (Dim dim : spec.dims) names.push_back(StringAttr::get(context, dim.isConstant() ? "" : dim.str()));
    encoding = TensorEncodingAttr::get(context, names);
  }
  return RankedTensorType::get(shape, elementTypeOf(context, spec.dtype), encoding);
}

std::optional<TensorSpec> specOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  std::optional<DType> dtype = tensor ? dtypeOf(tensor.getElementType()) : std::nullopt;
  if (!dtype) return std::nullopt;
  auto encoding = dyn_cast_or_null<TensorEncodingAttr>(tensor.getEncoding());
  TensorSpec spec{*dtype, {}};
  for (auto [i, extent] : llvm::enumerate(tensor.getShape())) {
    if (!ShapedType::isDynamic(extent)) {
      spec.dims.push_back(Dim(extent));
      continue;
    }
    // A dynamic dim without a name says nothing: refuse it rather than guess.
    if (!encoding || encoding.getDims().size() != static_cast<size_t>(tensor.getRank())) return std::nullopt;
    std::optional<Dim> dim = Dim::parse(encoding.getDims()[i].getValue());
    if (!dim || dim->isConstant()) return std::nullopt;
    spec.dims.push_back(*dim);
  }
  return spec;
}

std::optional<OpId> opIdOfOperation(Operation *op) { return findOp(op->getName().getStringRef()); }

static LogicalResult appendAttr(AttrKind kind, Attribute attr, AttrWriter writer, Words &words) {
  switch (kind) {
  case AttrKind::Integer: {
    auto value = dyn_cast<IntegerAttr>(attr);
    return value ? (writer.integer(value.getInt()), success()) : failure();
  }
  case AttrKind::Flag: {
    auto value = dyn_cast<BoolAttr>(attr);
    return value ? (writer.flag(value.getValue()), success()) : failure();
  }
  case AttrKind::Real: {
    auto value = dyn_cast<FloatAttr>(attr);
    return value ? (writer.real(value.getValueAsDouble()), success()) : failure();
  }
  case AttrKind::DType: {
    auto value = dyn_cast<TypeAttr>(attr);
    auto dtype = value ? dtypeOf(value.getValue()) : std::nullopt;
    return dtype ? (writer.dtype(*dtype), success()) : failure();
  }
  case AttrKind::List: {
    auto value = dyn_cast<DenseI64ArrayAttr>(attr);
    return value ? (writer.list({value.asArrayRef().data(), value.asArrayRef().size()}), success()) : failure();
  }
  case AttrKind::Text: {
    auto value = dyn_cast<StringAttr>(attr);
    return value ? (writer.text({value.data(), value.size()}), success()) : failure();
  }
  case AttrKind::Shape: break;
  }
  auto extents = dyn_cast<ArrayAttr>(attr);
  if (!extents) return failure();
  writer.integer(extents.size());
  for (Attribute extent : extents) {
    auto number = dyn_cast<IntegerAttr>(extent);
    auto name = dyn_cast<StringAttr>(extent);
    std::optional<Dim> dim = number && number.getInt() >= 0 ? std::optional(Dim(number.getInt()))
                             : name                         ? Dim::parse(name.getValue())
                                                            : std::nullopt;
    if (!dim) return failure();
    words.push_back(dim->word());
  }
  return success();
}

LogicalResult wordsOf(OpId op, DictionaryAttr attributes, Words &words) {
  for (const AttrInfo &info : infoOf(op).attrs) {
    Attribute attr = attributes ? attributes.get(info.name) : Attribute();
    if (!attr && info.isOptional) {
      AttrWriter(words).flag(false);
      continue;
    }
    if (!attr || failed(appendAttr(info.kind, attr, AttrWriter(words), words))) return failure();
  }
  return success();
}

Words wordsOf(Operation *op) {
  Words words;
  LogicalResult valid = wordsOf(*opIdOfOperation(op), op->getAttrDictionary(), words);
  assert(succeeded(valid) && "a verified op has valid attributes");
  (void)valid;
  return words;
}

static Attribute readAttr(MLIRContext *context, AttrKind kind, AttrReader &reader) {
  Builder b(context);
  switch (kind) {
  case AttrKind::Integer: return b.getI64IntegerAttr(reader.integer());
  case AttrKind::Flag: return b.getBoolAttr(reader.flag());
  case AttrKind::Real: return b.getF64FloatAttr(reader.real());
  case AttrKind::DType: return TypeAttr::get(elementTypeOf(context, reader.dtype()));
  case AttrKind::Text: return b.getStringAttr(llvm::StringRef(reader.text()));
  case AttrKind::List: {
    auto items = reader.list();
    return b.getDenseI64ArrayAttr({items.data(), items.size()});
  }
  case AttrKind::Shape: break;
  }
  SmallVector<Attribute> extents;
  for (int64_t word : reader.list()) {
    Dim dim = Dim::fromWord(word);
    extents.push_back(dim.isConstant() ? Attribute(b.getI64IntegerAttr(word)) : b.getStringAttr(dim.str()));
  }
  return b.getArrayAttr(extents);
}

NamedAttrList attrsOf(MLIRContext *context, OpId op, llvm::ArrayRef<int64_t> words) {
  NamedAttrList attrs;
  AttrReader reader({words.data(), words.size()});
  for (const AttrInfo &info : infoOf(op).attrs) attrs.append(info.name, readAttr(context, info.kind, reader));
  return attrs;
}

static LogicalResult inferTypes(OpId op, MLIRContext *context, ValueRange operands, llvm::ArrayRef<int64_t> words,
                                SmallVectorImpl<Type> &inferred, std::string &error) {
  SmallVector<TensorSpec> specs, results;
  for (Value operand : operands) {
    std::optional<TensorSpec> spec = specOf(operand.getType());
    if (!spec) return error = "a dynamic dim has no name in #fin.tensor, or the dtype is not one of fin's", failure();
    specs.push_back(std::move(*spec));
  }
  if (failed(inferResults(op, specs, words, results, error))) return failure();
  for (const TensorSpec &spec : results) inferred.push_back(typeOf(context, spec));
  return success();
}

LogicalResult inferTypesByRule(OpId op, MLIRContext *context, std::optional<Location> location, ValueRange operands,
                               DictionaryAttr attributes, SmallVectorImpl<Type> &inferred) {
  Words words;
  std::string error = "attributes are missing or of the wrong kind";
  if (succeeded(wordsOf(op, attributes, words)) && succeeded(inferTypes(op, context, operands, words, inferred, error)))
    return success();
  return emitOptionalError(location, "'", infoOf(op).name, "' op ", error);
}

Operation *createOp(OpBuilder &builder, Location location, OpId op, ValueRange operands, llvm::ArrayRef<int64_t> attrs) {
  std::string error;
  SmallVector<Type> types;
  // First of all: only words that pass the shape rule's checks can be made attributes.
  if (failed(inferTypes(op, builder.getContext(), operands, attrs, types, error))) {
    emitError(location, "'") << infoOf(op).name << "' op " << error;
    return nullptr;
  }
  OperationState state(location, infoOf(op).name, operands, types,
                       attrsOf(builder.getContext(), op, attrs).getAttrs());
  return builder.create(state);
}

} // namespace tinyfin::fin
