// SPDX-License-Identifier: Apache-2.0
// Arguments of all steps share a few arrays on the stack: each call has returned before the next is prepared.
#include "backends/cpu/AotHost.h"
#include "backends/Constants.h"
#include "runtime/aot/Aot.h"
#include "llvm/IR/IRBuilder.h"

using namespace llvm;

namespace tinyfin::cpu {
namespace {

constexpr char kConstantPrefix[] = "constant.";

/// Types and small constants that both emitters below use.
struct Types {
  explicit Types(Module &module) : module(module), context(module.getContext()), b(context) {}

  IntegerType *i64() { return b.getInt64Ty(); }
  PointerType *ptr() { return b.getPtrTy(); }
  ConstantInt *word(int64_t value) { return b.getInt64(value); }
  GlobalVariable *constant(Constant *value, const Twine &name) {
    return new GlobalVariable(module, value->getType(), true, GlobalValue::InternalLinkage, value, name);
  }
  Constant *words(ArrayRef<int64_t> values) {
    SmallVector<uint64_t> bits(values.begin(), values.end());
    return constant(ConstantDataArray::get(context, ArrayRef(bits)), "words");
  }
  FunctionCallee runtime(StringRef name, Type *result, ArrayRef<Type *> arguments) {
    return module.getOrInsertFunction(name, FunctionType::get(result, arguments, false));
  }

  Module &module;
  LLVMContext &context;
  IRBuilder<> b;
};

class HostEmitter : Types {
public:
  HostEmitter(Module &module, const AotGraph &graph, const Machine &machine, StringRef suffix)
      : Types(module), graph(graph), suffix(suffix) {
    auto *type = FunctionType::get(b.getInt32Ty(), {ptr(), ptr(), ptr()}, false);
    host = Function::Create(type, GlobalValue::InternalLinkage, "host" + suffix, module);
    host->addFnAttr("target-cpu", machine.cpu);
    if (!machine.features.empty()) host->addFnAttr("target-features", machine.features);
    host->addFnAttr(Attribute::NoUnwind);
    b.SetInsertPoint(BasicBlock::Create(context, "", host));
    size_t most = 1;
    for (const AotStep &step : graph.steps) most = std::max(most, step.inputs.size() + step.outputs.size());
    args = b.CreateAlloca(ptr(), word(most));
    tensors = b.CreateAlloca(tensorType(), word(most));
    call = b.CreateAlloca(callType());
    extents = b.CreateAlloca(i64(), word(most * 8)); // 8: the most axes a tensor has
    kernelDims = b.CreateAlloca(i64(), word(std::max<size_t>(graph.symbols.size(), 1)));
    for (size_t i = 0; i < graph.symbols.size(); ++i) symbols.push_back(load(host->getArg(1), 1 + i, i64()));
    for (size_t i = 0; i < graph.regions.size(); ++i) {
      bases.push_back(load(host->getArg(2), 2 * i, ptr()));
      units.push_back(load(host->getArg(2), 2 * i + 1, i64()));
    }
  }

  void emit(ArrayRef<AotKernel> kernels) {
    for (auto [step, kernel] : zip_equal(graph.steps, kernels))
      step.runtimeOp.empty() ? launch(step, kernel) : callRuntime(step);
    for (const auto &[value, output] : graph.copies)
      b.CreateMemCpy(address({AotPlace::Output, output}), Align(1), address(value.place), Align(1),
                     mulDims(value.type.dims, sizeOf(value.type.dtype)));
    b.CreateRet(b.getInt32(aot::kOk));
  }

private:
  StructType *tensorType() { return StructType::get(context, {ptr(), ptr(), i64(), i64()}); }
  StructType *callType() { return StructType::get(context, {ptr(), ptr(), i64(), ptr(), ptr(), i64(), i64()}); }

  Value *load(Value *array, int64_t index, Type *type) {
    return b.CreateLoad(type, b.CreateConstInBoundsGEP1_64(i64(), array, index));
  }
  void store(Value *value, Value *array, int64_t index) {
    b.CreateStore(value, b.CreateConstInBoundsGEP1_64(i64(), array, index));
  }

  Value *extent(Dim dim) {
    if (dim.isConstant()) return word(dim.constant());
    return b.CreateNSWMul(symbols[graph.symbolNumber(dim.symbolName())], word(dim.factor()));
  }
  Value *mulDims(ArrayRef<Dim> dims, int64_t factor) {
    Value *product = word(factor);
    for (Dim dim : dims) product = b.CreateNSWMul(product, extent(dim));
    return product;
  }

