// SPDX-License-Identifier: Apache-2.0
// Index arithmetic, and how positions in one shape become positions in another.
#include "backends/cpu/Index.h"
#include <numeric>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Dim product(ArrayRef<Dim> dims) {
  Dim result(1);
  for (Dim dim : dims) result = fin::multiply(result, dim).value_or(result);
  return result;
}

Index IndexMath::add(Index a, Index c) {
  if (c.base) a.base = a.base ? code.add(a.base, c.base) : c.base;
  if (c.lanes) a.lanes = a.lanes ? code.add(a.lanes, c.lanes) : c.lanes;
  a.align = std::gcd(a.align, c.align);
  a.offset += c.offset;
  a.stride += c.stride;
  return a;
}

Index IndexMath::multiply(Index a, int64_t factor) {
  if (factor == 1) return a;
  if (factor == 0) return {};
  if (a.base) a.base = code.mul(a.base, code.i64(factor));
  if (a.lanes) a.lanes = code.binary<MulIOp>(a.lanes, code.i64(factor));
  a.offset *= factor;
  a.stride *= factor;
  a.align *= factor;
  return a;
}

Index IndexMath::multiply(Index a, Dim factor) {
  if (factor.isConstant()) return multiply(a, factor.constant());
  if (a.isZero()) return a;
  Value extent = code.extent(factor);
  if (!a.isUniform()) return {{}, 0, 0, code.binary<MulIOp>(perLane(a), extent), 0};
  return Index::uniform(code.mul(scalar(a), extent));
}

Value IndexMath::scalar(Index a) {
  if (!a.base) return code.i64(a.offset);
  return a.offset ? code.add(a.base, code.i64(a.offset)) : a.base;
}

Value IndexMath::perLane(Index a) {
  if (code.lanes == 1) return scalar(a);
  Value base = code.widen(scalar(a));
  if (a.stride) base = code.add(base, code.binary<MulIOp>(code.laneNumbers(), code.i64(a.stride)));
  return a.lanes ? code.add(base, code.widen(a.lanes)) : base;
}

/// All lanes have the same quotient: blocks of `divisor` begin where vectors begin.
bool IndexMath::lanesAgree(Index a, int64_t divisor) {
  return !a.lanes && a.stride == 1 && divisor % code.lanes == 0 && a.align % code.lanes == 0 && a.offset % code.lanes == 0;
}

Index IndexMath::divide(Index a, Dim divisor) {
  if (divisor.is(1)) return a;
  if (!divisor.isConstant()) {
    if (!a.isUniform()) return code.failScalar(), Index();
    return Index::uniform(code.divide(scalar(a), code.extent(divisor)));
  }
  int64_t by = divisor.constant();
  if (by == 0) return {};
  Index result;
  if (!a.isUniform() && a.stride % by == 0 && !a.lanes) result.stride = a.stride / by;
  else if (!a.isUniform() && !lanesAgree(a, by)) return code.failScalar(), Index();
  if (!a.base) return result.offset = a.offset / by, result;
  result.base = code.divide(scalar(a), code.i64(by));
  result.align = a.align % by == 0 && a.offset == 0 ? a.align / by : 1;
  return result;
}

Index IndexMath::remainder(Index a, Dim divisor) {
  if (divisor.is(1)) return {};
  if (!divisor.isConstant()) {
    if (!a.isUniform()) return code.failScalar(), Index();
    return Index::uniform(code.remainder(scalar(a), code.extent(divisor)));
  }
  int64_t by = divisor.constant();
  if (by == 0) return {};
  Index result;
  bool whole = !a.isUniform() && a.stride % by == 0 && !a.lanes;
  if (!a.isUniform() && !whole && !lanesAgree(a, by)) return code.failScalar(), Index();
  if (!whole) result.stride = a.stride;
  if (!a.base) return result.offset = a.offset % by, result;
  if (a.align % by == 0) return result.offset = a.offset % by, result;
  result.base = code.remainder(scalar(a), code.i64(by));
  result.align = a.offset == 0 ? std::gcd(a.align, by) : std::gcd(std::gcd(a.align, by), std::abs(a.offset));
  return result;
}

Index IndexMath::linear(const Access &access, ArrayRef<Dim> dims) {
  Index position;
  for (const Coord &coord : access) {
    position = add(multiply(position, product(dims.take_front(coord.count))), coord.at);
    dims = dims.drop_front(coord.count);
  }
  return position;
}

namespace {
/// A run of axes of `from` and of `to` with the same number of elements.
struct Match {
  unsigned coords = 0, axes = 0;
};
} // namespace

/// Takes coordinates and axes until both products agree; the rest where they never do.
static Match nextMatch(const Access &access, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  Match match;
  Dim left(1), right(1);
  auto takeCoord = [&] {
    unsigned count = access[match.coords].count;
    left = fin::multiply(left, product(from.take_front(count))).value_or(left);
    from = from.drop_front(count);
    ++match.coords;
  };
  auto takeAxis = [&] {
    right = fin::multiply(right, to[match.axes]).value_or(right);
    ++match.axes;
  };
  takeCoord();
  while (!(left == right)) {
    bool moreCoords = match.coords < access.size(), moreAxes = match.axes < to.size();
    if (!moreCoords && !moreAxes) break;
    // A symbolic side is taken as the larger one: only its partner can still grow to it.
    bool axisIsBehind = right.isConstant() && (!left.isConstant() || right.constant() < left.constant());
    if (moreAxes && (axisIsBehind || !moreCoords)) takeAxis();
    else takeCoord();
  }
  return match;
}

Access IndexMath::reshape(const Access &access, ArrayRef<Dim> from, ArrayRef<Dim> to) {
  Access result, rest;
  SmallVector<Dim> restDims;
  for (const Coord &coord : access) { // axes of one element carry no position
    ArrayRef<Dim> covered = from.take_front(coord.count);
    from = from.drop_front(coord.count);
    if (product(covered).is(1)) continue;
    rest.push_back({coord.at, 1});
    restDims.push_back(product(covered));
  }
  ArrayRef<Dim> restFrom = restDims;
  while (!rest.empty() && !to.empty()) {
    Match match = nextMatch(rest, restFrom, to);
    Index at = linear(Access(rest.begin(), rest.begin() + match.coords), restFrom.take_front(match.coords));
    rest.erase(rest.begin(), rest.begin() + match.coords);
    restFrom = restFrom.drop_front(match.coords);
    if (match.axes == 0) return code.refuse("a reshape of shapes that do not match"), result;
    result.push_back({at, match.axes});
    to = to.drop_front(match.axes);
  }
  if (!to.empty()) result.push_back({Index(), static_cast<unsigned>(to.size())});
  return result;
}

Access IndexMath::separate(const Access &access, ArrayRef<Dim> dims) {
  Access result;
  for (const Coord &coord : access) {
    ArrayRef<Dim> covered = dims.take_front(coord.count);
    dims = dims.drop_front(coord.count);
    Access axes;
    Index at = coord.at;
    unsigned others = llvm::count_if(covered, [](Dim dim) { return !dim.is(1); });
    for (Dim dim : llvm::reverse(covered)) {
      if (dim.is(1)) axes.push_back({Index(), 1});
      else if (others == 1) axes.push_back({at, 1});
      else {
        axes.push_back({remainder(at, dim), 1});
        at = divide(at, dim);
        --others;
      }
    }
    result.append(axes.rbegin(), axes.rend());
  }
  return result;
}

} // namespace tinyfin::cpu
