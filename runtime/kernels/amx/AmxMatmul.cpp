// SPDX-License-Identifier: Apache-2.0
// Blocks of k: half a panel of A stays in L1, the other half and the panels of B come from L2; squares of C go to f32,
// or are rounded while the next square is computed.
#include "runtime/kernels/amx/AmxMatmul.h"
#include "runtime/kernels/Scratch.h"
#include <utility>

namespace tinyfin::amx {

#ifdef TINYFIN_AMX_TARGETS
namespace {

constexpr int64_t kBlockDepth = 1024;    // of k, at most: sums that are put down and taken up cost more than reading A
constexpr int64_t kStreamDepth = 512;    // of k, where A and B are packed for it: they stay in L2 beside C's sums
constexpr int64_t kHeldDepth = 512;      // of k in the part of a panel of A that fits into L1, 32 KiB
constexpr int64_t kGroup = 4 * kSquare;  // columns of B that are packed at a time, if they are not beforehand
constexpr int64_t kHiddenDepth = 512;    // beyond it, stores to C that is far away are hidden without being fetched
constexpr int64_t kConflictBytes = 2048; // rows of A so far apart fall into few sets of L1
constexpr int64_t kLine = 64;
constexpr int64_t kSquareSums = kSquare * kSquare;

/// Where the sums of the square at (row, column), the `index`-th in order, are kept; rows `ld` apart. `exact`: there is
/// no room but for C's own rows and columns.
struct Sums {
  float *at;
  int64_t rowStep, columnStep, ld, alternate = 0;
  bool exact = false, accumulate = false; // the latter: to what is there already
  float *square(int64_t row, int64_t column, int64_t index) const {
    return at + row * rowStep + column * columnStep + index % 2 * alternate;
  }
};

/// Panels of B for a block of k, from column `first` on, so many bytes apart.
struct Panels {
  const char *at;
  int64_t bytes, first;
};

/// Rows that lie so that those of two tiles push each other out of L1: those of one may stay.
bool fallsTogether(const Strided &a) { return a.row * 2 % kConflictBytes == 0; }

/// Of blocks of k, so that they are about equal.
int64_t blockDepth(const Block &block) {
  const int64_t most = block.b ? kBlockDepth : kStreamDepth, blocks = (block.k + most - 1) / most;
  return std::max(stepsOf((block.k + blocks - 1) / std::max<int64_t>(blocks, 1)), int64_t(1)) * kDepth;
}

class BlockProduct {
public:
  BlockProduct(const Block &block, const Sums &sums)
      : block(block), sums(sums), wholeDepth(blockDepth(block)), conflicts(fallsTogether(block.a)) {}

  /// pendingOf(row, column, sums) says how the square there is stored once its sums are complete.
  template <class PendingOf> TINYFIN_TARGET_BF16 void run(PendingOf pendingOf) {
    TileScope tiles(block.isa);
    for (int64_t k0 = 0; k0 < block.k; k0 += wholeDepth) {
      int64_t depth = std::min(wholeDepth, block.k - k0);
      packBlock(k0, depth);
      const int64_t group = block.b ? block.n : kGroup;
      for (int64_t first = 0; first < block.n; first += group) {
        panels = panelsOfB(first, std::min(group, block.n - first), k0, depth);
        multiplyColumns(first, std::min(block.n, first + group), k0, depth, pendingOf);
      }
    }
    storeRows(pending, pending.rows);
  }

private:
  template <class PendingOf>
  TINYFIN_TARGET_BF16 void multiplyColumns(int64_t first, int64_t end, int64_t k0, int64_t depth, PendingOf pendingOf) {
    for (int64_t row = 0; row < block.m; row += kSquare)
      for (int64_t column = first; column < end; column += kSquare) {
        const bool last = k0 + depth == block.k;
        float *to = sums.square(row, column, squares++);
        const PendingRows next = last ? pendingOf(row, column, to) : PendingRows();
        multiplySquare(row, column, k0, depth, to, next);
        if (last) pending = next;
      }
  }

