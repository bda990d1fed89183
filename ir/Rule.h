// SPDX-License-Identifier: Apache-2.0
// Derivative rules and decompositions written as formulas: operators on values, every op's emitter by name, and
// what the rule was given under short names: `r.give(0, r.dy() * (1 - r.square(r.y())))`.
#pragma once
#include "ir/GraphBuilder.h"

namespace tinyfin::fin {

/// A value with arithmetic. Numbers take the value's dtype.
class Expr {
public:
  Expr() = default;
  Expr(GraphBuilder &builder, Ref ref) : builder(&builder), ref(ref) {}
  operator Ref() const { return ref; }
  explicit operator bool() const { return static_cast<bool>(ref); }
  llvm::ArrayRef<Dim> dims() const { return builder->dimsOf(ref); }
  DType dtype() const { return builder->dtypeOf(ref); }
  Expr like(double number) const { return {*builder, builder->scalarLike(number, ref)}; }

  friend Expr operator-(Expr x) { return {*x.builder, x.builder->neg(x.ref)}; }
  friend Expr operator+(Expr x, Expr y) { return {*x.builder, x.builder->add(x.ref, y.ref)}; }
  friend Expr operator-(Expr x, Expr y) { return {*x.builder, x.builder->sub(x.ref, y.ref)}; }
  friend Expr operator*(Expr x, Expr y) { return {*x.builder, x.builder->mul(x.ref, y.ref)}; }
  friend Expr operator/(Expr x, Expr y) { return {*x.builder, x.builder->div(x.ref, y.ref)}; }
  friend Expr operator+(Expr x, double y) { return x + x.like(y); }
  friend Expr operator-(Expr x, double y) { return x - x.like(y); }
  friend Expr operator*(Expr x, double y) { return x * x.like(y); }
  friend Expr operator/(Expr x, double y) { return x / x.like(y); }
  friend Expr operator+(double x, Expr y) { return y.like(x) + y; }
  friend Expr operator-(double x, Expr y) { return y.like(x) - y; }
  friend Expr operator*(double x, Expr y) { return y.like(x) * y; }

private:
  GraphBuilder *builder = nullptr;
  Ref ref;
};
using Exprs = llvm::SmallVector<Expr, 4>;

/// A rule at work.
class Rule : public OpEmitters<Rule, Expr> {
public:
  explicit Rule(RuleContext &context) : c(context) {}

  AttrReader &attrs() { return c.attrs; }
  llvm::ArrayRef<int64_t> listAttr() {
    std::span<const int64_t> items = c.attrs.list();
    return {items.data(), items.size()};
  }
  Expr of(Ref ref) { return {c.b, ref}; }
  Expr scalar(double value, DType dtype) { return of(c.b.scalar(value, dtype)); }
  Expr zerosOf(const TensorSpec &spec) { return of(c.b.zerosOf(spec)); }
  Expr indexVector(llvm::ArrayRef<int64_t> items) { return of(c.b.indexVector(items)); }
  /// Operand i (of a derivative: only where the op's definition saves it), and its type.
  Expr x(unsigned i = 0) { return of(c.operands[i]); }
  const TensorSpec &xSpec(unsigned i = 0) { return c.operandSpecs[i]; }
  size_t numOperands() const { return c.operandSpecs.size(); }
  /// Result i, and its type.
  Expr y(unsigned i = 0) { return of(c.results[i]); }
  const TensorSpec &ySpec(unsigned i = 0) { return c.resultSpecs[i]; }
  /// The cotangent of result i; null where it is zero, but never of an op's only result.
  Expr dy(unsigned i = 0) { return of(c.cotangents[i]); }
  bool needs(unsigned operand) const { return c.needs(operand); }

  /// Of a derivative: the cotangent of operand i. Undoes broadcasting and widening.
  void give(unsigned i, Expr cotangent) {
    if (!needs(i) || !cotangent) return;
    c.outputs[i] = narrow(summedTo(cotangent, i), xSpec(i).dtype);
  }
  /// Summed over what broadcasting operand i repeated.
  Expr summedTo(Expr value, unsigned i) { return of(c.b.sumTo(value, xSpec(i).dims)); }
  /// Of a decomposition: the next result.
  void yield(Expr result) { c.outputs.push_back(narrow(result, ySpec(c.outputs.size()).dtype)); }

  /// bf16 and f16 as f32, in which the composite kernels calculate; other values as they are.
  Expr wide(Expr value) { return value && sizeOf(value.dtype()) == 2 ? cast(value, DType::F32) : value; }
  Expr narrow(Expr value, DType dtype) { return value.dtype() == dtype ? value : cast(value, dtype); }
  /// Reshapes if the shape differs.
  Expr shaped(Expr value, llvm::ArrayRef<Dim> dims) { return value.dims() == dims ? value : reshape(value, dims); }
  /// The number of elements in `dims` as a 0-d tensor, also where it is known only when the program runs.
  Expr count(llvm::ArrayRef<Dim> dims, DType dtype);
  /// value / count; unchanged where there is nothing to divide (0 / 0 would spoil second derivatives) or only one.
  Expr dividedByCount(Expr value, llvm::ArrayRef<Dim> dims) {
    std::optional<Dim> elements = numElements(dims);
    bool isUnchanged = elements && (elements->is(0) || elements->is(1));
    return isUnchanged ? value : value / count(dims, value.dtype());
  }
  /// A value a channel, widened and with the rank that broadcasts against operand 0, [N, C, ...].
  Expr perChannel(Expr value);
  /// x + y, either of which may be null.
  Expr sumOf(Expr x, Expr y) { return x && y ? x + y : x ? x : y; }

  /// What the emitters call.
  Exprs emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Expr> operands) {
    Refs refs(operands.begin(), operands.end());
    Exprs results;
    for (Ref result : c.b.emit(op, attrs, refs)) results.push_back(of(result));
    return results;
  }

private:
  RuleContext &c;
};

/// `dims` with extent 1 at `axes`: what a reduction with keepdims leaves.
Dims keptDims(llvm::ArrayRef<Dim> dims, llvm::ArrayRef<int64_t> axes);
/// The extents at `axes`.
Dims dimsAt(llvm::ArrayRef<Dim> dims, llvm::ArrayRef<int64_t> axes);

using Axes = llvm::SmallVector<int64_t, 6>;
/// first, first + 1, ..., last - 1
Axes axesBetween(int64_t first, int64_t last);
/// Axes 0, 2, 3, ...: what normalization per channel reduces.
Axes axesButChannel(int64_t rank);

} // namespace tinyfin::fin
