// SPDX-License-Identifier: Apache-2.0
#include "frontend/Export.h"
#include "backends/Compile.h"
#include "backends/Constants.h"
#include "frontend/Flush.h"
#include "frontend/Random.h"
#include "ir/Envelope.h"
#include "ir/Trace.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using IrValue = mlir::Value; // Value alone is the frontend's

namespace tinyfin {

struct ExportCapture::Built {
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
};

ExportCapture::ExportCapture(llvm::ArrayRef<TensorSpec> specs)
    : seed(Generator::process().seed), counter(Generator::process().counter) {
  for (const TensorSpec &spec : specs) args.push_back(makeTensor({ValueRef(new Value(spec, ValueState::Placeholder)), {}}));
  capture = std::make_unique<Capture>(args, /*fullgraph=*/true);
}

ExportCapture::~ExportCapture() { restore(); }

void ExportCapture::restore() {
  if (!capture) return;
  capture->undo();
  capture.reset();
  Generator::process() = {seed, counter};
}

namespace {

/// Gives the decoded function its public signature: arguments, then state and random state; constants inside.
class Signature {
public:
  Signature(func::FuncOp main, const JitProgram &program, llvm::ArrayRef<Tensor> args, const ExportNames &names)
      : main(main), program(program), args(args), names(names), builder(main.getContext()) {}

  void rewrite(llvm::ArrayRef<TensorSpec> argSpecs) {
    Block &body = main.front();
    unsigned old = body.getNumArguments();
    builder.setInsertionPointToStart(&body);
    for (size_t i = 0; i < args.size(); ++i) add(fin::typeOf(main.getContext(), argSpecs[i]), names.args[i]);
    for (unsigned i = 0; i < old; ++i) body.getArgument(i).replaceAllUsesWith(replacement(i, old));
    finishResults(old);
    body.eraseArguments(0, old);
    main.setType(builder.getFunctionType(body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
    main.setArgAttrsAttr({});
    for (auto [i, name] : llvm::enumerate(argNames)) main.setArgAttr(i, "fin.name", builder.getStringAttr(name));
    for (auto [i, name] : llvm::enumerate(resultNames)) main.setResultAttr(i, "fin.name", builder.getStringAttr(name));
  }

private:
  IrValue add(Type type, std::string name) {
    argNames.push_back(std::move(name));
    return main.front().addArgument(type, main.getLoc());
  }

  IrValue replacement(unsigned i, unsigned old) {
    const Source &source = program.inputAt(i);
    auto type = cast<RankedTensorType>(main.front().getArgument(i).getType());
    switch (source.kind) {
    case Source::Arg: return main.front().getArgument(old + source.index);
    case Source::Number: return constant(type, source.number.data());
    case Source::Constant: return constant(type, source.constant->buffer->data());
    case Source::NumberArg: return add(type, "number" + std::to_string(source.index));
    case Source::RandomState: return add(type, "random_state");
    default: break;
    }
    if (!program.isState(source.index)) return constant(type, program.outsideValue(source.index, args)->buffer->data());
    IrValue argument = add(type, "state" + std::to_string(stateArgs.size()));
    stateArgs[source.index] = argument;
    return argument;
  }

  IrValue constant(RankedTensorType type, const void *data) {
    return fin::ConstantOp::create(builder, main.getLoc(), elementsOf(type, data));
  }

  void finishResults(unsigned old) {
    Operation *terminator = main.front().getTerminator();
    llvm::SmallVector<IrValue> outputs;
    auto at = [&](const Place &place) -> IrValue {
      if (place.kind == Place::Output) return terminator->getOperand(program.outputIndex(place.index));
      if (place.kind == Place::Cell) return main.front().getArgument(old + place.index);
      return replaced(place.index, old);
    };
    for (auto [i, place] : llvm::enumerate(program.resultPlaces())) {
      outputs.push_back(at(place));
      resultNames.push_back(i < names.results.size() ? names.results[i] : "result" + std::to_string(i));
    }
    builder.setInsertionPoint(terminator);
    program.forEachState([&](uint32_t cell, const Place &place) {
      IrValue value = at(place);
      // State goes out under the name it came in by; planning ties the two buffers.
      IrValue into = stateArgs.lookup(cell);
      resultNames.push_back(into ? argNames[cast<BlockArgument>(into).getArgNumber() - old] : "written" + std::to_string(cell));
      outputs.push_back(value);
    });
    terminator->setOperands(outputs);
  }

  IrValue replaced(uint32_t input, unsigned old) {
    const Source &source = program.inputAt(input);
    if (source.kind == Source::Arg) return main.front().getArgument(old + source.index);
    builder.setInsertionPoint(main.front().getTerminator());
    if (IrValue state = stateArgs.lookup(source.index)) return state;
    return replacement(input, old);
  }

  func::FuncOp main;
  const JitProgram &program;
  llvm::ArrayRef<Tensor> args;
  const ExportNames &names;
  OpBuilder builder;
  std::vector<std::string> argNames, resultNames;
  llvm::DenseMap<uint32_t, IrValue> stateArgs;
};

} // namespace

ExportCapture::Built ExportCapture::build(llvm::ArrayRef<Tensor> results, const ExportNames &names) {
  JitProgram program(*capture, results, /*withBackward=*/false);
  for (const Tensor &arg : args)
    if (program.writes(*arg)) throw UserError(ErrorKind::NotImplemented, "export: the function writes to its argument " + arg->spec.str());
  llvm::SmallVector<TensorSpec> specs;
  for (const Tensor &arg : args) specs.push_back(arg->spec);
  restore();
  Built built;
  built.context = makeContext(flush::backend());
  std::string error;
  ScopedDiagnosticHandler handler(built.context.get(), [&](Diagnostic &diagnostic) { error += diagnostic.str(); });
  built.module = fin::decodeTrace(*built.context, program.traceWords(), program.outputSlots());
  if (!built.module) throw UserError(ErrorKind::Runtime, "export: " + error);
  auto main = *built.module->getOps<func::FuncOp>().begin();
  Signature(main, program, args, names).rewrite(specs);
  return built;
}

std::string ExportCapture::text(llvm::ArrayRef<Tensor> results, const ExportNames &names) {
  Built built = build(results, names);
  std::string out;
  llvm::raw_string_ostream stream(out);
  if (failed(fin::writeGraph(*built.module, stream, fin::GraphForm::Text)))
    throw UserError(ErrorKind::Runtime, "export: the graph could not be written");
  return out;
}

void ExportCapture::write(llvm::ArrayRef<Tensor> results, const ExportNames &names, const std::string &path) {
  Built built = build(results, names);
  std::string error;
  ScopedDiagnosticHandler handler(built.context.get(), [&](Diagnostic &diagnostic) { error += diagnostic.str(); });
  auto form = llvm::StringRef(path).ends_with(".finb") ? fin::GraphForm::Bytecode : fin::GraphForm::Text;
  if (failed(fin::writeGraphFile(*built.module, path, form))) throw UserError(ErrorKind::Runtime, "export: " + error);
}

std::string ExportCapture::lowered(llvm::ArrayRef<Tensor> results, const ExportNames &names) {
  Built built = build(results, names);
  throwIfError(lowerModule(*built.module, flush::backend()));
  std::string out;
  llvm::raw_string_ostream stream(out);
  built.module->print(stream);
  return out;
}

} // namespace tinyfin
