// SPDX-License-Identifier: Apache-2.0
// Blocks: some rows of A, packed for a block of k, times panels of B, packed a few at a time or beforehand. Sums of a
// square begin at zero for each block of k and are added to C while the next square is multiplied.
#include "runtime/kernels/amx/SplitProduct.h"
#include "runtime/Config.h"
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/SplitTile.h"
#include <algorithm>
#include <array>

namespace tinyfin::split {
namespace {

using amx::Isa;
constexpr int64_t kRows = 256, kCols = 2048; // of C at a time
constexpr int64_t kBlockDepth = 512;         // of k: A's rows, some panels of B and C stay in the second cache
constexpr int64_t kGroup = 4;                // panels of B that are packed at a time

Lines linesOf(const void *data, int64_t extentStride, int64_t depthStride, int64_t extent, int64_t k) {
  const bool alongK = depthStride == 1;
  return {static_cast<const float *>(data), alongK ? extentStride : depthStride, alongK, extent, k};
}

/// C[m, n] = A * B; B's panels are in `packedB`, or null.
struct Product {
  Lines a, b;
  const char *packedB;
  float *c;
  int64_t ldc;
};

/// Some rows and columns of a product, all of k.
class Part {
public:
  Part(const Product &product, int64_t row, int64_t rows, int64_t column, int64_t cols)
      : product(product), row(row), rows(rows), column(column), cols(cols), k(product.a.k), depth(blockDepth(k)) {}

  void multiply() {
    {
      amx::TileScope tiles(Isa::Amx);
      for (int64_t k0 = 0; k0 < k; k0 += depth) multiplyDepth(k0, std::min(depth, k - k0));
      storePending(pending);
    }
    for (int64_t i = 0; i < panelsOf(rows); ++i)
      for (int64_t j = 0; j < panelsOf(cols); ++j)
        if (!isExact(largestOfA[i]) || !isExact(largestOfB[j])) multiplyByVectors(i * kSquare, j * kSquare);
  }

private:
  void multiplyDepth(int64_t k0, int64_t d) {
    const int64_t steps = stepsOf(d), bytes = panelBytes(d), panels = panelsOf(rows);
    char *a = scratch<char>(ScratchUse::GemmA, panels * bytes);
    pack(Side::A, a, bytes, {product.a.at(row, 0), product.a.stride, product.a.alongK, rows, k},
         {0, panels, k0, k0 + d}, k0 / kDepth);
    for (int64_t i = 0; i < panels; ++i) largestOfA[i] = std::max(largestOfA[i], largest(a + i * bytes, steps));
    for (int64_t first = 0; first < cols; first += kGroup * kSquare) {
      const int64_t end = std::min(cols, first + kGroup * kSquare);
      auto [b, bBytes] = panelsOfB(first, end, k0, d);
      for (int64_t j = first; j < end; j += kSquare, b += bBytes) {
        if (product.b.from) // what was packed beforehand is known to be exact
          largestOfB[j / kSquare] = std::max(largestOfB[j / kSquare], largest(b, steps));
        for (int64_t i = 0; i < panels; ++i) multiplySquareAt(a + i * bytes, b, steps, i * kSquare, j, k0 > 0);
      }
    }
  }

  /// The first of columns [first, end) and how far panels are apart.
  std::pair<const char *, int64_t> panelsOfB(int64_t first, int64_t end, int64_t k0, int64_t d) const {
    if (product.packedB) {
      const int64_t bytes = panelBytes(k);
      return {product.packedB + (column + first) / kSquare * bytes + k0 / kDepth * kStepBytes, bytes};
    }
    const int64_t bytes = panelBytes(d), panels = panelsOf(end - first);
    char *packed = scratch<char>(ScratchUse::GemmB, kGroup * bytes);
    pack(Side::B, packed, bytes, {product.b.at(column + first, 0), product.b.stride, product.b.alongK, end - first, k},
         {0, panels, k0, k0 + d}, k0 / kDepth);
    return {packed, bytes};
  }

  void multiplySquareAt(const char *a, const char *b, int64_t steps, int64_t i, int64_t j, bool accumulate) {
    const int64_t width = std::min(kSquare, cols - j);
    const PendingSums next{sums[turn ^= 1].data(),      product.c + (row + i) * product.ldc + column + j,  product.ldc,
                           std::min(kSquare, rows - i), static_cast<uint32_t>((uint64_t(1) << width) - 1), accumulate};
    multiplySquare(a, b, steps, next, pending);
    pending = next;
  }

