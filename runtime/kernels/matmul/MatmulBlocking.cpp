// SPDX-License-Identifier: Apache-2.0
// How matrix products are cut into chunks. Whatever the cut, an element's products are added up in the same order.
#include "runtime/Config.h"
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/matmul/Matmul.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <algorithm>
#include <bit>

namespace tinyfin {
namespace {

constexpr int64_t kLeastCols = 256, kMostCols = 512;
constexpr int64_t kFewRows = 28;         // blocks are not made lower
constexpr int64_t kLeastLargeRows = 256; // of products whose cut is searched for
constexpr int64_t kLeastPacked = 64;     // rows, columns and depth of large products whose B was packed beforehand
constexpr double kWorthPacking = 0.8;    // of what products with a constant operand cost
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

/// What a cut costs beside the products themselves, as a part of these.
class CutSearch {
public:
  CutSearch(const MatmulSpec &spec, const gemm::PackedProduct &product, int64_t threads)
      : spec(spec), product(product), threads(threads),
        streams(product.streamRows && !config::isDisabled("streamed-products")) {}

  /// What products and the rest cost, as a part of what the own ones would.
  double cost() const { return (1 + least) / product.costs.rate; }

  /// For a B that was packed beforehand.
  MatmulBlocking bestForPacked() {
    for (int64_t cols = product.panelCols; cols < spec.n + product.panelCols; cols += product.panelCols)
      for (int64_t rows = 1; rows <= kMostCuts; ++rows) tryPacked(ceilDiv(spec.m, rows), std::min(spec.n, cols));
    return found;
  }

  MatmulBlocking best() {
    const int64_t panels = ceilDiv(spec.n, product.panelCols);
    const int64_t fewest = ceilDiv(spec.n, kWidest);
    int64_t previous = 0;
    for (int64_t blocks = fewest; blocks <= std::min(panels, fewest + kMostCuts); ++blocks) {
      const int64_t cols = std::min(spec.n, ceilDiv(panels, blocks) * product.panelCols);
      if (cols == previous || (blocks > 1 && cols < kNarrowest)) continue;
      previous = cols;
      trySlices(cols);
      for (int64_t rows = 1; streams && rows <= kMostCuts; ++rows) tryStream(ceilDiv(spec.m, rows), cols);
    }
    return found;
  }

private:
  static constexpr int64_t kMostCuts = 16, kWidest = 1024,
                           kNarrowest = 96;                   // columns; what is narrower packs A too often
  static constexpr int64_t kSliceRows = 104, kLeastRows = 64; // of a chunk
  static constexpr int64_t kSliceBytes = 1800 << 10;          // of B, beside a block of A in the second cache
  static constexpr int64_t kStreamElements = 192 << 10;       // of C, likewise: it is added to for each block of k
  static constexpr double kReading = 0.5; // of what packing costs: A is read again for each block of columns
  static constexpr double kHeldUp = 0.04; // of a thread's last chunk is lost, about

  /// Chunks that do not come out even, and the last one.
  double unevenness(int64_t chunks) const {
    return static_cast<double>(ceilDiv(chunks, threads) * threads) / chunks - 1 + kHeldUp * threads / chunks;
  }
  double packingOfA(int64_t rows, int64_t cols) const {
    gemm::MatrixView a{nullptr, spec.transposeLhs ? 1 : spec.k, spec.transposeLhs ? spec.m : 1};
    const double packing = spec.transposeLhs ? product.costs.ofTurnedA : product.costs.ofA;
    return (product.packsBlock(a, rows, cols) ? 1 : kReading) * packing / cols;
  }
  void offer(double cost, MatmulPacking how, int64_t rows, int64_t cols) {
    if (cost >= least) return;
    least = cost;
    found.product = &product, found.packing = how, found.rows = rows, found.cols = cols;
    found.rowBlocks = ceilDiv(spec.m, rows), found.colBlocks = ceilDiv(spec.n, cols);
    found.chunks = found.rowBlocks * found.colBlocks;
  }

  /// Rows of a block, so that chunks come out even if they can.
  int64_t evenRows(int64_t colBlocks) const {
    const int64_t least = ceilDiv(spec.m, kSliceRows);
    auto rowsOf = [&](int64_t blocks) {
      return std::min(spec.m, roundUp(ceilDiv(spec.m, blocks), product.rowMultiple));
    };
    for (int64_t blocks = least; blocks <= least + threads; ++blocks)
      if (const int64_t rows = rowsOf(blocks); rows >= kLeastRows && ceilDiv(spec.m, rows) * colBlocks % threads == 0)
        return rows;
    return rowsOf(least);
  }

