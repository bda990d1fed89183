// SPDX-License-Identifier: Apache-2.0
// From a planned function, whose dims may be symbolic, to the object code of a C library and its header
// (docs/design/0005).
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/Status.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tinyfin::cpu {

enum class AotForm { Object, LLVM, Assembly };

struct AotOptions {
  std::string name;      // prefix of the C interface
  bool hostOnly = false; // code for this machine alone
  AotForm form = AotForm::Object;
};

struct AotLibrary {
  std::unique_ptr<llvm::MemoryBuffer> code;
  std::string header;
};

/// Empty, or why `name` cannot be the prefix of C names.
std::string whyNotAName(llvm::StringRef name);
/// Diagnostics name the op that has no form in a library.
llvm::FailureOr<AotLibrary> compileLibrary(mlir::func::FuncOp main, const AotOptions &options);

} // namespace tinyfin::cpu