  Value *address(AotPlace place) {
    const unsigned numSymbols = graph.symbols.size(), numInputs = graph.inputs.size();
    switch (place.kind) {
    case AotPlace::Input:
      return load(host->getArg(1), 1 + numSymbols + place.number, ptr());
    case AotPlace::Output:
      return load(host->getArg(1), 1 + numSymbols + numInputs + place.number, ptr());
    case AotPlace::Constant:
      return module.getNamedGlobal((kConstantPrefix + Twine(place.number)).str());
    case AotPlace::Arena:
      break;
    }
    return b.CreateGEP(b.getInt8Ty(), bases[place.number], b.CreateNSWMul(units[place.number], word(place.offset)));
  }

  void launch(const AotStep &step, const AotKernel &kernel) {
    unsigned at = 0;
    for (const AotValue &value : concat<const AotValue>(step.inputs, step.outputs))
      store(address(value.place), args, at++);
    std::vector<std::string> names = step.kernel.symbols();
    for (auto [i, name] : enumerate(names)) store(symbols[graph.symbolNumber(name)], kernelDims, i);
    Value *last = extent(kernel.launch.last), *block = word(kernel.launch.block);
    Value *count = b.CreateUDiv(b.CreateNSWAdd(last, word(kernel.launch.block - 1)), block);
    for (Dim dim : kernel.launch.outer) count = b.CreateNSWMul(count, extent(dim));
    // What a piece of work is does not depend on how many there are: any size of the symbols will do.
    std::vector<int64_t> sample(names.size(), 64);
    Function *function = module.getFunction(kernel.name);
    FunctionCallee launcher = runtime("aot_launch", b.getVoidTy(), {ptr(), ptr(), ptr(), ptr(), i64(), i64()});
    b.CreateCall(launcher,
                 {host->getArg(0), function, args, kernelDims, count, word(kernel.launch.grain(names, sample, kWakingNanoseconds))});
  }

  Value *dimsOf(const AotValue &value, unsigned number) {
    SmallVector<int64_t> known;
    for (Dim dim : value.type.dims)
      if (dim.isConstant()) known.push_back(dim.constant());
    if (known.size() == value.type.rank()) return words(known);
    for (auto [axis, dim] : enumerate(value.type.dims)) store(extent(dim), extents, number * 8 + axis);
    return b.CreateConstInBoundsGEP1_64(i64(), extents, number * 8);
  }

  void callRuntime(const AotStep &step) {
    unsigned at = 0;
    for (const AotValue &value : concat<const AotValue>(step.inputs, step.outputs)) {
      store(address(value.place), tensors, at * 4);
      store(dimsOf(value, at), tensors, at * 4 + 1);
      store(word(value.type.rank()), tensors, at * 4 + 2);
      store(word(static_cast<int64_t>(value.type.dtype)), tensors, at * 4 + 3);
      ++at;
    }
    Value *outputs = b.CreateConstInBoundsGEP1_64(tensorType(), tensors, step.inputs.size());
    Value *fields[] = {host->getArg(0), words(step.attrs),        word(step.attrs.size()),  tensors,
                       outputs,         word(step.inputs.size()), word(step.outputs.size())};
    for (auto [i, field] : enumerate(fields)) store(field, call, i);
    FunctionCallee op = runtime(("aot_op_" + step.runtimeOp + suffix).str(), b.getInt32Ty(), {ptr()});
    Value *code = b.CreateCall(op, {call});
    auto *failed = BasicBlock::Create(context, "", host), *next = BasicBlock::Create(context, "", host);
    b.CreateCondBr(b.CreateIsNotNull(code), failed, next);
    b.SetInsertPoint(failed);
    b.CreateRet(code);
    b.SetInsertPoint(next);
  }

  const AotGraph &graph;
  StringRef suffix;
  Function *host;
  Value *args, *tensors, *call, *extents, *kernelDims;
  SmallVector<Value *> symbols, bases, units;
};

class InterfaceEmitter : Types {
public:
  InterfaceEmitter(Module &module, const AotGraph &graph, StringRef name) : Types(module), graph(graph), name(name) {}

