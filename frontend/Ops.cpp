// SPDX-License-Identifier: Apache-2.0
// Arithmetic, reductions and products as users call them.
#include "frontend/Autocast.h"
#include "frontend/Ops.h"
#include "llvm/ADT/STLExtras.h"

namespace tinyfin::ops {

int64_t normalizeAxis(int64_t axis, size_t rank) {
  int64_t extent = static_cast<int64_t>(rank);
  int64_t wanted = axis < 0 ? axis + extent : axis;
  if (wanted < 0 || wanted >= extent)
    throw UserError(ErrorKind::Index, "axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  return wanted;
}

Var castTo(Var x, DType dtype) {
  if (x.spec().dtype == dtype) return x;
  return applyOp(OpId::Cast, {static_cast<int64_t>(dtype)}, {x})[0];
}

Var asVar(const Operand &operand, DType dtype) {
  if (!operand.isNumber()) return castTo(operand.tensor->read(), dtype);
  if (operand.slot) return castTo({operand.slot, {}}, dtype);
  if (auto *real = std::get_if<double>(&operand.number)) return {scalarValue(*real, dtype), {}};
  int64_t integer = operand.number.index() == 0 ? std::get<bool>(operand.number) : std::get<int64_t>(operand.number);
  return {scalarValue(integer, dtype), {}};
}

static Tensor one(Vars vars) { return makeTensor(std::move(vars[0])); }

Tensor unary(OpId op, const Tensor &x) {
  Var value = x->read();
  DType dtype = value.spec().dtype;
  bool keepsIntegers = op == OpId::Abs || op == OpId::Neg || op == OpId::Sign || op == OpId::Square || op == OpId::Relu;
  if (op == OpId::LogicalNot)
    value = castTo(value, DType::Bool);
  else if (!isFloat(dtype) && !keepsIntegers)
    value = castTo(value, DType::F32);
  else if (dtype == DType::Bool)
    throw UserError(ErrorKind::Type, std::string(fin::infoOf(op).mnemonic) + ": wanted numbers, found bool");
  return one(applyOp(op, {}, {value}));
}

Tensor binary(OpId op, const Operand &lhs, const Operand &rhs) {
  DType dtype = resultType({lhs, rhs});
  BinaryRule rule = ruleOf(op);
  if (rule == BinaryRule::Logical)
    dtype = DType::Bool;
  else if ((rule == BinaryRule::Division || rule == BinaryRule::Float) && !isFloat(dtype))
    dtype = DType::F32;
  else if (rule == BinaryRule::Arithmetic && dtype == DType::Bool) {
    if (op == OpId::Sub) throw UserError(ErrorKind::Type, "sub: bool tensors cannot be subtracted; use logical_xor");
    // PyTorch adds and multiplies bools as or and and.
    if (op == OpId::Add || op == OpId::Maximum) op = OpId::LogicalOr;
    if (op == OpId::Mul || op == OpId::Minimum) op = OpId::LogicalAnd;
  }
  return one(applyOp(op, {}, {asVar(lhs, dtype), asVar(rhs, dtype)}));
}

/// The exponent if it is a Python number: exponents are structure, so they choose the op.
static std::optional<double> constantExponent(const Operand &exponent) {
  if (!exponent.isNumber() || exponent.slot) return std::nullopt;
  if (auto *real = std::get_if<double>(&exponent.number)) return *real;
  if (auto *integer = std::get_if<int64_t>(&exponent.number)) return static_cast<double>(*integer);
  return std::nullopt;
}

Tensor power(const Operand &base, const Operand &exponent) {
  std::optional<double> number = constantExponent(exponent);
  if (number && !base.isNumber()) {
    const Tensor &x = base.tensor;
    if (*number == 1) return clone(x);
    if (*number == 2 && x->spec.dtype != DType::Bool) return unary(OpId::Square, x);
    if (*number == 3 && x->spec.dtype != DType::Bool) return binary(OpId::Mul, Operand::of(unary(OpId::Square, x)), base);
    if (*number == 0.5) return unary(OpId::Sqrt, x);
    if (*number == -1 && isFloat(x->spec.dtype)) return unary(OpId::Reciprocal, x);
    if (*number == -0.5) return unary(OpId::Rsqrt, x);
  }
  if (!isFloat(resultType({base, exponent})))
    throw UserError(ErrorKind::Type, "pow of integer tensors: only the exponents 1, 2 and 3 are supported; cast to a float dtype first");
  return binary(OpId::Pow, base, exponent);
}

Tensor clamp(const Tensor &x, const std::optional<Operand> &low, const std::optional<Operand> &high) {
  if (!low && !high) throw UserError(ErrorKind::Value, "clamp: at least one of min and max is needed");
  if (!high) return binary(OpId::Maximum, Operand::of(x), *low);
  if (!low) return binary(OpId::Minimum, Operand::of(x), *high);
  DType dtype = resultType({Operand::of(x), *low, *high});
  return one(applyOp(OpId::Clamp, {}, {castTo(x->read(), dtype), asVar(*low, dtype), asVar(*high, dtype)}));
}

Tensor select(const Tensor &condition, const Operand &onTrue, const Operand &onFalse) {
  DType dtype = resultType({onTrue, onFalse});
  Var mask = castTo(condition->read(), DType::Bool);
  return one(applyOp(OpId::Select, {}, {mask, asVar(onTrue, dtype), asVar(onFalse, dtype)}));
}

Tensor cast(const Tensor &x, DType dtype) { return x->spec.dtype == dtype ? x : makeTensor(castTo(x->read(), dtype)); }

Tensor matmul(const Tensor &lhs, const Tensor &rhs) {
  Var operands[] = {lhs->read(), rhs->read()};
  autocastOperands(OpId::Matmul, operands);
  auto &[a, b] = operands;
  if (a.spec().dtype != b.spec().dtype)
    throw UserError(ErrorKind::Type, "matmul: dtypes differ: " + a.spec().str() + " @ " + b.spec().str());
  bool vectorLeft = a.spec().rank() == 1, vectorRight = b.spec().rank() == 1;
  auto reshaped = [](const Var &x, Dims dims) { return applyOp(OpId::Reshape, shapeAttr(dims), {x})[0]; };
  if (vectorLeft) a = reshaped(a, {Dim(1), a.spec().dims[0]});
  if (vectorRight) b = reshaped(b, {b.spec().dims[0], Dim(1)});
  Var product = applyOp(OpId::Matmul, {0, 0}, {a, b})[0];
  if (vectorLeft || vectorRight) {
    Dims dims = product.spec().dims;
    if (vectorRight) dims.pop_back();
    if (vectorLeft) dims.erase(dims.end() - (vectorRight ? 1 : 2));
    product = reshaped(product, dims);
  }
  return makeTensor(product);
}

Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias) {
  if (x->spec.rank() == 1) return squeeze(linear(unsqueeze(x, 0), weight, bias), 0);
  Var operands[] = {x->read(), weight->read()};
  autocastOperands(OpId::Matmul, operands);
  Var y = applyOp(OpId::Matmul, {0, 1}, operands)[0];
  if (bias) y = applyOp(OpId::Add, {}, {y, castTo(bias->read(), y.spec().dtype)})[0];
  return makeTensor(std::move(y));
}

Tensor reduce(OpId op, const Tensor &x, std::optional<llvm::ArrayRef<int64_t>> axes, bool keepdims) {
  Var value = x->read();
  DType dtype = value.spec().dtype;
  if (op == OpId::Sum && !isFloat(dtype)) value = castTo(value, DType::I64);
  if (op == OpId::Mean && !isFloat(dtype))
    throw UserError(ErrorKind::Type, std::string("mean: wanted a floating point dtype, found ") + nameOf(dtype));
  llvm::SmallVector<int64_t, 6> all;
  if (axes && !axes->empty())
    for (int64_t axis : *axes) all.push_back(normalizeAxis(axis, value.spec().rank()));
  else
    for (size_t i = 0; i < value.spec().rank(); ++i) all.push_back(static_cast<int64_t>(i));
  Words attrs = listAttr(all);
  attrs.push_back(keepdims);
  return one(applyOp(op, attrs, {value}));
}

Tensor argmax(const Tensor &x, std::optional<int64_t> axis, bool keepdims) {
  Tensor source = axis ? x : reshape(x, {-1});
  int64_t wanted = axis ? normalizeAxis(*axis, source->spec.rank()) : 0;
  Tensor result = one(applyOp(OpId::Argmax, {wanted, keepdims && axis}, {source->read()}));
  return result;
}

static Vars promoted(llvm::ArrayRef<Tensor> xs) {
  llvm::SmallVector<Operand> operands;
  for (const Tensor &x : xs) operands.push_back(Operand::of(x));
  DType dtype = resultType(operands);
  Vars vars;
  for (const Tensor &x : xs) vars.push_back(castTo(x->read(), dtype));
  return vars;
}

Tensor concat(llvm::ArrayRef<Tensor> xs, int64_t axis) {
  if (xs.empty()) throw UserError(ErrorKind::Value, "concat: wanted at least one tensor, found none");
  return one(applyOp(OpId::Concat, {normalizeAxis(axis, xs[0]->spec.rank())}, promoted(xs)));
}

Tensor stack(llvm::ArrayRef<Tensor> xs, int64_t axis) {
  if (xs.empty()) throw UserError(ErrorKind::Value, "stack: wanted at least one tensor, found none");
  llvm::SmallVector<Tensor> expanded;
  int64_t at = normalizeAxis(axis, xs[0]->spec.rank() + 1);
  for (const Tensor &x : xs) expanded.push_back(unsqueeze(x, at));
  return concat(expanded, at);
}

void copyInto(const Tensor &x, const Operand &value) {
  Var update = asVar(value, x->spec.dtype);
  // A number becomes an op's result: a cell never holds a runtime scalar itself.
  if (value.isNumber()) update = filled(update.value, x->spec.dims);
  if (update.spec().dims != x->spec.dims)
    update = applyOp(OpId::Broadcast, shapeAttr(x->spec.dims), {update})[0];
  else
    update = identity(update);
  x->write(update);
}

void update(const Tensor &x, llvm::function_ref<Var()> compute) {
  for (;;) {
    uint32_t version = x->root().version;
    Var value = compute();
    if (x->root().version == version && x->tryWrite(value)) return;
  }
}

void inPlace(OpId op, const Tensor &x, const Operand &other) {
  Operand self = Operand::of(x);
  DType dtype = resultType({self, other});
  if (isFloat(dtype) && !isFloat(x->spec.dtype))
    throw UserError(ErrorKind::Type, std::string("in-place result of ") + nameOf(dtype) + " does not fit into " + nameOf(x->spec.dtype));
  update(x, [&] {
    Tensor result = op == OpId::Pow ? power(self, other) : binary(op, self, other);
    if (result->spec.dims != x->spec.dims)
      throw UserError(ErrorKind::Value, "in-place result has shape " + fin::str(result->spec.dims) + ", the tensor " + fin::str(x->spec.dims));
    return castTo(result->read(), x->spec.dtype);
  });
}

Tensor clone(const Tensor &x) {
  // Values are immutable: a clone is a new cell on the same value.
  return makeTensor(identity(x->read()));
}

Vars raw(OpId op, Words attrs, llvm::ArrayRef<Var> operands) {
  Vars cast(operands);
  autocastOperands(op, cast);
  if (!fin::infoOf(op).isRandom) return applyOp(op, attrs, cast);
  return applyRandomOp(op, std::move(attrs), cast);
}

} // namespace tinyfin::ops
