// SPDX-License-Identifier: Apache-2.0
// Matrix products. Where the columns of the result are contiguous in the right operand: outer products, a tile of rows
// times a few vectors of columns in registers, each step of k one broadcast a row. Where the right operand is transposed,
// either blocks of it are turned first, or dot products go along k, a tile of vector accumulators whose lanes are added up
// at the end. Ops that finish the product read the tile from the stack.
#include "backends/cpu/Contract.h"
#include "backends/cpu/Epilogue.h"
#include "backends/cpu/VectorLoop.h"
#include "runtime/Config.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Value clampTo(Code &code, Value position, Dim extent) {
  return code.least(position, code.sub(code.extent(extent), code.i64(1)));
}

namespace {

class MatmulEmitter {
public:
  explicit MatmulEmitter(const ContractionArgs &args) : args(args), code(args.code), math(args.code) {
    AttrReader attrs(args.op.attrs);
    transposeLhs = attrs.flag();
    transposeRhs = attrs.flag();
    ArrayRef<Dim> lhs = args.dimsOf(0), rhs = args.dimsOf(1), result = args.resultDims();
    columns = result.back();
    inner = lhs[lhs.size() - 1 - transposeLhs];
    rows = result[result.size() - 2];
    batch.assign(result.begin(), result.end() - 2);
    // A batch of row blocks times one matrix is one product with more rows.
    if (rhs.size() == 2 && !transposeLhs) {
      rows = product(result.drop_back());
      batch.clear();
    }
  }

  void emit() {
    if (!columns.isConstant()) return code.refuse("a matmul with a symbolic number of columns");
    bool isDot = transposeRhs && !transposeLhs;
    if (isDot && paysToTurn()) return emitTurned();
    isDot ? planDot() : planOuter();
    int64_t blocks = planLaunch(rows, blockRows);
    Value rowBlocks = code.divide(code.add(code.extent(rows), code.i64(blockRows - 1)), code.i64(blockRows));
    code.loop(args.begin, args.end, code.i64(1), {}, [&](Value index, ValueRange) {
      // Rows are innermost: the columns of the right operand stay in the cache.
      Value row = code.mul(code.remainder(index, rowBlocks), code.i64(blockRows));
      Value rest = code.divide(index, rowBlocks);
      Value column = code.mul(code.remainder(rest, code.i64(blocks)), code.i64(blockColumns));
      if (hasEpilogue()) tile = code.scratch(code.b.getF32Type(), blockRows * blockColumns);
      standAt(code.divide(rest, code.i64(blocks)), row);
      isDot ? dotTile(column) : outerTile(column);
      if (hasEpilogue()) finish(code.divide(rest, code.i64(blocks)), row, column);
      return SmallVector<Value>();
    });
  }

private:
  /// Pieces are blocks of columns by blocks of `last`; returns how many the former are.
  int64_t planLaunch(Dim last, int64_t block) {
    int64_t blocks = (columns.constant() + blockColumns - 1) / blockColumns;
    args.launch.outer.assign(batch.begin(), batch.end());
    args.launch.outer.push_back(Dim(blocks));
    args.launch.last = last;
    args.launch.block = block;
    args.launch.work = {rows, columns, inner};
    args.launch.work.append(batch.begin(), batch.end());
    args.launch.cost = 0.25 / code.lanes;
    return blocks;
  }

  bool paysToTurn() {
    if (!code.computeType(args.dtype()).isF32() || code.lanes < 4 || !inner.isConstant()) return false;
    return paysToTurnRight(rows.isConstant() ? rows.constant() : INT64_MAX, inner.constant());
  }
  int64_t turnedElements(int64_t vectors) const {
    return static_cast<int64_t>(llvm::alignTo(inner.constant(), code.lanes)) * vectors * code.lanes;
  }

