// SPDX-License-Identifier: Apache-2.0
// Kernels that place elements by run-time indices, and their range checks.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

Words sliceAttrs(const Dims &sizes, const Dims &steps) {
  Words words;
  AttrWriter(words).list(sizes).list(steps);
  return words;
}
Words stepsAttr(const Dims &steps) {
  Words words;
  AttrWriter(words).list(steps);
  return words;
}
Words axisAttr(int64_t axis) {
  Words words;
  AttrWriter(words).integer(axis);
  return words;
}
KernelTensor counting(DType dtype, const Dims &dims) {
  return KernelTensor::from(dtype, dims, [](int64_t i) { return i; });
}
KernelTensor starts(const std::vector<int64_t> &values) {
  return KernelTensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

TEST(Slice, takesStartsSizesAndSteps) {
  KernelTensor x = counting(DType::F32, {6, 10});
  const std::vector<std::vector<Dims>> cases = {{{0, 0}, {6, 10}, {1, 1}}, {{2, 3}, {3, 4}, {1, 1}},
                                                {{1, 9}, {2, 5}, {3, -2}}, {{5, 0}, {6, 3}, {-1, 4}},
                                                {{4, 7}, {1, 1}, {1, 1}},  {{6, 10}, {0, 0}, {1, 1}}};
  for (const auto &c : cases) {
    const Dims &start = c[0], &size = c[1], &step = c[2];
    KernelTensor out = run<"fin.slice">({x, starts(start)}, DType::F32, size, sliceAttrs(size, step));
    for (int64_t r = 0; r < size[0]; ++r)
      for (int64_t k = 0; k < size[1]; ++k)
        ASSERT_EQ(out.get(r * size[1] + k), (start[0] + r * step[0]) * 10 + start[1] + k * step[1]);
  }
}
TEST(Slice, longRowsAreSplitAmongThreads) {
  KernelTensor x = counting(DType::I32, {3, 70001});
  KernelTensor out = run<"fin.slice">({x, starts({0, 1})}, DType::I32, {3, 69999}, sliceAttrs({3, 69999}, {1, 1}));
  for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(out.at<int32_t>(i), i / 69999 * 70001 + 1 + i % 69999);
  KernelTensor back = run<"fin.slice_update">({x, out, starts({0, 1})}, DType::I32, {3, 70001}, stepsAttr({1, 1}));
  EXPECT_EQ(back.bytes, x.bytes);
}
TEST(Slice, ofAScalarIsTheScalar) {
  KernelTensor x = KernelTensor::of<float>({}, {4});
  EXPECT_EQ((run<"fin.slice">({x, starts({})}, DType::F32, {}, sliceAttrs({}, {})).at<float>(0)), 4);
}
TEST(Slice, outOfRangeNamesStartAxisExtentSizeAndStep) {
  KernelTensor x = counting(DType::F32, {5}), out(DType::F32, {2}), untouched(DType::F32, {2});
  Status status = tryRun<"fin.slice">({x, starts({7})}, out, sliceAttrs({2}, {3}));
  EXPECT_EQ(status.code(), StatusCode::OutOfRange);
  EXPECT_EQ(status.message(), "slice start 7 of axis 0 is out of range for extent 5 with size 2 and step 3");
  EXPECT_EQ(out.bytes, untouched.bytes);
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (int64_t start : {int64_t(-1), int64_t(2), most, -most}) // 2 + 3 is past the end
    EXPECT_EQ((tryRun<"fin.slice">({x, starts({start})}, out, sliceAttrs({2}, {3})).code()), StatusCode::OutOfRange);
  EXPECT_EQ((tryRun<"fin.slice">({x, starts({2})}, out, sliceAttrs({2}, {-3})).code()), StatusCode::OutOfRange);
}

TEST(SliceUpdate, writesOnlyItsElements) {
  KernelTensor x = counting(DType::I32, {4, 5}), update = KernelTensor::of<int32_t>({2, 2}, {-1, -2, -3, -4});
  KernelTensor out = run<"fin.slice_update">({x, update, starts({3, 0})}, DType::I32, {4, 5}, stepsAttr({-2, 3}));
  KernelTensor want = x;
  want.set(15, -1), want.set(18, -2), want.set(5, -3), want.set(8, -4);
  EXPECT_EQ(out.values<int32_t>(), want.values<int32_t>());
}
TEST(SliceUpdate, ofNothingAndOutOfRange) {
  KernelTensor x = counting(DType::I32, {4}), out(DType::I32, {4}), untouched(DType::I32, {4});
  EXPECT_EQ(
      (run<"fin.slice_update">({x, KernelTensor(DType::I32, {0}), starts({4})}, DType::I32, {4}, stepsAttr({1})).bytes),
      x.bytes);
  KernelTensor update = counting(DType::I32, {2});
  EXPECT_EQ((tryRun<"fin.slice_update">({x, update, starts({3})}, out, stepsAttr({1})).code()), StatusCode::OutOfRange);
  EXPECT_EQ(out.bytes, untouched.bytes);
}

TEST(Gather, takesSlicesAlongEachAxis) {
  const Dims dims = {4, 5, 6};
  for (DType dtype : {DType::F32, DType::BF16, DType::I8, DType::F64}) {
    KernelTensor x = KernelTensor::from(dtype, dims, [](int64_t i) { return i % 100; });
    KernelTensor indices = KernelTensor::of<int64_t>({2, 2}, {3, 0, 1, 3}),
               narrow = KernelTensor::of<int32_t>({2, 2}, {3, 0, 1, 3});
    for (int64_t axis : {0, 1, 2}) {
      Dims out(dims.begin(), dims.begin() + axis);
      out.insert(out.end(), {2, 2});
      out.insert(out.end(), dims.begin() + axis + 1, dims.end());
      KernelTensor result = run<"fin.gather">({x, indices}, dtype, out, axisAttr(axis));
      EXPECT_EQ((run<"fin.gather">({x, narrow}, dtype, out, axisAttr(axis)).bytes), result.bytes);
      int64_t inner = 1, at = 0;
      for (size_t i = axis + 1; i < 3; ++i) inner *= dims[i];
      for (int64_t o = 0; o < 120 / inner / dims[axis]; ++o)
        for (int64_t i = 0; i < 4; ++i)
          for (int64_t k = 0; k < inner; ++k, ++at)
            ASSERT_EQ(result.get(at), x.get((o * dims[axis] + indices.at<int64_t>(i)) * inner + k));
    }
  }
}
TEST(Gather, largeWithScalarIndexAndEmpty) {
  KernelTensor x = counting(DType::F32, {1000, 64});
  KernelTensor indices = KernelTensor::from(DType::I64, {3000}, [](int64_t i) { return i * 7 % 1000; });
  KernelTensor out = run<"fin.gather">({x, indices}, DType::F32, {3000, 64}, axisAttr(0));
  for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(out.get(i), i / 64 * 7 % 1000 * 64 + i % 64);
  EXPECT_EQ((run<"fin.gather">({x, KernelTensor::of<int64_t>({}, {2})}, DType::F32, {64}, axisAttr(0)).get(1)), 129);
  EXPECT_EQ((run<"fin.gather">({x, KernelTensor(DType::I64, {0})}, DType::F32, {0, 64}, axisAttr(0)).size()), 0);
}
TEST(Gather, indexOutOfRangeIsNamed) {
  KernelTensor x = counting(DType::F32, {10, 2}), out(DType::F32, {2, 2}), untouched(DType::F32, {2, 2});
  Status status = tryRun<"fin.gather">({x, starts({3, 12})}, out, axisAttr(0));
  EXPECT_EQ(status.code(), StatusCode::OutOfRange);
  EXPECT_EQ(status.message(), "index 12 is out of range for axis 0 with extent 10");
  EXPECT_EQ(out.bytes, untouched.bytes);
  EXPECT_EQ((tryRun<"fin.gather">({x, starts({3, -1})}, out, axisAttr(0)).code()), StatusCode::OutOfRange);
}

TEST(ScatterAdd, repeatedIndicesAddUpInOrder) {
  // In f32, 1e8 + 1 + -1e8 is 0 and 1e8 + -1e8 + 1 is 1: the order shows.
  KernelTensor x = KernelTensor::from(DType::F32, {2}, [](int64_t) { return 0; });
  KernelTensor updates = KernelTensor::of<float>({6}, {1e8f, 1e8f, 1, -1e8f, -1e8f, 1});
  KernelTensor out = run<"fin.scatter_add">({x, KernelTensor::of<int32_t>({6}, {0, 1, 0, 0, 1, 1}), updates}, DType::F32,
                                          {2}, axisAttr(0));
  EXPECT_EQ(out.values<float>(), (std::vector<float>{0, 1}));
}
TEST(ScatterAdd, eachAxisAndDtype) {
  const Dims dims = {3, 4, 70}; // more than one part of columns
  for (DType dtype : kNumbers)
    for (int64_t axis : {0, 1, 2}) {
      Dims updateDims = dims;
      updateDims[axis] = 2;
      KernelTensor x = KernelTensor::from(dtype, dims, [](int64_t i) { return i % 5; });
      KernelTensor updates = KernelTensor::from(dtype, updateDims, [](int64_t i) { return i % 3; });
      const int64_t target = dims[axis] - 1;
      KernelTensor out = run<"fin.scatter_add">({x, starts({target, target}), updates}, dtype, dims, axisAttr(axis));
      KernelTensor want = x;
      int64_t inner = 1;
      for (size_t i = axis + 1; i < 3; ++i) inner *= dims[i];
      for (int64_t i = 0; i < updates.size(); ++i) {
        const int64_t at = (i / inner / 2 * dims[axis] + target) * inner + i % inner;
        want.set(at, want.get(at) + updates.get(i));
      }
      ASSERT_EQ(out.bytes, want.bytes) << nameOf(dtype) << axis;
    }
}
TEST(ScatterAdd, checksBeforeWritingAndTakesNothing) {
  KernelTensor x = counting(DType::F32, {3}), out(DType::F32, {3}), untouched(DType::F32, {3});
  EXPECT_EQ((tryRun<"fin.scatter_add">({x, starts({0, 3}), counting(DType::F32, {2})}, out, axisAttr(0)).message()),
            "index 3 is out of range for axis 0 with extent 3");
  EXPECT_EQ(out.bytes, untouched.bytes);
  EXPECT_EQ((run<"fin.scatter_add">({x, starts({}), KernelTensor(DType::F32, {0})}, DType::F32, {3}, axisAttr(0)).bytes),
            x.bytes);
}

} // namespace
} // namespace tinyfin::test