  void emit(ArrayRef<std::string> hosts) {
    Type *i32 = b.getInt32Ty(), *none = b.getVoidTy();
    GlobalVariable *described = descriptor(hosts);
    wrap("create", "aot_create", ptr(), {}, described);
    wrap("destroy", "aot_destroy", none, {ptr()});
    wrap("run", "aot_run", i32, {ptr(), ptr()});
    wrap("error", "aot_error", ptr(), {ptr()});
    wrap("set_threads", "aot_set_threads", i32, {ptr(), i32});
  }

private:
  GlobalVariable *descriptor(ArrayRef<std::string> hosts) {
    SmallVector<Constant *> names, regions, entries;
    for (const std::string &symbol : graph.symbols) names.push_back(text(symbol));
    for (const AotParameter &input : graph.inputs) names.push_back(text(input.name));
    for (const AotParameter &output : graph.outputs) names.push_back(text(output.name));
    for (const AotRegion &region : graph.regions) {
      SmallVector<Constant *> fields = {word(region.bytes), word(region.symbols.size())};
      for (unsigned i = 0; i < aot::kMaxSymbols; ++i)
        fields.push_back(word(i < region.symbols.size() ? region.symbols[i] : 0));
      regions.push_back(ConstantStruct::getAnon(fields));
    }
    for (const std::string &entry : hosts)
      entries.push_back(entry.empty() ? static_cast<Constant *>(ConstantPointerNull::get(ptr()))
                                      : module.getFunction(entry));
    SmallVector<Constant *> fields = {text(name),
                                      word(graph.symbols.size()),
                                      word(graph.inputs.size()),
                                      word(graph.outputs.size()),
                                      word(graph.regions.size()),
                                      array(names, ptr()),
                                      array(regions, regions[0]->getType())};
    fields.append(entries);
    return constant(ConstantStruct::getAnon(fields), "descriptor");
  }

  Constant *text(StringRef text) { return constant(ConstantDataArray::getString(context, text), "text"); }
  Constant *array(ArrayRef<Constant *> items, Type *type) {
    return constant(ConstantArray::get(ArrayType::get(type, items.size()), items), "array");
  }

  /// NAME_what(arguments...) calls the runtime's function, after `first` if it is given.
  void wrap(StringRef what, StringRef target, Type *result, ArrayRef<Type *> arguments, Value *first = nullptr) {
    auto *function = Function::Create(FunctionType::get(result, arguments, false), GlobalValue::ExternalLinkage,
                                      name + "_" + what, module);
    function->addFnAttr(Attribute::NoUnwind);
    b.SetInsertPoint(BasicBlock::Create(context, "", function));
    SmallVector<Value *> values;
    SmallVector<Type *> types;
    if (first) values.push_back(first);
    for (Argument &argument : function->args()) values.push_back(&argument);
    for (Value *value : values) types.push_back(value->getType());
    Value *returned = b.CreateCall(runtime(target, result, types), values);
    result->isVoidTy() ? b.CreateRetVoid() : b.CreateRet(returned);
  }

  const AotGraph &graph;
  StringRef name;
};

} // namespace

void emitHost(Module &module, const AotGraph &graph, ArrayRef<AotKernel> kernels, const Machine &machine,
              StringRef suffix) {
  HostEmitter(module, graph, machine, suffix).emit(kernels);
}

Status emitConstants(Module &module, const AotGraph &graph) {
  for (auto [i, op] : enumerate(graph.constants)) {
    mlir::ElementsAttr value = fin::ConstantOp(op).getValue();
    std::string bytes(tensorTypeOf(value.getType()).bytes(), '\0');
    if (failed(copyElements(value, bytes.data())))
      return Status::error(StatusCode::InvalidArgument, "the bytes of a constant are missing or of the wrong size");
    Constant *data = ConstantDataArray::getString(module.getContext(), bytes, /*AddNull=*/false);
    auto *global = new GlobalVariable(module, data->getType(), true, GlobalValue::InternalLinkage, data,
                                      kConstantPrefix + Twine(i));
    global->setAlignment(Align(64));
  }
  return Status::ok();
}

void emitInterface(Module &module, const AotGraph &graph, StringRef name, ArrayRef<std::string> hosts) {
  InterfaceEmitter(module, graph, name).emit(hosts);
}

std::vector<std::string> interfaceNames(StringRef name) {
  std::vector<std::string> names;
  for (const char *what : {"create", "destroy", "run", "error", "set_threads"})
    names.push_back((name + "_" + what).str());
  return names;
}

} // namespace tinyfin::cpu
