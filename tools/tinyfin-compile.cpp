// SPDX-License-Identifier: Apache-2.0
// tinyfin-compile: an exported graph becomes a C library and its header (docs/design/0005). Exit status 1 and
// "file:line:col: error: ..." where the graph cannot, one line where a file cannot be read or written.
#include "backends/Compile.h"
#include "backends/cpu/AotCompile.h"
#include "ir/Envelope.h"
#include "ir/Fin.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"
#include "runtime/Config.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace tinyfin;
namespace cl = llvm::cl;

static cl::OptionCategory category("tinyfin-compile");
static cl::opt<std::string> inputPath(cl::Positional, cl::desc("<graph>"), cl::Required, cl::cat(category));
static cl::opt<std::string>
    outputPath("o", cl::desc("what to write: NAME.o, NAME.a or NAME.so (with --emit: text, - is stdout)"),
               cl::value_desc("file"), cl::cat(category));
static cl::opt<std::string> headerPath("header", cl::desc("C header to write"), cl::value_desc("file"),
                                       cl::cat(category));
static cl::opt<std::string> libraryName("name",
                                        cl::desc("prefix of the C names; default: the output's file name without lib"),
                                        cl::cat(category));
static cl::opt<std::string> targetCpu("target-cpu",
                                      cl::desc("all (x86-64-v2, -v3 and -v4, picked when the library is used) or host"),
                                      cl::init("all"), cl::cat(category));
static cl::list<std::string> dims("dim", cl::desc("give a symbolic dim its size: N=8"), cl::value_desc("NAME=SIZE"),
                                  cl::cat(category));
enum class Emit { Library, Mlir, Llvm, Assembly };
static cl::opt<Emit>
    emit("emit", cl::desc("write text instead of a library"), cl::init(Emit::Library), cl::cat(category),
         cl::values(clEnumValN(Emit::Mlir, "mlir", "the planned graph"), clEnumValN(Emit::Llvm, "llvm", "LLVM IR"),
                    clEnumValN(Emit::Assembly, "asm", "assembly")));

namespace {

int fail(const llvm::Twine &message) {
  llvm::errs() << "tinyfin-compile: error: " << message << '\n';
  return 1;
}

/// "file:line:col: error: message", as compilers do.
void printDiagnostic(mlir::Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) return;
  mlir::FileLineColLoc place;
  mlir::Location(diagnostic.getLocation())->walk([&](mlir::Location part) {
    place = llvm::dyn_cast<mlir::FileLineColLoc>(part);
    return place ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
  });
  llvm::errs() << (place ? place.getFilename().getValue() : llvm::StringRef(inputPath));
  if (place && place.getLine()) llvm::errs() << ':' << place.getLine() << ':' << place.getColumn();
  llvm::errs() << ": error: " << diagnostic.str() << '\n';
}

/// Empty, or why the options make no sense together.
std::string checkOptions() {
  if (targetCpu != "all" && targetCpu != "host") return "--target-cpu is '" + targetCpu + "', wanted all or host";
  if (emit != Emit::Library) return "";
  if (outputPath.empty()) return "no output: wanted -o with a name that ends in .o, .a or .so";
  llvm::StringRef extension = llvm::sys::path::extension(outputPath);
  if (extension != ".o" && extension != ".a" && extension != ".so")
    return "output '" + outputPath + "' ends in '" + extension.str() + "', wanted .o, .a or .so";
  return "";
}

std::string nameOfLibrary() {
  if (!libraryName.empty()) return libraryName;
  llvm::StringRef stem = llvm::sys::path::stem(outputPath.empty() || outputPath == "-" ? inputPath : outputPath);
  stem.consume_front("lib");
  return stem.str();
}

/// Appears under `path` whole or not at all.
std::string writeFile(llvm::StringRef path, llvm::function_ref<std::string(llvm::StringRef temporary)> write) {
  llvm::SmallString<128> temporary;
  if (std::error_code code = llvm::sys::fs::createUniqueFile(path + ".%%%%%%%%", temporary))
    return "cannot write " + path.str() + ": " + code.message();
  std::string error = write(temporary);
  if (error.empty())
    if (std::error_code code = llvm::sys::fs::rename(temporary, path))
      error = "cannot write " + path.str() + ": " + code.message();
  if (!error.empty()) llvm::sys::fs::remove(temporary);
  return error;
}

std::string writeBytes(llvm::StringRef path, llvm::StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream out(path, code);
  if (!code) out << bytes, out.flush(), code = out.error();
  out.clear_error(); // or its destructor ends the process
  return code ? "cannot write " + path.str() + ": " + code.message() : "";
}

std::string writeText(llvm::StringRef text) {
  if (outputPath.empty() || outputPath == "-") return llvm::outs() << text, "";
  return writeFile(outputPath, [&](llvm::StringRef path) { return writeBytes(path, text); });
}

