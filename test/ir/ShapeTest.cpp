// SPDX-License-Identifier: Apache-2.0
// Shape rules on plain data, as the recorder asks them: dtypes, attribute words from anywhere, symbols, limits.
// What they say of shapes is tested in shape-*.mlir.
#include "ir/OpTable.h"
#include "ir/shape/Check.h"
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

struct Answer {
  bool ok;
  llvm::SmallVector<TensorSpec> results;
  std::string error;
};
Answer ask(OpId op, llvm::ArrayRef<TensorSpec> operands, llvm::ArrayRef<int64_t> attrs = {}) {
  Answer answer;
  answer.ok = llvm::succeeded(inferResults(op, operands, attrs, answer.results, answer.error));
  return answer;
}
TensorSpec f32(std::initializer_list<Dim> dims) { return {DType::F32, Dims(dims)}; }
TensorSpec i64(std::initializer_list<Dim> dims) { return {DType::I64, Dims(dims)}; }

TEST(Shape, OperandDTypesAreThoseOfTheDefinition) {
  EXPECT_EQ(ask(OpId::Sqrt, {i64({3})}).error, "x is int64[3], wanted a floating-point dtype");
  EXPECT_EQ(ask(OpId::Add, {{DType::Bool, {}}, {DType::Bool, {}}}).error, "lhs is bool[], wanted a number dtype");
  EXPECT_EQ(ask(OpId::LogicalNot, {f32({2})}).error, "x is float32[2], wanted bool");
  EXPECT_EQ(ask(OpId::Embedding, {f32({5, 2}), f32({2})}).error, "indices is float32[2], wanted int64 or int32");
  EXPECT_EQ(ask(OpId::Slice, {f32({5}), {DType::I32, {Dim(1)}}}, {1, 2, 1, 1}).error, "starts is int32[1], wanted int64");
  EXPECT_TRUE(ask(OpId::Add, {i64({3}), i64({1})}).ok);
}

TEST(Shape, OperandCountsAreThoseOfTheDefinition) {
  EXPECT_EQ(ask(OpId::Add, {f32({3})}).error, "found 1 operands, wanted 2");
  EXPECT_EQ(ask(OpId::Concat, {}, {0}).error, "found 0 operands, wanted at least 1");
  EXPECT_TRUE(ask(OpId::Concat, {f32({3}), f32({2}), f32({0})}, {0}).ok);
}

TEST(Shape, AttributeWordsAreCheckedBeforeTheRule) {
  TensorSpec x = f32({2, 3});
  EXPECT_EQ(ask(OpId::Sum, {x}, {1, 1}).error, "attribute words end inside keepdims");
  EXPECT_EQ(ask(OpId::Sum, {x}, {5, 1, 0}).error, "attribute words end inside axes");
  EXPECT_EQ(ask(OpId::Sum, {x}, {-1, 1, 0}).error, "attribute words end inside axes");
  EXPECT_EQ(ask(OpId::Sum, {x}, {1, 1, 2}).error, "keepdims is 2, wanted 0 or 1");
  EXPECT_EQ(ask(OpId::Sum, {x}, {1, 1, 0, 0}).error, "there are more attribute words than the op has attributes");
  EXPECT_EQ(ask(OpId::Cast, {x}, {kNumDTypes}).error, "dtype has no dtype of number 9");
  EXPECT_EQ(ask(OpId::Reshape, {x}, {1, INT64_MIN}).error, "shape has the negative extent -9223372036854775808");
  EXPECT_EQ(ask(OpId::Print, {x}, {INT64_MAX, 0}).error, "attribute words end inside message");
}

TEST(Shape, OperandsMayBeAnything) {
  TensorSpec negative{DType::F32, {Dim::fromWord(INT64_MIN)}};
  EXPECT_EQ(ask(OpId::Relu, {negative}).error, "extent -9223372036854775808 is negative");
  TensorSpec huge = f32({Dim(int64_t(1) << 40), Dim(int64_t(1) << 40)});
  EXPECT_EQ(ask(OpId::Relu, {huge}).error, "float32[1099511627776, 1099511627776] has more than 2**62 elements");
  EXPECT_TRUE(ask(OpId::Relu, {f32({Dim(int64_t(1) << 40), Dim(int64_t(1) << 40), 0})}).ok);
  EXPECT_EQ(ask(OpId::Relu, {{DType::F32, Dims(9, Dim(1))}}).error, "rank 9 is more than the limit of 8");
}

TEST(Shape, ResultsAreCheckedToo) {
  TensorSpec wide = f32({Dim(int64_t(1) << 40), 1}), tall = f32({1, Dim(int64_t(1) << 40)});
  EXPECT_EQ(ask(OpId::Add, {wide, tall}).error, "float32[1099511627776, 1099511627776] has more than 2**62 elements");
  TensorSpec x{DType::F32, Dims(5, Dim(1))}, indices{DType::I64, Dims(5, Dim(1))};
  EXPECT_EQ(ask(OpId::Gather, {x, indices}, {0}).error, "rank 9 is more than the limit of 8");
}

