// SPDX-License-Identifier: Apache-2.0
// The one driver of passes and backends. Diagnostics are collected and become the Status.
#include "backends/Compile.h"
#include "backends/ContextPool.h"
#include "backends/EagerLowering.h"
#include "backends/KernelTable.h"
#include "ir/Claim.h"
#include "mlir/IR/Diagnostics.h"
#include "passes/Pipelines.h"
#include "runtime/Config.h"
#include "runtime/FreedMemory.h"
#include "runtime/Log.h"

using namespace mlir;

namespace tinyfin {
namespace {

constexpr size_t kManyKernels = 8; // whose compilation leaves so much freed memory behind that it is worth returning

/// Collects a context's errors while it lives.
class Errors {
public:
  explicit Errors(MLIRContext *context) : handler(context, [this](Diagnostic &diagnostic) { note(diagnostic); }) {}

  Status status(StatusCode code) const {
    Status status = Status::error(code, text.empty() ? "the compiler failed without a diagnostic" : text);
    status.setOrigin(origin);
    return status;
  }

private:
  void note(Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error) return;
    if (!text.empty()) text += "; ";
    text += diagnostic.str();
    if (origin < 0) origin = originOf(diagnostic.getLocation());
  }
  std::string text;
  int64_t origin = -1;
  ScopedDiagnosticHandler handler;
};

fin::PipelineSettings settingsNow(const CompileOptions &options) {
  fin::PipelineSettings settings{config::disable(), config::dump(), config::foldLimitBytes()};
  int64_t keepBytes = options.keepBytes >= 0 ? options.keepBytes : config::keepBytes();
  if (keepBytes >= 0) settings.keepBytes = keepBytes;
  return settings;
}

Status runPasses(ModuleOp module, Backend &backend, const CompileOptions &options, CompileTimes &times) {
  fin::PipelineSettings settings = settingsNow(options);
  if (!config::isDisabled("whole-composites"))
    for (const char *composite : backend.wholeComposites(options)) settings.keep.push_back(composite);
  settings.channelsLast = options.libraries && backend.wantsChannelsLast();
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  pm.enableVerifier(!settings.dumpFolder.empty()); // each phase checks its own contract
  fin::instrument(pm, settings);
  fin::timePasses(pm, [&](StringRef pass, double milliseconds) { times.add(pass, milliseconds); });
  if (backend.wantsFusion()) {
    fin::buildOptimize(pm, settings);
    fin::buildSpecialize(pm, settings);
    fin::buildFuse(pm, settings);
    fin::buildPlan(pm, settings);
  } else {
    fin::buildInterpret(pm, settings);
  }
  Errors errors(module.getContext());
  return succeeded(pm.run(module)) ? Status::ok() : errors.status(StatusCode::Internal);
}

/// "file.py:12" as a location that also knows the op's number in the trace.
Location lineLocation(MLIRContext *context, llvm::StringRef line, int64_t origin) {
  Location place = originLocation(context, origin);
  auto [file, number] = line.rsplit(':');
  unsigned at = 0;
  if (line.empty() || number.getAsInteger(10, at)) return place;
  return FusedLoc::get(context, {FileLineColLoc::get(context, file, at, 0), place});
}

/// The line of TINYFIN_LOG=compile.
void logCompile(const Executable &compiled) {
  if (!isLogOn(LogChannel::Compile)) return;
  const ExecutableStats &stats = compiled.stats;
  std::string text = std::string(compiled.backend()) + " executable in " + std::to_string(stats.compileMilliseconds) + " ms (" +
                     stats.compileTimes.line() + "); " + std::to_string(stats.kernels) + " kernels";
  if (stats.uniqueKernels)
    text += ", generated " + std::to_string(stats.uniqueKernels) + " different and " + std::to_string(stats.newKernels) +
            " new (all threads: " + stats.kernelTimes.line() + ")";
  text += ", " + std::to_string(stats.interpretedOps) + " interpreted, arena " + std::to_string(stats.arenaBytes) + " bytes, code " +
          std::to_string(stats.codeBytes) + " bytes";
  logLine(LogChannel::Compile, text);
}

/// All at once: to set one argument's attributes makes those of all arguments anew.
void markFrozen(func::FuncOp main, llvm::ArrayRef<const void *> frozen) {
  if (frozen.empty()) return;
  SmallVector<DictionaryAttr> attrs;
  main.getAllArgAttrs(attrs);
  for (auto [argument, data] : llvm::zip(attrs, frozen)) {
    if (!data) continue;
    NamedAttrList list(argument);
    list.set(fin::kFrozenAttr, UnitAttr::get(main.getContext()));
    argument = list.getDictionary(main.getContext());
  }
  main.setAllArgAttrs(attrs);
}

StatusOr<std::shared_ptr<Executable>> compileTimed(ModuleOp module, Backend &backend, const CompileOptions &options,
                                                   CompileTimes::Clock::time_point start, CompileTimes times) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || !llvm::hasSingleElement(main.getBody()))
    return Status::error(StatusCode::InvalidArgument, "found no function @main of one block, wanted one");
  markFrozen(main, options.frozen);
  std::shared_ptr<void> begun = backend.begin(*module.getContext(), main.front().getOperations().size(), options);
  TINYFIN_RETURN_IF_ERROR(runPasses(module, backend, options, times));
  StatusOr<std::shared_ptr<Executable>> compiled = backend.compile(main, options);
  if (!compiled.isOk()) return compiled;
  ExecutableStats &stats = compiled.value()->stats;
  times.add(stats.compileTimes);
  stats.compileTimes = std::move(times);
  stats.compileMilliseconds = CompileTimes::since(start);
  stats.compileTimes.add("other", stats.compileMilliseconds - stats.compileTimes.total());
  logCompile(*compiled.value());
  return compiled;
}

