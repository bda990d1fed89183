// SPDX-License-Identifier: Apache-2.0
// Runs a matrix product in two phases, packing B and multiplying blocks, or in one.
#include "runtime/Config.h"
#include "runtime/kernels/Half.h"
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/SplitConstant.h"
#include "runtime/kernels/matmul/ConstantProduct.h"
#include "runtime/kernels/matmul/Matmul.h"
#include "runtime/kernels/matmul/PackedMemory.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include "runtime/kernels/matmul/PackedScratch.h"
#include <algorithm>

namespace tinyfin {
namespace {

constexpr int64_t kPackElements = 1 << 15; // of B in a piece of the first phase

template <class T> void storeRows(const float *from, int64_t rows, int64_t cols, int64_t stride, T *to, int64_t ldc) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) to[i * ldc + j] = store<T>(from[i * stride + j]);
}

/// Rounds a block of f32 into C of a narrower dtype.
void storeNarrow(DType dtype, const float *from, int64_t rows, int64_t cols, int64_t stride, void *to, int64_t ldc) {
  if (dtype == DType::BF16) return storeRows(from, rows, cols, stride, static_cast<BFloat16 *>(to), ldc);
  storeRows(from, rows, cols, stride, static_cast<Float16 *>(to), ldc);
}

} // namespace

/// What one execution hands to its chunks. Without a consumer the blocks are stored.
struct MatmulPlan::Call {
  const void *lhs, *rhs;
  void *result;
  const TileConsumer *consumer;
  const std::byte *packed; // B, or null
  uint64_t number = 0;     // of the execution
};

MatmulPlan MatmulPlan::create(const MatmulSpec &spec, const MatmulBlocking &blocking) {
  MatmulPlan plan;
  plan.spec = spec;
  plan.product = blocking.product ? blocking.product : &gemm::bestProduct(spec.dtype);
  plan.blocking = blocking;
  return plan;
}
StatusOr<MatmulPlan> MatmulPlan::create(const MatmulSpec &spec) { return create(spec, MatmulBlocking::choose(spec)); }

size_t MatmulPlan::packedBytes() const {
  return spec.rightBatches() * ceilDiv(spec.n, product->panelCols) * product->panelBytes(spec.k);
}

/// In pieces for the threads.
void MatmulPlan::pack(const void *rhs, void *packed, ThreadPool &pool) const {
  const int64_t panels = ceilDiv(spec.n, product->panelCols),
                width = std::min<int64_t>(panels, 8); // a page of B's row at most
  const int64_t piece =
      ceilDiv(std::max<int64_t>(1, kPackElements / (width * product->panelCols)), product->depthPiece);
  const int64_t depth = piece * product->depthPiece, across = ceilDiv(panels, width), along = ceilDiv(spec.k, depth);
  const int64_t batchBytes = spec.k * spec.n * sizeOf(spec.dtype);
  pool.parallelFor(spec.rightBatches() * across * along, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t batch = i / (across * along), panel = i / along % across * width, from = i % along * depth;
      gemm::MatrixView b{static_cast<const std::byte *>(rhs) + batch * batchBytes, spec.transposeRhs ? 1 : spec.n,
                         spec.transposeRhs ? spec.k : 1};
      product->packPanels(b, spec.k, spec.n,
                          {panel, std::min(panels, panel + width), from, std::min(spec.k, from + depth)},
                          static_cast<std::byte *>(packed) + batch * panels * product->panelBytes(spec.k));
    }
  });
}

/// The packed panels of slice `number` of B, whose first column `b` points at: the thread's chunks before may have
/// packed it.
const std::byte *MatmulPlan::packSlice(const Call &call, const void *b, int64_t number, int64_t cols) const {
  int64_t panels = ceilDiv(cols, product->panelCols);
  void *packed = scratchBytes(ScratchUse::GemmPacked, panels * product->panelBytes(spec.k));
  if (!gemm::holdsPacked(call.number, number)) {
    gemm::MatrixView view{b, spec.transposeRhs ? 1 : spec.n, spec.transposeRhs ? spec.k : 1};
    product->packPanels(view, spec.k, cols, {0, panels, 0, spec.k}, packed);
  }
  return static_cast<const std::byte *>(packed);
}

