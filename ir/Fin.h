// SPDX-License-Identifier: Apache-2.0
// The fin dialect's C++ classes.
#pragma once
#include "ir/OpTable.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tinyfin::fin {

template <class Op> class Elementwise : public mlir::OpTrait::TraitBase<Op, Elementwise> {};
template <class Op> class Composite : public mlir::OpTrait::TraitBase<Op, Composite> {};
template <class Op> class Random : public mlir::OpTrait::TraitBase<Op, Random> {};

llvm::LogicalResult inferTypesByRule(OpId op, mlir::MLIRContext *context, std::optional<mlir::Location> location,
                                     mlir::ValueRange operands, mlir::DictionaryAttr attributes,
                                     llvm::SmallVectorImpl<mlir::Type> &inferred);

template <class Op>
llvm::LogicalResult inferTypesByRule(mlir::MLIRContext *context, std::optional<mlir::Location> location,
                                     mlir::ValueRange operands, mlir::DictionaryAttr attributes,
                                     mlir::OpaqueProperties properties, llvm::SmallVectorImpl<mlir::Type> &inferred);

} // namespace tinyfin::fin

#include "ir/FinDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/FinAttrs.h.inc"
#define GET_OP_CLASSES
#include "ir/FinOps.h.inc"

namespace tinyfin::fin {

/// The OpId of an op class.
template <class Op> inline constexpr OpId opIdOf = OpId::kCount;
#define FIN_OP(Id, Class, mnemonic) template <> inline constexpr OpId opIdOf<Class> = OpId::Id;
#include "ir/OpList.h.inc"

template <class Op>
llvm::LogicalResult inferTypesByRule(mlir::MLIRContext *context, std::optional<mlir::Location> location,
                                     mlir::ValueRange operands, mlir::DictionaryAttr attributes,
                                     mlir::OpaqueProperties properties, llvm::SmallVectorImpl<mlir::Type> &inferred) {
  if constexpr (!std::is_same_v<typename Op::Properties, mlir::EmptyProperties>)
    if (auto *typed = properties.as<typename Op::Properties *>())
      attributes = llvm::dyn_cast_or_null<mlir::DictionaryAttr>(Op::getPropertiesAsAttr(context, *typed));
  return inferTypesByRule(opIdOf<Op>, context, location, operands, attributes, inferred);
}

/// The MLIR type of a spec: static without encoding, dynamic with #fin.tensor. And back.
mlir::RankedTensorType typeOf(mlir::MLIRContext *context, const TensorSpec &spec);
std::optional<TensorSpec> specOf(mlir::Type type);
mlir::Type elementTypeOf(mlir::MLIRContext *context, DType dtype);
std::optional<DType> dtypeOf(mlir::Type elementType);

/// Recorded ops between MLIR and words.
std::optional<OpId> opIdOfOperation(mlir::Operation *op);
mlir::LogicalResult wordsOf(OpId op, mlir::DictionaryAttr attributes, Words &words);
Words wordsOf(mlir::Operation *op);
mlir::NamedAttrList attrsOf(mlir::MLIRContext *context, OpId op, llvm::ArrayRef<int64_t> words);
/// Creates a recorded op with inferred result types; the operands are valid.
mlir::Operation *createOp(mlir::OpBuilder &builder, mlir::Location location, OpId op, mlir::ValueRange operands,
                          llvm::ArrayRef<int64_t> attrs);

} // namespace tinyfin::fin
