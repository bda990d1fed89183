// SPDX-License-Identifier: Apache-2.0
// Whether a set of ops can be one fin.fusion, and of which kind: the rules of docs/design/0003.
#pragma once
#include "ir/Fin.h"
#include "llvm/ADT/SetVector.h"
#include "passes/RegionGraph.h"

namespace tinyfin::fin {

/// On a fusion: the shape of its full values (if it is static), and the axes that its reductions reduce.
inline constexpr llvm::StringLiteral kDomainAttr = "fin.domain", kReducedAxesAttr = "fin.reduced_axes";
/// On an op that stayed outside: why the backend refused it.
inline constexpr llvm::StringLiteral kRefusalAttr = "fin.refusal";

/// On ops that belong to the backward half although they could run early (Recompute.cpp).
inline constexpr llvm::StringLiteral kLateAttr = "fin.late";

struct Region {
  llvm::StringRef kind; // map, reduction, normalization or contraction
  llvm::SmallVector<int64_t> domain, reducedAxes;
  llvm::SmallSetVector<mlir::Value, 16> inputs; // what block arguments stand for
  llvm::SmallVector<mlir::OpOperand *, 16> reads; // one use of each input: it knows what has replaced the input since
  llvm::SmallVector<mlir::Value> results;       // values that are used outside
};

bool isReduction(mlir::Operation *op);
/// An op that moves elements: what it moves is never computed in the same region.
bool isTransform(mlir::Operation *op);
/// An op that draws random numbers.
bool isRandom(mlir::Operation *op);
/// Ops that a region has its own copy of: they compute nothing, or less than a load costs.
bool isCopiedIntoRegions(mlir::Operation *op);
/// A cast of bf16 or f16 to f32: readers do it again rather than have twice the bytes stored.
bool isWideningCast(mlir::Operation *op);
/// Whether the op may be in a region at all, contractions aside.
bool isFusable(mlir::Operation *op);
/// Whether the op can be what a contraction region is built around: a matmul of static shape (docs/design/0006).
bool isContractible(mlir::Operation *op);
/// `ops` in program order, without copied ones. Nothing if they cannot be one region.
std::optional<Region> analyzeRegion(llvm::ArrayRef<mlir::Operation *> ops);
std::optional<Region> analyzeRegion(RegionGraph &graph, llvm::ArrayRef<RegionNode *> ops);

} // namespace tinyfin::fin
