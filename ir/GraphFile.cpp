// SPDX-License-Identifier: Apache-2.0
// Reads and writes graph files: the envelope or the text checks, the parser, the dialect version, the verifier.
#include "ir/Envelope.h"
#include "ir/Fin.h"
#include "ir/Version.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <unistd.h>

using namespace mlir;

namespace tinyfin::fin {
namespace {

std::shared_ptr<llvm::SourceMgr> managerOf(std::unique_ptr<llvm::MemoryBuffer> buffer) {
  auto manager = std::make_shared<llvm::SourceMgr>();
  manager->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  return manager;
}

const llvm::MemoryBuffer &mainBuffer(const llvm::SourceMgr &manager) {
  return *manager.getMemoryBuffer(manager.getMainFileID());
}

// What the bytecode reader asks of its buffer, so that tensor data can stay in it.
const llvm::Align kPayloadAlign(64);

std::unique_ptr<llvm::MemoryBuffer> alignedCopy(llvm::StringRef bytes) {
  auto copy = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(bytes.size(), "", kPayloadAlign);
  llvm::copy(bytes, copy->getBufferStart());
  return copy;
}

OwningOpRef<ModuleOp> readEnvelope(const std::shared_ptr<llvm::SourceMgr> &manager, Location location,
                                   const ParserConfig &config) {
  llvm::StringRef payload;
  std::string error;
  if (!openEnvelope(mainBuffer(*manager).getBuffer(), payload, error)) return emitError(location, error), nullptr;
  std::shared_ptr<llvm::SourceMgr> owner = manager;
  // Mapped files are aligned; memory of the caller's may not be.
  if (!llvm::isAddrAligned(kPayloadAlign, payload.data())) {
    owner = managerOf(alignedCopy(payload));
    payload = mainBuffer(*owner).getBuffer();
  }
  llvm::MemoryBufferRef ref(payload, mainBuffer(*manager).getBufferIdentifier());
  Block block;
  BytecodeReader reader(ref, config, /*lazyLoad=*/false, owner);
  if (failed(reader.readTopLevel(&block)) || failed(reader.finalize())) return {};
  auto module = llvm::hasSingleElement(block) ? dyn_cast<ModuleOp>(block.front()) : ModuleOp();
  if (!module) return emitError(location, "graph file holds no module"), nullptr;
  module->remove();
  return OwningOpRef<ModuleOp>(module);
}

OwningOpRef<ModuleOp> readText(const std::shared_ptr<llvm::SourceMgr> &manager, Location location,
                               const ParserConfig &config) {
  std::string error;
  if (!checkNesting(mainBuffer(*manager).getBuffer(), error)) return emitError(location, error), nullptr;
  return parseSourceFile<ModuleOp>(manager, config);
}

} // namespace

OwningOpRef<ModuleOp> readGraph(std::unique_ptr<llvm::MemoryBuffer> buffer, MLIRContext &context) {
  context.getOrLoadDialect<FinDialect>();
  context.getOrLoadDialect<func::FuncDialect>();
  Location location = FileLineColLoc::get(&context, buffer->getBufferIdentifier(), 0, 0);
  std::shared_ptr<llvm::SourceMgr> manager = managerOf(std::move(buffer));
  llvm::StringRef bytes = mainBuffer(*manager).getBuffer();
  if (isBytecode(mainBuffer(*manager).getMemBufferRef())) {
    emitError(location, "graph is bytecode without tinyfin's checked envelope; write it with tinyfin, or as text");
    return {};
  }
  // Older graphs need not verify before they are upgraded.
  ParserConfig config(&context, /*verifyAfterParse=*/false);
  OwningOpRef<ModuleOp> module =
      isEnvelope(bytes) ? readEnvelope(manager, location, config) : readText(manager, location, config);
  if (!module || failed(checkVersion(*module)) || failed(verify(*module))) return {};
  return module;
}

OwningOpRef<ModuleOp> readGraphFile(llvm::StringRef path, MLIRContext &context) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/true);
  if (file) return readGraph(std::move(*file), context);
  emitError(UnknownLoc::get(&context), "cannot read ") << path << ": " << file.getError().message();
  return {};
}

LogicalResult writeGraph(ModuleOp module, llvm::raw_ostream &out, GraphForm form) {
  module->setAttr(kVersionAttr, Builder(module.getContext()).getI64IntegerAttr(kDialectVersion));
  if (form == GraphForm::Text) {
    module->print(out);
    out << "\n";
    return success();
  }
  std::string payload;
  llvm::raw_string_ostream stream(payload);
  if (failed(writeBytecodeToFile(module, stream))) return module.emitError("cannot write the graph as bytecode");
  writeEnvelope(payload, out);
  return success();
}

// Temporary file, fsync, rename: a reader finds the old file or the new one.
LogicalResult writeGraphFile(ModuleOp module, llvm::StringRef path, GraphForm form) {
  int descriptor = -1;
  llvm::SmallString<128> temporary;
  std::error_code code = llvm::sys::fs::createUniqueFile(path + ".%%%%%%%%", descriptor, temporary);
  if (code) return module.emitError("cannot write ") << path << ": " << code.message();
  LogicalResult written = success();
  {
    llvm::raw_fd_ostream out(descriptor, /*shouldClose=*/true);
    written = writeGraph(module, out, form);
    out.flush();
    if (!out.has_error() && ::fsync(descriptor) != 0) code = std::error_code(errno, std::generic_category());
    if (out.has_error()) code = out.error();
    out.clear_error(); // or its destructor ends the process
  }
  if (!code && succeeded(written)) code = llvm::sys::fs::rename(temporary, path);
  if (!code && succeeded(written)) return success();
  llvm::sys::fs::remove(temporary);
  return failed(written) ? written : module.emitError("cannot write ") << path << ": " << code.message();
}

} // namespace tinyfin::fin
