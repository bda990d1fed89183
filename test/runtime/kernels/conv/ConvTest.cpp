// SPDX-License-Identifier: Apache-2.0
// fin.conv2d and its gradients against sums in f64.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/ThreadPool.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/conv/ConvWinograd.h"
#include "runtime/kernels/conv/OneDnn.h"
#include "runtime/kernels/matmul/MatmulTile.h"
#include <thread>

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
  for (int threads : {1, 3})
    for (bool last : {false, true}) {
      SCOPED_TRACE(testing::Message() << threads << " threads" << (last ? ", channels last" : ""));
      auto given = [&](const TestTensor &images) { return last ? moveChannels(images, true) : images; };
      TestTensor xGiven = given(x), dyGiven = given(dy), yFound = given({dtype, yDims}), dxFound = given({dtype, xDims}),
                 dwFound(dtype, wDims);
      auto attributes = [&](Attributes attrs) { return attrs.list({c.sh, c.sw}).list({c.ph, c.pw}).flag(last); };
      ASSERT_TRUE(runKernel<"fin.conv2d">(attributes({}), {&xGiven, &w}, {&yFound}, threads).isOk());
      ASSERT_TRUE(runKernel<"fin.conv2d_input_grad">(attributes(Attributes().list({c.height, c.width})), {&dyGiven, &w},
                                                     {&dxFound}, threads)
                      .isOk());
      ASSERT_TRUE(runKernel<"fin.conv2d_weight_grad">(attributes(Attributes().list({c.kh, c.kw})), {&xGiven, &dyGiven},
                                                      {&dwFound}, threads)
                      .isOk());
      expectClose(last ? moveChannels(yFound, false) : yFound, y);
      expectClose(last ? moveChannels(dxFound, false) : dxFound, dx);
      expectClose(dwFound, dw);
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
    {2, 64, 64, 7, 9, 3, 3, 1, 1, 0, 0},
    {3, 64, 32, 4, 4, 3, 3, 1, 1, 2, 2},
    {2, 17, 64, 12, 12, 7, 7, 2, 2, 3, 3},
    {2, 320, 96, 5, 5, 3, 3, 1, 1, 1, 1}, // more channels than a block of depth
    {40, 16, 16, 9, 9, 3, 3, 1, 1, 1, 1}, // several groups of pixels
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
  for (DType dtype : {DType::F32, DType::BF16})
    for (bool last : {false, true})
      for (int64_t channels : {17, 64}) {
        TestTensor x = TestTensor::random(dtype, {37, channels, 14, 14}, 1), dy = TestTensor::random(dtype, {37, 32, 14, 14}, 2),
                   w = TestTensor::random(dtype, {32, channels, 3, 3}, 3);
        if (last) x = moveChannels(x, true), dy = moveChannels(dy, true);
        TestTensor y(dtype, dy.dims), dx(dtype, x.dims), dw(dtype, w.dims);
        auto run = [&](int threads) {
          auto attributes = [&](Attributes attrs) { return attrs.list({1, 1}).list({1, 1}).flag(last); };
          EXPECT_TRUE(runKernel<"fin.conv2d">(attributes({}), {&x, &w}, {&y}, threads).isOk());
          EXPECT_TRUE(runKernel<"fin.conv2d_input_grad">(attributes(Attributes().list({14, 14})), {&dy, &w}, {&dx}, threads).isOk());
          EXPECT_TRUE(runKernel<"fin.conv2d_weight_grad">(attributes(Attributes().list({3, 3})), {&x, &dy}, {&dw}, threads).isOk());
          return std::vector<TestTensor>{y, dx, dw};
        };
        EXPECT_EQ(run(1), run(4));
      }
}

