// SPDX-License-Identifier: Apache-2.0
// fin.conv2d and its gradients against sums in f64.
#include "TestTensor.h"
#include "runtime/kernels/OneDnn.h"

namespace tinyfin::test {
namespace {

struct Case {
  int64_t images, in, out, height, width, kh, kw, sh = 1, sw = 1, ph = 0, pw = 0;
  int64_t outHeight() const { return (height + 2 * ph - kh) / sh + 1; }
  int64_t outWidth() const { return (width + 2 * pw - kw) / sw + 1; }
};

/// Calls visit(index into x, into weight, into y) for every product of the convolution.
template <class F> void forEachProduct(const Case &c, F visit) {
  for (int64_t n = 0; n < c.images; ++n)
    for (int64_t o = 0; o < c.out; ++o)
      for (int64_t oh = 0; oh < c.outHeight(); ++oh)
        for (int64_t ow = 0; ow < c.outWidth(); ++ow)
          for (int64_t i = 0; i < c.in; ++i)
            for (int64_t kh = 0; kh < c.kh; ++kh)
              for (int64_t kw = 0; kw < c.kw; ++kw) {
                int64_t ih = oh * c.sh + kh - c.ph, iw = ow * c.sw + kw - c.pw;
                if (ih < 0 || ih >= c.height || iw < 0 || iw >= c.width) continue;
                visit(((n * c.in + i) * c.height + ih) * c.width + iw, ((o * c.in + i) * c.kh + kh) * c.kw + kw,
                      ((n * c.out + o) * c.outHeight() + oh) * c.outWidth() + ow);
              }
}

/// Sums of many rounded products: the error is measured against the largest magnitude.
void expectClose(const TestTensor &found, const std::vector<double> &wanted) {
  double largest = 1;
  for (double value : wanted) largest = std::max(largest, std::abs(value));
  for (int64_t i = 0; i < found.count(); ++i)
    ASSERT_LE(std::abs(found[i] - wanted[i]), toleranceOf(found.dtype) * largest)
        << "element " << i << " is " << found[i] << ", wanted " << wanted[i];
  for (size_t i = found.count() * sizeOf(found.dtype); i < found.bytes.size(); ++i)
    ASSERT_EQ(found.bytes[i], 0x7f) << "written past the end";
}

void check(const Case &c, DType dtype) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " n" << c.images << " " << c.in << "->" << c.out << " "
                                  << c.height << "x" << c.width << " kernel " << c.kh << "x" << c.kw << " strides "
                                  << c.sh << c.sw << " padding " << c.ph << c.pw);
  Dims xDims{c.images, c.in, c.height, c.width}, wDims{c.out, c.in, c.kh, c.kw},
      yDims{c.images, c.out, c.outHeight(), c.outWidth()};
  TestTensor x = TestTensor::random(dtype, xDims, 1), w = TestTensor::random(dtype, wDims, 2),
             dy = TestTensor::random(dtype, yDims, 3);
  std::vector<double> y(dy.count()), dx(x.count()), dw(w.count());
  forEachProduct(
      c, [&](int64_t i, int64_t j, int64_t k) { y[k] += x[i] * w[j], dx[i] += dy[k] * w[j], dw[j] += dy[k] * x[i]; });
  for (int threads : {1, 3}) {
    TestTensor yFound(dtype, yDims), dxFound(dtype, xDims), dwFound(dtype, wDims);
    ASSERT_TRUE(
        runKernel<"fin.conv2d">(Attributes().list({c.sh, c.sw}).list({c.ph, c.pw}), {&x, &w}, {&yFound}, threads)
            .isOk());
    ASSERT_TRUE(
        runKernel<"fin.conv2d_input_grad">(Attributes().list({c.height, c.width}).list({c.sh, c.sw}).list({c.ph, c.pw}),
                                           {&dy, &w}, {&dxFound}, threads)
            .isOk());
    ASSERT_TRUE(
        runKernel<"fin.conv2d_weight_grad">(Attributes().list({c.kh, c.kw}).list({c.sh, c.sw}).list({c.ph, c.pw}),
                                            {&x, &dy}, {&dwFound}, threads)
            .isOk());
    expectClose(yFound, y), expectClose(dxFound, dx), expectClose(dwFound, dw);
  }
}

