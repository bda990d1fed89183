// SPDX-License-Identifier: Apache-2.0
// Kernels that make tensors and move elements by layout.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

Words listAttr(const Dims &items) {
  Words words;
  AttrWriter(words).list(items);
  return words;
}
Words twoLists(const Dims &a, const Dims &b) {
  Words words;
  AttrWriter(words).list(a).list(b);
  return words;
}
Words oneInteger(int64_t value) {
  Words words;
  AttrWriter(words).integer(value);
  return words;
}
KernelTensor counting(DType dtype, const Dims &dims) {
  return KernelTensor::from(dtype, dims, [](int64_t i) { return i % 101; });
}
/// Row-major coordinates of element `i`, and back.
Dims coordinates(int64_t i, const Dims &dims) {
  Dims at(dims.size());
  for (size_t axis = dims.size(); axis-- > 0; i /= dims[axis]) at[axis] = i % dims[axis];
  return at;
}
int64_t flatten(const Dims &at, const Dims &dims) {
  int64_t i = 0;
  for (size_t axis = 0; axis < dims.size(); ++axis) i = i * dims[axis] + at[axis];
  return i;
}

TEST(Iota, countsAlongItsAxis) {
  for (DType dtype : kNumbers)
    for (int64_t axis : {0, 1, 2}) {
      const Dims dims = {3, 4, 5};
      Words attrs;
      AttrWriter(attrs).list(dims).integer(axis).dtype(dtype);
      KernelTensor out = run<"fin.iota">({}, dtype, dims, attrs);
      for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(out.get(i), coordinates(i, dims)[axis]) << nameOf(dtype);
    }
}
TEST(Iota, longAndEmpty) {
  Words attrs;
  AttrWriter(attrs).list(Dims{100000}).integer(0).dtype(DType::I64);
  KernelTensor out = run<"fin.iota">({}, DType::I64, {100000}, attrs);
  for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(out.at<int64_t>(i), i);
  EXPECT_EQ((run<"fin.iota">({}, DType::I64, {0}, attrs).size()), 0);
}

TEST(Full, everyDtype) {
  for (DType dtype :
       {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool}) {
    KernelTensor out =
        run<"fin.full">({KernelTensor::from(dtype, {}, [](int64_t) { return 1; })}, dtype, {3, 5}, listAttr({3, 5}));
    for (int64_t i = 0; i < 15; ++i) ASSERT_EQ(out.get(i), 1) << nameOf(dtype);
  }
}
TEST(Reshape, keepsElements) {
  for (int64_t size : {0, 6, 200000}) {
    KernelTensor x = counting(DType::F32, {size});
    EXPECT_EQ((run<"fin.reshape">({x}, DType::F32, {2, size / 2}, listAttr({2, size / 2})).bytes), x.bytes);
  }
}

