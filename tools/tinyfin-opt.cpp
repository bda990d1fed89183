// SPDX-License-Identifier: Apache-2.0
// tinyfin-opt: reads a graph as text, runs passes or pipelines, writes it back. Exit status 1 and
// "file:line:col: error: ..." where the input or a pass fails.
#include "backends/Backend.h"
#include "backends/KernelTable.h"
#include "ir/Fin.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Pipelines.h"
#include "runtime/Config.h"

using namespace mlir;
using namespace tinyfin;

int main(int argc, char **argv) {
  fin::PipelineSettings settings{config::disable(), config::dump(), config::foldLimitBytes()};
  registerTransformsPasses();
  fin::registerPipelines(settings);

  DialectRegistry registry;
  registry.insert<fin::FinDialect, func::FuncDialect>();
  attachEval(registry);
  for (Backend *backend : allBackends()) backend->extendDialects(registry);

  auto [input, output] = registerAndParseCLIOptions(argc, argv, "tinyfin-opt: passes over fin graphs\n", registry);
  std::string error;
  auto source = openInputFile(input, &error);
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
