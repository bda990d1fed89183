// SPDX-License-Identifier: Apache-2.0
// The loops of maps, reductions and normalizations (design/0002).
#pragma once
#include "backends/cpu/Domain.h"
#include "backends/cpu/Emit.h"
#include "backends/cpu/Evaluate.h"
#include "backends/cpu/VectorLoop.h"

namespace tinyfin::cpu {

/// Emits a whole kernel body over [begin, end) and describes its launch.
void emitBody(Code &code, const KernelSpec &spec, ArrayRef<Value> pointers, Value begin, Value end, Launch &launch);

/// Ops of a spec that cost more than an instruction or two, and nanoseconds an element all in all.
struct Weight {
  int heavy = 0;
  double cost = 0;
};
Weight weigh(const KernelSpec &spec);
bool isHeavy(OpId op);

/// Columns that one parallel index of a column reduction takes where sums lie in memory (the spec has heavy ops).
inline constexpr int64_t kWideColumns = 512;

/// What a reduction starts with, and how two values of it become one; in the compute type.
Value identityOf(Code &code, const KernelSpec &spec, const KernelOp &op);
Value combine(Code &code, const KernelSpec &spec, const KernelOp &op, Value a, Value b);

/// How much of a loop one of `pieces` partial reductions takes; whole vectors where the loop runs in vectors.
int64_t pieceOf(int64_t extent, int64_t pieces, bool isLane);

/// What the loop emitters share: the domain, the evaluator and where outputs go.
class LoopEmitter {
public:
  LoopEmitter(Code &code, const KernelSpec &spec, const Domain &domain, ArrayRef<Value> pointers)
      : code(code), spec(spec), domain(domain), evaluator(code, spec, pointers), pointers(pointers) {}

protected:
  Access coordsOf(ArrayRef<Index> loops);
  /// Stores output `number` at positions given over `extents`.
  void storeOutput(unsigned number, const Access &coords, ArrayRef<Dim> extents, Mask mask);
  /// The positions of a linear index over extents, outermost first.
  SmallVector<Index> unravel(Value index, ArrayRef<Dim> extents);

  Code &code;
  const KernelSpec &spec;
  const Domain &domain;
  Evaluator evaluator;
  ArrayRef<Value> pointers; // inputs, then outputs
};

class MapEmitter : public LoopEmitter {
public:
  using LoopEmitter::LoopEmitter;
  void emit(Value begin, Value end, Launch &launch);

private:
  void flat(Value begin, Value end);
  void rows(Value begin, Value end, int64_t blocks);
  void tiles(Value begin, Value end, unsigned across);
  /// A loop along which an input that the innermost loop reads in strides is contiguous.
  std::optional<unsigned> transposedLoop();
  std::vector<std::pair<uint32_t, int64_t>> stridesAlong(unsigned loop);
  void vectors(ArrayRef<Index> outer, ArrayRef<Index> at, Value mask);
  void prefetch(const Access &access);
  int unroll();
};

class ReductionEmitter : public LoopEmitter {
public:
  ReductionEmitter(Code &code, const KernelSpec &spec, const Domain &domain, ArrayRef<Value> pointers);
  void emit(Value begin, Value end, Launch &launch);

private:
  struct Item { // a reduction op
    const KernelOp *op;
    SmallVector<Value> results; // one a vector of columns, or one
  };
  struct Pick { // a sum that takes one element of a row: that at the position of a label
    const KernelOp *op;
    uint32_t from, label;
    unsigned level;
    Value result;
  };
  struct Online { // a maximum and the sum of exponentials, of one value
    uint32_t from;
  };
  std::optional<Online> findOnline() const;
  void sumOnline();
  void fetchStream(const Access &access);
  Value overLanes(const KernelOp &op, Value v);
  std::optional<Pick> pickOf(const KernelOp &op) const;
  void pickElements(unsigned level);
  void planColumns();
  /// Whether a row of many columns is walked at a time, sums in the thread's memory.
  bool walksWide() const;
  void wideBody();
  void wideRow();
  /// Runs body(first element in scratch) for each vector of columns; `at` and the masks stand there.
  void eachWide(llvm::function_ref<void(const Index &, Value mask)> body);
  void standAt(Value index, int64_t indicesPerPart);
  void row();
  void level(unsigned number);
  void nest(unsigned loop, llvm::SmallVectorImpl<Value> &carried);
  void body(ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &carried);
  void finish(ArrayRef<Value> carried);
  void storeKept();
  /// Chooses values that are dear to compute and read by several loops; a row of each is held in memory of the thread.
  void planRows();
  void planUses();
  int unrollOf(unsigned level) const;
  void markUsed(uint32_t value, std::vector<bool> &used) const;
  Index rowPosition();
  /// How far a row that is streamed begins behind a multiple of the vector's length; null where that is nowhere or known.
  Value shiftOfStores();
  /// Which part of the next row each level's loop fetches while this one is computed.
  void planFetches();
  void fetchAhead(const Access &access, ArrayRef<Index> lanes, unsigned vector);
  /// Whether a level has a loop at all.
  bool walks(unsigned level) const { return (level < items.size() && !items[level].empty()) || (writesFull && level == writeLevel); }
  void storePartials();
  /// Lets the evaluator stand at a vector of columns (number 0 where rows are reduced).
  void select(unsigned column);
  bool isKept(unsigned output) const;
  bool isFirstReduced(unsigned loop) const;
  Access keptCoords(unsigned column);

  std::vector<std::vector<Item>> items; // by level
  unsigned writeLevel = 0;              // of the loop that writes what is as large as the domain
  bool writesFull = false;
  std::vector<Pick> picks;
  std::optional<Online> online;
  struct Fetch { // of the next row, in eighths
    int begin = 0, count = 0;
  };
  SmallVector<Fetch, 4> fetches; // by level
  SmallVector<Index> at;      // one a loop: where the loops stand
  SmallVector<Index> columns; // vectors of the innermost loop, if it is kept
  SmallVector<Value> columnMasks;
  SmallVector<Dim> keptExtents;
  struct HeldRow {
    uint32_t value;
    unsigned firstLevel;
    Value memory;
  };
  SmallVector<HeldRow, 2> held;
  std::vector<std::vector<bool>> used; // by level, then value
  Value part; // number of the piece, if spec.partials
  int columnCount = 1, unroll = 1;
  bool isWide = false;
  SmallVector<Value> wideSums; // of each item: a vector of columns after the other
  unsigned current = 0;
};

} // namespace tinyfin::cpu