TEST(ConvPlan, Epilogues) {
  for (DType dtype : kFloatDTypes)
    for (int64_t channels : {2, 20, 32})
      for (int flags = 0; flags < 16; ++flags) {
        SCOPED_TRACE(testing::Message() << nameOf(dtype) << " channels " << channels << " flags " << flags);
        int64_t outs = channels == 32 ? 48 : channels + 1; // 32: by Winograd's form with channels last
        Case c{5, channels, outs, 9, 7, 3, 3, 1, 1, 1, 1}; // 30 tiles
        TestTensor x = TestTensor::random(dtype, {5, channels, 9, 7}, 1),
                   w = TestTensor::random(dtype, {outs, channels, 3, 3}, 2);
        TestTensor bias = TestTensor::random(dtype, {outs}, 3),
                   y = TestTensor::random(dtype, {5, outs, 9, 7}, 4);
        std::vector<double> wanted(y.count());
        forEachProduct(c, [&](int64_t i, int64_t j, int64_t k) { wanted[k] += x[i] * w[j]; });
        for (int64_t i = 0; i < y.count(); ++i) {
          if (flags & 1) wanted[i] += bias[i / 63 % (outs)];
          if (flags & 2) wanted[i] += y[i];
          if (flags & 4) wanted[i] = std::max(wanted[i], 0.0);
        }
        bool last = flags & 8;
        ConvSpec spec{ConvKind::Forward,
                      dtype,
                      5,
                      channels,
                      outs,
                      {9, 7},
                      {3, 3},
                      {1, 1},
                      {1, 1},
                      {bool(flags & 1), bool(flags & 2), bool(flags & 4)},
                      last};
        if (last) x = moveChannels(x, true), y = moveChannels(y, true);
        auto plan = ConvPlan::cached(spec);
        ASSERT_TRUE(plan.isOk());
        ThreadPool pool(3);
        ASSERT_TRUE(plan.value()->execute(x.arg().data, w.arg().data, y.arg().data, pool, bias.arg().data).isOk());
        expectClose(last ? moveChannels(y, false) : y, wanted);
      }
}

/// 3x3 at stride 1 with many channels runs by Winograd's form: edges of tiles, all paddings; few tiles and many weights,
/// many tiles and few weights, and what is between.
TEST(Winograd, ForwardAndGradients) {
  for (const Case &c : {Case{4, 32, 32, 8, 8, 3, 3, 1, 1, 1, 1}, {3, 48, 80, 12, 11, 3, 3, 1, 1, 1, 1}, {2, 64, 32, 10, 14, 3, 3, 1, 1, 0, 0},
                        {8, 32, 48, 6, 6, 3, 3, 1, 1, 2, 2}, {45, 32, 32, 16, 16, 3, 3, 1, 1, 1, 1}, {5, 32, 32, 7, 9, 3, 3, 1, 1, 0, 2},
                        {16, 256, 144, 4, 4, 3, 3, 1, 1, 1, 1}, {17, 144, 208, 3, 4, 3, 3, 1, 1, 1, 1}}) {
    ConvSpec spec{ConvKind::Forward, DType::F32, c.images, c.in, c.out, {c.height, c.width}, {3, 3}, {1, 1}, {c.ph, c.pw}, {}, true};
    EXPECT_TRUE(prefersWinograd(spec) || gemm::kLanes<float> != 16);
    check(c, DType::F32);
  }
}

/// The largest error, relative to the largest result. Every seventh value of x is `outlier` times as large.
double errorOfWinograd(double outlier) {
  const Case c{4, 256, 64, 16, 16, 3, 3, 1, 1, 1, 1};
  TestTensor x = TestTensor::random(DType::F32, {4, 16, 16, 256}, 1), w = TestTensor::random(DType::F32, {64, 256, 3, 3}, 2, 0.1),
             y(DType::F32, {4, 16, 16, 64});
  for (int64_t i = 0; i < x.count(); i += 7) x.set(i, x[i] * outlier);
  TestTensor plain = moveChannels(x, false);
  std::vector<double> wanted(y.count());
  forEachProduct(c, [&](int64_t i, int64_t j, int64_t k) { wanted[k] += plain[i] * w[j]; });
  EXPECT_TRUE(runKernel<"fin.conv2d">(Attributes().list({1, 1}).list({1, 1}).flag(true), {&x, &w}, {&y}).isOk());
  TestTensor found = moveChannels(y, false);
  double largest = 0, error = 0;
  for (int64_t i = 0; i < y.count(); ++i)
    largest = std::max(largest, std::abs(wanted[i])), error = std::max(error, std::abs(found[i] - wanted[i]));
  return error / largest;
}

