// SPDX-License-Identifier: Apache-2.0
// A fusion region as plain data: what a kernel is emitted from in any context, and, printed to words, what it is
// looked up by. Nothing of the graph's MLIR context is held.
#pragma once
#include "ir/Fin.h"
#include "ir/OpTable.h"
#include "runtime/Status.h"
#include <string>

namespace tinyfin::cpu {

using fin::Dim;
using fin::Dims;
using fin::OpId;
using fin::TensorSpec;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

struct KernelOp {
  OpId id = OpId::kCount; // kCount: a splat constant, attrs[0] holds the element's bits
  SmallVector<uint32_t, 3> operands;
  Words attrs;
  uint32_t result = 0;
  bool isConstant() const { return id == OpId::kCount; }
};

/// Values are numbered; the first `numInputs` are the kernel's inputs. Arguments are inputs, then outputs.
struct KernelSpec {
  std::vector<TensorSpec> values;
  uint32_t numInputs = 0;
  std::vector<KernelOp> ops;
  std::vector<uint32_t> outputs;
  /// Not 0: the outputs are reductions, and the outermost reduced loop is cut into this many pieces, whose partial results
  /// (in the compute type, unscaled) are written to [partials, kept...].
  int64_t partials = 0;
  /// The kernel finishes tiles of a product (runtime/kernels/matmul/Matmul.h): input 0 is the product, of which args[0] is a tile
  /// in float32; all values are full or broadcast to its shape.
  bool isEpilogue = false;

  /// Index into `ops` of the op that makes a value, or -1 for an input.
  int producerOf(uint32_t value) const;
  /// The whole spec as words: equal words, equal code.
  Words key() const;
  /// Symbols in order of appearance: dims[i] of a run is the value of symbols()[i].
  std::vector<std::string> symbols() const;
  /// "map(add, relu) float32[64, 128]": for logs and refusals.
  std::string summary() const;
};

/// A constant's one element as bits, if it is a splat.
std::optional<int64_t> splatBits(mlir::ElementsAttr value);
/// Fails with the reason: an op that is not recorded, a constant that is not a splat.
StatusOr<KernelSpec> specOfFusion(fin::FusionOp fusion);
/// The kernel of one op that stands alone.
StatusOr<KernelSpec> specOfOp(mlir::Operation *op);
/// The part of a spec that `outputs` (numbers into spec.outputs) need; `inputs` gets the inputs kept.
KernelSpec extract(const KernelSpec &spec, ArrayRef<unsigned> outputs, llvm::SmallVectorImpl<uint32_t> &inputs);

/// The number in spec.ops of the product of a contraction region (or of an op that stands alone), or -1.
int contractionOf(const KernelSpec &spec);
/// What a contraction region does with tiles of its product; `inputs` gets the region's inputs that are read, which are
/// inputs 1, 2, ... of the result.
KernelSpec epilogueOf(const KernelSpec &spec, llvm::SmallVectorImpl<uint32_t> &inputs);

bool isReduction(OpId op);
/// Whether the op has an emitter outside the loops of maps and reductions.
bool isContraction(OpId op);
/// Whether the emitter knows the op at all; dtypes and positions may still be refused.
bool hasGeneratedForm(OpId op);

} // namespace tinyfin::cpu
