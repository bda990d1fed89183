// SPDX-License-Identifier: Apache-2.0
// Graph files: MLIR text, or bytecode in a checked envelope. The bytecode reader trusts its input, so that it never
// sees a byte whose checksum was not verified; the text parser recurses, so that nesting is limited before it starts.
//   envelope, little endian: magic "\x7f" "FINGRF\n" | u32 format | u32 0 | u64 payload bytes | BLAKE3 of the payload (32)
//   | zeros up to 64 bytes | payload
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/MemoryBuffer.h"

namespace tinyfin::fin {

enum class GraphForm { Text, Bytecode };

/// The module, upgraded to the current dialect version and verified; null after a diagnostic on `context`. Tensor data
/// of bytecode stays in `buffer`, which the module keeps alive.
mlir::OwningOpRef<mlir::ModuleOp> readGraph(std::unique_ptr<llvm::MemoryBuffer> buffer, mlir::MLIRContext &context);
mlir::OwningOpRef<mlir::ModuleOp> readGraphFile(llvm::StringRef path, mlir::MLIRContext &context);

/// Stamps the module with the dialect version and writes it.
mlir::LogicalResult writeGraph(mlir::ModuleOp module, llvm::raw_ostream &out, GraphForm form);
/// Appears under `path` whole or not at all.
mlir::LogicalResult writeGraphFile(mlir::ModuleOp module, llvm::StringRef path, GraphForm form);

// The envelope alone.
bool isEnvelope(llvm::StringRef bytes);
void writeEnvelope(llvm::StringRef payload, llvm::raw_ostream &out);
/// The payload inside `bytes`, or false and why not.
bool openEnvelope(llvm::StringRef bytes, llvm::StringRef &payload, std::string &error);
/// False and why, where text nests deeper than the parser's stack allows.
bool checkNesting(llvm::StringRef text, std::string &error);

} // namespace tinyfin::fin
