// SPDX-License-Identifier: Apache-2.0
// Traces to functions and back. Words may come from a file: every read is bounded.
#include "ir/Trace.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace tinyfin::fin {

void appendInput(Words &words, const TensorSpec &spec, InputRole role, llvm::ArrayRef<int64_t> data) {
  words.insert(words.end(), {kInput, static_cast<int64_t>(spec.dtype), static_cast<int64_t>(role) | static_cast<int64_t>(data.size()) << 8,
                             static_cast<int64_t>(spec.dims.size())});
  for (Dim dim : spec.dims) words.push_back(dim.word());
  words.insert(words.end(), data.begin(), data.end());
}

size_t inputWords(std::span<const int64_t> words, size_t at) {
  if (words.size() - at < 4 || words[at] != kInput || words[at + 2] < 0 || words[at + 3] < 0) return 0;
  uint64_t left = words.size() - at - 4, rank = words[at + 3], data = static_cast<uint64_t>(words[at + 2]) >> 8;
  return rank > left || data > left - rank ? 0 : 4 + rank + data;
}

void appendOp(Words &words, OpId op, llvm::ArrayRef<uint32_t> operands, llvm::ArrayRef<int64_t> attrs) {
  // Code, operand count and attribute word count share one word: ops are small.
  words.push_back(static_cast<int64_t>(op) | static_cast<int64_t>(operands.size()) << 16 |
                  static_cast<int64_t>(attrs.size()) << 32);
  words.insert(words.end(), operands.begin(), operands.end());
  words.insert(words.end(), attrs.begin(), attrs.end());
}

namespace {

class Decoder {
public:
  Decoder(MLIRContext &context, std::span<const int64_t> words, llvm::ArrayRef<Location> locations)
      : builder(&context), unknown(UnknownLoc::get(&context)), words(words), locations(locations) {}

  OwningOpRef<ModuleOp> decode(llvm::ArrayRef<uint32_t> outputs) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(unknown);
    auto function = func::FuncOp::create(unknown, "main", builder.getFunctionType({}, {}));
    module->push_back(function);
    body = function.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    while (at < words.size())
      if (failed(words[at] == kInput ? readInput() : readOp())) return reject();
    SmallVector<Value> results;
    for (uint32_t slot : outputs) {
      if (slot >= values.size()) return reject();
      results.push_back(values[slot]);
    }
    func::ReturnOp::create(builder, unknown, results);
    function.setType(builder.getFunctionType(body->getArgumentTypes(), ValueRange(results).getTypes()));
    markScalars(function);
    return module;
  }

private:
  OwningOpRef<ModuleOp> reject() {
    emitError(unknown, "trace is malformed at word ") << at << " of " << words.size();
    return {};
  }

  /// All at once: to set one argument's attributes makes those of all arguments anew.
  void markScalars(func::FuncOp function) {
    if (scalars.empty()) return;
    DictionaryAttr isScalar = builder.getDictionaryAttr(builder.getNamedAttr("fin.scalar", builder.getUnitAttr()));
    SmallVector<Attribute> attrs(body->getNumArguments(), builder.getDictionaryAttr({}));
    for (unsigned index : scalars) attrs[index] = isScalar;
    function.setArgAttrsAttr(builder.getArrayAttr(attrs));
  }

  LogicalResult readInput() {
    size_t size = inputWords(words, at);
    if (!size) return failure();
    int64_t dtype = words[at + 1], role = words[at + 2] & 0xff, rank = words[at + 3];
    auto data = words.subspan(at + 4 + rank, size - 4 - rank);
    at += 4;
    if (!isValidDType(dtype)) return failure();
    TensorSpec spec{static_cast<DType>(dtype), {}};
    for (int64_t word : words.subspan(at, rank)) spec.dims.push_back(Dim::fromWord(word));
    at += rank + data.size();
    if (role == static_cast<int64_t>(InputRole::Scalar)) scalars.push_back(body->getNumArguments());
    Type type = typeOf(builder.getContext(), spec);
    values.push_back(body->addArgument(type, unknown));
    return role == static_cast<int64_t>(InputRole::Known) ? readKnown(spec, data) : success();
  }

