// SPDX-License-Identifier: Apache-2.0
// Objects in this process, by one ORC session: a library of its own for each, so that code is freed with its users.
#include "backends/cpu/Codegen.h"
#include "backends/cpu/Machine.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include <atomic>

namespace tinyfin::cpu {
namespace {

struct Session {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::string error;
  std::atomic<uint64_t> next{0};
};

/// Never destroyed: code may run until the process ends.
Session &session() {
  static Session *session = [] {
    auto *made = new Session;
    llvm::orc::JITTargetMachineBuilder target{llvm::Triple(Machine::host().triple)};
    auto jit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(target).create();
    if (jit) made->jit = std::move(*jit);
    else made->error = llvm::toString(jit.takeError());
    return made;
  }();
  return *session;
}

Status failure(llvm::Error error) { return Status::error(StatusCode::Internal, llvm::toString(std::move(error))); }

} // namespace

StatusOr<std::shared_ptr<LoadedCode>> LoadedCode::load(std::unique_ptr<llvm::MemoryBuffer> object) {
  Session &here = session();
  if (!here.jit) return Status::error(StatusCode::Unavailable, "cannot load code: " + here.error);
  auto library = here.jit->createJITDylib("kernels" + std::to_string(here.next++));
  if (!library) return failure(library.takeError());
  std::shared_ptr<LoadedCode> code(new LoadedCode);
  code->library = &*library;
  code->size = object->getBufferSize();
  if (llvm::Error error = here.jit->addObjectFile(*library, std::move(object))) return failure(std::move(error));
  return code;
}

LoadedCode::~LoadedCode() {
  auto *dylib = static_cast<llvm::orc::JITDylib *>(library);
  if (dylib) llvm::consumeError(session().jit->getExecutionSession().removeJITDylib(*dylib));
}

StatusOr<void *> LoadedCode::find(const std::string &name) {
  auto address = session().jit->lookup(*static_cast<llvm::orc::JITDylib *>(library), name);
  if (!address) return failure(address.takeError());
  return address->toPtr<void *>();
}

} // namespace tinyfin::cpu