std::string archive(llvm::StringRef path, llvm::MemoryBufferRef object, const std::string &name) {
  std::string memberName = name + ".o";
  llvm::NewArchiveMember member{llvm::MemoryBufferRef(object.getBuffer(), memberName)};
  llvm::Error error = llvm::writeArchive(path, member, llvm::SymtabWritingMode::NormalSymtab,
                                         llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  return error ? "cannot write " + path.str() + ": " + llvm::toString(std::move(error)) : "";
}

std::string linkShared(llvm::StringRef path, llvm::StringRef object) {
  llvm::ErrorOr<std::string> cc = llvm::sys::findProgramByName("cc");
  if (!cc)
    return "found no program cc on PATH, which links shared libraries; wanted one, or an output that ends in .o or .a";
  llvm::SmallString<128> objectPath;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("tinyfin", "o", objectPath))
    return "cannot write a temporary file: " + code.message();
  std::string error = writeBytes(objectPath, object),
              soname = "-Wl,-soname," + llvm::sys::path::filename(outputPath).str();
  llvm::StringRef command[] = {*cc,    "-shared", "-Wl,--no-undefined", "-o", path, objectPath,
                               soname, "-lm",     "-lpthread"};
  if (error.empty() && llvm::sys::ExecuteAndWait(*cc, command, std::nullopt, {}, 0, 0, &error) != 0 && error.empty())
    error = *cc + " could not link " + outputPath;
  llvm::sys::fs::remove(objectPath);
  return error;
}

std::string writeLibrary(const cpu::AotLibrary &library, const std::string &name) {
  std::string error = writeFile(outputPath, [&](llvm::StringRef path) {
    llvm::StringRef extension = llvm::sys::path::extension(outputPath);
    if (extension == ".a") return archive(path, library.code->getMemBufferRef(), name);
    return extension == ".so" ? linkShared(path, library.code->getBuffer())
                              : writeBytes(path, library.code->getBuffer());
  });
  if (!error.empty() || headerPath.empty()) return error;
  return writeFile(headerPath, [&](llvm::StringRef path) { return writeBytes(path, library.header); });
}

/// Optimized, fused and planned, as in memory; dims that --dim does not name stay symbolic.
mlir::LogicalResult runPasses(mlir::ModuleOp module) {
  fin::PipelineSettings settings{config::disable(), config::dump(), config::foldLimitBytes()};
  settings.dims.assign(dims.begin(), dims.end());
  settings.symbolic = true;
  settings.contractions = false; // products are calls of the library's own runtime
  mlir::PassManager pm(module.getContext(), mlir::ModuleOp::getOperationName());
  fin::instrument(pm, settings);
  fin::buildOptimize(pm, settings);
  fin::buildSpecialize(pm, settings);
  fin::buildFuse(pm, settings);
  fin::buildPlan(pm, settings);
  return pm.run(module);
}

int compile(mlir::ModuleOp module, const std::string &name) {
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  if (!main || !llvm::hasSingleElement(main.getBody()))
    return fail(inputPath + ": found no function @main of one block, wanted one");
  if (failed(runPasses(module))) return 1;
  if (emit == Emit::Mlir) {
    std::string text;
    llvm::raw_string_ostream os(text);
    module.print(os, mlir::OpPrintingFlags().elideLargeElementsAttrs(16).elideLargeResourceString(16));
    std::string error = writeText(text + "\n");
    return error.empty() ? 0 : fail(error);
  }
  cpu::AotForm form = emit == Emit::Llvm       ? cpu::AotForm::LLVM
                      : emit == Emit::Assembly ? cpu::AotForm::Assembly
                                               : cpu::AotForm::Object;
  auto library = cpu::compileLibrary(main, {name, targetCpu == "host", form});
  if (failed(library)) return 1;
  std::string error = emit == Emit::Library ? writeLibrary(*library, name) : writeText(library->code->getBuffer());
  return error.empty() ? 0 : fail(error);
}

} // namespace

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "tinyfin-compile: a graph becomes a C library\n");
  std::string name = nameOfLibrary(), error = checkOptions();
  if (error.empty()) error = cpu::whyNotAName(name);
  if (!error.empty()) return fail(error);
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(inputPath, status)) return fail("cannot read " + inputPath + ": no such file");
  StatusOr<Backend *> backend = findBackend("cpu");
  if (!backend.isOk()) return fail(backend.status().message());
  std::unique_ptr<mlir::MLIRContext> context = makeContext(*backend.value());
  mlir::ScopedDiagnosticHandler handler(
      context.get(), [](mlir::Diagnostic &diagnostic) { return printDiagnostic(diagnostic), mlir::success(); });
  mlir::OwningOpRef<mlir::ModuleOp> module = fin::readGraphFile(inputPath, *context);
  return module ? compile(*module, name) : 1;
}
