// SPDX-License-Identifier: Apache-2.0
// Which values of a function share memory, and whose memory it is. Planning and every backend ask this one
// analysis, so that they agree: a reshape is a view of its operand, and a returned value is computed in the output.
#pragma once
#include "ir/Fin.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tinyfin::fin {

/// Names of the attributes that planning leaves behind.
inline constexpr llvm::StringLiteral kArenaBytesAttr = "fin.arena_bytes", kMaxLiveBytesAttr = "fin.max_live_bytes",
                                     kOffsetsAttr = "fin.offsets", kArenaRegionsAttr = "fin.arena_regions";
inline constexpr int64_t kArenaAlignment = 64;
/// In `fin.offsets`: a result that is not in the arena.
inline constexpr int64_t kNotInArena = -1;

enum class Place : uint8_t { Input, Output, Constant, Arena };

/// Memory that one or several values share.
struct StorageClass {
  Place place = Place::Arena;
  unsigned number = 0; // of the argument, returned value or constant (in order of appearance)
  mlir::Value root;    // the value that is written; the others are views of it
  int64_t offset = kNotInArena; // in the arena, once planned
  unsigned first = 0, last = 0; // numbers of the ops that write it and that read it last; the terminator counts
};

/// A returned value that is in no memory of its own: an input, a constant, or a value returned twice.
struct OutputCopy {
  mlir::Value value;
  unsigned output;
};

class Storage {
public:
  explicit Storage(mlir::func::FuncOp function);

  const StorageClass &of(mlir::Value value) const { return classes[indexOf(value)]; }
  unsigned indexOf(mlir::Value value) const { return indices.lookup(value); }
  /// In order of appearance: first the arguments.
  llvm::ArrayRef<StorageClass> all() const { return classes; }
  llvm::ArrayRef<OutputCopy> copies() const { return outputCopies; }
  unsigned numOps() const { return opCount; }

private:
  void add(mlir::Value root, Place place, unsigned number, unsigned at);
  void visit(mlir::Operation &op, unsigned at);
  void visitReturn(mlir::Operation &op, unsigned at);

  llvm::SmallVector<StorageClass> classes;
  llvm::DenseMap<mlir::Value, unsigned> indices;
  llvm::SmallVector<OutputCopy> outputCopies;
  unsigned constants = 0, opCount = 0;
};

/// Whether every argument and result has a static shape.
bool isStaticFunction(mlir::func::FuncOp function);
/// Bytes of a static fin tensor.
int64_t bytesOf(mlir::Type type);

/// Bytes of any fin tensor: a factor times a product of symbols, which are sorted. Values of equal symbols lie in one
/// region of the arena, at offsets in units of that product; static ones lie in the first region.
struct Size {
  int64_t bytes = 0;
  llvm::SmallVector<std::string, 2> symbols;
  bool operator==(const Size &) const = default;
};
/// Nothing where the factor overflows.
std::optional<Size> sizeOfTensor(mlir::Type type);
/// Equal extents, symbolic ones by name.
bool haveSameShape(mlir::Type a, mlir::Type b);
/// Whether the op makes no kernel: its result is its first operand's memory.
bool isView(mlir::Operation *op);
/// Whether `op` reads operand number `operand` only at the index it writes, so that its result of the same size may
/// take the operand's memory.
bool readsAtWrittenIndex(mlir::Operation *op, unsigned operand);

/// Whether `op` handles rows (trailing axes) on their own and reads operand number `operand` only in the row it writes, each
/// element for the last time where that is written: a softmax of logits that nothing else reads.
bool readsInWrittenRow(mlir::Operation *op, unsigned operand);

/// Whether the op may stop the run with an error. Nothing donated may be written before, no kernel may hold it.
bool mayFail(mlir::Operation *op);

} // namespace tinyfin::fin
