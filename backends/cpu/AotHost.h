// SPDX-License-Identifier: Apache-2.0
// The code of a library around its kernels, as LLVM IR: weights, the descriptor, the C interface, and for each machine
// a host function that evaluates dims and offsets and launches kernels. Layouts are those of runtime/aot/Aot.h.
#pragma once
#include "backends/cpu/AotGraph.h"
#include "backends/cpu/Emit.h"
#include "llvm/IR/Module.h"

namespace tinyfin::cpu {

/// The generated kernel of a step on one machine.
struct AotKernel {
  std::string name;
  Launch launch;
};

/// Appends `host<suffix>`; `kernels` has an entry a step (unused where the runtime computes it).
void emitHost(llvm::Module &module, const AotGraph &graph, ArrayRef<AotKernel> kernels, const Machine &machine,
              StringRef suffix);
/// Weights, which host functions name; fails where their bytes are missing.
Status emitConstants(llvm::Module &module, const AotGraph &graph);
/// The descriptor and NAME_create, NAME_run, ...; `hosts` are names of host functions, empty where there is none.
void emitInterface(llvm::Module &module, const AotGraph &graph, StringRef name, ArrayRef<std::string> hosts);
/// The functions of the C interface.
std::vector<std::string> interfaceNames(StringRef name);

} // namespace tinyfin::cpu
