// SPDX-License-Identifier: Apache-2.0
// One LLVM module of all machines:
//   1. kernels and host function for each machine, with the runtime's ops for it
//   2. weights, descriptor, C interface and the rest of the runtime
//   3. all but the interface becomes internal, what nobody calls goes
#include "backends/cpu/AotCompile.h"
#include "backends/cpu/AotBitcode.h"
#include "backends/cpu/AotHeader.h"
#include "backends/cpu/AotHost.h"
#include "backends/cpu/Codegen.h"
#include "runtime/aot/Aot.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

struct Target {
  Machine machine;
  int level; // of the runtime's ops, and the entry in the descriptor
  std::string suffix;
};

std::vector<Target> targetsFor(const AotOptions &options) {
  if (options.hostOnly) {
    Machine host = Machine::host();
    return {{host, host.lanes == 16 ? 2 : host.lanes == 8 ? 1 : 0, "_host"}};
  }
  return {{Machine::level("x86-64-v2"), 0, "_v2"},
          {Machine::level("x86-64-v3"), 1, "_v3"},
          {Machine::level("x86-64-v4"), 2, "_v4"}};
}

class LibraryCompiler {
public:
  LibraryCompiler(func::FuncOp main, AotGraph &graph, const AotOptions &options)
      : main(main), graph(graph), options(options), module(std::make_unique<llvm::Module>(options.name, context)) {}

  FailureOr<AotLibrary> run() {
    std::vector<Target> targets = targetsFor(options);
    std::vector<std::string> hosts(aot::kLevels);
    prepareModule(targets[0].machine);
    if (failed(report(emitConstants(*module, graph)))) return failure();
    for (const Target &target : targets) {
      if (failed(addTarget(target))) return failure();
      hosts[target.level] = "host" + target.suffix;
    }
    emitInterface(*module, graph, options.name, hosts);
    if (failed(report(linkBitcode(*module, aotRuntimeBitcode())))) return failure();
    strip();
    std::unique_ptr<llvm::MemoryBuffer> code = write();
    if (!code) return main.emitError("LLVM cannot write this kind of file");
    return AotLibrary{std::move(code), writeHeader(graph, options.name, options.hostOnly)};
  }

private:
  LogicalResult report(const Status &status) { return status.isOk() ? success() : main.emitError(status.message()); }

  void prepareModule(const Machine &machine) {
    Codegen initializesLLVM(machine);
    std::string error, cpu = options.hostOnly ? machine.cpu : "x86-64-v2";
    llvm::Triple triple(machine.triple);
    const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
    target.reset(found->createTargetMachine(triple, cpu, machine.features, llvm::TargetOptions(), llvm::Reloc::PIC_,
                                            std::nullopt, llvm::CodeGenOptLevel::Default));
    module->setTargetTriple(triple);
    module->setDataLayout(target->createDataLayout());
  }

  LogicalResult addTarget(const Target &target) {
    std::vector<AotKernel> kernels;
    if (failed(addKernels(target, kernels))) return failure();
    if (failed(report(linkBitcode(*module, aotKernelBitcode(target.level), target.suffix)))) return failure();
    emitHost(*module, graph, kernels, target.machine, target.suffix);
    return success();
  }

  /// Emits each distinct kernel once and links their code.
  LogicalResult addKernels(const Target &target, std::vector<AotKernel> &kernels) {
    Codegen codegen(target.machine);
    OwningOpRef<ModuleOp> emitted = ModuleOp::create(UnknownLoc::get(&codegen.context()));
    std::map<Words, AotKernel> known;
    for (const AotStep &step : graph.steps) {
      if (!step.runtimeOp.empty()) {
        if (failed(checkRuntimeOp(step, target.machine))) return failure();
        kernels.push_back({});
        continue;
      }
      auto [entry, isNew] = known.try_emplace(step.kernel.key());
      if (isNew) {
        entry->second.name = "kernel" + std::to_string(known.size()) + target.suffix;
        Emitted result = emitKernel(*emitted, step.kernel, target.machine, entry->second.name);
        if (!result.refusal.empty()) return refuse(step, target.machine, result.refusal);
        entry->second.launch = result.launch;
      }
      kernels.push_back(entry->second);
    }
    Status status;
    std::unique_ptr<llvm::Module> part = codegen.optimized(*emitted, status);
    if (!part) return report(status);
    // Codegen has a context of its own.
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    llvm::WriteBitcodeToFile(*part, stream);
    if (failed(report(linkBitcode(*module, llvm::StringRef(bytes.data(), bytes.size()))))) return failure();
    // A kernel reads its argument array as something that never changes; the host reuses the array for the next.
    for (const auto &[key, kernel] : known) module->getFunction(kernel.name)->addFnAttr(llvm::Attribute::NoInline);
    return success();
  }

  LogicalResult refuse(const AotStep &step, const Machine &machine, const std::string &why) {
    return step.op->emitOpError("cannot be in a library for ") << machine.cpu << ": " << why;
  }

  LogicalResult checkRuntimeOp(const AotStep &step, const Machine &machine) {
    bool isHalf =
        llvm::StringRef(step.runtimeOp).ends_with(nameOf(DType::F16)) && step.inputs[0].type.dtype == DType::F16;
    if (isHalf && !machine.hasF16c) return refuse(step, machine, "float16 without hardware conversion");
    return success();
  }

  void strip() {
    std::vector<std::string> kept = interfaceNames(options.name);
    llvm::internalizeModule(*module,
                            [&](const llvm::GlobalValue &value) { return llvm::is_contained(kept, value.getName()); });
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager graphs;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(target.get());
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(graphs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, graphs, modules);
    llvm::ModulePassManager passes;
    // Dtypes that nobody asks for are constants only after the ops that ask for them went.
    llvm::cantFail(builder.parsePassPipeline(passes, "globaldce,ipsccp,function(simplifycfg),globaldce,constmerge"));
    passes.run(*module, modules);
  }

  std::unique_ptr<llvm::MemoryBuffer> write() {
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    if (options.form == AotForm::LLVM) {
      module->print(stream, nullptr);
    } else {
      llvm::legacy::PassManager passes;
      auto kind =
          options.form == AotForm::Assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
      if (target->addPassesToEmitFile(passes, stream, nullptr, kind)) return nullptr;
      passes.run(*module);
    }
    return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), options.name,
                                                           /*RequiresNullTerminator=*/false);
  }

  func::FuncOp main;
  AotGraph &graph;
  const AotOptions &options;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> target;
  std::unique_ptr<llvm::Module> module;
};

} // namespace

std::string whyNotAName(llvm::StringRef name) {
  bool isName = !name.empty() && !llvm::isDigit(name[0]) &&
                llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  return isName ? "" : "found '" + name.str() + "', wanted a C identifier (--name)";
}

FailureOr<AotLibrary> compileLibrary(func::FuncOp main, const AotOptions &options) {
  FailureOr<AotGraph> graph = readAotGraph(main);
  if (failed(graph)) return failure();
  return LibraryCompiler(main, *graph, options).run();
}

} // namespace tinyfin::cpu
