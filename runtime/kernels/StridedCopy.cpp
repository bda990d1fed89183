// SPDX-License-Identifier: Apache-2.0
// Strided copies: rows where the innermost axis is dense on both sides, tiles where each side is dense along another
// axis.
#include "runtime/kernels/StridedCopy.h"
#include "runtime/kernels/Dispatch.h"
#include <cstring>

namespace tinyfin {
namespace {

constexpr int64_t kTile = 64; // 64 x 64 f32 of source and result fit in the first-level cache

/// to[i] = from[i * stride] for one row.
template <class T>
void copyRow(T *__restrict to, int64_t toStride, const T *__restrict from, int64_t fromStride, int64_t count) {
  if (toStride == 1 && fromStride == 1) {
    if (count >= 16)
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
    else
      for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  } else if (toStride == 1 && fromStride == 0) {
    std::fill_n(to, count, *from);
  } else if (toStride == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * fromStride];
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * toStride] = from[i * fromStride];
  }
}

/// An 8 x 8 block in registers: to[r][c] = from[c][r], rows `toStride` and `fromStride` apart.
template <class T> void transpose8(T *__restrict to, int64_t toStride, const T *__restrict from, int64_t fromStride) {
  typedef T Row __attribute__((vector_size(8 * sizeof(T)), aligned(alignof(T))));
  Row a[8], b[8];
  for (int i = 0; i < 8; ++i) a[i] = *reinterpret_cast<const Row *>(from + i * fromStride);
  for (int i = 0; i < 4; ++i) {
    b[2 * i] = __builtin_shufflevector(a[i], a[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = __builtin_shufflevector(b[i], b[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    a[2 * i + 1] = __builtin_shufflevector(b[i], b[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
  for (int i = 0; i < 4; ++i) {
    b[2 * i] = __builtin_shufflevector(a[i], a[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; ++i) *reinterpret_cast<Row *>(to + i * toStride) = b[i];
}

/// to[r * toStride + c] = from[c * fromStride + r]
template <class T>
void transposeTile(T *__restrict to, int64_t toStride, const T *__restrict from, int64_t fromStride, int64_t rows,
                   int64_t columns) {
  const int64_t fullRows = rows & ~int64_t(7), fullColumns = columns & ~int64_t(7);
  for (int64_t r = 0; r < fullRows; r += 8)
    for (int64_t c = 0; c < fullColumns; c += 8)
      transpose8(to + r * toStride + c, toStride, from + c * fromStride + r, fromStride);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = r < fullRows ? fullColumns : 0; c < columns; ++c) to[r * toStride + c] = from[c * fromStride + r];
}

} // namespace

StridedCopy::StridedCopy(void *to, const void *from, DType dtype) : to(to), from(from), dtype(dtype) {}

void StridedCopy::axis(int64_t extent, int64_t toStride, int64_t fromStride) {
  if (extent == 0) empty = true;
  if (extent <= 1) return;
  if (axes > 0) {
    Axis &last = axis_[axes - 1];
    if (last.to == toStride * extent && last.from == fromStride * extent) {
      last = {last.extent * extent, toStride, fromStride};
      return;
    }
  }
  if (axes == kMaxAxes)
    overflow = true;
  else
    axis_[axes++] = {extent, toStride, fromStride};
}

Status StridedCopy::run(ThreadPool &pool) {
  if (overflow)
    return Status::error(StatusCode::Unsupported, "more than " + std::to_string(kMaxAxes) + " axes that do not merge");
  if (empty) return Status::ok();
  visitSize(dtype, [&](auto tag) { return copy<ElementOf<decltype(tag)>>(pool), 0; });
  return Status::ok();
}

template <class T> void StridedCopy::copy(ThreadPool &pool) const {
  if (axes == 0) {
    *static_cast<T *>(to) = *static_cast<const T *>(from);
    return;
  }
  // A tile copy pays where the source is dense along an outer axis and strided along the innermost.
  const Axis &inner = axis_[axes - 1];
  for (int i = 0; i < axes - 1; ++i)
    if (inner.to == 1 && inner.from > 1 && axis_[i].from == 1 && inner.extent >= 4 && axis_[i].extent >= 4)
      return copyTiles<T>(pool, i);
  copyRows<T>(pool);
}

std::pair<int64_t, int64_t> StridedCopy::offsets(int64_t index, int except) const {
  int64_t toOffset = 0, fromOffset = 0;
  for (int i = axes - 2; i >= 0; --i) {
    if (i == except) continue;
    int64_t at = index % axis_[i].extent;
    index /= axis_[i].extent;
    toOffset += at * axis_[i].to;
    fromOffset += at * axis_[i].from;
  }
  return {toOffset, fromOffset};
}

template <class T> void StridedCopy::copyRows(ThreadPool &pool) const {
  const Axis &inner = axis_[axes - 1];
  int64_t rows = 1;
  for (int i = 0; i < axes - 1; ++i) rows *= axis_[i].extent;
  // One long row is split too: the unit of work is a piece of a row.
  const int64_t pieces = (inner.extent + kSerialElements - 1) / kSerialElements;
  const int64_t length = (inner.extent + pieces - 1) / pieces;
  auto body = [&](int64_t begin, int64_t end) {
    auto [toOffset, fromOffset] = offsets(begin / pieces, -1);
    int64_t index[kMaxAxes];
    for (int64_t i = axes - 2, rest = begin / pieces; i >= 0; rest /= axis_[i--].extent)
      index[i] = rest % axis_[i].extent;
    int64_t piece = begin % pieces;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t start = piece * length;
      copyRow(static_cast<T *>(to) + toOffset + start * inner.to, inner.to,
              static_cast<const T *>(from) + fromOffset + start * inner.from, inner.from,
              std::min(length, inner.extent - start));
      if (++piece < pieces) continue;
      piece = 0;
      for (int i = axes - 2; i >= 0; --i) { // the next row, without divisions
        toOffset += axis_[i].to;
        fromOffset += axis_[i].from;
        if (++index[i] < axis_[i].extent) break;
        toOffset -= axis_[i].extent * axis_[i].to;
        fromOffset -= axis_[i].extent * axis_[i].from;
        index[i] = 0;
      }
    }
  };
  if (rows * inner.extent <= kSerialElements) return body(0, rows * pieces);
  pool.parallelFor(rows * pieces, std::max<int64_t>(1, kElementGrain / length), body);
}

template <class T> void StridedCopy::copyTiles(ThreadPool &pool, int crossing) const {
  const Axis inner = axis_[axes - 1], outer = axis_[crossing];
  int64_t planes = 1;
  for (int i = 0; i < axes - 1; ++i)
    if (i != crossing) planes *= axis_[i].extent;
  const int64_t rowTiles = (outer.extent + kTile - 1) / kTile, columnTiles = (inner.extent + kTile - 1) / kTile;
  auto body = [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      auto [toOffset, fromOffset] = offsets(unit / (rowTiles * columnTiles), crossing);
      int64_t r = unit / columnTiles % rowTiles * kTile, c = unit % columnTiles * kTile;
      transposeTile(static_cast<T *>(to) + toOffset + r * outer.to + c, outer.to,
                    static_cast<const T *>(from) + fromOffset + c * inner.from + r, inner.from,
                    std::min(kTile, outer.extent - r), std::min(kTile, inner.extent - c));
    }
  };
  const int64_t tiles = planes * rowTiles * columnTiles;
  if (planes * outer.extent * inner.extent <= kSerialElements) return body(0, tiles);
  const int64_t perTile = std::min(kTile, outer.extent) * std::min(kTile, inner.extent);
  pool.parallelFor(tiles, std::max<int64_t>(1, kElementGrain / perTile), body);
}

} // namespace tinyfin