  Panels panelsOfB(int64_t first, int64_t columns, int64_t k0, int64_t depth) const {
    if (block.b) return {static_cast<const char *>(block.b) + k0 / kDepth * kStepBytes, panelBytes(block.k), 0};
    char *to = scratch<char>(ScratchUse::GemmB, kGroup / kSquare * panelBytes(wholeDepth));
    Strided from = block.unpackedB;
    from.data += k0 * from.row + first * from.column;
    packB(to, from, depth, columns);
    return {to, panelBytes(depth), first};
  }

  /// Rows that begin within a line would have every line of them loaded twice.
  bool readsInPlace(int64_t depth) const {
    return block.a.column == 1 && depth % kDepth == 0 && block.a.row % kDepth == 0;
  }

  /// Rows that cannot be read in place: all of them or those of the last panel.
  void packBlock(int64_t k0, int64_t depth) {
    firstPacked = readsInPlace(depth) ? block.m / kSquare * kSquare : 0;
    if (firstPacked == block.m) return;
    int64_t rows = block.m - firstPacked;
    packed = scratch<char>(ScratchUse::GemmA, panelsOf(rows) * panelBytes(depth));
    Strided from = block.a;
    from.data += firstPacked * from.row + k0 * from.column;
    packA(packed, from, rows, depth);
  }

  SquareInputs inputsAt(int64_t row, int64_t column, int64_t k0, int64_t depth) const {
    SquareInputs in;
    in.steps = stepsOf(depth);
    in.b = panels.at + (column - panels.first) / kSquare * panels.bytes;
    in.bStep = kStepBytes;
    in.holdsFirst = row < firstPacked && conflicts;
    in.heldSteps = in.holdsFirst ? 0 : kHeldDepth / kDepth;
    if (row < firstPacked) {
      in.a = reinterpret_cast<const char *>(block.a.data + row * block.a.row + k0);
      in.aRow = block.a.row * 2, in.aTile = kTile * in.aRow, in.aStep = kDepth * 2;
      if (auto [nextRow, nextDepth] = panelAfter(row, k0); nextRow + kSquare <= block.m + block.rowsAfter)
        lookAhead(in, column, reinterpret_cast<const char *>(block.a.data + nextRow * block.a.row + nextDepth),
                  in.aRow);
      return in;
    }
    in.aRow = kDepth * 2, in.aTile = kStepBytes / 2, in.aStep = kStepBytes;
    in.a = packed + (row - firstPacked) / kSquare * panelBytes(depth);
    fetchUnpacked(in, row, column, k0);
    return in;
  }

  /// Rows in lines along k that the next block of k, or the next block of rows, will pack.
  void fetchUnpacked(SquareInputs &in, int64_t row, int64_t column, int64_t k0) const {
    const bool further = k0 + wholeDepth < block.k;
    const int64_t from = further ? row : row + block.m, end = further ? block.m : block.m + block.rowsAfter;
    if (block.a.column != 1 || from + kSquare > end) return;
    const BFloat16 *next = block.a.data + from * block.a.row + (further ? k0 + wholeDepth : 0);
    lookAhead(in, column, reinterpret_cast<const char *>(next), block.a.row * 2);
  }

  /// The row and depth of the panel of A after this one; behind the last one are the rows of the next block.
  std::pair<int64_t, int64_t> panelAfter(int64_t row, int64_t k0) const {
    if (row + kSquare < block.m) return {row + kSquare, k0};
    return k0 + wholeDepth < block.k ? std::pair{int64_t(0), k0 + wholeDepth} : std::pair{block.m, int64_t(0)};
  }

  /// The squares of a panel of A share in fetching the next one, 32 rows from `next` on: rows that are neighbours front
  /// to back, as the hardware's own prefetching likes it, others side by side.
  void lookAhead(SquareInputs &in, int64_t column, const char *next, int64_t rowBytes) const {
    int64_t panels = panelsOf(block.n), index = column / kSquare, first = index * kSquare / panels;
    const bool neighbours = rowBytes == in.steps * kLine;
    in.ahead = next + first * rowBytes, in.aheadLines = (index + 1) * kSquare / panels - first;
    in.aheadLine = neighbours ? kLine : rowBytes, in.aheadStep = neighbours ? in.aheadLines * kLine : kLine;
  }

