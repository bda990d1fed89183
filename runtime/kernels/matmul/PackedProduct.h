// SPDX-License-Identifier: Apache-2.0
// How one dtype is multiplied on this machine, for MatmulPlan: B is packed into panels of columns (once, in any
// pieces), then blocks of rows times some panels give blocks of accumulators. A table of functions, so that an
// instruction set brings its own layout.
#pragma once
#include "runtime/DType.h"
#include "runtime/kernels/matmul/MatmulGemm.h"
#include <cstdint>

namespace tinyfin::gemm {

/// Element (i, j) of a matrix is data[i * row + j * col] of the operands' dtype; one of the strides is 1.
struct MatrixView {
  const void *data;
  int64_t row, col;
};

/// Rows of A times neighbouring panels of B.
struct PackedBlock {
  MatrixView a; // from its first row
  int64_t rows, k;
  const void *panels; // the first one, whole in k
  int64_t cols;       // valid ones: the last panel may have fewer than the others
  void *c;            // f32, or f64 for f64: all of k is added up, exactly rows x cols elements are written
  int64_t ldc;
  int64_t rowsAfter; // rows of A behind these that are probably next: worth fetching
  MatrixView b = {}; // what the panels were packed from, from the first one's first column
};

/// The part of B that one piece of packing covers: depth [depthBegin, depthEnd), panels [panelBegin, panelEnd).
struct PackRange {
  int64_t panelBegin, panelEnd, depthBegin, depthEnd;
};

/// What packing an element costs, in multiply-adds, and the rate of those.
struct ProductCosts {
  double ofA = 0, ofTurnedA = 0;       // rows of A in lines along k, or across
  double ofReading = 0;                // B that was packed beforehand
  double intoSlice = 0, intoGroup = 0; // B: into memory that left the second cache in between, or did not
  int64_t easyBytes = 1 << 20;         // of a slice; of larger ones parts leave the second cache
  double spilt = 0.1;                  // lost of the rate if it is twice as large
  double rate = 1;                     // to the own product's
  int64_t chunks = 2;                  // of a thread, at least, where each packs B for itself
};

struct PackedProduct {
  int64_t panelCols;       // columns of B in a panel
  int64_t blockRows;       // of A in a block, at most
  int64_t rowMultiple;     // blocks of fewer rows than A has are multiples of it
  int64_t depthPiece;      // ranges of depth begin at multiples of it
  int64_t chunkWork;       // multiply-adds worth handing to a thread: about 5 us
  int64_t enoughChunks;    // more are not needed for a thread that is held up to leave little behind
  int64_t packingRows;     // rows of A that cost as much as reading and packing B
  int64_t sliceBytes;      // of B packed that each thread rather packs for itself than shares
  int64_t sharedBytes;     // of B packed for neighbouring chunks: with a block of A and one of C in the second cache
  ProductCosts costs = {}; // with streamRows
  /// Of A in a chunk that packs B for itself, some panels at a time, at most; or 0 where that is never better.
  int64_t streamRows = 0;
  /// Whether a block of A is packed; with streamRows.
  bool (*packsBlock)(const MatrixView &a, int64_t rows, int64_t cols) = nullptr;
  /// Bytes from one panel to the next.
  int64_t (*panelBytes)(int64_t k);
  /// Packs a range of B (k x n) into `packed`, where panel 0 begins.
  void (*packPanels)(const MatrixView &b, int64_t k, int64_t n, const PackRange &range, void *packed);
  void (*multiplyBlock)(const PackedBlock &block);
  /// Multiplies without packed panels (`wide` blocks), where packing B would not pay; or null.
  void (*multiplyUnpacked)(DType dtype, const Block &block);
  /// multiplyBlock with a C of the operands' dtype, rounded on the way; or null.
  void (*multiplyRounded)(const PackedBlock &block) = nullptr;
  /// Whether all panels of B (k x n) hold all that B did; or null: they do.
  bool (*keepsExactly)(const void *packed, int64_t k, int64_t n) = nullptr;
};

/// The own product, for every float dtype (bf16 and f16 are widened while packing).
const PackedProduct &ownProduct(DType dtype);
/// The best of this machine that the settings allow, for products of any size.
const PackedProduct &bestProduct(DType dtype);
/// One that is better for some that are large, or null: see MatmulBlocking::choose.
const PackedProduct *largeProduct(DType dtype);

} // namespace tinyfin::gemm
