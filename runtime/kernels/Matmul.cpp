// SPDX-License-Identifier: Apache-2.0
// fin.matmul: cuts C into tiles, chunks fixed by the shape, and runs each by the own product or oneDNN (large bf16).
#include "runtime/kernels/Matmul.h"
#include "runtime/kernels/FirstError.h"
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/MatmulGemm.h"
#include "runtime/kernels/OneDnnMatmul.h"
#include "runtime/kernels/Scratch.h"

namespace tinyfin {
namespace {

constexpr int64_t kChunkWork = 1 << 18;        // multiply-adds worth handing to a thread (about 4 us of f32)
constexpr int64_t kLibraryWork = 96 * 96 * 96; // from here on oneDNN's bf16 product is worth its call
constexpr int64_t kLibraryChunkWork = 1 << 22; // and this its chunks: AMX is an order faster
constexpr int64_t kBlockRows = 112, kBlockCols = 512; // of what a consumer is handed, at most
constexpr int64_t kEnoughChunks = 8, kMaxChunks = 64;
constexpr int64_t kLargeChunkWork = 1 << 26; // beyond kEnoughChunks, larger tiles repack less

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

/// Halves the longer side of a tile until there are `wanted` tiles or the sides reach `smallest`.
void chooseTile(const MatmulSpec &spec, int64_t wanted, int64_t smallest, int64_t multiple, int64_t &rows,
                int64_t &cols) {
  rows = spec.m, cols = spec.n;
  while (ceilDiv(spec.m, rows) * ceilDiv(spec.n, cols) < wanted) {
    bool canRows = rows > smallest, canCols = cols > smallest;
    if (!canRows && !canCols) return;
    if (canCols && (cols >= rows || !canRows))
      cols = roundUp(ceilDiv(cols, 2), multiple);
    else
      rows = ceilDiv(rows, 2);
  }
}

} // namespace

StatusOr<MatmulSpec> MatmulSpec::from(DType dtype, std::span<const int64_t> lhs, std::span<const int64_t> rhs,
                                      bool transposeLhs, bool transposeRhs) {
  MatmulSpec spec;
  spec.dtype = dtype;
  spec.transposeLhs = transposeLhs, spec.transposeRhs = transposeRhs;
  spec.m = lhs[lhs.size() - 2 + transposeLhs], spec.k = lhs[lhs.size() - 1 - transposeLhs];
  spec.n = rhs[rhs.size() - 1 - transposeRhs];
  int64_t lhsStep = spec.m * spec.k, rhsStep = spec.k * spec.n;
  size_t rank = std::max(lhs.size(), rhs.size());
  for (size_t axis = 3; axis <= rank; ++axis) { // from the innermost batch axis out
    int64_t left = axis <= lhs.size() ? lhs[lhs.size() - axis] : 1,
            right = axis <= rhs.size() ? rhs[rhs.size() - axis] : 1;
    int64_t extent = left == 1 ? right : left;
    int64_t leftStride = left == 1 ? 0 : lhsStep, rightStride = right == 1 ? 0 : rhsStep;
    lhsStep *= left, rhsStep *= right;
    if (extent == 1) continue;
    if (int last = spec.batchRank - 1; last >= 0 && leftStride == spec.lhsStride[last] * spec.batch[last] &&
                                       rightStride == spec.rhsStride[last] * spec.batch[last]) {
      spec.batch[last] *= extent;
      continue;
    }
    if (spec.batchRank == kMaxBatchRank)
      return Status::error(StatusCode::Unsupported, "matmul: the batch axes broadcast in more than " +
                                                        std::to_string(kMaxBatchRank) + " groups");
    spec.batch[spec.batchRank] = extent;
    spec.lhsStride[spec.batchRank] = leftStride, spec.rhsStride[spec.batchRank++] = rightStride;
  }
  // A batch of row blocks times one matrix is one product with more rows.
  if (spec.batchRank == 1 && spec.rhsStride[0] == 0 && !transposeLhs && spec.lhsStride[0] == spec.m * spec.k) {
    spec.m *= spec.batch[0];
    spec.batchRank = 0;
  }
  return spec;
}

int64_t MatmulSpec::batches() const {
  int64_t count = 1;
  for (int i = 0; i < batchRank; ++i) count *= batch[i];
  return count;
}

struct MatmulPlan::Tile {
  int64_t batch, row, rows, col, cols;
  int64_t lhs, rhs, result; // elements from the operands' starts
};

MatmulPlan::Tile MatmulPlan::tileAt(int64_t index) const {
  int64_t batch = index / (rowTiles * colTiles);
  int64_t row = index % (rowTiles * colTiles) / colTiles * tileRows, col = index % colTiles * tileCols;
  int64_t lhs = 0, rhs = 0, rest = batch;
  for (int i = 0; i < spec.batchRank; rest /= spec.batch[i++]) {
    lhs += rest % spec.batch[i] * spec.lhsStride[i];
    rhs += rest % spec.batch[i] * spec.rhsStride[i];
  }
  return {batch,
          row,
          std::min(tileRows, spec.m - row),
          col,
          std::min(tileCols, spec.n - col),
          lhs + row * (spec.transposeLhs ? 1 : spec.k),
          rhs + col * (spec.transposeRhs ? spec.k : 1),
          (batch * spec.m + row) * spec.n + col};
}

StatusOr<MatmulPlan> MatmulPlan::create(const MatmulSpec &spec) {
  MatmulPlan plan;
  plan.spec = spec;
  int64_t batches = spec.batches();
  if (spec.m == 0 || spec.n == 0 || batches == 0) return plan;
  int64_t work = spec.m * spec.n * std::max<int64_t>(spec.k, 1);
  bool library = spec.dtype == DType::BF16 && work >= kLibraryWork;
  int64_t chunkWork = library ? kLibraryChunkWork : kChunkWork;
  int64_t wanted = std::max(std::min(kEnoughChunks, work / chunkWork), std::min(kMaxChunks, work / kLargeChunkWork));
  wanted = ceilDiv(wanted, batches);
  int64_t multiple = gemm::columnMultiple(spec.dtype);
  chooseTile(spec, wanted, library ? 128 : 64, multiple, plan.tileRows, plan.tileCols);
  plan.rowTiles = ceilDiv(spec.m, plan.tileRows), plan.colTiles = ceilDiv(spec.n, plan.tileCols);
  plan.tiles = batches * plan.rowTiles * plan.colTiles;
  plan.grain = std::max<int64_t>(1, chunkWork / (plan.tileRows * plan.tileCols * std::max<int64_t>(spec.k, 1)));
  if (!library) return plan;

  int64_t lastRows = spec.m - (plan.rowTiles - 1) * plan.tileRows,
          lastCols = spec.n - (plan.colTiles - 1) * plan.tileCols;
  for (int i = 0; i < 4; ++i) {
    MatmulPrimitiveSpec part{spec.dtype,
                             i & 1 ? lastRows : plan.tileRows,
                             i & 2 ? lastCols : plan.tileCols,
                             spec.k,
                             spec.transposeLhs ? 1 : spec.k,
                             spec.transposeLhs ? spec.m : 1,
                             spec.transposeRhs ? 1 : spec.n,
                             spec.transposeRhs ? spec.k : 1,
                             spec.n,
                             spec.epilogue};
    auto primitive = MatmulPrimitive::cached(part);
    if (primitive.status().code() == StatusCode::Unsupported)
      return plan.library = {}, plan; // a machine without bf16 products
    if (!primitive.isOk()) return primitive.status();
    plan.library[i] = primitive.value();
  }
  return plan;
}

void MatmulPlan::runOwn(const Tile &tile, const void *lhs, const void *rhs, void *result, const void *bias) const {
  size_t size = sizeOf(spec.dtype);
  auto at = [&](const void *base, int64_t index) { return static_cast<const char *>(base) + index * size; };
  gemm::Block block{tile.rows,
                    tile.cols,
                    spec.k,
                    at(lhs, tile.lhs),
                    spec.transposeLhs ? 1 : spec.k,
                    spec.transposeLhs ? spec.m : 1,
                    at(rhs, tile.rhs),
                    spec.transposeRhs ? 1 : spec.n,
                    spec.transposeRhs ? spec.k : 1,
                    const_cast<char *>(at(result, tile.result)),
                    spec.n};
  if (spec.epilogue.bias) block.bias = at(bias, tile.col);
  block.relu = spec.epilogue.relu, block.accumulate = spec.epilogue.accumulate;
  gemm::multiply(spec.dtype, block);
}

/// In blocks that stay in the cache until the consumer has read them.
void MatmulPlan::runConsumer(const Tile &tile, const void *lhs, const void *rhs, const TileConsumer &consumer) const {
  size_t size = sizeOf(spec.dtype), wide = spec.dtype == DType::F64 ? 8 : 4;
  auto at = [&](const void *base, int64_t index) { return static_cast<const char *>(base) + index * size; };
  int64_t aRow = spec.transposeLhs ? 1 : spec.k, aCol = spec.transposeLhs ? spec.m : 1;
  int64_t bRow = spec.transposeRhs ? 1 : spec.n, bCol = spec.transposeRhs ? spec.k : 1;
  void *args[kMaxConsumerArgs];
  std::copy_n(consumer.args, consumer.numArgs, args);
  for (int64_t row = 0; row < tile.rows; row += kBlockRows)
    for (int64_t col = 0; col < tile.cols; col += kBlockCols) {
      int64_t rows = std::min(kBlockRows, tile.rows - row), cols = std::min(kBlockCols, tile.cols - col);
      args[0] = scratchBytes(ScratchUse::GemmC, rows * cols * wide);
      gemm::multiply(spec.dtype, {.m = rows, .n = cols, .k = spec.k, .a = at(lhs, tile.lhs + row * aRow), .aRow = aRow,
                                  .aCol = aCol, .b = at(rhs, tile.rhs + col * bCol), .bRow = bRow, .bCol = bCol,
                                  .c = args[0], .ldc = cols, .wide = true});
      int64_t range[] = {cols, tile.col + col, tile.col + col + cols}, first = tile.batch * spec.m + tile.row + row;
      consumer.function(args, range, first, first + rows);
    }
}

Status MatmulPlan::runLibrary(const Tile &tile, const void *lhs, const void *rhs, void *result,
                              const void *bias) const {
  size_t size = sizeOf(spec.dtype);
  auto at = [&](const void *base, int64_t index) { return static_cast<const char *>(base) + index * size; };
  const MatmulPrimitive &primitive = *library[(tile.rows < tileRows) + 2 * (tile.cols < tileCols)];
  return primitive.execute(at(lhs, tile.lhs), at(rhs, tile.rhs), const_cast<char *>(at(result, tile.result)),
                           spec.epilogue.bias ? at(bias, tile.col) : nullptr);
}

Status MatmulPlan::execute(const void *lhs, const void *rhs, void *result, ThreadPool &pool, const void *bias) const {
  if (!library[0]) {
    auto body = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) runOwn(tileAt(i), lhs, rhs, result, bias);
    };
    if (tiles <= grain) return body(0, tiles), Status::ok();
    pool.parallelFor(tiles, grain, body);
    return Status::ok();
  }
  FirstError error;
  pool.parallelFor(tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) error.note(runLibrary(tileAt(i), lhs, rhs, result, bias));
  });
  return error.take();
}

Status MatmulPlan::execute(const void *lhs, const void *rhs, ThreadPool &pool, const TileConsumer &consumer) const {
  if (consumer.numArgs < 1 || consumer.numArgs > kMaxConsumerArgs)
    return Status::error(StatusCode::InvalidArgument, "matmul: a consumer of " + std::to_string(consumer.numArgs) +
                                                          " arguments, wanted 1 to " + std::to_string(kMaxConsumerArgs));
  pool.parallelFor(tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) runConsumer(tileAt(i), lhs, rhs, consumer);
  });
  return Status::ok();
}

Status Kernel<"fin.matmul">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  bool transposeLhs = attrs.flag(), transposeRhs = attrs.flag();
  const TensorArg &lhs = args.inputs[0], &rhs = args.inputs[1], &result = args.outputs[0];
  auto spec = MatmulSpec::from(result.dtype, lhs.dims, rhs.dims, transposeLhs, transposeRhs);
  if (!spec.isOk()) return spec.status();
  auto plan = MatmulPlan::create(spec.value());
  if (!plan.isOk()) return plan.status();
  return plan->execute(lhs.data, rhs.data, result.data, args.pool);
}

} // namespace tinyfin
