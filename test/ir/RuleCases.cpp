// SPDX-License-Identifier: Apache-2.0
// The list of cases, family by family. Floating-point operands are f64 so that finite differences are sharp.
#include "test/ir/RuleCases.h"
#include <cmath>

namespace tinyfin::fin::test {

std::vector<double> draw(std::mt19937 &random, const Sample &sample) {
  if (!sample.values.empty()) return sample.values;
  std::uniform_real_distribution<double> uniform(sample.low, sample.high);
  std::vector<double> values(numElements(sample.spec.dims)->constant());
  for (double &value : values) value = isFloat(sample.spec.dtype) ? uniform(random) : std::floor(uniform(random));
  return values;
}

std::string RuleCase::name() const {
  std::string text = std::string(infoOf(op).name) + "(";
  for (const Sample &operand : operands) text += (&operand == operands.data() ? "" : ", ") + operand.spec.str();
  text += ")";
  for (int64_t word : attrs) text += " " + std::to_string(word);
  return text;
}

RuleCase RuleCase::as(DType dtype) const {
  RuleCase other = *this;
  for (Sample &operand : other.operands)
    if (operand.spec.dtype == DType::F64) operand.spec.dtype = operand.isWide && sizeOf(dtype) == 2 ? DType::F32 : dtype;
  return other;
}

namespace {

using List = std::vector<int64_t>;

Sample reals(Dims dims, double low = -2, double high = 2) { return {{DType::F64, std::move(dims)}, low, high}; }
Sample ints(Dims dims, double end, DType dtype = DType::I64) { return {{dtype, std::move(dims)}, 0, end}; }
Sample bools(Dims dims) { return {{DType::Bool, std::move(dims)}, 0, 2}; }
Sample given(std::vector<double> values) {
  return {{DType::I64, {static_cast<int64_t>(values.size())}}, 0, 0, std::move(values)};
}
Sample number(double value) { return {{DType::F64, {}}, 0, 0, {value}}; }

void write(AttrWriter &to, int value) { to.integer(value); }
void write(AttrWriter &to, bool value) { to.flag(value); }
void write(AttrWriter &to, double value) { to.real(value); }
void write(AttrWriter &to, DType value) { to.dtype(value); }
void write(AttrWriter &to, const List &items) { to.list(items); }
void write(AttrWriter &to, const Dims &dims) {
  to.integer(static_cast<int64_t>(dims.size()));
  for (Dim dim : dims) to.integer(dim.word());
}
template <class... Items> Words attrs(const Items &...items) {
  Words words;
  AttrWriter to(words);
  (write(to, items), ...);
  return words;
}

using Cases = std::vector<RuleCase>;

void addUnary(Cases &cases, Dim n) {
  auto add = [&](std::initializer_list<OpId> ops, double low, double high) {
    for (OpId op : ops) {
      cases.push_back({op, {reals({n, 3}, low, high)}});
      cases.push_back({op, {reals({}, low, high)}});
      cases.push_back({op, {reals({n, 0}, low, high)}});
    }
  };
  add({OpId::Exp, OpId::Square, OpId::Tanh, OpId::Erf, OpId::Sin, OpId::Cos, OpId::Abs, OpId::Neg, OpId::Relu,
       OpId::Sigmoid},
      -2, 2);
  add({OpId::Log, OpId::Sqrt, OpId::Rsqrt, OpId::Reciprocal}, 0.5, 3);
}

void addBinary(Cases &cases, Dim n) {
  auto add = [&](std::initializer_list<OpId> ops, double low, double high) {
    for (OpId op : ops) {
      cases.push_back({op, {reals({n, 3}, low, high), reals({n, 3}, low, high)}});
      cases.push_back({op, {reals({n, 3}, low, high), reals({3}, low, high)}});
      cases.push_back({op, {reals({}, low, high), reals({n, 3}, low, high)}});
      cases.push_back({op, {reals({n, 1, 2}, low, high), reals({1, 3, 1}, low, high)}});
      cases.push_back({op, {reals({0, 1}, low, high), reals({1, n}, low, high)}});
    }
  };
  add({OpId::Add, OpId::Sub, OpId::Mul, OpId::Maximum, OpId::Minimum}, -2, 2);
  add({OpId::Div, OpId::Pow}, 0.5, 3);
}

void addOtherElementwise(Cases &cases, Dim n) {
  cases.push_back({OpId::Clamp, {reals({n, 3}), number(-0.5), number(0.75)}});
  cases.push_back({OpId::Clamp, {reals({n, 3}), reals({3}), reals({n, 1})}});
  cases.push_back({OpId::Select, {bools({n, 3}), reals({n, 3}), reals({n, 3})}});
  cases.push_back({OpId::Select, {bools({n, 1}), reals({}), reals({3})}});
  cases.push_back({OpId::Cast, {reals({n, 3})}, attrs(DType::F32), 0.5});
  cases.push_back({OpId::Cast, {reals({n, 3})}, attrs(DType::F64), 0.5});
}

void addReductions(Cases &cases, Dim n) {
  for (OpId op : {OpId::Sum, OpId::Mean, OpId::ReduceMax, OpId::ReduceMin})
    for (bool keepdims : {false, true}) {
      cases.push_back({op, {reals({n, 3, 2})}, attrs(List{0, 2}, keepdims)});
      cases.push_back({op, {reals({n, 3, 2})}, attrs(List{1}, keepdims)});
      cases.push_back({op, {reals({n, 3})}, attrs(List{1, 0}, keepdims)});
      cases.push_back({op, {reals({n, 3})}, attrs(List{}, keepdims)});
      cases.push_back({op, {reals({})}, attrs(List{}, keepdims)});
      cases.push_back({op, {reals({0, n})}, attrs(List{1}, keepdims)});
    }
  for (OpId op : {OpId::Sum, OpId::Mean}) cases.push_back({op, {reals({0, n})}, attrs(List{0}, false)});
}

void addShape(Cases &cases, Dim n) {
  Dim twice = *multiply(n, 2), thrice = *multiply(n, 3);
  cases.push_back({OpId::Full, {reals({})}, attrs(Dims{n, 3})});
  cases.push_back({OpId::Reshape, {reals({n, 6})}, attrs(Dims{twice, 3})});
  cases.push_back({OpId::Reshape, {reals({1, 1})}, attrs(Dims{})});
  cases.push_back({OpId::Transpose, {reals({n, 3, 4})}, attrs(List{2, 0, 1})});
  cases.push_back({OpId::Broadcast, {reals({3, 1})}, attrs(Dims{n, 3, 4})});
  cases.push_back({OpId::Broadcast, {reals({})}, attrs(Dims{n})});
  cases.push_back({OpId::Concat, {reals({n, 3}), reals({n, 1}), reals({n, 0})}, attrs(1)});
  cases.push_back({OpId::Concat, {reals({n, 3}), reals({twice, 3})}, attrs(0)});
  cases.push_back({OpId::Pad, {reals({n, 3}), reals({})}, attrs(List{0, 2}, List{0, 1})});
  cases.push_back({OpId::Gather, {reals({n, 4}), ints({2, 3}, 4)}, attrs(1)});
  cases.push_back({OpId::Gather, {reals({4, 3}), ints({n}, 4, DType::I32)}, attrs(0)});
  cases.push_back({OpId::ScatterAdd, {reals({4, 3}), ints({n, 2}, 4), reals({n, 2, 3})}, attrs(0)});
  cases.push_back({OpId::Slice, {reals({thrice, 3}), given({0, 1})}, attrs(Dims{n, 2}, List{2, 1})});
  cases.push_back({OpId::SliceUpdate, {reals({thrice, 3}), reals({n, 2}), given({1, 0})}, attrs(List{2, 2})});
}

/// Walks that only known extents allow.
void addConstantShape(Cases &cases) {
  cases.push_back({OpId::Slice, {reals({5, 3}), given({4, 0})}, attrs(Dims{3, 2}, List{-2, 2})});
  cases.push_back({OpId::Slice, {reals({5, 3}), given({4, 0})}, attrs(Dims{0, 2}, List{1, 1})});
  cases.push_back({OpId::Slice, {reals({}), {{DType::I64, {0}}}}, attrs(Dims{}, List{})});
  cases.push_back({OpId::Pad, {reals({2, 3}), reals({})}, attrs(List{1, 0}, List{2, 1})});
  cases.push_back({OpId::Pad, {reals({}), reals({})}, attrs(List{}, List{})});
}

void addMatmul(Cases &cases, Dim n) {
  auto operand = [](Dims batch, Dim rows, Dim columns, bool transposed) {
    batch.append({transposed ? columns : rows, transposed ? rows : columns});
    return reals(batch);
  };
  std::vector<std::pair<Dims, Dims>> batches = {{{}, {}},  {{n}, {}},    {{n}, {n}}, {{n, 1}, {2}},
                                                {{}, {n}}, {{2, n}, {}}, {{n}, {1}}, {{0}, {}}};
  for (auto &[lhs, rhs] : batches)
    for (bool transposeLhs : {false, true})
      for (bool transposeRhs : {false, true})
        cases.push_back({OpId::Matmul,
                         {operand(lhs, 2, 3, transposeLhs), operand(rhs, 3, 4, transposeRhs)},
                         attrs(transposeLhs, transposeRhs)});
  cases.push_back({OpId::Matmul, {reals({n, 0}), reals({0, 3})}, attrs(false, false)});
}

Sample image(Dim n, Dim channels, Dim height, Dim width, bool channelsLast) {
  return channelsLast ? reals({n, height, width, channels}) : reals({n, channels, height, width});
}

void addConvolution(Cases &cases, Dim n, List strides, List padding) {
  const int64_t size[] = {5, 4}, kernel[] = {3, 2};
  auto out = [&](int axis) { return Dim((size[axis] + 2 * padding[axis] - kernel[axis]) / strides[axis] + 1); };
  Sample weight = reals({3, 2, 3, 2});
  for (bool last : {false, true}) {
    Sample x = image(n, 2, 5, 4, last), y = image(n, 3, out(0), out(1), last);
    cases.push_back({OpId::Conv2d, {x, weight}, attrs(strides, padding, last)});
    cases.push_back({OpId::Conv2dInputGrad, {y, weight}, attrs(List{5, 4}, strides, padding, last)});
    cases.push_back({OpId::Conv2dWeightGrad, {x, y}, attrs(List{3, 2}, strides, padding, last)});
  }
}

void addPooling(Cases &cases, Dim n, List kernel, List strides, List padding) {
  auto out = [&](int axis, int64_t extent) {
    return Dim((extent + 2 * padding[axis] - kernel[axis]) / strides[axis] + 1);
  };
  for (bool last : {false, true}) {
    Sample x = image(n, 2, 5, 4, last), y = image(n, 2, out(0, 5), out(1, 4), last);
    cases.push_back({OpId::MaxPool2d, {x}, attrs(kernel, strides, padding, last)});
    cases.push_back({OpId::AvgPool2d, {x}, attrs(kernel, strides, padding, last)});
    cases.push_back({OpId::MaxPool2dGrad, {x, y}, attrs(kernel, strides, padding, last)});
    cases.push_back({OpId::AvgPool2dGrad, {y}, attrs(List{5, 4}, kernel, strides, padding, last)});
  }
}

void addComposites(Cases &cases, Dim n) {
  for (OpId op : {OpId::Softmax, OpId::LogSoftmax}) {
    cases.push_back({op, {reals({n, 4})}, attrs(1)});
    cases.push_back({op, {reals({2, n, 3})}, attrs(1)});
    cases.push_back({op, {reals({n, 0})}, attrs(1)});
  }
  for (bool tanh : {false, true}) cases.push_back({OpId::Gelu, {reals({n, 3}, -4, 4)}, attrs(tanh)});
  cases.push_back({OpId::LayerNorm, {reals({n, 5}), reals({5}), reals({5})}, attrs(1, 1e-5)});
  cases.push_back({OpId::LayerNorm, {reals({2, n, 4}), reals({n, 4}), reals({n, 4})}, attrs(1, 1e-3)});
  cases.push_back({OpId::BatchNorm, {reals({5, 3}), reals({3}), reals({3})}, attrs(1e-5)});
  cases.push_back({OpId::BatchNorm, {reals({n, 3, 2, 2}), reals({3}), reals({3})}, attrs(1e-3)});
  cases.push_back({OpId::BatchNormInference,
                   {reals({n, 3, 2}), reals({3}), reals({3}), reals({3}), reals({3}, 0.5, 2)},
                   attrs(1e-3)});
  for (int reduction : {0, 1, 2}) {
    cases.push_back({OpId::CrossEntropy, {reals({n, 5}), ints({n}, 5)}, attrs(reduction)});
    cases.push_back({OpId::CrossEntropy, {reals({n, 5}), ints({n}, 5, DType::I32)}, attrs(reduction)});
    cases.push_back({OpId::MseLoss, {reals({n, 3}), reals({n, 3})}, attrs(reduction)});
    cases.push_back({OpId::BceWithLogits, {reals({n, 3}, -4, 4), reals({n, 3}, 0, 1)}, attrs(reduction)});
  }
  cases.push_back({OpId::MseLoss, {reals({}), reals({})}, attrs(1)});
  cases.push_back({OpId::Embedding, {reals({5, 3}), ints({n, 2}, 5)}});
  cases.push_back({OpId::Embedding, {reals({5, 3}), ints({0}, 5, DType::I32)}});
  cases.push_back({OpId::Dropout, {reals({n, 7}), number(0.25), given({42, 7})}, attrs(3)});
}

/// A number a row of q: lse or delta.
Sample rowsOf(Dims dims) {
  dims.pop_back();
  Sample sample = reals(dims);
  sample.isWide = true;
  return sample;
}

void addAttention(Cases &cases, Dim n) {
  auto add = [&](Dims q, Dims k, Dims v, bool causal, bool headsFirst, std::vector<Sample> mask) {
    Dims output = q;
    output[3] = v[3];
    Words words = attrs(causal, 0.6, headsFirst);
    std::vector<Sample> forward{reals(q), reals(k), reals(v)};
    std::vector<Sample> backward{reals(output), reals(q), reals(k), reals(v), rowsOf(q), rowsOf(q)};
    for (auto *operands : {&forward, &backward}) operands->insert(operands->end(), mask.begin(), mask.end());
    cases.push_back({OpId::Attention, forward, words});
    cases.push_back({OpId::AttentionGrad, backward, words});
  };
  for (bool causal : {false, true}) add({n, 2, 3, 2}, {n, 2, 4, 2}, {n, 2, 4, 3}, causal, true, {});
  add({n, 3, 2, 2}, {n, 3, 2, 2}, {n, 3, 2, 2}, true, false, {});
  add({n, 2, 1, 2}, {n, 2, 1, 2}, {n, 2, 1, 2}, false, false, {{{DType::Bool, {1, 1, 2, 2}}, 0, 0, {1, 0, 1, 1}}});
  add({n, 2, 1, 2}, {n, 3, 1, 2}, {n, 3, 1, 2}, false, false, {reals({1, 1, 2, 3})});
  for (bool masked : {false, true}) {
    std::vector<Sample> forward{reals({n, 3, 3, 2, 2})}, backward{reals({n, 3, 2, 2}), forward[0], rowsOf({n, 3, 2, 2}), rowsOf({n, 3, 2, 2})};
    for (auto *operands : {&forward, &backward})
      if (masked) operands->push_back(reals({1, 2, 3, 1}));
    cases.push_back({OpId::PackedAttention, forward, attrs(!masked, 0.6)});
    cases.push_back({OpId::PackedAttentionGrad, backward, attrs(!masked, 0.6)});
  }
}

Cases casesWith(Dim n) {
  Cases cases;
  for (auto add : {addUnary, addBinary, addOtherElementwise, addReductions, addShape, addMatmul, addComposites, addAttention})
    add(cases, n);
  addConvolution(cases, n, {1, 1}, {0, 0});
  addConvolution(cases, n, {2, 1}, {1, 2});
  addPooling(cases, n, {2, 2}, {2, 2}, {0, 0});
  addPooling(cases, n, {3, 2}, {2, 1}, {1, 1});
  return cases;
}

} // namespace

const std::vector<RuleCase> &ruleCases() {
  static const Cases all = [] {
    Cases cases = casesWith(3);
    addConstantShape(cases);
    return cases;
  }();
  return all;
}

const std::vector<RuleCase> &symbolicRuleCases() {
  static const Cases all = casesWith(Dim::symbol("N"));
  return all;
}

} // namespace tinyfin::fin::test