TEST(Shape, SymbolsBroadcastWithThemselvesAndOne) {
  Dim n = Dim::symbol("N");
  Answer answer = ask(OpId::Add, {f32({n, 1}), f32({3})});
  ASSERT_TRUE(answer.ok);
  EXPECT_EQ(answer.results[0].str(), "float32[N, 3]");
  EXPECT_EQ(ask(OpId::Add, {f32({1, 3}), f32({n, 3})}).results[0].str(), "float32[N, 3]");
  EXPECT_FALSE(ask(OpId::Add, {f32({n}), f32({Dim::symbol("N", 2)})}).ok);
}

TEST(Shape, ScalarsBroadcastWithNothing) {
  EXPECT_EQ(ask(OpId::Mul, {f32({0, 3}), f32({})}).results[0].str(), "float32[0, 3]");
  EXPECT_EQ(ask(OpId::Mul, {f32({0}), f32({1})}).results[0].str(), "float32[0]");
  EXPECT_EQ(ask(OpId::Mul, {f32({0}), f32({2})}).error, "shapes do not broadcast: [0] vs [2]");
}

TEST(Shape, EmptyTensorsReshapeToEmptyOnes) {
  EXPECT_TRUE(ask(OpId::Reshape, {f32({0, 3})}, {2, 5, 0}).ok);
  EXPECT_EQ(ask(OpId::Reshape, {f32({0, 3})}, {0}).error, "cannot reshape [0, 3] (0 elements) to []");
}

// Every prefix and every extension of good words is refused.
TEST(Shape, WordsOfAnotherLengthAreRefused) {
  const std::vector<int64_t> good = {2, 1, 1, 2, 0, 0, 0}; // strides, padding, channels_last
  TensorSpec x = f32({2, 3, 8, 8}), weight = f32({4, 3, 3, 3});
  ASSERT_TRUE(ask(OpId::Conv2d, {x, weight}, good).ok);
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(ask(OpId::Conv2d, {x, weight}, llvm::ArrayRef(good).take_front(length)).ok) << length;
  std::vector<int64_t> longer = good;
  longer.push_back(0);
  EXPECT_FALSE(ask(OpId::Conv2d, {x, weight}, longer).ok);
}

// Draws words around the values that rules compare with.
class RandomQueries {
public:
  int64_t word() {
    static constexpr int64_t edges[] = {0, 1, 2, 3, 4, 7, 8, -1, -2, INT64_MAX, INT64_MIN, int64_t(1) << 31, int64_t(1) << 62};
    return pick(8) ? static_cast<int64_t>(pick(5)) : edges[pick(std::size(edges))];
  }
  TensorSpec spec() {
    TensorSpec spec{static_cast<DType>(pick(3) ? 0 : pick(kNumDTypes)), {}};
    for (size_t rank = pick(6); rank > 0; --rank)
      spec.dims.push_back(pick(10) ? Dim(pick(5)) : pick(3) ? Dim::symbol("N", 1 + pick(3)) : Dim::fromWord(word()));
    return spec;
  }
  std::vector<int64_t> attrs(const OpInfo &info, const TensorSpec &first) {
    std::vector<int64_t> words;
    for (const AttrInfo &attr : info.attrs) {
      if (attr.kind == AttrKind::List || attr.kind == AttrKind::Shape || attr.kind == AttrKind::Text) {
        size_t size = pick(3) ? first.rank() : pick(4);
        words.push_back(pick(30) ? static_cast<int64_t>(size) : word());
        for (size_t i = 0; i < size; ++i) words.push_back(word());
      } else {
        words.push_back(word());
      }
    }
    if (!words.empty() && !pick(20)) words.pop_back();
    return words;
  }
  size_t pick(size_t count) { return random() % count; }

private:
  std::mt19937_64 random{20};
};

TEST(Shape, RandomQueriesNeverCrash) {
  RandomQueries draw;
  int answered = 0;
  for (int i = 0; i < 300000; ++i) {
    auto op = static_cast<OpId>(draw.pick(kNumOps));
    const OpInfo &info = infoOf(op);
    llvm::SmallVector<TensorSpec> operands;
    for (size_t k = 0; k < info.operands.size(); ++k)
      operands.push_back(k && draw.pick(2) ? operands[0] : draw.spec());
    Answer answer = ask(op, operands, draw.attrs(info, operands.empty() ? TensorSpec() : operands[0]));
    answered += answer.ok;
    ASSERT_EQ(answer.ok, answer.error.empty()) << info.name << ": " << answer.error;
    if (!answer.ok) continue;
    ASSERT_EQ(answer.results.size(), info.results.size()) << info.name;
    for (const TensorSpec &result : answer.results) ASSERT_LE(result.rank(), shape::kMaxRank);
  }
  EXPECT_GT(answered, 10000) << "the draw is too wild to test anything";
}

} // namespace
