// SPDX-License-Identifier: Apache-2.0
// Reads fusion regions and single ops into KernelSpecs.
#include "backends/cpu/KernelSpec.h"
#include <numeric>

using namespace mlir;

namespace tinyfin::cpu {

bool isReduction(OpId op) {
  return op == OpId::Sum || op == OpId::Mean || op == OpId::ReduceMax || op == OpId::ReduceMin;
}

bool isContraction(OpId op) {
  return op == OpId::Matmul || op == OpId::Conv2d || op == OpId::MaxPool2d || op == OpId::AvgPool2d;
}

bool hasGeneratedForm(OpId op) {
  switch (op) {
  case OpId::Broadcast: case OpId::Full: case OpId::Reshape: case OpId::Transpose: case OpId::Slice: case OpId::Concat:
  case OpId::Pad: case OpId::Gather: case OpId::Iota: case OpId::RandomBits: case OpId::Uniform: case OpId::Normal:
  case OpId::Matmul: case OpId::Conv2d: case OpId::MaxPool2d: case OpId::AvgPool2d: return true;
  default: return isReduction(op) || fin::infoOf(op).isElementwise;
  }
}

int KernelSpec::producerOf(uint32_t value) const {
  if (value < numInputs) return -1;
  for (auto [i, op] : llvm::enumerate(ops))
    if (op.result == value) return static_cast<int>(i);
  return -1;
}

/// Symbols are numbered by first appearance, so that the names in a graph do not tell kernels apart.
static int64_t symbolNumber(std::vector<std::string> &symbols, Dim dim) {
  auto name = dim.symbolName().str();
  auto found = llvm::find(symbols, name);
  if (found == symbols.end()) found = symbols.insert(symbols.end(), name);
  return found - symbols.begin();
}

std::vector<std::string> KernelSpec::symbols() const {
  std::vector<std::string> symbols;
  for (const TensorSpec &value : values)
    for (Dim dim : value.dims)
      if (!dim.isConstant()) symbolNumber(symbols, dim);
  return symbols;
}

Words KernelSpec::key() const {
  Words words{static_cast<int64_t>(values.size()), numInputs, static_cast<int64_t>(ops.size()), isEpilogue ? -1 : partials};
  std::vector<std::string> names;
  auto appendDim = [&](Dim dim) {
    if (dim.isConstant()) return words.push_back(dim.word());
    words.push_back(-1 - symbolNumber(names, dim));
    words.push_back(dim.factor());
  };
  for (const TensorSpec &value : values) {
    words.push_back(static_cast<int64_t>(value.dtype) | static_cast<int64_t>(value.rank()) << 8);
    llvm::for_each(value.dims, appendDim);
  }
  for (const KernelOp &op : ops) {
    words.push_back(static_cast<int64_t>(op.id) | static_cast<int64_t>(op.operands.size()) << 16 |
                    static_cast<int64_t>(op.attrs.size()) << 32);
    words.insert(words.end(), op.operands.begin(), op.operands.end());
    words.insert(words.end(), op.attrs.begin(), op.attrs.end());
    words.push_back(op.result);
  }
  words.insert(words.end(), outputs.begin(), outputs.end());
  return words;
}

std::string KernelSpec::summary() const {
  std::string text;
  for (const KernelOp &op : ops) {
    if (op.isConstant()) continue;
    text += text.empty() ? "" : ", ";
    text += fin::infoOf(op.id).mnemonic;
  }
  return text + (outputs.empty() ? "" : " -> " + values[outputs[0]].str());
}

std::optional<int64_t> splatBits(ElementsAttr value) {
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !dense.isSplat()) return std::nullopt;
  Type type = dense.getElementType();
  if (isa<FloatType>(type)) return dense.getSplatValue<APFloat>().bitcastToAPInt().getZExtValue();
  if (!isa<IntegerType>(type)) return std::nullopt;
  APInt bits = dense.getSplatValue<APInt>();
  return type.isUnsignedInteger() || type.isInteger(1) ? static_cast<int64_t>(bits.getZExtValue()) : bits.getSExtValue();
}

namespace {

class Reader {
public:
  StatusOr<KernelSpec> fusion(fin::FusionOp op) {
    Block &body = op.getBody().front();
    for (BlockArgument argument : body.getArguments()) TINYFIN_RETURN_IF_ERROR(define(argument));
    spec.numInputs = body.getNumArguments();
    for (Operation &inner : body.without_terminator()) TINYFIN_RETURN_IF_ERROR(append(&inner));
    for (Value value : body.getTerminator()->getOperands()) spec.outputs.push_back(numbers.lookup(value));
    return std::move(spec);
  }