void MatmulPlan::runChunk(const Call &call, int64_t index) const {
  // Neighbouring chunks share their columns of B.
  int64_t batch = index / (blocking.rowBlocks * blocking.colBlocks);
  int64_t col = index / blocking.rowBlocks % blocking.colBlocks * blocking.cols;
  int64_t row = index % blocking.rowBlocks * blocking.rows;
  int64_t rows = std::min(blocking.rows, spec.m - row), cols = std::min(blocking.cols, spec.n - col);
  int64_t left = 0, right = 0, rest = batch;
  for (int i = 0; i < spec.batchRank; rest /= spec.batch[i++]) {
    left += rest % spec.batch[i] * spec.lhsStride[i];
    right += rest % spec.batch[i] * spec.rhsStride[i];
  }
  const int64_t size = sizeOf(spec.dtype), wideSize = spec.dtype == DType::F64 ? 8 : 4;
  gemm::MatrixView a{nullptr, spec.transposeLhs ? 1 : spec.k, spec.transposeLhs ? spec.m : 1};
  gemm::MatrixView b{nullptr, spec.transposeRhs ? 1 : spec.n, spec.transposeRhs ? spec.k : 1};
  a.data = static_cast<const std::byte *>(call.lhs) + (left + row * a.row) * size;
  if (call.rhs) b.data = static_cast<const std::byte *>(call.rhs) + (right + col * b.col) * size;

  const bool rounds = !call.consumer && product->multiplyRounded;
  const bool direct = !call.consumer && (size == wideSize || rounds);
  void *result = nullptr;
  if (call.result) result = static_cast<std::byte *>(call.result) + ((batch * spec.m + row) * spec.n + col) * size;
  int64_t ldc = direct ? spec.n : cols;
  void *c = direct ? result : scratchBytes(ScratchUse::GemmC, rows * cols * wideSize);
  const std::byte *panels = call.packed;
  if (panels)
    panels += (spec.rightBatch(batch) * ceilDiv(spec.n, product->panelCols) + col / product->panelCols) *
              product->panelBytes(spec.k);
  else if (blocking.packing == MatmulPacking::Thread)
    panels = packSlice(call, b.data, spec.rightBatch(batch) * blocking.colBlocks + col / blocking.cols, cols);
  if (panels) {
    auto *multiply = rounds ? product->multiplyRounded : product->multiplyBlock;
    multiply({a, rows, spec.k, panels, cols, c, ldc, std::min(blocking.rows, spec.m - row - rows),
              prepacked ? gemm::MatrixView{} : b});
  } else {
    product->multiplyUnpacked(spec.dtype, {.m = rows,
                                           .n = cols,
                                           .k = spec.k,
                                           .a = a.data,
                                           .aRow = a.row,
                                           .aCol = a.col,
                                           .b = b.data,
                                           .bRow = b.row,
                                           .bCol = b.col,
                                           .c = c,
                                           .ldc = ldc,
                                           .wide = !rounds});
  }
  if (const TileConsumer *consumer = call.consumer) {
    const int64_t tile[] = {ldc, col, col + cols}, first = batch * spec.m + row;
    return finishBlock(*consumer, c, tile, first, first + rows);
  }
  if (!direct) storeNarrow(spec.dtype, static_cast<const float *>(c), rows, cols, ldc, result, spec.n);
}

void MatmulPlan::run(Call &call, ThreadPool &pool) const {
  call.number = gemm::newExecution();
  if (!call.packed && blocking.packing == MatmulPacking::First) {
    void *packed = scratchBytes(ScratchUse::GemmPacked, packedBytes());
    pack(call.rhs, packed, pool);
    call.packed = static_cast<const std::byte *>(packed);
  }
  pool.parallelFor(blocking.chunks, blocking.grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) runChunk(call, i);
  });
}

size_t MatmulPlan::prepackedBytes() const { return frozen ? frozen->packedBytes() : prepacked ? packedBytes() : 0; }
int64_t MatmulPlan::chunks() const { return frozen ? frozen->chunks() : blocking.chunks; }

Status MatmulPlan::prepack(const void *rhs, ThreadPool &pool) {
  if (SplitConstant::suits(spec)) {
    auto made = SplitConstant::create(spec, rhs, pool);
    if (!made.isOk()) return made.status();
    if ((frozen = std::move(made.value()))) return Status::ok();
  }
  if (MatmulBlocking large = MatmulBlocking::chooseForPacked(spec); large.chunks && prepackFor(large, rhs, pool))
    return Status::ok();
  const gemm::PackedProduct &usual = gemm::bestProduct(spec.dtype);
  if (product != &usual) *this = create(spec, MatmulBlocking::choose(spec, usual));
  if (ConstantProduct::suits(spec) && !config::isDisabled("constant-products")) {
    auto made = ConstantProduct::create(spec, rhs, pool);
    if (made.isOk()) frozen = std::move(made.value());
    return made.isOk() ? Status::ok() : made.status();
  }
  return packWhole(rhs, pool);
}

Status MatmulPlan::packWhole(const void *rhs, ThreadPool &pool) {
  auto memory = packedMemory(packedBytes());
  if (!memory.isOk()) return memory.status();
  prepacked = std::static_pointer_cast<std::byte>(memory.value());
  pack(rhs, prepacked.get(), pool);
  return Status::ok();
}

/// False, and the plan as it was, where the operand cannot be packed so.
bool MatmulPlan::prepackFor(const MatmulBlocking &large, const void *rhs, ThreadPool &pool) {
  MatmulPlan plan = create(spec, large);
  if (!plan.packWhole(rhs, pool).isOk()) return false;
  if (plan.product->keepsExactly && !plan.product->keepsExactly(plan.prepacked.get(), spec.k, spec.n)) return false;
  *this = std::move(plan);
  return true;
}

Status MatmulPlan::execute(const void *lhs, const void *rhs, void *result, ThreadPool &pool) const {
  if (frozen) {
    frozen->execute(lhs, result, pool, nullptr);
    return Status::ok();
  }
  Call call{lhs, rhs, result, nullptr, prepacked.get()};
  run(call, pool);
  return Status::ok();
}

Status MatmulPlan::execute(const void *lhs, const void *rhs, ThreadPool &pool, const TileConsumer &consumer) const {
  if (consumer.numArgs < 1 || consumer.numArgs > kMaxConsumerArgs)
    return Status::error(StatusCode::InvalidArgument, "matmul: a consumer of " + std::to_string(consumer.numArgs) +
                                                          " arguments, wanted 1 to " +
                                                          std::to_string(kMaxConsumerArgs));
  if (frozen) {
    frozen->execute(lhs, nullptr, pool, &consumer);
    return Status::ok();
  }
  Call call{lhs, rhs, nullptr, &consumer, prepacked.get()};
  run(call, pool);
  return Status::ok();
}

} // namespace tinyfin