  void multiplyByVectors(int64_t i, int64_t j) const {
    const Lines &a = product.a, &b = product.b;
    const Lines rowsOfA{a.at(row + i, 0), a.stride, a.alongK, std::min(kSquare, rows - i), k};
    const Lines colsOfB{b.from ? b.at(column + j, 0) : nullptr, b.stride, b.alongK, std::min(kSquare, cols - j), k};
    const char *panel = b.from ? nullptr : product.packedB + (column + j) / kSquare * panelBytes(k);
    split::multiplyByVectors(rowsOfA, colsOfB, panel, product.c + (row + i) * product.ldc + column + j, product.ldc);
  }

  const Product &product;
  const int64_t row, rows, column, cols, k, depth;
  std::array<uint32_t, kRows / kSquare> largestOfA{};
  std::array<uint32_t, kCols / kSquare> largestOfB{};
  alignas(64) std::array<std::array<float, kSquare * kSquare>, 2> sums;
  PendingSums pending;
  int turn = 0;
};

void multiply(const Product &product, int64_t m, int64_t n) {
  for (int64_t column = 0; column < n; column += kCols)
    for (int64_t row = 0; row < m; row += kRows)
      Part(product, row, std::min(kRows, m - row), column, std::min(kCols, n - column)).multiply();
}

void packPanels(const gemm::MatrixView &b, int64_t k, int64_t n, const gemm::PackRange &range, void *packed) {
  pack(Side::B, static_cast<char *>(packed), panelBytes(k), linesOf(b.data, b.col, b.row, n, k), range);
}

void multiplyBlock(const gemm::PackedBlock &block) {
  multiply({linesOf(block.a.data, block.a.row, block.a.col, block.rows, block.k),
            linesOf(block.b.data, block.b.col, block.b.row, block.cols, block.k),
            static_cast<const char *>(block.panels), static_cast<float *>(block.c), block.ldc},
           block.rows, block.cols);
}

void multiplyUnpacked(DType dtype, const gemm::Block &block) {
  if (block.accumulate || block.k == 0) return gemm::multiplyOwn(dtype, block);
  multiply({linesOf(block.a, block.aRow, block.aCol, block.m, block.k),
            linesOf(block.b, block.bCol, block.bRow, block.n, block.k), nullptr, static_cast<float *>(block.c),
            block.ldc},
           block.m, block.n);
}

/// Squares are multiplied by vectors if A wants it, from what is left of B.
bool keepsExactly(const void *packed, int64_t k, int64_t n) {
  for (int64_t j = 0; j < panelsOf(n); ++j)
    if (!isExact(largest(static_cast<const char *>(packed) + j * panelBytes(k), stepsOf(k)))) return false;
  return true;
}

bool packsBlock(const gemm::MatrixView &, int64_t, int64_t) { return true; }

constexpr gemm::PackedProduct kProduct = {
    .panelCols = kSquare,
    .blockRows = kRows,
    .rowMultiple = kSquare,
    .depthPiece = kDepth,
    .chunkWork = 1 << 20,
    .enoughChunks = 8,
    .packingRows = 60,
    .sliceBytes = 1600 << 10,
    .sharedBytes = 1600 << 10,
    .costs = {.ofA = 48, .ofTurnedA = 66, .ofReading = 60, .intoSlice = 60, .intoGroup = 66, .rate = 2},
    .streamRows = kRows,
    .packsBlock = packsBlock,
    .panelBytes = panelBytes,
    .packPanels = packPanels,
    .multiplyBlock = multiplyBlock,
    .multiplyUnpacked = multiplyUnpacked,
    .keepsExactly = keepsExactly};

} // namespace

int64_t blockDepth(int64_t k) { return roundUp(ceilDiv(k, ceilDiv(k, kBlockDepth)), kDepth); }

void multiplyByVectors(const Lines &a, const Lines &b, const char *panel, float *c, int64_t ldc) {
  gemm::Block square{.m = a.extent,
                     .n = b.extent,
                     .k = a.k,
                     .a = a.from,
                     .aRow = a.alongK ? a.stride : 1,
                     .aCol = a.alongK ? 1 : a.stride,
                     .b = b.from,
                     .bRow = b.alongK ? 1 : b.stride,
                     .bCol = b.alongK ? b.stride : 1,
                     .c = c,
                     .ldc = ldc};
  if (!b.from) { // only its parts are left
    // All else of a product may be in use: C too lies in scratch if somebody finishes it.
    float *columns = scratch<float>(ScratchUse::GemmPackedRows, a.k * kSquare);
    unpackB(columns, panel, a.k);
    square.b = columns, square.bRow = kSquare, square.bCol = 1;
  }
  gemm::multiplyOwn(DType::F32, square);
}

const gemm::PackedProduct *product() {
  return amx::isa() == Isa::Amx && !config::isDisabled("split-products") ? &kProduct : nullptr;
}

} // namespace tinyfin::split