size_t countOps(std::span<const int64_t> words) {
  size_t ops = 0;
  for (size_t at = 0; at < words.size(); ++ops) {
    uint64_t head = static_cast<uint64_t>(words[at]);
    bool isInput = words[at] == fin::kInput;
    uint64_t skip = isInput ? fin::inputWords(words, at) : 1 + (head >> 16 & 0xffff) + (head >> 32);
    if (!skip) break;
    ops -= isInput;
    if (skip > words.size() - at) break;
    at += skip;
  }
  return ops;
}

} // namespace

std::unique_ptr<MLIRContext> makeContext(Backend &backend) {
  DialectRegistry registry;
  registry.insert<fin::FinDialect, func::FuncDialect>();
  attachEval(registry);
  backend.extendDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadDialect<fin::FinDialect, func::FuncDialect>();
  return context;
}

Status lowerModule(ModuleOp module, Backend &backend) {
  CompileTimes times;
  return runPasses(module, backend, CompileOptions(), times);
}

StatusOr<std::shared_ptr<Executable>> compileModule(ModuleOp module, Backend &backend, const CompileOptions &options) {
  return compileTimed(module, backend, options, CompileTimes::Clock::now(), {});
}

static StatusOr<std::shared_ptr<Executable>> compileDecoded(std::span<const int64_t> words, llvm::ArrayRef<uint32_t> outputs, Backend &backend,
                                                            const CompileOptions &options, llvm::ArrayRef<std::string> lines) {
  auto start = CompileTimes::Clock::now();
  CompileTimes times;
  size_t ops = countOps(words);
  ContextLoan context(backend, ops);
  SmallVector<Location> locations;
  for (size_t i = 0; i < ops; ++i)
    locations.push_back(lineLocation(context.get(), i < lines.size() ? llvm::StringRef(lines[i]) : "", i));
  OwningOpRef<ModuleOp> module;
  {
    Errors errors(context.get());
    module = fin::decodeTrace(*context.get(), words, outputs, locations);
    if (!module) return errors.status(StatusCode::InvalidArgument);
  }
  times.add("decode", CompileTimes::since(start));
  return compileTimed(*module, backend, options, start, std::move(times));
}

StatusOr<std::shared_ptr<Executable>> compileTrace(std::span<const int64_t> words, llvm::ArrayRef<uint32_t> outputs,
                                                   Backend &backend, const CompileOptions &options,
                                                   llvm::ArrayRef<std::string> lines) {
  auto compiled = compileDecoded(words, outputs, backend, options, lines);
  if (!compiled.isOk() || compiled.value()->stats.newKernels < kManyKernels) return compiled;
  // What compiling took has been freed by now.
  ExecutableStats &stats = compiled.value()->stats;
  auto start = CompileTimes::Clock::now();
  returnFreedMemory();
  double milliseconds = CompileTimes::since(start);
  stats.compileTimes.add("return-freed", milliseconds);
  stats.compileMilliseconds += milliseconds;
  return compiled;
}

} // namespace tinyfin
