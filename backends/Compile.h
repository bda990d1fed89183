// SPDX-License-Identifier: Apache-2.0
// From a recorded trace or a graph in a file to an Executable: the one driver of passes and backends.
#pragma once
#include "backends/Backend.h"
#include "ir/Trace.h"
#include "mlir/IR/OwningOpRef.h"

namespace tinyfin {

/// A fresh single-threaded context that knows fin, func and what the backend attaches.
std::unique_ptr<mlir::MLIRContext> makeContext(Backend &backend);

/// optimize, specialize, fuse, plan, then Backend::compile. `module` is changed in place. Diagnostics become the Status.
StatusOr<std::shared_ptr<Executable>> compileModule(mlir::ModuleOp module, Backend &backend,
                                                    const CompileOptions &options);

/// optimize, specialize, fuse and plan alone: what Backend::compile is given.
Status lowerModule(mlir::ModuleOp module, Backend &backend);

/// Decodes and compiles; `lines` has a "file.py:12" an op or is empty.
StatusOr<std::shared_ptr<Executable>> compileTrace(std::span<const int64_t> words, llvm::ArrayRef<uint32_t> outputs,
                                                   Backend &backend, const CompileOptions &options,
                                                   llvm::ArrayRef<std::string> lines = {});

} // namespace tinyfin
