// SPDX-License-Identifier: Apache-2.0
// fin.attention and fin.packed_attention with their gradients against sums in f64, over every dtype, mask and odd size.
#include "test/runtime/kernels/TestTensor.h"
#include <optional>

namespace tinyfin::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Shape {
  int64_t batch, heads, queries, keys, depth, valueDepth;
};

/// Operands [B, S, H, D], maybe a mask, and what comes out.
struct Case {
  Shape s;
  DType dtype;
  bool isCausal;
  double scale = 0.4;
  TestTensor q, k, v, dy;
  std::optional<TestTensor> mask; // [B, 1, Sq, Sk], numbers or bool
  TestTensor y, lse, delta, dq, dk, dv;

  static DType wide(DType dtype) { return sizeOf(dtype) == 2 ? DType::F32 : dtype; }
  Case(Shape s, DType dtype, bool isCausal)
      : s(s), dtype(dtype), isCausal(isCausal), q(operand(s.queries, s.depth, 1)), k(operand(s.keys, s.depth, 2)),
        v(operand(s.keys, s.valueDepth, 3)), dy(operand(s.queries, s.valueDepth, 4)), y(dtype, dy.dims),
        lse(wide(dtype), {s.batch, s.queries, s.heads}), delta(lse), dq(dtype, q.dims), dk(dtype, k.dims), dv(dtype, v.dims) {}
  TestTensor operand(int64_t length, int64_t depth, uint32_t seed) const {
    return TestTensor::random(dtype, {s.batch, length, s.heads, depth}, seed);
  }

  /// Numbers, the first row of which leaves every key out.
  void maskNumbers() {
    mask = TestTensor::random(dtype, {s.batch, 1, s.queries, s.keys}, 9);
    for (int64_t i = 0; i < mask->count(); ++i)
      if (i % 3 == 0 || i / s.keys % s.queries == 0) mask->set(i, -kInfinity);
  }
  void maskBools() {
    mask = TestTensor(DType::Bool, {s.batch, 1, s.queries, s.keys});
    for (int64_t i = 0; i < mask->count(); ++i) mask->arg().as<bool>()[i] = i % 3 != 0 && i / s.keys % s.queries != 0;
  }
  double maskAt(int64_t b, int64_t i, int64_t j) {
    if (isCausal && j > i) return -kInfinity;
    if (!mask) return 0;
    int64_t at = (b * s.queries + i) * s.keys + j;
    return mask->dtype == DType::Bool ? (mask->arg().as<bool>()[at] ? 0 : -kInfinity) : (*mask)[at];
  }

  Attributes attrs() const { return Attributes().flag(isCausal).real(scale).flag(/*headsFirst=*/false); }
  void run(int threads) {
    std::vector<TestTensor *> forward{&q, &k, &v}, backward{&dy, &q, &k, &v, &lse, &delta};
    if (mask) forward.push_back(&*mask), backward.push_back(&*mask);
    ASSERT_TRUE(runKernel<"fin.attention">(attrs(), forward, {&y, &lse}, threads).isOk());
    for (int64_t row = 0; row < delta.count(); ++row) {
      double sum = 0;
      for (int64_t d = 0; d < s.valueDepth; ++d) sum += dy[row * s.valueDepth + d] * y[row * s.valueDepth + d];
      delta.set(row, sum);
    }
    ASSERT_TRUE(runKernel<"fin.attention_grad">(attrs(), backward, {&dq, &dk, &dv}, threads).isOk());
  }
};

/// What the results should be.
struct Wanted {
  std::vector<double> y, lse, dq, dk, dv;

  explicit Wanted(Case &c)
      : y(c.y.count()), lse(c.lse.count()), dq(c.dq.count()), dk(c.dk.count()), dv(c.dv.count()) {
    for (int64_t b = 0; b < c.s.batch; ++b)
      for (int64_t h = 0; h < c.s.heads; ++h)
        for (int64_t i = 0; i < c.s.queries; ++i) addRow(c, b, h, i);
  }

private:
  void addRow(Case &c, int64_t b, int64_t h, int64_t i) {
    const Shape &s = c.s;
    auto place = [&](int64_t length, int64_t row, int64_t depth) { return ((b * length + row) * s.heads + h) * depth; };
    int64_t atQ = place(s.queries, i, s.depth), atY = place(s.queries, i, s.valueDepth);
    std::vector<double> p(s.keys), dp(s.keys);
    double sum = 0, delta = 0;
    for (int64_t j = 0; j < s.keys; ++j) {
      int64_t atK = place(s.keys, j, s.depth), atV = place(s.keys, j, s.valueDepth);
      double score = c.maskAt(b, i, j);
      for (int64_t d = 0; d < s.depth; ++d) score += c.q[atQ + d] * c.k[atK + d] * c.scale;
      p[j] = std::exp(score);
      sum += p[j];
      for (int64_t d = 0; d < s.valueDepth; ++d) dp[j] += c.dy[atY + d] * c.v[atV + d];
    }
    lse[(b * s.queries + i) * s.heads + h] = sum == 0 ? kInfinity : std::log(sum);
    for (int64_t j = 0; j < s.keys; ++j) {
      p[j] = sum == 0 ? 0 : p[j] / sum;
      delta += p[j] * dp[j];
    }
    for (int64_t j = 0; j < s.keys; ++j) {
      int64_t atK = place(s.keys, j, s.depth), atV = place(s.keys, j, s.valueDepth);
      double ds = p[j] * (dp[j] - delta) * c.scale;
      for (int64_t d = 0; d < s.valueDepth; ++d) {
        y[atY + d] += p[j] * c.v[atV + d];
        dv[atV + d] += p[j] * c.dy[atY + d];
      }
      for (int64_t d = 0; d < s.depth; ++d) {
        dq[atQ + d] += ds * c.k[atK + d];
        dk[atK + d] += ds * c.q[atQ + d];
      }
    }
  }
};

