// SPDX-License-Identifier: Apache-2.0
// The walk of a reduction. A task is one result (innermost axis reduced) or up to 256 neighbouring ones (innermost axis
// kept); its operand is cut into pieces by shape alone. Pieces may run on any thread and are merged in order, so the
// result does not depend on the number of threads.
#pragma once
#include "runtime/kernels/ReductionPlan.h"
#include "runtime/kernels/Rounding.h"

namespace tinyfin {

inline constexpr int64_t kPieceElements = 32768;
inline constexpr int64_t kColumnBlock = 256;
inline constexpr int64_t kColumnRows = 64; // rows added up before they go into the f64 total

/// Innermost axis reduced: a piece is some whole rows, or a part of one long row.
template <class Policy, class T> struct RowReducer {
  using Total = typename Policy::Total;
  static constexpr int64_t width = 1;
  static constexpr int64_t batch = 256;
  const ReductionShape &shape;
  const T *x;
  int64_t length, rows, chunks, rowsPerPiece;
  int64_t tasks, pieces;

  RowReducer(const ReductionShape &shape, const T *x) : shape(shape), x(x) {
    length = shape.reducedAxes ? shape.reduced[0].extent : 1;
    rows = shape.count / length;
    chunks = ceilDiv(length, kPieceElements);
    rowsPerPiece = chunks > 1 ? 1 : std::max<int64_t>(1, kPieceElements / length);
    tasks = shape.outputs;
    pieces = ceilDiv(rows, rowsPerPiece) * chunks;
  }
  int64_t resultsOf(int64_t) const { return 1; }
  int64_t firstResult(int64_t task) const { return task; }
  void reducePiece(int64_t task, int64_t piece, Total *total) const {
    const T *base = x + ReductionShape::offset(shape.kept, shape.keptAxes, 0, task);
    if (rows == 1 && chunks == 1) {
      total[0] = reduceRow<Policy>(base, length);
      return;
    }
    const int64_t start = piece % chunks * kPieceElements, size = std::min(kPieceElements, length - start);
    const int64_t firstRow = piece / chunks * rowsPerPiece, lastRow = std::min(rows, firstRow + rowsPerPiece);
    total[0] = Policy::identity();
    for (int64_t row = firstRow; row < lastRow; ++row) {
      const T *from = base + ReductionShape::offset(shape.reduced, shape.reducedAxes, 1, row) + start;
      total[0] = Policy::merge(total[0], reduceRow<Policy>(from, size));
    }
  }
};

/// Innermost axis kept: a piece is some rows of a block of columns.
template <class Policy, class T> struct ColumnReducer {
  using Total = typename Policy::Total;
  using Block = typename Policy::Block;
  static constexpr int64_t width = kColumnBlock;
  static constexpr int64_t batch = 16;
  const ReductionShape &shape;
  const T *x;
  int64_t columns, blocks, rowsPerPiece;
  int64_t tasks, pieces;

  ColumnReducer(const ReductionShape &shape, const T *x) : shape(shape), x(x) {
    columns = shape.kept[0].extent;
    blocks = ceilDiv(columns, kColumnBlock);
    rowsPerPiece = std::max(kColumnRows, kPieceElements / std::min(columns, kColumnBlock));
    tasks = shape.outputs / columns * blocks;
    pieces = ceilDiv(shape.count, rowsPerPiece);
  }
  int64_t resultsOf(int64_t task) const { return std::min(kColumnBlock, columns - task % blocks * kColumnBlock); }
  int64_t firstResult(int64_t task) const { return task / blocks * columns + task % blocks * kColumnBlock; }

  void reducePiece(int64_t task, int64_t piece, Total *totals) const {
    const int64_t size = resultsOf(task);
    const T *base =
        x + ReductionShape::offset(shape.kept, shape.keptAxes, 1, task / blocks) + task % blocks * kColumnBlock;
    const int64_t extent = shape.reducedAxes ? shape.reduced[0].extent : 1;
    const int64_t stride = shape.reducedAxes ? shape.reduced[0].stride : 0;
    std::fill_n(totals, size, Total(Policy::identity()));
    const int64_t lastRow = std::min(shape.count, (piece + 1) * rowsPerPiece);
    for (int64_t row = piece * rowsPerPiece; row < lastRow;) {
      const int64_t within = row % extent;
      const int64_t run = std::min({kColumnRows, extent - within, lastRow - row});
      const T *from =
          base + ReductionShape::offset(shape.reduced, shape.reducedAxes, 1, row / extent) + within * stride;
      addRows(from, stride, run, size, totals);
      row += run;
    }
  }
  static void addRows(const T *__restrict from, int64_t stride, int64_t rows, int64_t size, Total *__restrict totals) {
    Block block[kColumnBlock];
    std::fill_n(block, size, Policy::identity());
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4, from += 4 * stride) {
      const T *__restrict a = from, *__restrict b = a + stride, *__restrict c = b + stride, *__restrict d = c + stride;
      for (int64_t i = 0; i < size; ++i) {
        Block left = Policy::accumulate(Policy::accumulate(block[i], load<T>(a[i])), load<T>(b[i]));
        block[i] = Policy::accumulate(Policy::accumulate(left, load<T>(c[i])), load<T>(d[i]));
      }
    }
    for (; row < rows; ++row, from += stride)
      for (int64_t i = 0; i < size; ++i) block[i] = Policy::accumulate(block[i], load<T>(from[i]));
    for (int64_t i = 0; i < size; ++i) totals[i] = Policy::merge(totals[i], block[i]);
  }
};

