// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions as calls of the runtime's plans, which choose between oneDNN and own kernels.
#pragma once
#include "ir/Fin.h"
#include "runtime/KernelList.h"

namespace tinyfin {
struct TuneNotes;
}

namespace tinyfin::cpu {

/// Whether the op has a plan here.
bool isContraction(mlir::Operation *op);
/// The right operand of a product, if it never changes: it is packed when the step is made.
struct Frozen {
  const void *rhs = nullptr;
  size_t packedBytes = 0;    // what that took
  TuneNotes *tune = nullptr; // plans are chosen by trial; not those of a frozen operand
};
/// A step for such an op, without its arguments (the op's operands, then its result).
StatusOr<CallStep> contractionStep(mlir::Operation *op, Frozen &frozen);

/// The product of a contraction region; null for any other op.
fin::MatmulOp productOf(mlir::Operation *op);
/// A step for a contraction region whose tiles `finish` takes: arguments are the product's operands, then those of
/// `finish` but the tile (`numArgs` with it).
StatusOr<CallStep> tiledStep(fin::MatmulOp product, GeneratedFn finish, int numArgs, Frozen &frozen);

/// Whether finishing tiles beats storing the product and walking it once more. Decided by shapes alone: up to about 2**28
/// operations a plan of float32 stores its blocks faster than it hands them on (measured on four threads), and one of
/// bfloat16 always does: its tiles are done so soon that finishing them is what the others wait for. A right operand that
/// never changes makes small blocks that are finished in the first cache: that always pays.
bool paysToFinish(fin::MatmulOp product);

/// Whether the generated form of a contraction is faster than its plan. Decided by shapes alone; the bounds were measured
/// with AVX-512 on one and on four threads. A region is judged by its product.
bool prefersGenerated(mlir::Operation *op);

} // namespace tinyfin::cpu
