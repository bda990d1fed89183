// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 in vector registers: the words of runtime/kernels/Philox.h, each lane for itself.
#include "backends/cpu/Evaluate.h"
#include "runtime/kernels/Philox.h"
#include <numbers>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {
namespace {

class Philox {
public:
  explicit Philox(Code &code) : code(code), i32(code.b.getI32Type()), i64(code.b.getI64Type()) {}

  /// The four words of the blocks at `counter` (i64 a lane) under `key` (i64).
  std::array<Value, 4> block(Value counter, Value key) {
    std::array<Value, 4> word{low(counter), high(counter), code.integer(0, i32), code.integer(0, i32)};
    Value keyA = low(key), keyB = high(key);
    for (int round = 0; round < philox::kRounds; ++round) {
      Value a = product(word[0], philox::kMultiplierA), b = product(word[2], philox::kMultiplierB);
      word = {code.binary<XOrIOp>(code.binary<XOrIOp>(high(b), word[1]), keyA), low(b),
              code.binary<XOrIOp>(code.binary<XOrIOp>(high(a), word[3]), keyB), low(a)};
      keyA = code.binary<AddIOp>(keyA, code.integer(static_cast<int32_t>(philox::kWeylA), i32));
      keyB = code.binary<AddIOp>(keyB, code.integer(static_cast<int32_t>(philox::kWeylB), i32));
    }
    return word;
  }

  /// The upper 24 bits plus `more` as a number in [0, 1].
  Value unit(Value word, int more) {
    Value bits = code.binary<ShRUIOp>(word, code.integer(8, i32));
    if (more) bits = code.binary<AddIOp>(bits, code.integer(more, i32));
    Value real = SIToFPOp::create(code.b, code.loc, Code::shapedLike(code.b.getF32Type(), bits), bits);
    return code.binary<MulFOp>(real, code.constant(0x1p-24, real));
  }

private:
  Value low(Value v) { return code.b.createOrFold<TruncIOp>(code.loc, Code::shapedLike(i32, v), v); }
  Value high(Value v) { return low(code.binary<ShRUIOp>(v, code.integer(32, i64))); }
  Value product(Value word, uint32_t multiplier) {
    Value wide = code.b.createOrFold<ExtUIOp>(code.loc, Code::shapedLike(i64, word), word);
    return code.binary<MulIOp>(wide, code.integer(multiplier, i64));
  }
  Code &code;
  Type i32, i64;
};

} // namespace

namespace {

/// What the ops make of a block's words: bits, numbers in [0, 1), or normals by Box-Muller from the words (0, 1) and (2, 3).
class Draw {
public:
  Draw(Code &code, OpId op) : code(code), philox(code), math(code), op(op) {}

  Value single(Value word) { return op == OpId::Uniform ? philox.unit(word, 0) : word; }
  Value normal(Value even, Value odd, std::optional<bool> sine, Value isOdd) {
    Value logarithm = math.log(philox.unit(even, 1));
    Value radius = math.sqrt(code.fmul(logarithm, code.constant(-2, logarithm)));
    Value turn = philox.unit(odd, 0), angle = code.fmul(turn, code.constant(2 * std::numbers::pi, turn));
    Value direction = !sine   ? code.select(isOdd, math.sin(angle, true), math.cos(angle, true))
                      : *sine ? math.sin(angle, true)
                              : math.cos(angle, true);
    return code.fmul(radius, direction);
  }
  /// All four numbers of each block, word by word.
  std::array<Value, 4> all(Value counter, Value key) {
    std::array<Value, 4> words = philox.block(counter, key);
    if (op != OpId::Normal) return {single(words[0]), single(words[1]), single(words[2]), single(words[3])};
    return {normal(words[0], words[1], false, {}), normal(words[0], words[1], true, {}), normal(words[2], words[3], false, {}),
            normal(words[2], words[3], true, {})};
  }

  Code &code;
  Philox philox;
  Polynomials math;
  OpId op;
};

} // namespace

/// Vector `number` of four: element 4 b + w is word w of block b.
static Value interleaved(Code &code, const std::array<Value, 4> &words, int number) {
  SmallVector<int64_t> low(code.lanes), high(code.lanes), both(code.lanes);
  for (int lane = 0; lane < code.lanes; ++lane) {
    int word = lane % 4, block = number * code.lanes / 4 + lane / 4;
    low[lane] = high[lane] = word % 2 * code.lanes + block;
    both[lane] = word < 2 ? lane : code.lanes + lane;
  }
  Value first = vector::ShuffleOp::create(code.b, code.loc, words[0], words[1], low);
  Value second = vector::ShuffleOp::create(code.b, code.loc, words[2], words[3], high);
  return vector::ShuffleOp::create(code.b, code.loc, first, second, both);
}

/// Four vectors in a row, from as many blocks as a vector has lanes: a quarter of the work of each lane for itself.
Value Evaluator::randomGroup(const KernelOp &op, Index position, Value start, Value key) {
  int64_t span = 4 * code.lanes, number = position.offset % span / code.lanes;
  position.offset -= position.offset % span;
  position.stride = 0;
  for (const RandomGroup &group : randomGroups)
    if (group.value == op.result && group.position == position) return group.vectors[number];
  Value first = code.binary<ShRUIOp>(math().scalar(position), code.i64(2));
  Value counter = code.binary<AddIOp>(code.add(first, start), code.laneNumbers());
  std::array<Value, 4> words = Draw(code, op.id).all(counter, key);
  RandomGroup group{op.result, position, {}};
  for (int i = 0; i < 4; ++i) group.vectors[i] = interleaved(code, words, i);
  randomGroups.push_back(group);
  return group.vectors[number];
}

Value Evaluator::random(const KernelOp &op, const Access &access, Mask mask) {
  const TensorSpec &type = spec.values[op.result];
  AttrReader attrs(op.attrs);
  attrs.list();
  if (op.id != OpId::RandomBits) attrs.dtype();
  Value offset = code.i64(attrs.integer());
  Index position = math().linear(access, type.dims);
  Value start = code.add(element(op.operands[0], 1), offset), key = element(op.operands[0], 0);
  DType drawn = op.id == OpId::RandomBits ? DType::I32 : DType::F32;
  int64_t span = 4 * code.lanes;
  bool isGroup = code.lanes > 1 && position.stride == 1 && !position.lanes && position.align % span == 0 &&
                 position.offset % code.lanes == 0;
  if (isGroup) return emitCast(code, drawn, type.dtype, randomGroup(op, position, start, key));
  Value number = position.isUniform() ? math().scalar(position) : math().perLane(position);
  Draw draw(code, op.id);
  std::array<Value, 4> words = draw.philox.block(code.binary<AddIOp>(code.binary<ShRUIOp>(number, code.i64(2)), start), key);
  auto bit = [&](int64_t which) {
    return code.compare(CmpIPredicate::ne, code.binary<AndIOp>(number, code.i64(which)), code.i64(0));
  };
  Value odd = bit(1), upper = bit(2);
  Value even = code.select(upper, words[2], words[0]), other = code.select(upper, words[3], words[1]);
  Value result = op.id == OpId::Normal ? draw.normal(even, other, std::nullopt, odd) : draw.single(code.select(odd, other, even));
  return emitCast(code, drawn, type.dtype, result);
}

} // namespace tinyfin::cpu
