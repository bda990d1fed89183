// SPDX-License-Identifier: Apache-2.0
// How matrix products are cut into chunks, by their shape alone.
#include "runtime/kernels/Matmul.h"
#include "runtime/kernels/PackedProduct.h"
#include <algorithm>

namespace tinyfin {
namespace {

constexpr int64_t kEnoughChunks = 32; // so that a thread that is held up leaves little behind
// Columns of B that neighbouring chunks share stay in the second cache, with a block of A and one of C.
constexpr int64_t kSliceBytes = 1 << 20, kLeastCols = 256, kMostCols = 512;
constexpr int64_t kFewRows = 28; // blocks are not made lower
constexpr int64_t kMostPackedBytes = int64_t(256) << 20;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Cut {
  int64_t batches, m, n, panels, panelCols, rowMultiple;
  int64_t rowBlocks, colBlocks; // at most

  int64_t rows() const { return std::min(m, ceilDiv(ceilDiv(m, rowBlocks), rowMultiple) * rowMultiple); }
  int64_t cols() const { return std::min(n, ceilDiv(panels, colBlocks) * panelCols); }
  int64_t chunks() const { return batches * ceilDiv(m, rows()) * ceilDiv(n, cols()); }
  bool canCutRows() const { return rows() >= 2 * kFewRows && rows() > 2 * rowMultiple; }
  /// Multiples are halved: counts of chunks that threads share evenly.
  void cutRows() { rowBlocks += rowMultiple > 1 ? rowBlocks : 1; }
  bool canCutCols() const { return cols() > panelCols; }
};

} // namespace

MatmulBlocking MatmulBlocking::choose(const MatmulSpec &spec, const gemm::PackedProduct &product) {
  MatmulBlocking result;
  int64_t batches = spec.batches();
  if (spec.m == 0 || spec.n == 0 || batches == 0) return result;
  int64_t depth = std::max<int64_t>(spec.k, 1), work = batches * spec.m * spec.n * depth;
  int64_t panels = ceilDiv(spec.n, product.panelCols);
  int64_t maxCols = std::clamp(kSliceBytes / (product.panelBytes(depth) / product.panelCols), kLeastCols, kMostCols);
  Cut cut{batches,
          spec.m,
          spec.n,
          panels,
          product.panelCols,
          product.rowMultiple,
          ceilDiv(spec.m, product.blockRows),
          ceilDiv(spec.n, maxCols)};
  int64_t wanted = std::min(kEnoughChunks, work / product.chunkWork);
  while (cut.chunks() < wanted && (cut.canCutRows() || cut.canCutCols())) {
    // Lower blocks cost nothing while B is packed first; narrower ones read A more often.
    if (cut.canCutRows() && cut.rowBlocks > 1)
      cut.cutRows();
    else if (cut.canCutCols())
      ++cut.colBlocks;
    else
      cut.cutRows();
  }
  result.rows = cut.rows(), result.cols = cut.cols();
  result.rowBlocks = ceilDiv(spec.m, result.rows), result.colBlocks = ceilDiv(spec.n, result.cols);
  result.chunks = batches * result.rowBlocks * result.colBlocks;
  result.grain = std::max<int64_t>(1, product.chunkWork / (result.rows * result.cols * depth));
  int64_t packedBytes = spec.rightBatches() * panels * product.panelBytes(spec.k);
  result.packsFirst = !product.multiplyUnpacked || (result.rowBlocks > 1 && packedBytes <= kMostPackedBytes);
  return result;
}

} // namespace tinyfin
