// SPDX-License-Identifier: Apache-2.0
// Plans of matrix products: made once for a static shape, run many times from any thread. How the work is cut into
// blocks, and the order in which products are added up, depends on the shape alone, never on the threads. Eager kernels
// and compiled code run the same plans. Blocks can be handed to a consumer while they are in the cache.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace tinyfin {

/// What is done to a product before it is stored: `+ bias` over the columns (matmul) or output channels (conv2d),
/// `+ what the output holds`, then relu.
struct Epilogue {
  bool bias = false, accumulate = false, relu = false;
};

inline constexpr int kMaxBatchRank = 6;
inline constexpr int kMaxConsumerArgs = 33;

/// lhs @ rhs over the last two axes. The batch axes that broadcast are strides of 0.
struct MatmulSpec {
  DType dtype = DType::F32;
  bool transposeLhs = false, transposeRhs = false;
  int64_t m = 0, n = 0, k = 0;
  int batchRank = 0;
  std::array<int64_t, kMaxBatchRank> batch{}, lhsStride{}, rhsStride{}; // innermost first; strides count elements
  Epilogue epilogue;

  /// From operand dims whose shapes were checked; axes of a batch that can be merged are.
  static StatusOr<MatmulSpec> from(DType dtype, std::span<const int64_t> lhs, std::span<const int64_t> rhs,
                                   bool transposeLhs, bool transposeRhs);
  int64_t batches() const;
};

/// Takes finished blocks of a product instead of a store. `args[0]` is replaced by the block (in a copy on the stack of
/// whoever computed it), in f32, or f64 for f64. `tile` is {row stride of the block in elements, first column, end of
/// columns}; rows [rowBegin, rowEnd) count through the batch: matrix * m + row. Element (row, col) of the product is
/// block[(row - rowBegin) * tile[0] + col - tile[1]]; the consumer may overwrite the block. Called once for each element
/// of the result, from several threads at a time, in any order.
struct TileConsumer {
  void (*function)(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) = nullptr;
  void *const *args = nullptr;
  int numArgs = 1; // at most kMaxConsumerArgs, with the block
};

class MatmulPlan {
public:
  /// Cheap unless oneDNN takes part (large bf16 products), whose primitives are cached by the process.
  static StatusOr<MatmulPlan> create(const MatmulSpec &spec);
  /// Row-major operands of the spec's dtype; `bias` is read if the epilogue asks for it.
  Status execute(const void *lhs, const void *rhs, void *result, ThreadPool &pool, const void *bias = nullptr) const;
  /// The bare product (the spec's epilogue is not applied) goes to the consumer and nowhere else.
  Status execute(const void *lhs, const void *rhs, ThreadPool &pool, const TileConsumer &consumer) const;
  int64_t chunks() const { return tiles; }

private:
  struct Tile;
  Tile tileAt(int64_t index) const;
  void runOwn(const Tile &tile, const void *lhs, const void *rhs, void *result, const void *bias) const;
  void runConsumer(const Tile &tile, const void *lhs, const void *rhs, const TileConsumer &consumer) const;
  Status runLibrary(const Tile &tile, const void *lhs, const void *rhs, void *result, const void *bias) const;

  MatmulSpec spec;
  int64_t tileRows = 0, tileCols = 0; // of C a chunk
  int64_t rowTiles = 0, colTiles = 0, tiles = 0, grain = 1;
  std::array<std::shared_ptr<const class MatmulPrimitive>, 4> library; // full and last tile, by rows and columns
};

} // namespace tinyfin
