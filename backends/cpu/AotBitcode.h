// SPDX-License-Identifier: Apache-2.0
// The runtime of compiled libraries (runtime/aot/) as LLVM bitcode that was embedded when this program was built.
#pragma once
#include "runtime/Status.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Module.h"

namespace tinyfin::cpu {

/// Interface, pool and workspace: the same for every machine.
llvm::StringRef aotRuntimeBitcode();
/// The runtime's ops for x86-64-v2 (0), -v3 (1) and -v4 (2).
llvm::StringRef aotKernelBitcode(int level);

/// Adds bitcode to `module`. Of a kernel's bitcode only the ops stay visible, with `suffix` behind their names.
Status linkBitcode(llvm::Module &module, llvm::StringRef bitcode, llvm::StringRef suffix = "");

} // namespace tinyfin::cpu
