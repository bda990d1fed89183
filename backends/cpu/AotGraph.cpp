// SPDX-License-Identifier: Apache-2.0
// Reads offsets, regions and names from a planned function.
#include "backends/cpu/AotGraph.h"
#include "backends/cpu/Domain.h"
#include "passes/Storage.h"
#include "runtime/aot/Aot.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

constexpr llvm::StringLiteral kNameAttr = "fin.name";

class Reader {
public:
  explicit Reader(func::FuncOp main) : main(main), storage(main) {}

  FailureOr<AotGraph> run() {
    if (failed(readSignature()) || failed(readRegions())) return failure();
    for (Operation &op : main.front())
      if (failed(readOp(op))) return failure();
    for (const fin::OutputCopy &copy : storage.copies()) {
      FailureOr<AotValue> from = valueOf(copy.value);
      if (failed(from)) return failure();
      graph.copies.push_back({*from, copy.output});
    }
    return std::move(graph);
  }

private:
  LogicalResult readSignature() {
    for (unsigned i = 0; i < main.getNumArguments(); ++i) {
      TensorSpec type = *fin::specOf(main.getArgumentTypes()[i]);
      for (Dim dim : type.dims)
        if (!dim.isConstant() && !llvm::is_contained(graph.symbols, dim.symbolName()))
          graph.symbols.push_back(dim.symbolName().str());
      graph.inputs.push_back({nameOf(main.getArgAttrOfType<StringAttr>(i, kNameAttr), "in", i), type});
    }
    Operation *terminator = main.front().getTerminator();
    for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
      AotParameter output{nameOf(main.getResultAttrOfType<StringAttr>(i, kNameAttr), "out", i),
                          *fin::specOf(value.getType())};
      auto alias = value.getDefiningOp<fin::AliasOp>();
      if (auto into = alias ? dyn_cast<BlockArgument>(alias.getInto()) : BlockArgument())
        output.into = into.getArgNumber();
      for (Dim dim : output.type.dims)
        if (!dim.isConstant() && !llvm::is_contained(graph.symbols, dim.symbolName()))
          return terminator->emitError("result ")
                 << i << " has dim " << dim.str() << ", wanted symbols of the arguments";
      graph.outputs.push_back(std::move(output));
    }
    return success();
  }

  /// A C identifier that is used once and is no keyword; `new_x` for an output that is called like input x.
  std::string nameOf(StringAttr given, const char *prefix, unsigned number) {
    std::string name = given ? given.str() : prefix + std::to_string(number);
    for (char &c : name)
      if (!llvm::isAlnum(c)) c = '_';
    if (name.empty() || llvm::isDigit(name[0])) name = "_" + name;
    if (StringRef(prefix) == "out" && names.contains(name)) name = "new_" + name;
    while (isReserved(name) || !names.insert(name).second) name += "_";
    return name;
  }
  static bool isReserved(StringRef name) {
    static constexpr const char *words[] = {
        "size",      "auto",   "break",    "case",     "char",     "const",  "continue",  "default",  "do",
        "double",    "else",   "enum",     "extern",   "float",    "for",    "goto",      "if",       "inline",
        "int",       "long",   "register", "restrict", "return",   "short",  "signed",    "sizeof",   "static",
        "struct",    "switch", "typedef",  "union",    "unsigned", "void",   "volatile",  "while",    "class",
        "this",      "new",    "delete",   "operator", "private",  "public", "protected", "template", "typename",
        "namespace", "bool",   "true",     "false"};
    return llvm::is_contained(words, name);
  }

  LogicalResult readRegions() {
    auto bytes = main->getAttrOfType<IntegerAttr>(fin::kArenaBytesAttr);
    if (!bytes) return main.emitError("has no fin.arena_bytes: plan it first");
    graph.regions.push_back({bytes.getInt(), {}});
    auto regions = main->getAttrOfType<ArrayAttr>(fin::kArenaRegionsAttr);
    for (Attribute attribute : regions ? regions.getValue() : ArrayRef<Attribute>()) {
      auto entry = cast<ArrayAttr>(attribute);
      AotRegion region{cast<IntegerAttr>(entry[0]).getInt(), {}};
      std::vector<std::string> symbols;
      for (Attribute symbol : entry.getValue().drop_front()) {
        symbols.push_back(cast<StringAttr>(symbol).str());
        region.symbols.push_back(graph.symbolNumber(symbols.back()));
      }
      if (symbols.size() > aot::kMaxSymbols)
        return main.emitError("has a value whose size is a product of ")
               << symbols.size() << " symbols, the limit is " << aot::kMaxSymbols;
      regionsBySymbols[symbols] = graph.regions.size();
      graph.regions.push_back(std::move(region));
    }
    return success();
  }

  FailureOr<AotValue> valueOf(Value value) {
    std::optional<TensorSpec> type = fin::specOf(value.getType());
    for (Dim dim : type->dims)
      if (!dim.isConstant() && !llvm::is_contained(graph.symbols, dim.symbolName()))
        return value.getDefiningOp()->emitOpError("has dim ") << dim.str() << ", wanted symbols of the arguments";
    const fin::StorageClass &held = storage.of(value);
    switch (held.place) {
    case fin::Place::Input:
      return AotValue{{AotPlace::Input, held.number}, *type};
    case fin::Place::Output:
      return AotValue{{AotPlace::Output, held.number}, *type};
    case fin::Place::Constant:
      return AotValue{{AotPlace::Constant, held.number}, *type};
    case fin::Place::Arena:
      break;
    }
    std::optional<fin::Size> size = fin::sizeOfTensor(held.root.getType());
    std::vector<std::string> symbols(size->symbols.begin(), size->symbols.end());
    return AotValue{{AotPlace::Arena, symbols.empty() ? 0 : regionsBySymbols[symbols], held.offset}, *type};
  }

  LogicalResult readOp(Operation &op) {
    if (auto constant = dyn_cast<fin::ConstantOp>(op)) return graph.constants.push_back(constant), success();
    if (fin::isView(&op) || op.hasTrait<OpTrait::IsTerminator>()) return success();
    AotStep step{&op, runtimeOpOf(&op), {}, {}, {}, {}};
    // A generated kernel of one op has an argument for each distinct operand.
    bool isDistinct = step.runtimeOp.empty() && !isa<fin::FusionOp>(op);
    llvm::SmallDenseSet<Value> seen;
    for (Value operand : op.getOperands())
      if (!isDistinct || seen.insert(operand).second)
        if (failed(append(step.inputs, operand))) return failure();
    for (Value result : op.getResults())
      if (failed(append(step.outputs, result))) return failure();
    if (step.runtimeOp.empty()) return addKernels(step);
    step.attrs = fin::wordsOf(&op);
    graph.steps.push_back(std::move(step));
    return success();
  }

  /// A kernel for each group of results that fit one set of loops.
  LogicalResult addKernels(const AotStep &whole) {
    auto fusion = dyn_cast<fin::FusionOp>(whole.op);
    StatusOr<KernelSpec> spec = fusion ? specOfFusion(fusion) : specOfOp(whole.op);
    if (!spec.isOk()) return whole.op->emitOpError("cannot be in a library: ") << spec.status().message();
    for (const SmallVector<unsigned> &group : groupOutputs(spec.value())) {
      AotStep step{whole.op, {}, {}, {}, {}, {}};
      SmallVector<uint32_t, 4> used;
      step.kernel = extract(spec.value(), group, used);
      for (uint32_t input : used) step.inputs.push_back(whole.inputs[input]);
      for (unsigned output : group) step.outputs.push_back(whole.outputs[output]);
      graph.steps.push_back(std::move(step));
    }
    return success();
  }

  LogicalResult append(std::vector<AotValue> &values, Value value) {
    FailureOr<AotValue> found = valueOf(value);
    if (failed(found)) return failure();
    values.push_back(std::move(*found));
    return success();
  }

  func::FuncOp main;
  fin::Storage storage;
  AotGraph graph;
  llvm::StringSet<> names;
  std::map<std::vector<std::string>, unsigned> regionsBySymbols;
};

} // namespace

std::string runtimeOpOf(Operation *op) {
  std::optional<fin::OpId> id = fin::opIdOfOperation(op);
  if (!id) return "";
  std::string name = fin::infoOf(*id).mnemonic;
  switch (*id) {
  case OpId::Matmul:
  case OpId::Conv2d:
  case OpId::Conv2dInputGrad:
  case OpId::Conv2dWeightGrad:
  case OpId::MaxPool2d:
  case OpId::AvgPool2d:
  case OpId::MaxPool2dGrad:
  case OpId::AvgPool2dGrad:
  case OpId::Argmax:
  case OpId::ScatterAdd: {
    Type element = cast<ShapedType>(op->getOperand(0).getType()).getElementType();
    return name + "_" + nameOf(*fin::dtypeOf(element));
  }
  case OpId::Slice:
  case OpId::SliceUpdate:
  case OpId::Gather:
  case OpId::Assert:
    return name;
  default:
    return "";
  }
}

FailureOr<AotGraph> readAotGraph(func::FuncOp main) { return Reader(main).run(); }

} // namespace tinyfin::cpu
