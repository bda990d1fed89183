// SPDX-License-Identifier: Apache-2.0
#include "tools/run/Graph.h"
#include "backends/Compile.h"
#include "ir/Envelope.h"
#include "ir/Fin.h"
#include "mlir/IR/Verifier.h"
#include "passes/Pipelines.h"

using namespace mlir;

namespace tinyfin::run {
namespace {

std::string oneLine(std::string text) {
  for (char &c : text)
    if (c == '\n') c = ' ';
  return text;
}

/// "graph.mlir:3:8: error: ..."
std::string describe(Diagnostic &diagnostic) {
  std::string text;
  if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>()) {
    text = place.getFilename().str() + ":";
    if (place.getLine()) text += std::to_string(place.getLine()) + ":" + std::to_string(place.getColumn()) + ":";
    text += " error: ";
  }
  return text + oneLine(diagnostic.str());
}

Status invalid(const std::string &message) { return Status::error(StatusCode::InvalidArgument, message); }

} // namespace

Graph::Graph(Backend &backend) : backend(backend), context(makeContext(backend)) {
  context->printOpOnDiagnostic(false);
  context->getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && error.empty()) error = describe(diagnostic);
    return success();
  });
}
Graph::~Graph() = default;

StatusOr<std::unique_ptr<Graph>> Graph::read(llvm::StringRef bytes, llvm::StringRef name, Backend &backend) {
  std::unique_ptr<Graph> graph(new Graph(backend));
  graph->module = fin::readGraph(llvm::MemoryBuffer::getMemBufferCopy(bytes, name), *graph->context);
  if (!graph->module) return invalid(graph->error.empty() ? name.str() + ": error: no graph could be read" : graph->error);
  if (Status status = graph->check(); !status.isOk())
    return invalid(graph->error.empty() ? name.str() + ": error: " + status.message() : graph->error);
  return graph;
}

/// What the compiler takes for granted of a module.
Status Graph::check() {
  auto main = module->lookupSymbol<func::FuncOp>("main");
  if (!main || !llvm::hasSingleElement(main.getBody()))
    return invalid("found no function @main of one block, wanted one");
  auto note = [&](Type type) {
    std::optional<fin::TensorSpec> spec = fin::specOf(type);
    for (fin::Dim dim : spec ? spec->dims : fin::Dims())
      if (!dim.isConstant() && !llvm::is_contained(names, dim.symbolName())) names.push_back(dim.symbolName().str());
    return spec.has_value();
  };
  for (BlockArgument argument : main.getArguments())
    if (!note(argument.getType())) return emitError(argument.getLoc(), "argument is ") << argument.getType() << ", wanted a tensor of fin's", invalid("");
  WalkResult walked = main.walk([&](Operation *op) {
    bool isKnown = op == main || isa<func::ReturnOp>(op) || isa_and_present<fin::FinDialect>(op->getDialect());
    if (!isKnown) op->emitOpError("is not an op of a graph");
    for (Type type : op->getResultTypes())
      if (isKnown && !note(type)) isKnown = false, op->emitOpError("has result type ") << type << ", wanted a tensor of fin's";
    return isKnown ? WalkResult::advance() : WalkResult::interrupt();
  });
  return walked.wasInterrupted() ? invalid("a graph holds something else") : Status::ok();
}

Status Graph::specialize(const Sizes &sizes) {
  for (const std::string &name : names)
    if (llvm::none_of(sizes, [&](const auto &size) { return size.first == name; }))
      return invalid("dim " + name + " has no size, wanted --dim " + name + "=SIZE");
  fin::PipelineSettings settings;
  for (const auto &[name, size] : sizes) {
    if (!llvm::is_contained(names, name)) return invalid("no dim is named '" + name + "'");
    settings.dims.push_back(name + "=" + std::to_string(size));
  }
  PassManager pm(context.get(), ModuleOp::getOperationName());
  fin::buildSpecialize(pm, settings);
  if (succeeded(pm.run(*module)) && succeeded(verify(*module))) return Status::ok();
  return invalid(error.empty() ? "the sizes do not fit the graph" : error);
}

StatusOr<std::shared_ptr<Executable>> Graph::compile(const Sizes &sizes) {
  TINYFIN_RETURN_IF_ERROR(specialize(sizes));
  auto main = module->lookupSymbol<func::FuncOp>("main");
  for (Type type : main.getFunctionType().getInputs()) {
    auto tensor = cast<RankedTensorType>(type);
    StatusOr<size_t> bytes = byteSize(tensor.getShape(), *fin::dtypeOf(tensor.getElementType()));
    if (!bytes.isOk()) return bytes.status();
  }
  return compileModule(*module, backend, {});
}

StatusOr<std::vector<Array>> runOn(Executable &executable, llvm::ArrayRef<Array> inputs) {
  Device &device = *executable.device;
  std::vector<BufferRef> buffers;
  std::vector<void *> in, out;
  std::vector<Array> results;
  for (const Array &input : inputs) {
    buffers.push_back(input.memory);
    if (!device.isHostAccessible()) {
      StatusOr<BufferRef> copy = device.allocate(input.type.bytes());
      if (!copy.isOk()) return copy.status();
      TINYFIN_RETURN_IF_ERROR(copyBetween(*input.memory.get(), *copy.value().get(), input.type.bytes()));
      buffers.back() = std::move(copy.value());
    }
    in.push_back(buffers.back()->data());
  }
  for (const TensorType &type : executable.outputs) {
    StatusOr<Array> result = makeArray(type);
    if (!result.isOk()) return result.status();
    buffers.push_back(result->memory);
    results.push_back(std::move(result.value()));
    if (!device.isHostAccessible()) {
      StatusOr<BufferRef> remote = device.allocate(type.bytes());
      if (!remote.isOk()) return remote.status();
      buffers.back() = std::move(remote.value());
    }
    out.push_back(buffers.back()->data());
  }
  TINYFIN_RETURN_IF_ERROR(executable.run(in, out));
  if (!device.isHostAccessible())
    for (size_t i = 0; i < results.size(); ++i)
      TINYFIN_RETURN_IF_ERROR(copyBetween(*buffers[inputs.size() + i].get(), *results[i].memory.get(), results[i].type.bytes()));
  return results;
}

} // namespace tinyfin::run
