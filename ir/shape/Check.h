// SPDX-License-Identifier: Apache-2.0
// What every shape rule may rely on: queries are checked before a rule runs and its results after it, so that
// rules hold only what is particular to their op, and words from a file cannot make one crash.
#pragma once
#include "ir/OpTable.h"

namespace tinyfin::fin::shape {

inline constexpr size_t kMaxRank = 8;

/// Operand count, dtypes, ranks and extents; the layout and range of every attribute word.
llvm::LogicalResult checkQuery(const ShapeQuery &query, std::string &error);
/// Rank and number of elements of what a rule answered.
llvm::LogicalResult checkResults(llvm::ArrayRef<TensorSpec> results, std::string &error);

// Pieces that rules share. Each fails with the message a user reads.

/// 0 <= axis < rank.
llvm::LogicalResult expectAxis(ShapeQuery &q, int64_t axis, size_t rank);
/// Axes in range, none twice.
llvm::LogicalResult expectDistinctAxes(ShapeQuery &q, std::span<const int64_t> axes, size_t rank);
/// The dtypes of all operands from `first` on are equal.
llvm::LogicalResult expectEqualDTypes(ShapeQuery &q, size_t first = 0);
llvm::LogicalResult expectRank(ShapeQuery &q, size_t operand, size_t rank);
/// `items` has an entry an axis, each at least `least`.
llvm::LogicalResult expectEntries(ShapeQuery &q, const char *name, std::span<const int64_t> items, size_t count,
                                  int64_t least);
/// The random state: int64[2].
llvm::LogicalResult expectState(ShapeQuery &q, size_t operand);

/// NumPy's broadcasting of the dims of all operands; a symbol broadcasts with itself and with 1.
llvm::LogicalResult broadcastDims(ShapeQuery &q, Dims &dims);
/// A Shape attribute.
Dims readDims(AttrReader &attrs);
/// "x", the operand's name in the op's definition.
const char *operandName(const ShapeQuery &q, size_t operand);

} // namespace tinyfin::fin::shape
