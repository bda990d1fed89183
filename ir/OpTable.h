// SPDX-License-Identifier: Apache-2.0
// All recorded ops as plain data, generated from the .td files: what recording, keys, tape and decoding are driven by.
#pragma once
#include "ir/Dim.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/LogicalResult.h"
#include "runtime/Attrs.h"

namespace tinyfin::fin {

enum class OpId : uint16_t {
#define FIN_OP(Id, Class, mnemonic) Id,
#include "ir/OpList.h.inc"
  kCount
};
inline constexpr int kNumOps = static_cast<int>(OpId::kCount);

/// How an attribute is laid out in words (runtime/Attrs.h). A Shape is a list of Dim words.
enum class AttrKind : uint8_t { Integer, Flag, Real, DType, List, Shape, Text };
struct AttrInfo {
  const char *name;
  AttrKind kind;
  bool isOptional; // a flag that is false where it is not given
};

/// What an operand may hold.
enum class DTypeSet : uint8_t { Any, Number, Float, Bool, Index, Int64 };

/// What autocast does to an op's floating point operands: nothing, its dtype, or halves to f32. f64 always stays.
enum class Autocast : uint8_t { Keep, Lower, Wide };

/// The question a shape rule answers: result types from operand types and attributes.
struct ShapeQuery {
  OpId op;
  llvm::ArrayRef<TensorSpec> operands;
  AttrReader attrs;
  llvm::SmallVectorImpl<TensorSpec> &results;
  std::string error; // lower case, what was found and what was wanted

  llvm::LogicalResult fail(const llvm::Twine &message) { return error = message.str(), llvm::failure(); }
  llvm::LogicalResult result(DType dtype, llvm::ArrayRef<Dim> dims) {
    results.push_back({dtype, Dims(dims)});
    return llvm::success();
  }
};
using ShapeRule = llvm::LogicalResult (*)(ShapeQuery &);

struct RuleContext;
/// Emits the cotangents of the operands, or the op's decomposition (ir/GraphBuilder.h).
using GraphRule = void (*)(RuleContext &);

struct OpInfo {
  const char *name;     // "fin.add"
  const char *mnemonic; // "add"
  const char *family, *summary;
  llvm::ArrayRef<const char *> operands;
  llvm::ArrayRef<const char *> results;
  llvm::ArrayRef<AttrInfo> attrs;
  bool isVariadic, isElementwise, isComposite, isRandom, hasEffect;
  uint64_t savedOperands, savedResults; // bit i: the derivative rule reads operand or result i
  ShapeRule shapeRule;
  GraphRule vjp;       // null: not differentiable
  GraphRule decompose; // null: primitive
  llvm::ArrayRef<DTypeSet> operandDTypes; // an entry an operand
  Autocast autocast;
};

const OpInfo &infoOf(OpId op);
/// By full name, "fin.add".
std::optional<OpId> findOp(llvm::StringRef name);

/// Runs the shape rule; on failure `error` holds the message.
llvm::LogicalResult inferResults(OpId op, llvm::ArrayRef<TensorSpec> operands, llvm::ArrayRef<int64_t> attrs,
                                 llvm::SmallVectorImpl<TensorSpec> &results, std::string &error);

} // namespace tinyfin::fin
