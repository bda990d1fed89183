// SPDX-License-Identifier: Apache-2.0
// tinyfin-opt: reads a graph as text, runs passes or pipelines, writes it back. Exit status 1 and
// "file:line:col: error: ..." where the input or a pass fails.
#include "backends/Backend.h"
#include "backends/KernelTable.h"
#include "ir/Envelope.h"
#include "ir/Fin.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Pipelines.h"
#include "runtime/Config.h"

using namespace mlir;
using namespace tinyfin;

/// Graph files are text or a checked envelope; bytecode outside of one may be anything. Null with `error` set.
static std::unique_ptr<llvm::MemoryBuffer> check(std::unique_ptr<llvm::MemoryBuffer> source, std::string &error) {
  llvm::StringRef bytes = source->getBuffer(), payload;
  if (isBytecode(*source)) return error = "found bytecode outside of a graph file's envelope", nullptr;
  if (!fin::isEnvelope(bytes)) return fin::checkNesting(bytes, error) ? std::move(source) : nullptr;
  if (!fin::openEnvelope(bytes, payload, error)) return nullptr;
  auto aligned = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(payload.size(), source->getBufferIdentifier(), llvm::Align(64));
  llvm::copy(payload, aligned->getBufferStart());
  return aligned;
}

int main(int argc, char **argv) {
  fin::PipelineSettings settings{config::disable(), config::dump(), config::foldLimitBytes()};
  if (int64_t bytes = config::keepBytes(); bytes >= 0) settings.keepBytes = bytes;
  registerTransformsPasses();
  settings.symbolic = true; // an exported graph may be looked at in any phase
  fin::registerPipelines(settings);
  for (Backend *backend : allBackends()) backend->registerPasses();

  DialectRegistry registry;
  registry.insert<fin::FinDialect, func::FuncDialect>();
  attachEval(registry);

  llvm::cl::opt<std::string> target("target", llvm::cl::desc("backend that --fin-fuse asks about regions (default: none, all are formed)"));
  auto [input, output] = registerAndParseCLIOptions(argc, argv, "tinyfin-opt: passes over fin graphs\n", registry);
  if (!target.empty()) {
    StatusOr<Backend *> backend = findBackend(target);
    if (!backend.isOk()) return llvm::errs() << "tinyfin-opt: " << backend.status().message() << '\n', 1;
    backend.value()->extendDialects(registry);
  }
  std::string error;
  auto source = openInputFile(input, &error);
  if (source) source = check(std::move(source), error);
  auto sink = source ? openOutputFile(output, &error) : nullptr;
  if (!sink) return llvm::errs() << "tinyfin-opt: " << error << '\n', 1;

  auto config = MlirOptMainConfig::createFromCLOptions();
  auto fromCommandLine = config;
  config.setPassPipelineSetupFn([&](PassManager &pm) {
    fin::instrument(pm, settings);
    return fromCommandLine.setupPassPipeline(pm);
  });
  if (failed(MlirOptMain(sink->os(), std::move(source), registry, config))) return 1;
  sink->keep();
  return 0;
}
