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

Value Evaluator::random(const KernelOp &op, const Access &access, Mask mask) {
  const TensorSpec &type = spec.values[op.result];
  AttrReader attrs(op.attrs);
  attrs.list();
  if (op.id != OpId::RandomBits) attrs.dtype();
  Value offset = code.i64(attrs.integer());
  Index position = math().linear(access, type.dims);
  Value number = position.isUniform() ? math().scalar(position) : math().perLane(position);
  Value start = code.add(element(op.operands[0], 1), offset);
  Value counter = code.binary<AddIOp>(code.binary<ShRUIOp>(number, code.i64(2)), start);
  Philox philox(code);
  std::array<Value, 4> words = philox.block(counter, element(op.operands[0], 0));
  Type i64 = code.b.getI64Type();
  auto bit = [&](int64_t which) {
    return code.compare(CmpIPredicate::ne, code.binary<AndIOp>(number, code.integer(which, i64)), code.integer(0, i64));
  };
  Value odd = bit(1), upper = bit(2);
  Value even = code.select(upper, words[2], words[0]), other = code.select(upper, words[3], words[1]);
  if (op.id == OpId::RandomBits) return code.select(odd, other, even);
  if (op.id == OpId::Uniform)
    return emitCast(code, DType::F32, type.dtype, philox.unit(code.select(odd, other, even), 0));
  Polynomials math(code);
  Value logarithm = math.log(philox.unit(even, 1));
  Value radius = math.sqrt(code.fmul(logarithm, code.constant(-2, logarithm)));
  Value turn = philox.unit(other, 0), angle = code.fmul(turn, code.constant(2 * std::numbers::pi, turn));
  Value direction = code.select(odd, math.sin(angle), math.cos(angle));
  return emitCast(code, DType::F32, type.dtype, code.fmul(radius, direction));
}

} // namespace tinyfin::cpu
