// SPDX-License-Identifier: Apache-2.0
// Syntax and verifiers of the ops that exist only in graphs.
//   %r = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) { ... fin.yield %v : tensor<4xf32> }
#include "ir/Fin.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace tinyfin::fin {

static constexpr llvm::StringLiteral kKinds[] = {"map", "reduction", "normalization", "contraction", "transform"};

// `(%a = %x : type, ...)`
static ParseResult parseInputs(OpAsmParser &parser, SmallVectorImpl<OpAsmParser::Argument> &arguments,
                               SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands,
                               SmallVectorImpl<Type> &types) {
  return parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, [&]() -> ParseResult {
    OpAsmParser::Argument &argument = arguments.emplace_back();
    if (parser.parseArgument(argument) || parser.parseEqual() || parser.parseOperand(operands.emplace_back()) ||
        parser.parseColonType(types.emplace_back()))
      return failure();
    argument.type = types.back();
    return success();
  });
}

ParseResult FusionOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr kind;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  if (parser.parseAttribute(kind, "kind", result.attributes)) return failure();
  SMLoc inputs = parser.getCurrentLocation();
  if (parseInputs(parser, arguments, operands, types) || parser.parseArrow() || parser.parseLParen()) return failure();
  if (failed(parser.parseOptionalRParen()) && (parser.parseTypeList(result.types) || parser.parseRParen()))
    return failure();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.resolveOperands(operands, types, inputs, result.operands))
    return failure();
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FusionOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getKindAttr() << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()), printer, [&](auto pair) {
    auto [argument, input] = pair;
    printer.printRegionArgument(argument, {}, /*omitType=*/true);
    printer << " = " << input << " : " << input.getType();
  });
  printer << ") -> (";
  llvm::interleaveComma(getResultTypes(), printer);
  printer << ')';
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"kind"});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

static LogicalResult verifyBody(FusionOp fusion, Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (!isa_and_present<FinDialect>(op.getDialect()) || isa<FusionOp, AliasOp, TransferOp>(op))
      return op.emitOpError("has no place in fin.fusion, which holds recorded fin ops and constants");
    if (!isMemoryEffectFree(&op)) return op.emitOpError("has an effect, wanted only pure ops in fin.fusion");
  }
  return success();
}

LogicalResult FusionOp::verify() {
  if (!llvm::is_contained(kKinds, getKind()))
    return emitOpError("kind is \"") << getKind() << "\", wanted map, reduction, normalization, contraction or transform";
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("block arguments are ") << block.getArgumentTypes() << ", wanted the inputs' types "
                                               << getInputs().getTypes();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield) return emitOpError("body does not end in fin.yield");
  if (yield.getValues().getTypes() != getResultTypes())
    return yield.emitOpError("yields ") << yield.getValues().getTypes() << ", wanted the fusion's results " << getResultTypes();
  return verifyBody(*this, block);
}

LogicalResult AliasOp::verify() {
  if (getValue().getType() == getInto().getType()) return success();
  return emitOpError("value is ") << getValue().getType() << ", into is " << getInto().getType() << ": wanted one type";
}

} // namespace tinyfin::fin
