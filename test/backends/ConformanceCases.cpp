// SPDX-License-Identifier: Apache-2.0
#include "test/backends/ConformanceCases.h"

namespace tinyfin::conformance {
namespace {

using fin::Dim;
using fin::Dims;
using fin::OpId;
using fin::test::RuleCase;
using fin::test::Sample;
using List = std::vector<int64_t>;
using Cases = std::vector<RuleCase>;

Sample reals(Dims dims, double low = -2, double high = 2) { return {{DType::F64, std::move(dims)}, low, high}; }
Sample ints(Dims dims, double end, DType dtype = DType::I64) { return {{dtype, std::move(dims)}, 0, end}; }
Sample bools(Dims dims) { return {{DType::Bool, std::move(dims)}, 0, 2}; }
Sample given(std::vector<double> values, DType dtype = DType::I64) {
  return {{dtype, {static_cast<int64_t>(values.size())}}, 0, 0, values};
}

struct Attrs {
  Words words;
  AttrWriter to{words};
  Attrs &dims(const List &extents) { return to.list(extents), *this; }
};
Words listWords(const List &list) { return Attrs().dims(list).words; }
Words word(int64_t value) { return {value}; }
Words join(std::initializer_list<Words> parts) {
  Words all;
  for (const Words &part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
Words real(double value) { return {std::bit_cast<int64_t>(value)}; }
Words textWords(std::string_view text) {
  Words words;
  AttrWriter(words).text(text);
  return words;
}

// 1030 = 2 * 515: neither a multiple of a vector nor of a chunk; 37 and 129 leave tails.
void addLargeElementwise(Cases &cases) {
  for (int id = 0; id < fin::kNumOps; ++id) {
    auto op = static_cast<OpId>(id);
    const fin::OpInfo &info = fin::infoOf(op);
    if (!info.isElementwise || !info.attrs.empty()) continue;
    bool isLogical = info.operandDTypes[0] == fin::DTypeSet::Bool && op != OpId::Select;
    auto sample = [&](size_t operand, Dims dims) {
      if (isLogical || (op == OpId::Select && operand == 0)) return bools(dims);
      return op == OpId::Div || op == OpId::Pow || op == OpId::Log || op == OpId::Rsqrt || op == OpId::Sqrt || op == OpId::Reciprocal
                 ? reals(dims, 1, 3) // also as integers: no division by zero
                 : reals(dims, -3, 3);
    };
    auto add = [&](std::initializer_list<Dims> shapes) {
      std::vector<Sample> operands;
      for (const Dims &dims : shapes)
        if (operands.size() < info.operands.size()) operands.push_back(sample(operands.size(), dims));
      cases.push_back({op, operands});
    };
    add({{37}, {37}, {37}});
    add({{5, 129}, {129}, {5, 1}});
    add({{1030, 3}, {}, {3}});
    add({{}, {}, {}});
    add({{3, 1, 17}, {4, 1}, {3, 4, 17}});
    add({{0, 3}, {3}, {}});
  }
}

void addLargeRows(Cases &cases) {
  for (OpId op : {OpId::Sum, OpId::Mean, OpId::ReduceMax, OpId::ReduceMin})
    for (const List &axes : {List{0}, List{1}, List{0, 1}, List{2}, List{1, 2}, List{0, 2}, List{0, 1, 2}})
      for (bool keepdims : {false, true}) {
        Words words = join({listWords(axes), word(keepdims)});
        cases.push_back({op, {reals({33, 17, 5}, 0, 1)}, words});
        cases.push_back({op, {reals({3, 4, 130}, 0, 1)}, words});
      }
  for (OpId op : {OpId::Softmax, OpId::LogSoftmax})
    for (int64_t axis : {0, 1, 2}) cases.push_back({op, {reals({33, 17, 5}, -8, 8)}, word(axis)});
  for (OpId op : {OpId::Softmax, OpId::LogSoftmax}) cases.push_back({op, {reals({9, 1000}, -8, 8)}, word(1)});
  cases.push_back({OpId::LayerNorm, {reals({33, 65}), reals({65}), reals({65})}, join({word(1), real(1e-5)})});
  cases.push_back({OpId::BatchNorm, {reals({17, 5, 7, 3}), reals({5}), reals({5})}, real(1e-5)});
  cases.push_back({OpId::Gelu, {reals({7, 131}, -6, 6)}, word(0)});
  cases.push_back({OpId::Gelu, {reals({7, 131}, -6, 6)}, word(1)});
  cases.push_back({OpId::CrossEntropy, {reals({33, 101}), ints({33}, 101)}, word(1)});
  cases.push_back({OpId::MseLoss, {reals({33, 101}), reals({33, 101})}, word(1)});
  cases.push_back({OpId::BceWithLogits, {reals({33, 101}), reals({33, 101}, 0, 1)}, word(2)});
  cases.push_back({OpId::Embedding, {reals({101, 33}), ints({5, 7}, 101)}});
}

void addLargeContractions(Cases &cases) {
  for (bool lhs : {false, true})
    for (bool rhs : {false, true}) {
      auto dims = [](Dim rows, Dim columns, bool isTransposed) {
        return isTransposed ? Dims{columns, rows} : Dims{rows, columns};
      };
      for (auto [m, k, n] : {std::tuple(17, 33, 9), std::tuple(1, 64, 130), std::tuple(130, 7, 1), std::tuple(64, 64, 64)})
        cases.push_back({OpId::Matmul, {reals(dims(m, k, lhs)), reals(dims(k, n, rhs))}, {lhs, rhs}});
    }
  cases.push_back({OpId::Matmul, {reals({3, 1, 17, 5}), reals({4, 5, 9})}, {0, 0}});
  Words strides = listWords({2, 1}), padding = listWords({1, 2});
  for (int64_t channelsLast : {0, 1}) {
    Sample x = channelsLast ? reals({3, 17, 13, 5}) : reals({3, 5, 17, 13});
    cases.push_back({OpId::Conv2d, {x, reals({7, 5, 3, 3})}, join({strides, padding, {channelsLast}})});
    Words window = join({listWords({3, 2}), strides, listWords({1, 0}), {channelsLast}});
    cases.push_back({OpId::MaxPool2d, {x}, window});
    cases.push_back({OpId::AvgPool2d, {x}, window});
  }
}

void addMovement(Cases &cases) {
  cases.push_back({OpId::Transpose, {reals({33, 65})}, listWords({1, 0})});
  cases.push_back({OpId::Transpose, {reals({5, 17, 3, 9})}, listWords({2, 0, 3, 1})});
  cases.push_back({OpId::Transpose, {reals({})}, listWords({})});
  cases.push_back({OpId::Broadcast, {reals({5, 1, 37})}, listWords({3, 5, 4, 37})});
  cases.push_back({OpId::Broadcast, {reals({1, 0})}, listWords({3, 0})});
  cases.push_back({OpId::Reshape, {reals({6, 35})}, listWords({5, 2, 21})});
  cases.push_back({OpId::Full, {reals({})}, listWords({7, 33})});
  cases.push_back({OpId::Concat, {reals({7, 33}), reals({7, 2}), reals({7, 17})}, word(1)});
  cases.push_back({OpId::Concat, {reals({3}), reals({0}), reals({34})}, word(0)});
  cases.push_back({OpId::Pad, {reals({5, 33}), reals({})}, join({listWords({1, 2}), listWords({0, 3})})});
  cases.push_back({OpId::Slice, {reals({9, 65}), given({8, 1})}, join({listWords({4, 21}), listWords({-2, 3})})});
  cases.push_back({OpId::SliceUpdate, {reals({9, 65}), reals({4, 21}), given({8, 1})}, listWords({-2, 3})});
  cases.push_back({OpId::Gather, {reals({33, 17}), ints({5, 3}, 33)}, word(0)});
  cases.push_back({OpId::Gather, {reals({7, 33}), ints({40}, 33, DType::I32)}, word(1)});
  cases.push_back({OpId::ScatterAdd, {reals({9, 17}), ints({40}, 9), reals({40, 17})}, word(0)});
  for (DType dtype : {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8})
    for (int64_t axis : {0, 1})
      cases.push_back({OpId::Iota, {}, join({listWords({5, 37}), word(axis), word(static_cast<int64_t>(dtype))})});
}

void addCasts(Cases &cases) {
  for (int from = 0; from < kNumDTypes; ++from)
    for (int to = 0; to < kNumDTypes; ++to) {
      // Integers from 0 to 99 fit all dtypes; casts of floats out of range mean nothing.
      Sample x{{static_cast<DType>(from), {5, 37}}, 0, isFloat(static_cast<DType>(from)) ? 99.0 : 100.0};
      cases.push_back({OpId::Cast, {x}, word(to)});
    }
}

void addWithoutDerivative(Cases &cases) {
  for (bool keepdims : {false, true})
    for (int64_t axis : {0, 1}) {
      cases.push_back({OpId::Argmax, {reals({9, 37})}, {axis, keepdims}});
      cases.push_back({OpId::Argmax, {{{DType::F64, {4, 2}}, 0, 0, {1, 1, 3, 3, 2, 0, 3, 3}}}, {axis, keepdims}});
    }
  Sample state = given({42, 7});
  for (const List &dims : {List{}, List{1}, List{5, 37}, List{1030}, List{0, 3}}) {
    cases.push_back({OpId::RandomBits, {state}, join({listWords(dims), word(3)})});
    for (OpId op : {OpId::Uniform, OpId::Normal})
      for (DType dtype : {DType::F32, DType::F64, DType::BF16, DType::F16})
        cases.push_back({op, {state}, join({listWords(dims), word(static_cast<int64_t>(dtype)), word(5)})});
  }
  cases.push_back({OpId::Dropout, {reals({5, 37}), {{DType::F64, {}}, 0, 0, {0.5}}, state}, word(1)});
  cases.push_back({OpId::Print, {reals({2, 3})}, textWords("x")});
  Sample yes{{DType::Bool, {3}}, 1, 2};
  cases.push_back({OpId::Assert, {yes}, textWords("all true")});
}

/// The case in each dtype that the op takes for its floating-point operands.
void addInEveryDType(Cases &to, const RuleCase &original) {
  bool hasReals = llvm::any_of(original.operands, [](const Sample &sample) { return sample.spec.dtype == DType::F64; });
  for (int code = 0; code < kNumDTypes; ++code) {
    auto dtype = static_cast<DType>(code);
    bool isSensible = original.op != OpId::Div || isFloat(dtype) || original.operands[1].low >= 1; // no division by zero
    if (hasReals && isSensible)
      to.push_back(original.as(dtype));
    else if (!hasReals)
      return to.push_back(original);
  }
}

} // namespace

const std::vector<RuleCase> &allCases() {
  static const Cases all = [] {
    Cases originals = fin::test::ruleCases(), cases;
    for (auto add : {addLargeElementwise, addLargeRows, addLargeContractions, addMovement, addWithoutDerivative}) add(originals);
    for (const RuleCase &original : originals) addInEveryDType(cases, original);
    addCasts(cases);
    return cases;
  }();
  return all;
}

const std::vector<RuleCase> &failingCases() {
  static const Cases all = {
      {OpId::Gather, {reals({4, 3}), given({0, 4})}, word(0)},
      {OpId::Gather, {reals({4, 3}), given({-1})}, word(1)},
      {OpId::ScatterAdd, {reals({4, 3}), given({9}), reals({1, 3})}, word(0)},
      {OpId::Slice, {reals({5, 3}), given({3, 0})}, join({listWords({3, 3}), listWords({1, 1})})},
      {OpId::SliceUpdate, {reals({5, 3}), reals({3, 3}), given({-1, 0})}, listWords({1, 1})},
      {OpId::CrossEntropy, {reals({2, 5}), given({0, 5})}, word(1)},
      {OpId::Embedding, {reals({5, 3}), given({5})}},
      {OpId::Assert, {{{DType::Bool, {2}}, 0, 0, {1, 0}}}, textWords("x is finite")},
  };
  return all;
}

} // namespace tinyfin::conformance
