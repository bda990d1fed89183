// SPDX-License-Identifier: Apache-2.0
// Positions of a vector's elements along one axis, while code is emitted: base + offset + lane * stride.
// Arithmetic on them folds what is constant, so most of it leaves no code.
#pragma once
#include "backends/cpu/Code.h"
#include "ir/Dim.h"

namespace tinyfin::cpu {

using fin::Dim;

struct Index {
  mlir::Value base;   // i64, the same for all lanes; null is 0
  int64_t offset = 0; // constant part
  int64_t stride = 0; // a lane's step
  mlir::Value lanes;  // vector of i64 added per lane (indices read from memory); usually null
  int64_t align = 0;  // `base` is a multiple of it; 0 when base is null

  bool isUniform() const { return !stride && !lanes; }
  bool isZero() const { return !base && !offset && isUniform(); }
  bool operator==(const Index &other) const {
    return base == other.base && offset == other.offset && stride == other.stride && lanes == other.lanes;
  }
  static Index constant(int64_t value) { return {{}, value, 0, {}, 0}; }
  static Index uniform(mlir::Value base, int64_t align = 1) { return {base, 0, 0, {}, align}; }
  static Index vector(mlir::Value base, int64_t align) { return {base, 0, 1, {}, align}; }
};

/// An index over `count` adjacent axes in row-major order; an Access has one an axis or group of axes.
struct Coord {
  Index at;
  unsigned count = 1;
  bool operator==(const Coord &) const = default;
};
using Access = llvm::SmallVector<Coord, 4>;

/// Index arithmetic; `code.failScalar()` is called where lanes part ways, so that the kernel is emitted anew with one lane.
class IndexMath {
public:
  explicit IndexMath(Code &code) : code(code) {}
  Index add(Index a, Index b);
  Index add(Index a, int64_t b) { return a.offset += b, a; }
  Index multiply(Index a, int64_t factor);
  Index multiply(Index a, Dim factor);
  Index divide(Index a, Dim divisor);
  Index remainder(Index a, Dim divisor);
  /// base + offset as one i64.
  mlir::Value scalar(Index a);
  /// The position of each lane, as a vector (a scalar where the kernel has one lane).
  mlir::Value perLane(Index a);

  /// Row-major position of an access within a tensor of `dims`.
  Index linear(const Access &access, llvm::ArrayRef<Dim> dims);
  /// The same positions in another shape of as many elements. `access` is over `from`.
  Access reshape(const Access &access, llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> to);
  /// One coordinate an axis.
  Access separate(const Access &access, llvm::ArrayRef<Dim> dims);

private:
  bool lanesAgree(Index a, int64_t divisor);
  Code &code;
};

/// The product of dims that is known to exist (the graph's shapes were checked).
Dim product(llvm::ArrayRef<Dim> dims);

} // namespace tinyfin::cpu
