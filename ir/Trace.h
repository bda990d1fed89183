// SPDX-License-Identifier: Apache-2.0
// A recorded graph as words: the form in which eager code is recorded, looked up and handed to a compiler.
//   input:  kInput, dtype, role | data words << 8, rank, dims..., data...          one slot
//   op:     OpId | operand count << 16 | attribute words << 32, slots..., attributes    one slot a result
// Result types are not stored: they follow from the shape rules. Slots are numbered in order of appearance.
// A graph is always decoded from the words it is looked up by, so nothing can be missing from a key.
#pragma once
#include "ir/Fin.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace tinyfin::fin {

inline constexpr int64_t kInput = -1;
/// A Tensor is a user's tensor; a Scalar is a Python number, a slice's starts or the random state. A Known one is a
/// scalar whose data (a word an element) stand in the trace, so that code may be made for them: what a jitted body slices
/// at, the numbers of derivative rules in it.
enum class InputRole : int64_t { Tensor = 0, Scalar = 1, Known = 2 };

void appendInput(Words &words, const TensorSpec &spec, InputRole role, llvm::ArrayRef<int64_t> data = {});
/// Words of the input that begins at `at`; 0 if they are no input or end before it does.
size_t inputWords(std::span<const int64_t> words, size_t at);
void appendOp(Words &words, OpId op, llvm::ArrayRef<uint32_t> operands, llvm::ArrayRef<int64_t> attrs);

/// `func.func @main(inputs) -> outputs` in a fresh module. `locations` has an entry an op, or is empty. Scalar inputs
/// carry the argument attribute `fin.scalar`; known ones are constants in the body, their arguments are not read. Words that no recorder wrote give null and an error on `context`.
mlir::OwningOpRef<mlir::ModuleOp> decodeTrace(mlir::MLIRContext &context, std::span<const int64_t> words,
                                              llvm::ArrayRef<uint32_t> outputs,
                                              llvm::ArrayRef<mlir::Location> locations = {});

/// The words of a function of recorded ops, the inverse of decodeTrace; fails on other ops.
mlir::LogicalResult encodeTrace(mlir::func::FuncOp function, Words &words, llvm::SmallVectorImpl<uint32_t> &outputs);

} // namespace tinyfin::fin