  StatusOr<KernelSpec> single(Operation *op) {
    for (Value operand : op->getOperands())
      if (!numbers.count(operand)) TINYFIN_RETURN_IF_ERROR(define(operand));
    spec.numInputs = spec.values.size();
    TINYFIN_RETURN_IF_ERROR(append(op));
    for (Value value : op->getResults()) spec.outputs.push_back(numbers.lookup(value));
    return std::move(spec);
  }

private:
  Status define(Value value) {
    std::optional<TensorSpec> type = fin::specOf(value.getType());
    if (!type) return Status::error(StatusCode::Unsupported, "a type that is not a fin tensor");
    numbers[value] = spec.values.size();
    spec.values.push_back(*type);
    return Status::ok();
  }

  Status append(Operation *op) {
    KernelOp entry;
    auto constant = dyn_cast<fin::ConstantOp>(op);
    std::optional<OpId> id = fin::opIdOfOperation(op);
    if (constant) {
      std::optional<int64_t> bits = splatBits(constant.getValue());
      if (!bits) return Status::error(StatusCode::Unsupported, "a constant in a region that is not a splat");
      entry.attrs.push_back(*bits);
    } else if (id && hasGeneratedForm(*id)) {
      entry.id = *id;
      entry.attrs = fin::wordsOf(op);
    } else {
      return Status::error(StatusCode::Unsupported, op->getName().getStringRef().str() + " has no generated form");
    }
    for (Value operand : op->getOperands()) entry.operands.push_back(numbers.lookup(operand));
    TINYFIN_RETURN_IF_ERROR(define(op->getResult(0)));
    entry.result = spec.values.size() - 1;
    spec.ops.push_back(std::move(entry));
    return Status::ok();
  }

  KernelSpec spec;
  llvm::DenseMap<Value, uint32_t> numbers;
};

} // namespace

StatusOr<KernelSpec> specOfFusion(fin::FusionOp fusion) { return Reader().fusion(fusion); }
StatusOr<KernelSpec> specOfOp(Operation *op) { return Reader().single(op); }

KernelSpec extract(const KernelSpec &spec, ArrayRef<unsigned> outputs, llvm::SmallVectorImpl<uint32_t> &inputs) {
  std::vector<bool> used(spec.values.size());
  for (unsigned output : outputs) used[spec.outputs[output]] = true;
  for (const KernelOp &op : llvm::reverse(spec.ops))
    if (used[op.result])
      for (uint32_t operand : op.operands) used[operand] = true;
  KernelSpec part;
  std::vector<uint32_t> number(spec.values.size());
  auto keep = [&](uint32_t value) {
    number[value] = part.values.size();
    part.values.push_back(spec.values[value]);
  };
  for (uint32_t input = 0; input < spec.numInputs; ++input)
    if (used[input]) keep(input), inputs.push_back(input);
  part.numInputs = part.values.size();
  for (const KernelOp &op : spec.ops) {
    if (!used[op.result]) continue;
    keep(op.result);
    KernelOp copy = op;
    for (uint32_t &operand : copy.operands) operand = number[operand];
    copy.result = number[op.result];
    part.ops.push_back(std::move(copy));
  }
  for (unsigned output : outputs) part.outputs.push_back(number[spec.outputs[output]]);
  return part;
}

int contractionOf(const KernelSpec &spec) {
  for (auto [i, op] : llvm::enumerate(spec.ops))
    if (!op.isConstant() && isContraction(op.id)) return static_cast<int>(i);
  return -1;
}

KernelSpec epilogueOf(const KernelSpec &spec, llvm::SmallVectorImpl<uint32_t> &inputs) {
  // As if the product's value were the first input: its operands are then used only where other ops read them too.
  const KernelOp &product = spec.ops[contractionOf(spec)];
  KernelSpec whole = spec;
  whole.ops.erase(whole.ops.begin() + contractionOf(spec));
  std::vector<uint32_t> number(spec.values.size());
  whole.values.clear();
  auto place = [&](uint32_t value) { number[value] = whole.values.size(), whole.values.push_back(spec.values[value]); };
  place(product.result);
  for (uint32_t value = 0; value < spec.values.size(); ++value)
    if (value != product.result) place(value);
  ++whole.numInputs;
  for (KernelOp &op : whole.ops) {
    op.result = number[op.result];
    for (uint32_t &operand : op.operands) operand = number[operand];
  }
  for (uint32_t &output : whole.outputs) output = number[output];
  SmallVector<unsigned> all(whole.outputs.size());
  std::iota(all.begin(), all.end(), 0u);
  SmallVector<uint32_t> used;
  KernelSpec epilogue = extract(whole, all, used);
  for (uint32_t input : ArrayRef(used).drop_front()) inputs.push_back(input - 1);
  epilogue.isEpilogue = true;
  return epilogue;
}

} // namespace tinyfin::cpu
