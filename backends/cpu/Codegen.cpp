// SPDX-License-Identifier: Apache-2.0
// Lowering to the LLVM dialect, optimization and code generation. Kernels are explicit vector code, so the pass pipeline
// is short: what is left to do is folding, hoisting out of loops and common subexpressions.
#include "backends/cpu/Codegen.h"
#include "backends/cpu/Emit.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/TargetParser/Triple.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"
#include "passes/Pipelines.h"
#include <mutex>

using namespace mlir;

namespace tinyfin::cpu {

Status lowerToLLVMDialect(ModuleOp module) {
  MLIRContext *context = module.getContext();
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  LLVMTypeConverter types(context);
  RewritePatternSet patterns(context);
  populateSCFToControlFlowConversionPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(types, patterns);
  populateMathToLLVMConversionPatterns(types, patterns);
  populateVectorToLLVMConversionPatterns(types, patterns);
  populateFuncToLLVMConversionPatterns(types, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
  ConversionConfig config;
  config.allowPatternRollback = false;
  if (failed(applyFullConversion(module, target, std::move(patterns), config)))
    return Status::error(StatusCode::Internal, "generated code did not lower to the LLVM dialect");
  return Status::ok();
}

static void initializeLLVM() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
  });
}

Codegen::Codegen(const Machine &machine)
    : mlirContext(std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED)),
      llvmContext(std::make_unique<llvm::LLVMContext>()), machine(machine) {
  initializeLLVM();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  mlirContext->appendDialectRegistry(registry);
  loadEmissionDialects(*mlirContext);
  llvm::Triple triple(machine.triple);
  std::string error;
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (found)
    target.reset(found->createTargetMachine(triple, machine.cpu, machine.features, llvm::TargetOptions(), llvm::Reloc::PIC_,
                                            std::nullopt, llvm::CodeGenOptLevel::Default));
}

Codegen::~Codegen() = default;

static void optimize(llvm::Module &module, llvm::TargetMachine &target) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&target);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  llvm::ModulePassManager passes;
  // Twice common subexpressions: hoisting brings together what loops kept apart.
  llvm::cantFail(builder.parsePassPipeline(
      passes, "function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-simplify,lcssa,"
              "loop-mssa(loop-rotate,licm),early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg)"));
  passes.run(module, modules);
}

static void describe(llvm::Module &module, const Machine &machine) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr("prefer-vector-width", std::to_string(machine.lanes * 32));
    function.addFnAttr("target-cpu", machine.cpu);
    if (!machine.features.empty()) function.addFnAttr("target-features", machine.features);
    function.addFnAttr("no-builtins"); // no loop becomes a call to memcpy or memset
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

std::unique_ptr<llvm::Module> Codegen::translate(ModuleOp module, Status &status) {
  PhaseTimer timer(times, "lower");
  status = lowerToLLVMDialect(module);
  if (!status.isOk()) return nullptr;
  if (!target) return status = Status::error(StatusCode::Unavailable, "LLVM has no target " + machine.triple), nullptr;
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(module, *llvmContext);
  if (!translated) return status = Status::error(StatusCode::Internal, "generated code did not translate to LLVM IR"), nullptr;
  translated->setDataLayout(target->createDataLayout());
  translated->setTargetTriple(llvm::Triple(machine.triple));
  describe(*translated, machine);
  return translated;
}

std::unique_ptr<llvm::Module> Codegen::optimized(ModuleOp module, Status &status) {
  std::unique_ptr<llvm::Module> translated = translate(module, status);
  PhaseTimer timer(times, "optimize");
  if (translated) optimize(*translated, *target);
  return translated;
}

StatusOr<std::unique_ptr<llvm::MemoryBuffer>> Codegen::generate(llvm::Module &module, bool isAssembly) {
  PhaseTimer timer(times, "generate");
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  llvm::TargetLibraryInfoImpl library{llvm::Triple(machine.triple)};
  library.disableAllFunctions();
  passes.add(new llvm::TargetLibraryInfoWrapperPass(library));
  auto kind = isAssembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  if (target->addPassesToEmitFile(passes, stream, nullptr, kind))
    return Status::error(StatusCode::Internal, "LLVM cannot write this kind of file for " + machine.triple);
  passes.run(module);
  return llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(bytes.data(), bytes.size()), "kernels.o");
}

StatusOr<std::unique_ptr<llvm::MemoryBuffer>> Codegen::object(ModuleOp module) {
  Status status;
  std::unique_ptr<llvm::Module> translated = optimized(module, status);
  if (!translated) return status;
  return generate(*translated);
}

StatusOr<std::unique_ptr<llvm::MemoryBuffer>> Codegen::dumpedObject(ModuleOp module, const std::string &folder,
                                                                    const std::string &name) {
  fin::writeDump(folder, name + ".mlir", [&](llvm::raw_ostream &file) { module->print(file); });
  Status status;
  std::unique_ptr<llvm::Module> translated = optimized(module, status);
  if (!translated) return status;
  fin::writeDump(folder, name + ".ll", [&](llvm::raw_ostream &file) { translated->print(file, nullptr); });
  // Code generation changes the module.
  auto assembly = generate(*llvm::CloneModule(*translated), /*isAssembly=*/true);
  if (!assembly.isOk()) return assembly.status();
  fin::writeDump(folder, name + ".s", [&](llvm::raw_ostream &file) { file << assembly.value()->getBuffer(); });
  return generate(*translated);
}

} // namespace tinyfin::cpu