/// The bounds that docs/design/0007 promises.
TEST(Winograd, ErrorIsBounded) {
  EXPECT_LE(errorOfWinograd(1), 5e-6);
  EXPECT_LE(errorOfWinograd(1000), 1e-5);
  EXPECT_GE(errorOfWinograd(1), 1e-9); // a figure of f32 sums, not of nothing
}

TEST(Winograd, IsTakenWhereItPays) {
  ConvSpec spec{ConvKind::Forward, DType::F32, 8, 64, 64, {16, 16}, {3, 3}, {1, 1}, {1, 1}, {}, true};
  EXPECT_TRUE(prefersWinograd(spec) || gemm::kLanes<float> != 16);
  for (auto change : std::initializer_list<void (*)(ConvSpec &)>{
           [](ConvSpec &s) { s.strides = {2, 2}; }, [](ConvSpec &s) { s.kernel = {5, 5}; }, [](ConvSpec &s) { s.dtype = DType::BF16; },
           [](ConvSpec &s) { s.inChannels = 63; }, [](ConvSpec &s) { s.outChannels = 16; }, [](ConvSpec &s) { s.channelsLast = false; },
           [](ConvSpec &s) { s.input = {4, 4}, s.padding = {0, 0}; }, [](ConvSpec &s) { s.images = 1, s.input = {8, 8}; }}) {
    ConvSpec other = spec;
    change(other);
    EXPECT_FALSE(prefersWinograd(other));
  }
}

const ConvSpec kBatched{ConvKind::Forward, DType::F32, 20, 144, 128, {16, 16}, {3, 3}, {1, 1}, {1, 1}, {}, true};

/// One convolution in a thread of its own: the bytes of scratch it took.
size_t scratchOfWinograd(ConvKind kind, TestTensor &a, TestTensor &b, TestTensor &result) {
  size_t held = 0;
  std::thread([&] {
    ThreadPool pool(1);
    ConvSpec spec = kBatched;
    spec.kind = kind;
    EXPECT_TRUE(makeWinogradConv(spec)->execute(a.arg().data, b.arg().data, result.arg().data, pool, nullptr).isOk());
    held = scratchHeld();
  }).join();
  return held;
}

/// Batches of tiles take less memory, and change nothing but the order of a gradient's sums.
TEST(Winograd, BatchesBoundTheMemory) {
  if (!prefersWinograd(kBatched)) GTEST_SKIP() << "Winograd's form has lanes of 16";
  TestTensor x = TestTensor::random(DType::F32, {20, 16, 16, 144}, 1), dy = TestTensor::random(DType::F32, {20, 16, 16, 128}, 2),
             w = TestTensor::random(DType::F32, {128, 144, 3, 3}, 3);
  struct {
    ConvKind kind;
    TestTensor &first, &second;
    std::vector<int64_t> dims;
  } kinds[] = {{ConvKind::Forward, x, w, {20, 16, 16, 128}}, {ConvKind::InputGrad, dy, w, {20, 16, 16, 144}}, {ConvKind::WeightGrad, x, dy, {128, 144, 3, 3}}};
  for (auto &[kind, first, second, dims] : kinds) {
    TestTensor found(DType::F32, dims), wanted(DType::F32, dims);
    size_t batched = scratchOfWinograd(kind, first, second, found);
    ASSERT_TRUE(Config::process().set("DISABLE", "winograd-batches").isOk());
    size_t whole = scratchOfWinograd(kind, first, second, wanted);
    ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
    EXPECT_LT(batched + (4 << 20), whole) << static_cast<int>(kind);
    double bound = kind == ConvKind::WeightGrad ? 1e-3 : 0; // of sums of 5,120 products
    for (int64_t i = 0; i < found.count(); ++i) ASSERT_NEAR(found[i], wanted[i], bound) << i;
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