const Case kCases[] = {
    {3, 1, 1, 1, 1, 1, 1},
    {5, 2, 3, 7, 6, 3, 2},
    {2, 1, 6, 28, 28, 5, 5, 1, 1, 2, 2}, // LeNet
    {7, 6, 16, 14, 14, 5, 5},
    {9, 1, 16, 8, 8, 3, 3, 1, 1, 1, 1}, // digits
    {9, 16, 32, 8, 8, 3, 3, 1, 1, 1, 1},
    {3, 3, 64, 16, 16, 3, 3, 1, 1, 1, 1}, // ResNet
    {5, 64, 64, 10, 10, 3, 3, 1, 1, 1, 1},
    {3, 32, 64, 9, 8, 3, 3, 2, 2, 1, 1},
    {3, 32, 64, 8, 8, 1, 1, 2, 2},
    {2, 4, 5, 11, 13, 3, 4, 2, 3, 2, 1},
    {2, 17, 19, 9, 9, 1, 1},
    {1, 3, 2, 5, 5, 5, 5, 1, 1, 4, 4},
};

TEST(Conv, ForwardAndGradients) {
  for (DType dtype : kFloatDTypes)
    for (const Case &c : kCases) check(c, dtype);
}

TEST(Conv, EmptyOperands) {
  for (DType dtype : kFloatDTypes) {
    check({0, 3, 4, 5, 5, 3, 3}, dtype);
    check({2, 0, 4, 5, 5, 3, 3}, dtype);
    check({2, 3, 0, 5, 5, 3, 3}, dtype);
  }
}

TEST(Conv, ResultsDoNotDependOnThreads) {
  for (DType dtype : {DType::F32, DType::BF16}) {
    Dims xDims{37, 16, 14, 14}, yDims{37, 32, 14, 14}, wDims{32, 16, 3, 3};
    TestTensor x = TestTensor::random(dtype, xDims, 1), dy = TestTensor::random(dtype, yDims, 2), one(dtype, wDims),
               four(dtype, wDims);
    Attributes attributes = Attributes().list({3, 3}).list({1, 1}).list({1, 1});
    ASSERT_TRUE(runKernel<"fin.conv2d_weight_grad">(attributes, {&x, &dy}, {&one}, 1).isOk());
    ASSERT_TRUE(runKernel<"fin.conv2d_weight_grad">(attributes, {&x, &dy}, {&four}, 4).isOk());
    EXPECT_EQ(one, four);
  }
}

TEST(ConvPlan, Epilogues) {
  for (DType dtype : kFloatDTypes)
    for (int64_t channels : {2, 20})
      for (int flags = 0; flags < 8; ++flags) {
        SCOPED_TRACE(testing::Message() << nameOf(dtype) << " channels " << channels << " flags " << flags);
        Case c{5, channels, channels + 1, 9, 7, 3, 3, 1, 1, 1, 1};
        TestTensor x = TestTensor::random(dtype, {5, channels, 9, 7}, 1),
                   w = TestTensor::random(dtype, {channels + 1, channels, 3, 3}, 2);
        TestTensor bias = TestTensor::random(dtype, {channels + 1}, 3),
                   y = TestTensor::random(dtype, {5, channels + 1, 9, 7}, 4);
        std::vector<double> wanted(y.count());
        forEachProduct(c, [&](int64_t i, int64_t j, int64_t k) { wanted[k] += x[i] * w[j]; });
        for (int64_t i = 0; i < y.count(); ++i) {
          if (flags & 1) wanted[i] += bias[i / 63 % (channels + 1)];
          if (flags & 2) wanted[i] += y[i];
          if (flags & 4) wanted[i] = std::max(wanted[i], 0.0);
        }
        ConvSpec spec{ConvKind::Forward,
                      dtype,
                      5,
                      channels,
                      channels + 1,
                      {9, 7},
                      {3, 3},
                      {1, 1},
                      {1, 1},
                      {bool(flags & 1), bool(flags & 2), bool(flags & 4)}};
        auto plan = ConvPlan::cached(spec);
        ASSERT_TRUE(plan.isOk());
        ThreadPool pool(3);
        ASSERT_TRUE(plan.value()->execute(x.arg().data, w.arg().data, y.arg().data, pool, bias.arg().data).isOk());
        expectClose(y, wanted);
      }
}

TEST(ConvPlan, IsCached) {
  ConvSpec spec{ConvKind::Forward, DType::F32, 2, 3, 4, {9, 9}, {3, 3}, {1, 1}, {0, 0}, {}};
  auto plan = ConvPlan::cached(spec);
  EXPECT_EQ(plan.value(), ConvPlan::cached(spec).value());
  spec.padding = {1, 0};
  EXPECT_NE(plan.value(), ConvPlan::cached(spec).value());
}

} // namespace
} // namespace tinyfin::test