struct TransposeCase {
  Dims dims, permutation;
};
class Transpose : public testing::TestWithParam<TransposeCase> {};
TEST_P(Transpose, resultAxisIsOperandAxis) {
  const auto &[dims, permutation] = GetParam();
  for (DType dtype : {DType::F32, DType::F64, DType::BF16, DType::U8}) {
    Dims outDims;
    for (int64_t axis : permutation) outDims.push_back(dims[axis]);
    KernelTensor x = counting(dtype, dims), out = run<"fin.transpose">({x}, dtype, outDims, listAttr(permutation));
    for (int64_t i = 0; i < out.size(); ++i) {
      Dims at = coordinates(i, outDims), source(dims.size());
      for (size_t axis = 0; axis < dims.size(); ++axis) source[permutation[axis]] = at[axis];
      ASSERT_EQ(out.get(i), x.get(flatten(source, dims))) << i;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, Transpose,
                         testing::Values(TransposeCase{{}, {}}, TransposeCase{{5}, {0}}, TransposeCase{{3, 4}, {1, 0}},
                                         TransposeCase{{100, 203}, {1, 0}}, TransposeCase{{1, 9}, {1, 0}},
                                         TransposeCase{{512, 130}, {1, 0}}, TransposeCase{{7, 5, 6}, {0, 2, 1}},
                                         TransposeCase{{7, 5, 6}, {2, 1, 0}}, TransposeCase{{7, 5, 6}, {1, 2, 0}},
                                         TransposeCase{{2, 3, 4, 5}, {0, 2, 1, 3}},
                                         TransposeCase{{2, 3, 4, 5}, {3, 1, 0, 2}},
                                         TransposeCase{{20, 30, 17, 12}, {0, 3, 1, 2}}, TransposeCase{{0, 3}, {1, 0}},
                                         TransposeCase{{2, 1, 3}, {2, 0, 1}}, TransposeCase{{9, 9, 2}, {1, 0, 2}}));

TEST(Broadcast, repeatsByNumpysRule) {
  const std::vector<std::pair<Dims, Dims>> cases = {
      {{}, {2, 3}}, {{3}, {2, 3}},       {{2, 1}, {2, 3}}, {{1, 3, 1}, {4, 3, 5}}, {{3, 1, 2}, {2, 3, 4, 2}},
      {{1}, {0}},   {{1, 4}, {50000, 4}}};
  for (const auto &[from, to] : cases) {
    KernelTensor x = counting(DType::I32, from), out = run<"fin.broadcast">({x}, DType::I32, to, listAttr(to));
    for (int64_t i = 0; i < out.size(); ++i) {
      Dims at = coordinates(i, to), source(from.size());
      for (size_t axis = 0; axis < from.size(); ++axis)
        source[axis] = from[axis] == 1 ? 0 : at[axis + to.size() - from.size()];
      ASSERT_EQ(out.get(i), x.get(flatten(source, from)));
    }
  }
}

TEST(Concat, joinsAlongEachAxis) {
  for (int64_t axis : {0, 1, 2}) {
    Dims dims = {3, 4, 5}, other = dims, none = dims, joined = dims;
    other[axis] = 2, none[axis] = 0, joined[axis] += 2;
    KernelTensor a = counting(DType::F32, dims),
               b = KernelTensor::from(DType::F32, other, [](int64_t i) { return -i - 1; });
    KernelTensor out = run<"fin.concat">({a, KernelTensor(DType::F32, none), b}, DType::F32, joined, oneInteger(axis));
    for (int64_t i = 0; i < out.size(); ++i) {
      Dims at = coordinates(i, joined);
      const bool first = at[axis] < dims[axis];
      if (!first) at[axis] -= dims[axis];
      ASSERT_EQ(out.get(i), first ? a.get(flatten(at, dims)) : b.get(flatten(at, other)));
    }
  }
}

TEST(Pad, surroundsWithTheValue) {
  const Dims dims = {2, 3}, low = {1, 0}, high = {2, 4}, padded = {5, 7};
  KernelTensor x = KernelTensor::from(DType::I64, dims, [](int64_t i) { return i + 1; });
  KernelTensor value = KernelTensor::of<int64_t>({}, {-7});
  KernelTensor out = run<"fin.pad">({x, value}, DType::I64, padded, twoLists(low, high));
  for (int64_t i = 0; i < out.size(); ++i) {
    Dims at = coordinates(i, padded);
    const int64_t r = at[0] - 1, c = at[1];
    const bool inside = r >= 0 && r < 2 && c < 3;
    ASSERT_EQ(out.at<int64_t>(i), inside ? r * 3 + c + 1 : -7);
  }
  KernelTensor empty = run<"fin.pad">({KernelTensor(DType::I64, {0}), value}, DType::I64, {3}, twoLists({1}, {2}));
  EXPECT_EQ(empty.values<int64_t>(), (std::vector<int64_t>{-7, -7, -7}));
}

} // namespace
} // namespace tinyfin::test
