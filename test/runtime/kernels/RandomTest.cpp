// SPDX-License-Identifier: Apache-2.0
// Philox against Random123's known answers, and that each element depends on seed, counter and its index alone.
#include "KernelTest.h"
#include "runtime/kernels/Philox.h"

namespace tinyfin::test {
namespace {

TEST(Philox, knownAnswersOfRandom123) {
  using philox::Words4;
  EXPECT_EQ(philox::block(Words4{0, 0, 0, 0}, {0, 0}), (Words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox::block(Words4{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox::block(Words4{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

const int64_t kSeed = 0x123456789abcdef0, kCounter = 0xfffffffa; // the low counter word overflows within a tensor

KernelTensor state(int64_t counter = kCounter) { return KernelTensor::of<int64_t>({2}, {kSeed, counter}); }
Words floatAttrs(DType dtype, int64_t offset) {
  Words words;
  AttrWriter(words).list(Dims{1}).dtype(dtype).integer(offset);
  return words;
}
Words bitAttrs(int64_t offset) {
  Words words;
  AttrWriter(words).list(Dims{1}).integer(offset);
  return words;
}
uint32_t wordOf(int64_t i, int64_t offset) {
  return philox::block(static_cast<uint64_t>(kCounter + offset + i / 4), static_cast<uint64_t>(kSeed))[i % 4];
}

TEST(RandomBits, elementIsAWordOfItsBlock) {
  for (int64_t size : {0, 1, 5, 64, 67, 100001}) {
    KernelTensor out = run<"fin.random_bits">({state()}, DType::I32, {size}, bitAttrs(3));
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(static_cast<uint32_t>(out.at<int32_t>(i)), wordOf(i, 3)) << i;
  }
}
TEST(RandomBits, offsetAddsToTheCounter) {
  KernelTensor a = run<"fin.random_bits">({state()}, DType::I32, {40}, bitAttrs(7));
  KernelTensor b = run<"fin.random_bits">({state(kCounter + 7)}, DType::I32, {40}, bitAttrs(0));
  EXPECT_EQ(a.bytes, b.bytes);
}

TEST(Uniform, upper24BitsInEveryDtype) {
  for (DType dtype : kFloats) {
    KernelTensor out = run<"fin.uniform">({state()}, dtype, {1001}, floatAttrs(dtype, 2)), want(dtype, {1});
    for (int64_t i = 0; i < 1001; ++i) {
      want.set(0, (wordOf(i, 2) >> 8) * 0x1p-24);
      ASSERT_EQ(out.get(i), want.get(0)) << nameOf(dtype);
    }
  }
}

TEST(Normal, isBoxMullerOfWordPairs) {
  for (DType dtype : kFloats) {
    KernelTensor out = run<"fin.normal">({state()}, dtype, {999}, floatAttrs(dtype, 1));
    for (int64_t i = 0; i < 999; ++i) {
      const int64_t first = i & ~int64_t(1);
      const double radius = std::sqrt(-2 * std::log(((wordOf(first, 1) >> 8) + 1.0) * 0x1p-24));
      const double angle = 2 * M_PI * (wordOf(first + 1, 1) >> 8) * 0x1p-24;
      const double want = radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
      ASSERT_NEAR(out.get(i), want, std::max(4e-6, std::fabs(want) * (dtype == DType::F64 ? 0 : epsilonOf(dtype))))
          << nameOf(dtype) << i;
    }
  }
}
TEST(Normal, momentsOfAMillion) {
  KernelTensor out = run<"fin.normal">({state()}, DType::F32, {1 << 20}, floatAttrs(DType::F32, 0));
  double sum = 0, squares = 0, fourth = 0;
  for (int64_t i = 0; i < out.size(); ++i) {
    const double x = out.at<float>(i);
    sum += x, squares += x * x, fourth += x * x * x * x;
  }
  const double n = static_cast<double>(out.size()); // bounds: five standard errors
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
}

TEST(Dropout, keepsAndScalesWhereUniformReachesP) {
  for (DType dtype : kFloats) {
    KernelTensor x = KernelTensor::random(dtype, {50, 21}, -2, 2),
               p = KernelTensor::from(dtype, {}, [](int64_t) { return 0.25; });
    Words attrs;
    AttrWriter(attrs).integer(4);
    KernelTensor out = run<"fin.dropout">({x, p, state()}, dtype, {50, 21}, attrs), want(dtype, {1});
    for (int64_t i = 0; i < out.size(); ++i) {
      const bool kept = (wordOf(i, 4) >> 8) * 0x1p-24 >= 0.25;
      const double scale = dtype == DType::F64 ? 1 / 0.75 : static_cast<double>(1.0f / 0.75f);
      want.set(0, kept ? x.get(i) * scale : 0);
      ASSERT_NEAR(out.get(i), want.get(0), std::fabs(want.get(0)) * epsilonOf(dtype)) << nameOf(dtype);
      ASSERT_EQ(out.get(i) == 0, !kept);
    }
  }
}
TEST(Dropout, nothingAndEverything) {
  Words attrs;
  AttrWriter(attrs).integer(0);
  KernelTensor x = KernelTensor::random(DType::F32, {100}, 1, 2);
  EXPECT_EQ((run<"fin.dropout">({x, KernelTensor::of<float>({}, {0}), state()}, DType::F32, {100}, attrs).bytes),
            x.bytes);
  KernelTensor all = run<"fin.dropout">({x, KernelTensor::of<float>({}, {1}), state()}, DType::F32, {100}, attrs);
  for (int64_t i = 0; i < 100; ++i) ASSERT_EQ(all.at<float>(i), 0);
}

} // namespace
} // namespace tinyfin::test