  /// `next` is stored while the following square is computed.
  void multiplySquare(int64_t row, int64_t column, int64_t k0, int64_t depth, float *to, const PendingRows &next) {
    int64_t rows = std::min(kSquare, block.m - row), columns = std::min(kSquare, block.n - column);
    SquareFn square = squareFor(block.isa, rows > kTile ? 2 : 1, columns > kTile ? 2 : 1);
    SquareInputs in = inputsAt(row, column, k0, depth);
    in.target = reinterpret_cast<const char *>(next.c), in.targetRow = next.ldc * 2;
    in.targetRows = block.k <= kHiddenDepth ? next.rows : 0;
    bool accumulate = k0 > 0 || sums.accumulate;
    if (sums.exact && (rows < kSquare || columns < kSquare))
      multiplyEdge(square, in, rows, columns, to, accumulate);
    else
      square(in, to, sums.ld * sizeof(float), accumulate, pending);
  }

  void multiplyEdge(SquareFn square, const SquareInputs &in, int64_t rows, int64_t columns, float *to,
                    bool accumulate) {
    alignas(64) float whole[kSquareSums];
    for (int64_t i = 0; i < rows && accumulate; ++i) std::copy_n(to + i * sums.ld, columns, whole + i * kSquare);
    square(in, whole, kSquare * sizeof(float), accumulate, pending);
    for (int64_t i = 0; i < rows; ++i) std::copy_n(whole + i * kSquare, columns, to + i * sums.ld);
  }

  const Block &block;
  const Sums sums;
  const int64_t wholeDepth; // of the blocks of k but the last
  const bool conflicts;
  Panels panels{};
  int64_t squares = 0, firstPacked = 0; // rows from firstPacked on lie in `packed`
  char *packed = nullptr;
  PendingRows pending;
};

/// With k = 0 the sums are zeros.
template <class PendingOf>
TINYFIN_TARGET_BF16 void storeZeros(const Block &block, const float *zeros, PendingOf pendingOf) {
  for (int64_t row = 0; row < block.m; row += kSquare)
    for (int64_t column = 0; column < block.n; column += kSquare) {
      PendingRows pending = pendingOf(row, column, zeros);
      storeRows(pending, pending.rows);
    }
}

} // namespace

void multiply(const Block &block, float *c, int64_t ldc, bool accumulate) {
  for (int64_t i = 0; i < block.m && block.k == 0 && !accumulate; ++i)
    std::fill(c + i * ldc, c + i * ldc + block.n, 0.0f);
  BlockProduct(block, {c, ldc, 1, ldc, 0, true, accumulate}).run([](auto...) { return PendingRows(); });
}

void multiply(const Block &block, BFloat16 *c, int64_t ldc, const Store &store) {
  // Two squares in turn are enough if k is one block; otherwise all squares of C are kept, one after the other.
  alignas(64) float own[2 * kSquareSums];
  Sums sums{own, 0, 0, kSquare, kSquareSums};
  if (block.k > blockDepth(block)) {
    int64_t panels = panelsOf(block.n);
    sums = {scratch<float>(ScratchUse::GemmC, panelsOf(block.m) * panels * kSquareSums), panels * kSquare, kSquare,
            kSquare};
  }
  auto pendingOf = [&](int64_t row, int64_t column, const float *square) {
    int64_t columns = std::min(kSquare, block.n - column);
    PendingRows pending{square,
                        kSquare,
                        c + row * ldc + column,
                        ldc,
                        std::min(kSquare, block.m - row),
                        static_cast<uint32_t>((uint64_t(1) << columns) - 1),
                        store};
    if (store.bias) pending.store.bias += column;
    return pending;
  };
  if (block.k > 0) return BlockProduct(block, sums).run(pendingOf);
  std::fill(own, own + kSquareSums, 0.0f);
  storeZeros(block, own, pendingOf);
}

#else

void multiply(const Block &, float *, int64_t, bool) {}
void multiply(const Block &, BFloat16 *, int64_t, const Store &) {}

#endif

} // namespace tinyfin::amx