  LogicalResult readKnown(const TensorSpec &spec, std::span<const int64_t> data) {
    int64_t count = 1;
    for (Dim dim : spec.dims)
      if (!dim.isConstant() || spec.dims.size() > 1) return failure();
      else count = dim.constant();
    size_t bytes = count * sizeOf(spec.dtype);
    bool isPacked = spec.dims.empty() || spec.dtype == DType::I64; // a word an element
    if (count < 1 || !isPacked || spec.dtype == DType::Bool || static_cast<uint64_t>(count) != data.size()) return failure();
    auto type = cast<RankedTensorType>(values.back().getType());
    llvm::ArrayRef<char> raw(reinterpret_cast<const char *>(data.data()), bytes);
    scalars.push_back(body->getNumArguments() - 1);
    values.back() = ConstantOp::create(builder, unknown, DenseElementsAttr::getFromRawBuffer(type, raw));
    return success();
  }

  LogicalResult readOp() {
    uint64_t head = static_cast<uint64_t>(words[at]);
    size_t code = head & 0xffff, operandCount = head >> 16 & 0xffff, attrCount = head >> 32;
    if (code >= kNumOps || operandCount + attrCount > words.size() - at - 1) return failure();
    SmallVector<Value> operands;
    for (int64_t slot : words.subspan(at + 1, operandCount)) {
      if (slot < 0 || static_cast<size_t>(slot) >= values.size()) return failure();
      operands.push_back(values[slot]);
    }
    auto attrs = words.subspan(at + 1 + operandCount, attrCount);
    Location location = ops < locations.size() ? locations[ops] : unknown;
    Operation *op = createOp(builder, location, static_cast<OpId>(code), operands, {attrs.data(), attrs.size()});
    if (!op) return failure();
    values.append(op->result_begin(), op->result_end());
    at += 1 + operandCount + attrCount;
    ++ops;
    return success();
  }

  OpBuilder builder;
  Location unknown;
  std::span<const int64_t> words;
  llvm::ArrayRef<Location> locations;
  Block *body = nullptr;
  SmallVector<Value> values;
  SmallVector<unsigned> scalars;
  size_t at = 0, ops = 0;
};

} // namespace

OwningOpRef<ModuleOp> decodeTrace(MLIRContext &context, std::span<const int64_t> words,
                                  llvm::ArrayRef<uint32_t> outputs, llvm::ArrayRef<Location> locations) {
  context.getOrLoadDialect<FinDialect>();
  context.getOrLoadDialect<func::FuncDialect>();
  return Decoder(context, words, locations).decode(outputs);
}

LogicalResult encodeTrace(func::FuncOp function, Words &words, SmallVectorImpl<uint32_t> &outputs) {
  llvm::DenseMap<Value, uint32_t> slots;
  for (BlockArgument argument : function.getArguments()) {
    std::optional<TensorSpec> spec = specOf(argument.getType());
    if (!spec) return function.emitError("argument ") << argument.getArgNumber() << " is not a fin tensor";
    bool isScalar = !!function.getArgAttr(argument.getArgNumber(), "fin.scalar");
    appendInput(words, *spec, isScalar ? InputRole::Scalar : InputRole::Tensor);
    slots.try_emplace(argument, slots.size());
  }
  for (Operation &op : function.front()) {
    SmallVector<uint32_t> operands;
    for (Value operand : op.getOperands()) operands.push_back(slots.lookup(operand));
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      outputs.assign(operands.begin(), operands.end());
      continue;
    }
    std::optional<OpId> id = opIdOfOperation(&op);
    if (!id) return op.emitError("is not a recorded op");
    appendOp(words, *id, operands, wordsOf(&op));
    for (Value result : op.getResults()) slots.try_emplace(result, slots.size());
  }
  return success();
}

} // namespace tinyfin::fin