  /// A piece is a block of columns: all rows are multiplied by it once it is transposed.
  void emitTurned() {
    planOuter();
    blockColumns = columnVectors * code.lanes;
    int64_t blocks = planLaunch(Dim(1), 1);
    turned = code.scratch(code.b.getF32Type(), turnedElements(columnVectors));
    if (hasEpilogue()) tile = code.scratch(code.b.getF32Type(), blockRows * blockColumns);
    code.loop(args.begin, args.end, code.i64(1), {}, [&](Value index, ValueRange) {
      Value column = code.mul(code.remainder(index, code.i64(blocks)), code.i64(blockColumns));
      Value batchIndex = code.divide(index, code.i64(blocks));
      standAt(batchIndex, code.i64(0));
      turn(column);
      code.loop(code.i64(0), code.extent(rows), code.i64(blockRows), {}, [&](Value row, ValueRange) {
        standAt(batchIndex, row);
        outerTile(column);
        if (hasEpilogue()) finish(batchIndex, row, column);
        return SmallVector<Value>();
      });
      return SmallVector<Value>();
    });
  }

  /// Columns [column, column + blockColumns) of the product as rows of `turned`.
  void turn(Value column) {
    bool isWhole = columns.constant() % blockColumns == 0, hasTail = inner.constant() % code.lanes != 0;
    Value lanes = code.i64(code.lanes);
    code.loop(code.i64(0), code.i64(inner.constant()), lanes, {}, [&](Value k, ValueRange) {
      Value mask = hasTail ? code.tailMask(code.sub(code.i64(inner.constant()), k)) : Value();
      code.loop(code.i64(0), code.i64(blockColumns), lanes, {}, [&](Value c, ValueRange) {
        SmallVector<Value> square;
        for (int64_t lane = 0; lane < code.lanes; ++lane) {
          Value number = code.add(code.add(column, c), code.i64(lane));
          Index row = Index::uniform(isWhole ? number : clampTo(code, number, columns));
          Index at = math.add(math.multiply(row, inner), Index::vector(k, code.lanes));
          square.push_back(code.load(args.dtype(), args.input(1), math.add(rhsBase, at), mask));
        }
        transpose(square);
        for (int64_t lane = 0; lane < code.lanes; ++lane) {
          Index row = math.multiply(Index::uniform(code.add(k, code.i64(lane))), blockColumns);
          code.store(DType::F32, square[lane], turned, math.add(row, Index::vector(c, code.lanes)), {});
        }
        return SmallVector<Value>();
      });
      return SmallVector<Value>();
    });
  }

  /// As many vectors as each has lanes: exchanges halves of neighbours, quarters of these, and so on.
  void transpose(llvm::MutableArrayRef<Value> square) {
    const int64_t lanes = code.lanes;
    for (int64_t step = 1; step < lanes; step *= 2) {
      SmallVector<int64_t> low, high;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        low.push_back(lane & step ? lanes + lane - step : lane);
        high.push_back(lane & step ? lanes + lane : lane + step);
      }
      for (int64_t i = 0; i < lanes; ++i) {
        if (i & step) continue;
        Value a = square[i], b = square[i + step];
        square[i] = vector::ShuffleOp::create(code.b, code.loc, a, b, low);
        square[i + step] = vector::ShuffleOp::create(code.b, code.loc, a, b, high);
      }
    }
  }

  bool hasEpilogue() const { return args.spec.ops.size() > 1; }

  /// Rows that a tile holds twice to be full are finished once: their results may lie over what they are made from.
  void finish(Value batchIndex, Value row, Value column) {
    Value before = batch.empty() ? code.i64(0) : code.mul(batchIndex, code.extent(rows));
    Value endRow = code.least(code.add(row, code.i64(blockRows)), code.extent(rows));
    Value endColumn = code.least(code.add(column, code.i64(blockColumns)), code.i64(columns.constant()));
    EpilogueEmitter(code, args.spec, args.op.result, args.pointers)
        .emit({tile, code.i64(blockColumns), code.add(before, row), code.add(before, endRow), column, endColumn});
  }

  /// To the result, or to the tile that is finished next.
  void store(Value value, int64_t row, const Index &column, int64_t columnInTile, Value mask) {
    if (!hasEpilogue()) return code.store(args.dtype(), value, args.output(), math.add(resultStarts[row], column), mask);
    Index at = Index::constant(row * blockColumns + columnInTile);
    at.stride = column.stride;
    code.store(DType::F32, value, tile, at, {});
  }

