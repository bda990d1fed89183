// SPDX-License-Identifier: Apache-2.0
// The tables of functions, and blocks whose B is packed into scratch of the thread.
#include "runtime/kernels/amx/AmxProduct.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/amx/AmxMatmul.h"

namespace tinyfin::amx {
namespace {

constexpr int64_t kBlockRows = 128; // of A: with 1024 of k 256 KiB
constexpr int64_t kStreamRows = 384, kLongDepth = 1024;
constexpr int64_t kGroupBytes = 512 << 10; // of B that is packed for one block, in L2

Strided stridedOf(const gemm::MatrixView &view) {
  return {static_cast<const BFloat16 *>(view.data), view.row, view.col};
}

void packPanels(const gemm::MatrixView &b, int64_t k, int64_t n, const gemm::PackRange &range, void *packed) {
  packB(packed, stridedOf(b), k, n, range);
}

bool packsBlock(const gemm::MatrixView &a, int64_t, int64_t) { return a.col != 1 || a.row % kDepth; }

template <Isa isa> void multiplyBlock(const gemm::PackedBlock &block) {
  multiply({isa, block.rows, block.cols, block.k, stridedOf(block.a), block.panels, block.rowsAfter},
           static_cast<float *>(block.c), block.ldc);
}

template <Isa isa> void multiplyRounded(const gemm::PackedBlock &block) {
  multiply({isa, block.rows, block.cols, block.k, stridedOf(block.a), block.panels, block.rowsAfter},
           static_cast<BFloat16 *>(block.c), block.ldc, {});
}

void multiplyStored(const Block &part, const gemm::Block &block, int64_t at) {
  if (block.wide)
    multiply(part, static_cast<float *>(block.c) + at, block.ldc, block.accumulate);
  else
    multiply(part, static_cast<BFloat16 *>(block.c) + at, block.ldc, {nullptr, block.accumulate, false});
}

/// Packs as many panels as fit into L2, multiplies all rows by them, and so on. If that is few of them and rows are not
/// many, blocks of k are packed.
void multiplyWithPacking(Isa isa, const gemm::Block &block) {
  const int64_t bytes = panelBytes(block.k),
                group = std::max<int64_t>(1, kGroupBytes / std::max<int64_t>(bytes, 1)) * kSquare;
  const Strided a{static_cast<const BFloat16 *>(block.a), block.aRow, block.aCol};
  if (block.m <= kStreamRows && block.k >= kLongDepth)
    return multiplyStored({isa, block.m, block.n, block.k, a, nullptr, 0, stridedOf({block.b, block.bRow, block.bCol})},
                          block, 0);
  void *packed = scratchBytes(ScratchUse::GemmB, std::min(panelsOf(block.n), group / kSquare) * bytes);
  for (int64_t column = 0; column < block.n; column += group) {
    int64_t columns = std::min(group, block.n - column);
    const auto *b = static_cast<const BFloat16 *>(block.b) + column * block.bCol;
    packB(packed, {b, block.bRow, block.bCol}, block.k, columns);
    for (int64_t row = 0; row < block.m; row += kBlockRows) {
      Block part{isa, std::min(kBlockRows, block.m - row), columns, block.k, a, packed};
      part.a.data += row * a.row;
      multiplyStored(part, block, row * block.ldc + column);
    }
  }
}

template <Isa isa> void multiplyUnpacked(DType, const gemm::Block &block) { multiplyWithPacking(isa, block); }

/// Of rows in lines along k nothing is said: they are read in place, and cut otherwise.
constexpr gemm::ProductCosts kTileCosts = {
    .ofTurnedA = 187, .intoSlice = 145, .intoGroup = 145, .easyBytes = 512 << 10, .spilt = 0.25, .chunks = 1};

template <Isa isa>
constexpr gemm::PackedProduct kProduct = {.panelCols = kSquare,
                                          .blockRows = kBlockRows,
                                          .rowMultiple = kSquare,
                                          .depthPiece = kDepth,
                                          .chunkWork = isa == Isa::Amx ? 1 << 23 : 1 << 19,
                                          .enoughChunks = isa == Isa::Amx ? 16 : 32,
                                          .packingRows = isa == Isa::Amx ? 64 : 4,
                                          .sliceBytes = 1 << 20,
                                          .sharedBytes = 512 << 10,
                                          .costs = isa == Isa::Amx ? kTileCosts : gemm::ProductCosts(),
                                          .streamRows = isa == Isa::Amx ? kStreamRows : 0,
                                          .packsBlock = packsBlock,
                                          .panelBytes = panelBytes,
                                          .packPanels = packPanels,
                                          .multiplyBlock = multiplyBlock<isa>,
                                          .multiplyUnpacked = multiplyUnpacked<isa>,
                                          .multiplyRounded = multiplyRounded<isa>};

} // namespace

const gemm::PackedProduct *product() {
  switch (isa()) {
  case Isa::Amx:
    return &kProduct<Isa::Amx>;
  case Isa::Avx512Bf16:
    return &kProduct<Isa::Avx512Bf16>;
  case Isa::None:
    break;
  }
  return nullptr;
}

} // namespace tinyfin::amx
