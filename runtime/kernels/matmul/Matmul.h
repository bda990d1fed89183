// SPDX-License-Identifier: Apache-2.0
// Plans of matrix products: made once for a static shape, run many times from any thread. The order in which products
// are added up depends on the shape alone, never on the threads or on how the work is cut into blocks. Eager kernels
// and compiled code run the same plans. Blocks can be handed to a consumer while they are in the cache.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tinyfin {

namespace gemm {
struct PackedProduct;
}

class FrozenProduct;

inline constexpr int kMaxBatchRank = 6;
inline constexpr int kMaxConsumerArgs = 33;

/// lhs @ rhs over the last two axes. The batch axes that broadcast are strides of 0.
struct MatmulSpec {
  DType dtype = DType::F32;
  bool transposeLhs = false, transposeRhs = false;
  int64_t m = 0, n = 0, k = 0;
  int batchRank = 0;
  std::array<int64_t, kMaxBatchRank> batch{}, lhsStride{}, rhsStride{}; // innermost first; strides count elements

  /// From operand dims whose shapes were checked; axes of a batch that can be merged are.
  static StatusOr<MatmulSpec> from(DType dtype, std::span<const int64_t> lhs, std::span<const int64_t> rhs,
                                   bool transposeLhs, bool transposeRhs);
  int64_t batches() const;
  /// Different right operands among the batches, and the number of the one that element `index` of the batch takes.
  int64_t rightBatches() const;
  int64_t rightBatch(int64_t index) const;
};

/// Takes finished blocks of a product instead of a store. `args[0]` is replaced by the block (in a copy on the stack of
/// whoever computed it), in f32, or f64 for f64. `tile` is {row stride of the block in elements, first column, end of
/// columns}; rows [rowBegin, rowEnd) count through the batch: matrix * m + row. Element (row, col) of the product is
/// block[(row - rowBegin) * tile[0] + col - tile[1]]; the consumer may overwrite the block. Called once for each
/// element of the result, from several threads at a time, in any order.
struct TileConsumer {
  void (*function)(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) = nullptr;
  void *const *args = nullptr;
  int numArgs = 1; // at most kMaxConsumerArgs, with the block
};

/// Who packs B. Lines that one core packs and all others read cost dearly when they are packed again, so a slice of
/// columns is rather packed by each thread that needs it, once while the thread goes through its blocks of rows.
enum class MatmulPacking : uint8_t {
  Chunk,  // each chunk what it needs, if anything, some panels at a time
  Thread, // a thread's slice of columns
  First,  // all of B in a phase of its own
};

/// How a product is cut. A chunk is one block: some rows times some columns of one matrix, all of k.
struct MatmulBlocking {
  const gemm::PackedProduct *product = nullptr;
  MatmulPacking packing = MatmulPacking::Chunk;
  int64_t rows = 0, cols = 0; // of a block
  int64_t rowBlocks = 0, colBlocks = 0, chunks = 0;
  int64_t grain = 1; // chunks that are handed out together
  /// By the best product for the shape, for a pool of `threads` (as many as the process's if 0).
  static MatmulBlocking choose(const MatmulSpec &spec, int threads = 0);
  static MatmulBlocking choose(const MatmulSpec &spec, const gemm::PackedProduct &product, int threads = 0);
  /// By a product for large ones, of a right operand that was packed for it; no chunks where that is no better.
  static MatmulBlocking chooseForPacked(const MatmulSpec &spec, int threads = 0);
};

class MatmulPlan {
public:
  static StatusOr<MatmulPlan> create(const MatmulSpec &spec);
  /// Cut as somebody else found best.
  static MatmulPlan create(const MatmulSpec &spec, const MatmulBlocking &blocking);
  /// Packs a right operand that stays the same: `execute` ignores its own from then on.
  Status prepack(const void *rhs, ThreadPool &pool);
  size_t prepackedBytes() const;

  /// Row-major operands of the spec's dtype.
  Status execute(const void *lhs, const void *rhs, void *result, ThreadPool &pool) const;
  /// The product goes to the consumer and nowhere else.
  Status execute(const void *lhs, const void *rhs, ThreadPool &pool, const TileConsumer &consumer) const;
  int64_t chunks() const;

private:
  struct Call;
  void run(Call &call, ThreadPool &pool) const;
  void runChunk(const Call &call, int64_t index) const;
  const std::byte *packSlice(const Call &call, const void *b, int64_t number, int64_t cols) const;
  Status packWhole(const void *rhs, ThreadPool &pool);
  bool prepackFor(const MatmulBlocking &large, const void *rhs, ThreadPool &pool);
  size_t packedBytes() const;
  void pack(const void *rhs, void *packed, ThreadPool &pool) const;

  MatmulSpec spec;
  const gemm::PackedProduct *product = nullptr;
  MatmulBlocking blocking;
  std::shared_ptr<std::byte> prepacked;
  std::shared_ptr<const FrozenProduct> frozen; // instead of `prepacked`, where it suits
};

} // namespace tinyfin