  void planOuter() {
    int64_t vectors = (columns.constant() + code.lanes - 1) / code.lanes;
    bool isWide = code.lanes == 16; // 32 registers, else 16
    columnVectors = std::clamp<int64_t>(vectors, 1, isWide ? 4 : 2);
    blockRows = isWide ? (columnVectors >= 3 ? 6 : 8) : (columnVectors == 2 ? 5 : 8);
    balanceRows();
    blockColumns = columnVectors * code.lanes;
  }
  /// The last block repeats rows to be full. Of blocks with enough sums to keep the multipliers busy the cheapest, where
  /// beginning and ending one costs as much as some 60 multiply-adds.
  void balanceRows() {
    constexpr int64_t kFewestSums = 12, kBlockCost = 60;
    if (!rows.isConstant()) return;
    int64_t count = std::max<int64_t>(1, rows.constant()), depth = inner.isConstant() ? inner.constant() : 256;
    auto costOf = [&](int64_t size) { return (count + size - 1) / size * (size * columnVectors * depth + kBlockCost); };
    int64_t blocks = (count + blockRows - 1) / blockRows;
    blockRows = (count + blocks - 1) / blocks;
    for (int64_t size = blockRows - 1; size * columnVectors >= kFewestSums; --size)
      if (costOf(size) < costOf(blockRows)) blockRows = size;
  }
  void planDot() {
    bool isWide = code.lanes == 16;
    blockRows = isWide ? 4 : 3;
    balanceRows();
    blockColumns = blockRows == 1 ? 8 : isWide ? 4 : 3;
  }

  /// Offset of a batch in an operand whose leading axes broadcast.
  Index batchOffset(ArrayRef<Index> at, ArrayRef<Dim> dims) {
    Index offset;
    ArrayRef<Dim> own = dims.drop_back(2);
    for (unsigned axis = 0; axis < own.size(); ++axis) {
      offset = math.multiply(offset, own[axis]);
      if (!own[axis].is(1)) offset = math.add(offset, at[at.size() - own.size() + axis]);
    }
    return math.multiply(offset, product(dims.take_back(2)));
  }

  void standAt(Value batchIndex, Value row) {
    SmallVector<Index> at(batch.size());
    Index rest = Index::uniform(batchIndex);
    for (int axis = batch.size() - 1; axis >= 0; --axis) {
      at[axis] = axis ? math.remainder(rest, batch[axis]) : rest;
      if (axis) rest = math.divide(rest, batch[axis]);
    }
    bool isMerged = batch.empty();
    lhsBase = isMerged ? Index() : batchOffset(at, args.dimsOf(0));
    rhsBase = isMerged ? Index() : batchOffset(at, args.dimsOf(1));
    Index resultBase = isMerged ? Index() : batchOffset(at, args.resultDims());
    bool isWhole = rows.isConstant() && rows.constant() % blockRows == 0;
    rowStarts.clear();
    resultStarts.clear();
    for (int64_t r = 0; r < blockRows; ++r) {
      Value number = code.add(row, code.i64(r));
      Index at = Index::uniform(isWhole ? number : clampTo(code, number, rows));
      rowStarts.push_back(math.add(lhsBase, transposeLhs ? at : math.multiply(at, inner)));
      resultStarts.push_back(math.add(resultBase, math.multiply(at, columns)));
    }
  }

  Index lhsAt(int64_t row, Value k) {
    Index step = Index::uniform(k);
    return math.add(rowStarts[row], transposeLhs ? math.multiply(step, rows) : step);
  }