template <class Policy, class Reducer, class T> class ReductionRun {
public:
  ReductionRun(const Reducer &reducer, const TensorArg &out, ThreadPool &pool)
      : reducer(reducer), out(out), pool(pool) {}

  void run() const {
    const int64_t work = reducer.shape.outputs * reducer.shape.count;
    if (work <= kPieceElements) return runTasks(0, reducer.tasks);
    // Few tasks of many pieces: threads share the pieces of one task, else they share the tasks.
    if (reducer.tasks < 32 && reducer.pieces > 1)
      for (int64_t task = 0; task < reducer.tasks; ++task) runShared(task);
    else
      pool.parallelFor(reducer.tasks, std::max<int64_t>(1, kPieceElements / (work / reducer.tasks)),
                       [&](int64_t begin, int64_t end) { runTasks(begin, end); });
  }

private:
  using Total = typename Policy::Total;
  static constexpr int64_t width = Reducer::width;

  void runTasks(int64_t begin, int64_t end) const {
    Total totals[width], piece[width];
    for (int64_t task = begin; task < end; ++task) {
      reducer.reducePiece(task, 0, totals);
      for (int64_t i = 1; i < reducer.pieces; ++i) {
        reducer.reducePiece(task, i, piece);
        merge(task, totals, piece);
      }
      finish(task, totals);
    }
  }
  void runShared(int64_t task) const {
    constexpr int64_t batch = Reducer::batch;
    Total totals[width], pieces[batch][width];
    for (int64_t first = 0; first < reducer.pieces; first += batch) {
      const int64_t size = std::min(batch, reducer.pieces - first);
      pool.parallelFor(size, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) reducer.reducePiece(task, first + i, pieces[i]);
      });
      for (int64_t i = 0; i < size; ++i) {
        if (first + i == 0)
          std::copy_n(pieces[0], reducer.resultsOf(task), totals);
        else
          merge(task, totals, pieces[i]);
      }
    }
    finish(task, totals);
  }
  void merge(int64_t task, Total *totals, const Total *piece) const {
    const int64_t size = reducer.resultsOf(task);
    for (int64_t i = 0; i < size; ++i) totals[i] = Policy::merge(totals[i], piece[i]);
  }
  void finish(int64_t task, const Total *totals) const {
    const int64_t size = reducer.resultsOf(task), first = reducer.firstResult(task);
    for (int64_t i = 0; i < size; ++i)
      out.as<T>()[first + i] = store<T>(static_cast<Compute<T>>(Policy::finish(totals[i], reducer.shape.count)));
  }

  const Reducer &reducer;
  const TensorArg &out;
  ThreadPool &pool;
};

/// Runs the reduction of `args` (operand x; attributes axes, keepdims) for one element type.
template <class Policy, class T> Status reduceWith(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  ReductionShape shape;
  if (!shape.build(args.inputs[0].dims, attrs.list()))
    return Status::error(StatusCode::Unsupported,
                         "reduction over more than " + std::to_string(kMaxAxes) + " separate axes");
  const TensorArg &out = args.outputs[0];
  const T *x = args.inputs[0].as<const T>();
  if (shape.outputs == 0) return Status::ok();
  if (shape.count == 0) {
    auto nothing = store<T>(static_cast<Compute<T>>(Policy::finish(Policy::identity(), 0)));
    std::fill_n(out.as<T>(), shape.outputs, nothing);
  } else if (shape.innermostReduced) {
    RowReducer<Policy, T> reducer(shape, x);
    ReductionRun<Policy, RowReducer<Policy, T>, T>(reducer, out, args.pool).run();
  } else {
    ColumnReducer<Policy, T> reducer(shape, x);
    ReductionRun<Policy, ColumnReducer<Policy, T>, T>(reducer, out, args.pool).run();
  }
  return Status::ok();
}

} // namespace tinyfin