void expectRows(const TestTensor &lse, const std::vector<double> &wanted, double tolerance) {
  for (int64_t i = 0; i < lse.count(); ++i)
    if (std::isinf(wanted[i])) {
      EXPECT_EQ(lse[i], wanted[i]);
    } else {
      EXPECT_NEAR(lse[i], wanted[i], tolerance * (1 + std::abs(wanted[i])));
    }
}

void check(Case c) {
  SCOPED_TRACE(testing::Message() << nameOf(c.dtype) << (c.isCausal ? " causal" : "") << (c.mask ? " masked" : "") << " queries "
                                  << c.s.queries << ", keys " << c.s.keys << ", depths " << c.s.depth << ", " << c.s.valueDepth);
  Wanted wanted(c);
  c.run(3);
  double tolerance = toleranceOf(c.dtype) * (sizeOf(c.dtype) == 2 ? 2 : 1);
  expectNear(c.y, wanted.y, tolerance);
  expectRows(c.lse, wanted.lse, tolerance);
  expectNear(c.dq, wanted.dq, tolerance);
  expectNear(c.dk, wanted.dk, tolerance);
  expectNear(c.dv, wanted.dv, tolerance);
}

const Shape kShapes[] = {{1, 1, 1, 1, 1, 1},   {2, 3, 7, 7, 5, 5},     {1, 2, 33, 33, 16, 16}, {1, 1, 129, 129, 64, 64},
                         {2, 1, 5, 70, 33, 8}, {1, 2, 70, 5, 8, 33}, {1, 1, 64, 32, 32, 96}};

TEST(Attention, IsTheFormula) {
  for (DType dtype : kFloatDTypes)
    for (const Shape &shape : kShapes)
      for (bool isCausal : {false, true}) check(Case(shape, dtype, isCausal));
}

TEST(Attention, MasksLeaveOutKeysAndWholeRows) {
  for (DType dtype : kFloatDTypes)
    for (const Shape &shape : kShapes) {
      Case numbers(shape, dtype, false), bools(shape, dtype, true);
      numbers.maskNumbers();
      bools.maskBools();
      check(numbers);
      check(bools);
    }
}

TEST(Attention, WithoutKeysIsZero) {
  Case c({1, 2, 3, 0, 4, 4}, DType::F32, false);
  c.run(2);
  expectNear(c.y, std::vector<double>(c.y.count(), 0.0));
  expectNear(c.dq, std::vector<double>(c.dq.count(), 0.0));
  for (int64_t i = 0; i < c.lse.count(); ++i) EXPECT_EQ(c.lse[i], kInfinity);
}

TEST(Attention, DoesNotDependOnThreads) {
  for (DType dtype : kFloatDTypes)
    for (Shape shape : {Shape{2, 3, 40, 40, 8, 8}, Shape{1, 1, 300, 300, 16, 16}, Shape{8, 5, 9, 9, 4, 4}}) {
      Case one(shape, dtype, true);
      one.run(1);
      for (int threads : {2, 4}) {
        Case many(shape, dtype, true);
        many.run(threads);
        EXPECT_TRUE(one.y == many.y && one.lse == many.lse);
        EXPECT_TRUE(one.dq == many.dq && one.dk == many.dk && one.dv == many.dv);
      }
    }
}

/// [B, S, H, D] each, as [B, S, 3, H, D].
TestTensor packed(const TestTensor &q, const TestTensor &k, const TestTensor &v) {
  TestTensor all(q.dtype, {q.dims[0], q.dims[1], 3, q.dims[2], q.dims[3]});
  int64_t width = q.dims[2] * q.dims[3];
  for (int64_t i = 0; i < q.count(); ++i) {
    int64_t at = i / width * 3 * width + i % width;
    all.set(at, q[i]), all.set(at + width, k[i]), all.set(at + 2 * width, v[i]);
  }
  return all;
}

TEST(Attention, OfAPackedProjectionIsTheSame) {
  for (DType dtype : kFloatDTypes) {
    Case c({2, 3, 37, 37, 12, 12}, dtype, true);
    c.run(2);
    TestTensor qkv = packed(c.q, c.k, c.v), y(c.y), lse(c.lse), dqkv(qkv);
    Attributes attrs = Attributes().flag(true).real(c.scale);
    ASSERT_TRUE(runKernel<"fin.packed_attention">(attrs, {&qkv}, {&y, &lse}).isOk());
    ASSERT_TRUE(runKernel<"fin.packed_attention_grad">(attrs, {&c.dy, &qkv, &c.lse, &c.delta}, {&dqkv}).isOk());
    EXPECT_TRUE(y == c.y && lse == c.lse);
    EXPECT_TRUE(dqkv == packed(c.dq, c.dk, c.dv));
  }
}

} // namespace
} // namespace tinyfin::test
