// SPDX-License-Identifier: Apache-2.0
// The bytes come in through the assembler, which every compiler that builds this has.
#include "backends/cpu/AotBitcode.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"

#define TINYFIN_EMBED(name)                                                                                            \
  __asm__(".section .rodata\n.balign 16\n.globl tinyfin_aot_" #name "\n.hidden tinyfin_aot_" #name                     \
          "\ntinyfin_aot_" #name ":\n"                                                                                 \
          ".incbin \"" TINYFIN_AOT_BITCODE_DIR "/" #name ".bc\"\n"                                                     \
          ".globl tinyfin_aot_" #name "_end\n.hidden tinyfin_aot_" #name "_end\ntinyfin_aot_" #name                    \
          "_end:\n.byte 0\n.text\n");                                                                                  \
  extern "C" const char tinyfin_aot_##name[], tinyfin_aot_##name##_end[]

TINYFIN_EMBED(runtime);
TINYFIN_EMBED(v2);
TINYFIN_EMBED(v3);
TINYFIN_EMBED(v4);

namespace tinyfin::cpu {

llvm::StringRef aotRuntimeBitcode() {
  return {tinyfin_aot_runtime, static_cast<size_t>(tinyfin_aot_runtime_end - tinyfin_aot_runtime)};
}

llvm::StringRef aotKernelBitcode(int level) {
  static const char *const bounds[][2] = {
      {tinyfin_aot_v2, tinyfin_aot_v2_end}, {tinyfin_aot_v3, tinyfin_aot_v3_end}, {tinyfin_aot_v4, tinyfin_aot_v4_end}};
  return {bounds[level][0], static_cast<size_t>(bounds[level][1] - bounds[level][0])};
}

Status linkBitcode(llvm::Module &module, llvm::StringRef bitcode, llvm::StringRef suffix) {
  auto parsed = llvm::parseBitcodeFile(llvm::MemoryBufferRef(bitcode, "runtime"), module.getContext());
  if (!parsed)
    return Status::error(StatusCode::Internal,
                         "the embedded runtime is damaged: " + llvm::toString(parsed.takeError()));
  std::unique_ptr<llvm::Module> part = std::move(*parsed);
  if (!suffix.empty())
    // Templates of several machines have the same names: none may stand for another's.
    for (llvm::GlobalObject &object : part->global_objects()) {
      if (object.isDeclaration()) continue;
      if (object.getName().starts_with("aot_op_")) {
        object.setName(object.getName() + suffix);
        continue;
      }
      object.setComdat(nullptr);
      object.setLinkage(llvm::GlobalValue::InternalLinkage);
      object.setVisibility(llvm::GlobalValue::DefaultVisibility);
    }
  part->setModuleFlag(llvm::Module::Override, "PIC Level", static_cast<uint32_t>(2));
  if (llvm::Linker::linkModules(module, std::move(part)))
    return Status::error(StatusCode::Internal, "the embedded runtime does not link");
  return Status::ok();
}

} // namespace tinyfin::cpu