  void outerTile(Value column) {
    bool isWhole = columns.constant() % blockColumns == 0;
    SmallVector<Value> masks, init;
    SmallVector<Index> lanes;
    for (int64_t v = 0; v < columnVectors; ++v) {
      Index lane = Index::vector(column, blockColumns);
      lane.offset = v * code.lanes;
      lanes.push_back(lane);
      masks.push_back(isWhole ? Value() : code.tailMask(code.sub(code.i64(columns.constant() - v * code.lanes), column)));
    }
    Value zero = code.widen(code.constant(0, code.integer(0, code.computeType(args.dtype()))));
    init.assign(blockRows * columnVectors, zero);
    auto sums = code.loop(code.i64(0), code.extent(inner), code.i64(1), init, [&](Value k, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end()), right;
      for (int64_t v = 0; v < columnVectors; ++v) {
        Index step = Index::uniform(k);
        if (turned) {
          Index at = math.add(math.multiply(step, blockColumns), v * code.lanes);
          at.stride = 1;
          right.push_back(code.load(DType::F32, turned, at, {}));
          continue;
        }
        Index at = transposeRhs ? math.add(math.multiply(lanes[v], inner), step) : math.add(math.multiply(step, columns), lanes[v]);
        right.push_back(code.load(args.dtype(), args.input(1), math.add(rhsBase, at), masks[v]));
      }
      for (int64_t r = 0; r < blockRows; ++r) {
        Value left = code.widen(code.load(args.dtype(), args.input(0), lhsAt(r, k), {}));
        for (int64_t v = 0; v < columnVectors; ++v) {
          Value &sum = next[r * columnVectors + v];
          sum = code.fadd(sum, code.fmul(left, right[v]));
        }
      }
      return next;
    });
    for (int64_t r = 0; r < blockRows; ++r)
      for (int64_t v = 0; v < columnVectors; ++v)
        store(sums[r * columnVectors + v], r, lanes[v], v * code.lanes, masks[v]);
  }

  void dotTile(Value column) {
    bool isWhole = columns.constant() % blockColumns == 0;
    SmallVector<Index> columnAt;
    for (int64_t c = 0; c < blockColumns; ++c) {
      Value number = code.add(column, code.i64(c));
      columnAt.push_back(Index::uniform(isWhole ? number : clampTo(code, number, columns)));
    }
    Value zero = code.widen(code.constant(0, code.integer(0, code.computeType(args.dtype()))));
    SmallVector<Value> sums(blockRows * blockColumns, zero);
    VectorLoop(code, 1).run(inner, sums, [&](ArrayRef<Index> at, Value mask, llvm::SmallVectorImpl<Value> &carried) {
      SmallVector<Value> left;
      for (const Index &start : rowStarts) left.push_back(code.load(args.dtype(), args.input(0), math.add(start, at[0]), mask));
      for (int64_t c = 0; c < blockColumns; ++c) {
        Index where = math.add(math.add(rhsBase, math.multiply(columnAt[c], inner)), at[0]);
        Value right = code.load(args.dtype(), args.input(1), where, mask);
        for (int64_t r = 0; r < blockRows; ++r) {
          Value &sum = carried[r * blockColumns + c];
          sum = code.fadd(sum, code.fmul(left[r], right));
        }
      }
    });
    for (int64_t r = 0; r < blockRows; ++r)
      for (int64_t c = 0; c < blockColumns; ++c)
        store(code.acrossLanes(vector::CombiningKind::ADD, sums[r * blockColumns + c]), r, columnAt[c], c, {});
  }

  const ContractionArgs &args;
  Code &code;
  IndexMath math;
  bool transposeLhs, transposeRhs;
  Dim rows, columns, inner;
  SmallVector<Dim> batch;
  int64_t blockRows = 1, blockColumns = 1, columnVectors = 1;
  Value tile;   // what is finished next
  Value turned; // a block of the right operand, transposed
  Index lhsBase, rhsBase;
  SmallVector<Index> rowStarts, resultStarts;
};

} // namespace

bool paysToTurnRight(int64_t rows, int64_t inner) {
  bool isShort = inner <= 64 ? rows >= (inner + 15) / 16 : inner <= 128 && rows >= 16;
  return isShort && !config::isDisabled("turn-operands");
}

void emitMatmul(const ContractionArgs &args) { MatmulEmitter(args).emit(); }

} // namespace tinyfin::cpu