  /// Slices of B that a thread packs once, for all its blocks of rows.
  void trySlices(int64_t cols) {
    const int64_t bytes = ceilDiv(cols, product.panelCols) * product.panelBytes(spec.k);
    if (bytes > kSliceBytes) return;
    const int64_t colBlocks = ceilDiv(spec.n, cols), rows = evenRows(colBlocks), blocks = ceilDiv(spec.m, rows);
    const int64_t chunks = blocks * colBlocks, own = ceilDiv(chunks, threads);
    // Slices that a thread's chunks meet, and one more where they end within one.
    const bool fits = chunks % threads == 0 && (own % blocks == 0 || blocks % own == 0);
    const int64_t met = ceilDiv(own, blocks) + !fits;
    const double packingOfB = product.costs.intoSlice * met * cols * threads / (static_cast<double>(spec.m) * spec.n);
    const double spilt = product.costs.spilt * std::max(0.0, static_cast<double>(bytes) / product.costs.easyBytes - 1);
    offer(packingOfA(rows, cols) + packingOfB + spilt + unevenness(chunks), MatmulPacking::Thread, rows, cols);
  }

  /// Each chunk has its part of B for itself, which costs so much a row.
  void tryChunks(int64_t rows, int64_t cols, double costOfB, int64_t leastRows, int64_t leastChunks) {
    rows = std::min(spec.m, roundUp(rows, product.rowMultiple));
    const int64_t chunks = ceilDiv(spec.m, rows) * ceilDiv(spec.n, cols);
    if (rows > product.streamRows || rows < leastRows || rows * cols > kStreamElements || chunks < leastChunks) return;
    offer(costOfB / rows + packingOfA(rows, cols) + unevenness(chunks), MatmulPacking::Chunk, rows, cols);
  }
  /// It packs it a few panels at a time.
  void tryStream(int64_t rows, int64_t cols) {
    tryChunks(rows, cols, product.costs.intoGroup, kLeastRows, product.costs.chunks * threads);
  }
  /// It reads it from the third cache, or from memory.
  void tryPacked(int64_t rows, int64_t cols) { tryChunks(rows, cols, product.costs.ofReading, 1, threads); }

  const MatmulSpec &spec;
  const gemm::PackedProduct &product;
  const int64_t threads;
  const bool streams;
  double least = 1e9;
  MatmulBlocking found;
};

/// Enough for every thread to have some chunks, and rows enough for packing B to pay.
bool isLarge(const MatmulSpec &spec, const gemm::PackedProduct &product) {
  return spec.batchRank == 0 && spec.m >= kLeastLargeRows &&
         spec.m * spec.n * spec.k >= product.chunkWork * product.enoughChunks;
}

/// Large ones whose costs are known.
bool isSearched(const MatmulSpec &spec, const gemm::PackedProduct &product) {
  return isLarge(spec, product) && (spec.transposeLhs ? product.costs.ofTurnedA : product.costs.ofA) > 0;
}

} // namespace

MatmulBlocking MatmulBlocking::choose(const MatmulSpec &spec, int threads) {
  const gemm::PackedProduct &usual = gemm::bestProduct(spec.dtype), *large = gemm::largeProduct(spec.dtype);
  if (!threads) threads = ThreadPool::defaultThreads();
  if (!large || !isLarge(spec, *large)) return choose(spec, usual, threads);
  CutSearch usualCut(spec, usual, threads), largeCut(spec, *large, threads);
  const MatmulBlocking ofLarge = largeCut.best(), ofUsual = usualCut.best();
  if (ofLarge.chunks && largeCut.cost() < usualCut.cost()) return ofLarge;
  return ofUsual.chunks && isLarge(spec, usual) ? ofUsual : choose(spec, usual, threads);
}

MatmulBlocking MatmulBlocking::chooseForPacked(const MatmulSpec &spec, int threads) {
  const gemm::PackedProduct *large = gemm::largeProduct(spec.dtype);
  if (!large || spec.batchRank != 0 || std::min({spec.m, spec.n, spec.k}) < kLeastPacked) return {};
  CutSearch search(spec, *large, threads ? threads : ThreadPool::defaultThreads());
  MatmulBlocking found = search.bestForPacked();
  return search.cost() < kWorthPacking ? found : MatmulBlocking();
}

MatmulBlocking MatmulBlocking::choose(const MatmulSpec &spec, const gemm::PackedProduct &product, int threads) {
  if (isSearched(spec, product))
    if (auto cut = CutSearch(spec, product, threads ? threads : ThreadPool::defaultThreads()).best(); cut.chunks)
      return cut;
  MatmulBlocking result{&product};
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
  // What each block reads of B comes from beyond the second cache if k is long: then lower blocks read it more often.
  const bool streams =
      product.rowMultiple > 1 && product.panelBytes(depth) * kLeastCols > 2 * product.sliceBytes * product.panelCols;
  while (cut.chunks() < wanted && (cut.canCutRows() || cut.canCutCols())) {
    // Lower blocks cost nothing while B is packed first; narrower ones read A more often.
    if (cut.canCutRows() && cut.rowBlocks > 1 && !(streams && cut.canCutCols()))
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
  if (!packsOnce && sliceBytes <= product.sliceBytes)
    result.packing = MatmulPacking::Thread;
  else if (!product.multiplyUnpacked || (!packsOnce && packedBytes <= kMostPackedBytes))
    result.packing = MatmulPacking::First;
  return result;
}

} // namespace tinyfin
