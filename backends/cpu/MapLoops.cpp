// SPDX-License-Identifier: Apache-2.0
// Maps: every element by itself. One flat loop where all accesses allow it, else the innermost loop in vectors.
#include "backends/cpu/Contract.h"
#include "backends/cpu/Epilogue.h"
#include "backends/cpu/Loops.h"
#include "runtime/Config.h"

using namespace mlir;

namespace tinyfin::cpu {

bool isHeavy(OpId op) {
  KernelSpec alone;
  alone.ops.push_back({op, {}, {}, 0});
  return weigh(alone).heavy > 0;
}

Weight weigh(const KernelSpec &spec) {
  Weight weight;
  for (const KernelOp &op : spec.ops) {
    weight.cost += 0.03;
    switch (op.id) {
    case OpId::Exp: case OpId::Log: case OpId::Tanh: case OpId::Erf: case OpId::Sigmoid: case OpId::Sin: case OpId::Cos:
      weight.heavy += 1, weight.cost += 0.3;
      break;
    case OpId::Pow: case OpId::RandomBits: case OpId::Uniform: weight.heavy += 3, weight.cost += 1.5; break;
    case OpId::Normal: weight.heavy += 6, weight.cost += 3; break;
    default: break;
    }
  }
  weight.cost += 0.1 * (spec.numInputs + spec.outputs.size());
  return weight;
}

Access LoopEmitter::coordsOf(ArrayRef<Index> loops) {
  Access access;
  for (const Index &at : loops) access.push_back({at, 1});
  return access;
}

void LoopEmitter::storeOutput(unsigned number, const Access &coords, ArrayRef<Dim> extents, Mask mask) {
  uint32_t value = spec.outputs[number];
  const TensorSpec &type = spec.values[value];
  IndexMath math = evaluator.math();
  Value result = evaluator.at(value, math.reshape(coords, extents, type.dims), mask);
  bool streams = code.streamsResults && product(type.dims) == product(domain.shape);
  code.store(type.dtype, result, pointers[spec.numInputs + number], math.linear(coords, extents), mask.lanes, streams);
}

SmallVector<Index> LoopEmitter::unravel(Value index, ArrayRef<Dim> extents) {
  IndexMath math = evaluator.math();
  SmallVector<Index> result(extents.size());
  Index rest = Index::uniform(index);
  for (int i = extents.size() - 1; i > 0; --i) {
    result[i] = math.remainder(rest, extents[i]);
    rest = math.divide(rest, extents[i]);
  }
  if (!extents.empty()) result[0] = extents[0].is(1) ? Index() : rest;
  return result;
}

int MapEmitter::unroll() {
  // Random words come four vectors at a time.
  bool isRandom = llvm::any_of(spec.ops, [](const KernelOp &op) { return !op.isConstant() && fin::infoOf(op.id).isRandom; });
  if (isRandom && code.lanes > 1) return 4;
  Weight weight = weigh(spec);
  return code.lanes == 1 || weight.heavy > 2 ? 1 : spec.ops.size() + spec.outputs.size() < 8 ? 4 : 2;
}

void MapEmitter::vectors(ArrayRef<Index> outer, ArrayRef<Index> at, Value mask) {
  SmallVector<Access> coords;
  for (const Index &lane : at) {
    SmallVector<Index> all(outer);
    all.push_back(lane);
    coords.push_back(coordsOf(all));
  }
  evaluator.forget();
  IndexMath math = evaluator.math();
  if (code.streamsResults)
    for (const Access &access : coords) prefetch(access);
  // All results are computed before the first is stored: an output may lie over an input.
  for (const Access &access : coords)
    for (uint32_t output : spec.outputs)
      evaluator.at(output, math.reshape(access, domain.loops, spec.values[output].dims), {{}, mask});
  for (const Access &access : coords)
    for (unsigned number = 0; number < spec.outputs.size(); ++number) storeOutput(number, access, domain.loops, {{}, mask});
  evaluator.forget();
}

/// The processor's own prefetching stops at the end of a page, and waits there for each.
void MapEmitter::prefetch(const Access &access) {
  constexpr int64_t kBytesAhead = 2048;
  IndexMath math = evaluator.math();
  for (uint32_t input = 0; input < spec.numInputs; ++input) {
    const TensorSpec &type = spec.values[input];
    if (type.dims != domain.shape) continue;
    Index at = math.linear(math.reshape(access, domain.loops, type.dims), type.dims);
    code.prefetch(type.dtype, pointers[input], math.add(at, kBytesAhead / static_cast<int64_t>(sizeOf(type.dtype))));
  }
}

void MapEmitter::flat(Value begin, Value end) {
  Value block = code.i64(kMapBlock);
  Value low = code.mul(begin, block), high = code.least(code.mul(end, block), code.extent(domain.loops[0]));
  SmallVector<Value> none;
  VectorLoop(code, unroll()).run(low, high, kMapBlock, none, [&](ArrayRef<Index> at, Value mask, llvm::SmallVectorImpl<Value> &) {
    vectors({}, at, mask);
  });
}

void MapEmitter::rows(Value begin, Value end, int64_t blocks) {
  ArrayRef<Dim> outer = ArrayRef(domain.loops).drop_back();
  Dim last = domain.loops.back();
  code.loop(begin, end, code.i64(1), {}, [&](Value index, ValueRange) {
    SmallVector<Index> at = unravel(blocks == 1 ? index : code.divide(index, code.i64(blocks)), outer);
    SmallVector<Value> none;
    auto body = [&](ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &) { vectors(at, lanes, mask); };
    VectorLoop loop(code, unroll());
    if (blocks == 1) return loop.run(last, none, body), SmallVector<Value>();
    Value low = code.mul(code.remainder(index, code.i64(blocks)), code.i64(kMapBlock));
    loop.run(low, code.least(code.add(low, code.i64(kMapBlock)), code.extent(last)), kMapBlock, none, body);
    return SmallVector<Value>();
  });
}

/// Reads all outputs with the lanes along one loop, into a block that is thrown away.
std::vector<std::pair<uint32_t, int64_t>> MapEmitter::stridesAlong(unsigned loop) {
  std::vector<std::pair<uint32_t, int64_t>> strides;
  Block scratch;
  {
    OpBuilder::InsertionGuard guard(code.b);
    code.b.setInsertionPointToEnd(&scratch);
    SmallVector<Index> at(domain.loops.size());
    at[loop] = Index::vector({}, 0);
    bool wantedScalar = code.wantsScalar;
    evaluator.forget();
    evaluator.strides = &strides;
    for (uint32_t output : spec.outputs)
      evaluator.at(output, evaluator.math().reshape(coordsOf(at), domain.loops, spec.values[output].dims), {});
    evaluator.strides = nullptr;
    evaluator.forget();
    code.narrow.clear(); // its values go with the block
    code.wantsScalar = wantedScalar;
  }
  return strides;
}

std::optional<unsigned> MapEmitter::transposedLoop() {
  if (code.lanes == 1) return std::nullopt;
  unsigned last = domain.loops.size() - 1;
  for (auto [input, stride] : stridesAlong(last)) {
    if (stride == 0 || stride == 1) continue;
    for (unsigned loop = 0; loop < last; ++loop)
      if (llvm::is_contained(stridesAlong(loop), std::pair(input, int64_t(1)))) return loop;
  }
  return std::nullopt;
}

/// Square tiles of a vector's length, so that the cache lines that a strided read touches are used up while they are near.
void MapEmitter::tiles(Value begin, Value end, unsigned across) {
  SmallVector<Dim> others;
  for (unsigned loop = 0; loop + 1 < domain.loops.size(); ++loop)
    if (loop != across) others.push_back(domain.loops[loop]);
  Value size = code.extent(domain.loops[across]), tile = code.i64(code.lanes);
  Value count = code.divide(code.add(size, code.i64(code.lanes - 1)), tile);
  code.loop(begin, end, code.i64(1), {}, [&](Value index, ValueRange) {
    SmallVector<Index> at = unravel(code.divide(index, count), others);
    at.insert(at.begin() + across, Index());
    Value low = code.mul(code.remainder(index, count), tile), high = code.least(code.add(low, tile), size);
    SmallVector<Value> none;
    VectorLoop(code, 1).run(domain.loops.back(), none, [&](ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &) {
      code.loop(low, high, code.i64(1), {}, [&](Value row, ValueRange) {
        at[across] = Index::uniform(row);
        vectors(at, lanes, mask);
        return SmallVector<Value>();
      });
    });
    return SmallVector<Value>();
  });
}

void MapEmitter::emit(Value begin, Value end, Launch &launch) {
  launch.cost = weigh(spec).cost * (code.lanes == 1 ? 8 : 1);
  launch.work = domain.loops;
  Dim last = domain.loops.back();
  launch.outer.assign(domain.loops.begin(), domain.loops.end() - 1);
  if (domain.loops.size() == 1) {
    launch.last = last;
    launch.block = kMapBlock;
    return flat(begin, end);
  }
  if (std::optional<unsigned> across = transposedLoop()) {
    launch.outer.erase(launch.outer.begin() + *across);
    launch.last = domain.loops[*across];
    launch.block = code.lanes;
    return tiles(begin, end, *across);
  }
  // Long rows are cut into blocks; a row of unknown length is one piece of work.
  int64_t blocks = last.isConstant() ? (last.constant() + kMapBlock - 1) / kMapBlock : 1;
  if (blocks > 1) launch.last = last, launch.block = kMapBlock;
  rows(begin, end, std::max<int64_t>(blocks, 1));
}

/// Whether results should go past the caches, if they are of a size that makes it worth two forms of the loops: they must
/// lie aligned, and not over inputs, whose lines are in the cache by then.
static Value mayStream(Code &code, const KernelSpec &spec, const Domain &domain, ArrayRef<Value> pointers) {
  constexpr int64_t kStreamedBytes = int64_t(48) << 20;
  Dim size = product(domain.shape);
  if (code.lanes == 1 || spec.partials || !size.isConstant() || config::isDisabled("stream-results")) return {};
  SmallVector<Value> results, inputs;
  int64_t bytes = 0;
  for (auto [number, output] : llvm::enumerate(spec.outputs)) {
    if (!(product(spec.values[output].dims) == size)) continue;
    results.push_back(pointers[spec.numInputs + number]);
    bytes += size.constant() * sizeOf(spec.values[output].dtype);
  }
  if (bytes < kStreamedBytes) return {};
  for (uint32_t input = 0; input < spec.numInputs; ++input)
    if (product(spec.values[input].dims) == size) inputs.push_back(pointers[input]);
  auto numberOf = [&](Value pointer) { return LLVM::PtrToIntOp::create(code.b, code.loc, code.b.getI64Type(), pointer).getResult(); };
  Value may;
  for (Value result : results) {
    Value low = code.binary<arith::AndIOp>(numberOf(result), code.i64(63));
    may = code.conjunction(may, code.compare(arith::CmpIPredicate::eq, low, code.i64(0)));
    for (Value input : inputs) may = code.conjunction(may, code.compare(arith::CmpIPredicate::ne, numberOf(result), numberOf(input)));
  }
  return may;
}

void emitBody(Code &code, const KernelSpec &spec, ArrayRef<Value> pointers, Value begin, Value end, Launch &launch) {
  if (spec.isEpilogue) return emitTiles(code, spec, pointers, begin, end);
  if (int product = contractionOf(spec); product >= 0)
    return emitContraction({code, spec, spec.ops[product], pointers, begin, end, launch});
  StatusOr<Domain> domain = planDomain(spec);
  if (!domain.isOk()) return code.refuse(domain.status().message());
  auto emitLoops = [&] {
    if (domain->isMap()) MapEmitter(code, spec, domain.value(), pointers).emit(begin, end, launch);
    else ReductionEmitter(code, spec, domain.value(), pointers).emit(begin, end, launch);
  };
  Value streams = mayStream(code, spec, domain.value(), pointers);
  if (!streams) return emitLoops();
  auto streamed = [&] {
    code.streamsResults = true;
    emitLoops();
    code.streamsResults = false;
    code.fenceStores();
    return SmallVector<Value>();
  };
  code.branch(streams, {}, streamed, [&] { return emitLoops(), SmallVector<Value>(); });
}

} // namespace tinyfin::cpu
