// SPDX-License-Identifier: Apache-2.0
// How matrix products are cut into chunks, by their shape alone.
#include "runtime/kernels/Matmul.h"
#include "runtime/kernels/PackedProduct.h"
#include "runtime/kernels/Rounding.h"
#include <algorithm>
#include <bit>

namespace tinyfin {
namespace {

constexpr int64_t kLeastCols = 256, kMostCols = 512;
constexpr int64_t kFewRows = 28; // blocks are not made lower
constexpr int64_t kMostPackedBytes = int64_t(256) << 20;

struct Cut {
  int64_t batches, m, n, panels, panelCols, rowMultiple;
  int64_t rowBlocks, colBlocks; // at most

  int64_t rows() const { return std::min(m, ceilDiv(ceilDiv(m, rowBlocks), rowMultiple) * rowMultiple); }
  int64_t cols() const { return std::min(n, ceilDiv(panels, colBlocks) * panelCols); }
  int64_t chunks() const { return batches * ceilDiv(m, rows()) * ceilDiv(n, cols()); }
  bool canCutRows() const { return rows() >= 2 * kFewRows && rows() > 2 * rowMultiple; }
  bool canCutCols() const { return cols() > panelCols * (rowMultiple > 1 ? 2 : 1); }
  // Where rows come in multiples there are few chunks: halves, so that threads share them evenly.
  void cutRows() { rowBlocks += rowMultiple > 1 ? rowBlocks : 1; }
  void cutCols() { colBlocks += rowMultiple > 1 ? colBlocks : 1; }
};

} // namespace

MatmulBlocking MatmulBlocking::choose(const MatmulSpec &spec, const gemm::PackedProduct &product) {
  MatmulBlocking result;
  int64_t batches = spec.batches();
  if (spec.m == 0 || spec.n == 0 || batches == 0) return result;
  int64_t depth = std::max<int64_t>(spec.k, 1), panels = ceilDiv(spec.n, product.panelCols);
  int64_t work = batches * (spec.m + product.packingRows) * panels * product.panelCols * depth;
  int64_t maxCols =
      std::clamp(product.sharedBytes / (product.panelBytes(depth) / product.panelCols), kLeastCols, kMostCols);
  Cut cut{batches,
          spec.m,
          spec.n,
          panels,
          product.panelCols,
          product.rowMultiple,
          std::max<int64_t>(1, (spec.m + (product.rowMultiple > 1 ? product.blockRows - 1 : product.blockRows / 2)) /
                                   product.blockRows),
          ceilDiv(spec.n, maxCols)};
  int64_t wanted = std::min(product.enoughChunks, work / product.chunkWork);
  if (product.rowMultiple > 1) wanted = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(wanted)));
  while (cut.chunks() < wanted && (cut.canCutRows() || cut.canCutCols())) {
    // Lower blocks cost nothing while B is packed first; narrower ones read A more often.
    if (cut.canCutRows() && cut.rowBlocks > 1)
      cut.cutRows();
    else if (cut.canCutCols())
      cut.cutCols();
    else
      cut.cutRows();
  }
  result.rows = cut.rows(), result.cols = cut.cols();
  result.rowBlocks = ceilDiv(spec.m, result.rows), result.colBlocks = ceilDiv(spec.n, result.cols);
  result.chunks = batches * result.rowBlocks * result.colBlocks;
  result.grain = std::max<int64_t>(1, product.chunkWork / ((result.rows + product.packingRows) * result.cols * depth));
  int64_t packedBytes = spec.rightBatches() * panels * product.panelBytes(spec.k);
  int64_t sliceBytes = ceilDiv(result.cols, product.panelCols) * product.panelBytes(spec.k);
  bool packsOnce = result.rowBlocks == 1 && product.multiplyUnpacked;
  gemm::MatrixView a{nullptr, spec.transposeLhs ? 1 : spec.k, spec.transposeLhs ? spec.m : 1};
  const bool canPackRows = spec.batchRank == 0 && result.colBlocks > 1 && product.packsRows && product.packsRows(a);
  // Rows that each block would pack again, more of them than B has columns: rather all of both operands once.
  const bool packsRowsAgain =
      canPackRows && (result.colBlocks - 1) * spec.m > spec.n && 2 * sliceBytes >= product.sliceBytes;
  if (!packsOnce && sliceBytes <= product.sliceBytes && !packsRowsAgain)
    result.packing = MatmulPacking::Thread;
  else if (!product.multiplyUnpacked || (!packsOnce && packedBytes <= kMostPackedBytes))
    result.packing = MatmulPacking::First;
  result.packsRows = result.packing == MatmulPacking::First && canPackRows;
  return result;
}

} // namespace tinyfin
