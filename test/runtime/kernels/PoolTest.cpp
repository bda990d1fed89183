// SPDX-License-Identifier: Apache-2.0
// Pooling and its gradients against loops over windows in f64.
#include "TestTensor.h"

namespace tinyfin::test {
namespace {

struct Case {
  int64_t images, channels, height, width, kh, kw, sh, sw, ph = 0, pw = 0;
  int64_t outHeight() const { return (height + 2 * ph - kh) / sh + 1; }
  int64_t outWidth() const { return (width + 2 * pw - kw) / sw + 1; }
  Attributes windows(Attributes first = {}, bool last = false) const {
    return first.list({kh, kw}).list({sh, sw}).list({ph, pw}).flag(last);
  }
};

/// Calls visit(output element, indices of the window's elements in row-major order).
template <class F> void forEachWindow(const Case &c, F visit) {
  for (int64_t i = 0; i < c.images * c.channels * c.outHeight() * c.outWidth(); ++i) {
    int64_t ow = i % c.outWidth(), oh = i / c.outWidth() % c.outHeight(), plane = i / c.outWidth() / c.outHeight();
    std::vector<int64_t> window;
    for (int64_t ih = oh * c.sh - c.ph; ih < oh * c.sh - c.ph + c.kh; ++ih)
      for (int64_t iw = ow * c.sw - c.pw; iw < ow * c.sw - c.pw + c.kw; ++iw)
        if (ih >= 0 && ih < c.height && iw >= 0 && iw < c.width)
          window.push_back((plane * c.height + ih) * c.width + iw);
    visit(i, window);
  }
}

void check(const Case &c, DType dtype, TestTensor x) {
  SCOPED_TRACE(testing::Message() << nameOf(dtype) << " " << c.height << "x" << c.width << " kernel " << c.kh << "x"
                                  << c.kw << " strides " << c.sh << c.sw);
  Dims outDims{c.images, c.channels, c.outHeight(), c.outWidth()};
  TestTensor dy = TestTensor::random(dtype, outDims, 2), largest(dtype, outDims), mean(dtype, outDims),
             dLargest(dtype, x.dims), dMean(dtype, x.dims);
  std::vector<double> wantedLargest(dy.count()), wantedMean(dy.count()), wantedDLargest(x.count()),
      wantedDMean(x.count());
  forEachWindow(c, [&](int64_t i, const std::vector<int64_t> &window) {
    int64_t best = window[0];
    double sum = 0;
    for (int64_t at : window) {
      if (x[at] > x[best] || (std::isnan(x[at]) && !std::isnan(x[best]))) best = at;
      sum += x[at];
      wantedDMean[at] += dy[i] / static_cast<double>(c.kh * c.kw);
    }
    wantedLargest[i] = x[best];
    wantedMean[i] = sum / static_cast<double>(c.kh * c.kw);
    wantedDLargest[best] += dy[i];
  });
  for (bool last : {false, true}) {
    if (last)
      for (TestTensor *tensor : {&x, &dy, &largest, &mean, &dLargest, &dMean}) *tensor = moveChannels(*tensor, true);
    Attributes windows = c.windows({}, last), sized = c.windows(Attributes().list({c.height, c.width}), last);
    ASSERT_TRUE(runKernel<"fin.max_pool2d">(windows, {&x}, {&largest}).isOk());
    ASSERT_TRUE(runKernel<"fin.avg_pool2d">(windows, {&x}, {&mean}).isOk());
    ASSERT_TRUE(runKernel<"fin.max_pool2d_grad">(windows, {&x, &dy}, {&dLargest}).isOk());
    ASSERT_TRUE(runKernel<"fin.avg_pool2d_grad">(sized, {&dy}, {&dMean}).isOk());
    auto found = [&](const TestTensor &images) { return last ? moveChannels(images, false) : images; };
    expectNear(found(largest), wantedLargest, 0);
    expectNear(found(mean), wantedMean);
    expectNear(found(dLargest), wantedDLargest);
    expectNear(found(dMean), wantedDMean);
  }
}

const Case kCases[] = {
    {3, 5, 28, 28, 2, 2, 2, 2},     {2, 3, 9, 7, 2, 2, 2, 2}, {2, 3, 9, 12, 3, 3, 2, 2, 1, 1},
    {2, 2, 7, 8, 3, 2, 1, 1, 1, 1}, {1, 1, 5, 5, 5, 5, 1, 1}, {1, 2, 6, 6, 1, 1, 2, 3},
    {40, 16, 8, 8, 2, 2, 2, 2},     {0, 3, 4, 4, 2, 2, 2, 2},
};

TEST(Pool, ForwardAndGradients) {
  for (DType dtype : kFloatDTypes)
    for (const Case &c : kCases)
      check(c, dtype, TestTensor::random(dtype, {c.images, c.channels, c.height, c.width}, 1));
}

TEST(Pool, TiesGoToTheFirst) {
  for (DType dtype : kFloatDTypes)
    for (const Case &c : kCases) {
      TestTensor x(dtype, {c.images, c.channels, c.height, c.width});
      for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i * i * 7 % 5) - 2);
      check(c, dtype, x);
    }
}

TEST(Pool, NaNPropagatesAndPaddingNeverWins) {
  for (DType dtype : kFloatDTypes)
    for (const Case &c : kCases) {
      if (c.images == 0) continue;
      TestTensor x(dtype, {c.images, c.channels, c.height, c.width});
      for (int64_t i = 0; i < x.count(); ++i)
        x.set(i, i % 11 == 3 ? NAN : i % 13 == 5 ? -INFINITY : -1.0 - static_cast<double>(i % 4));
      TestTensor largest(dtype, {c.images, c.channels, c.outHeight(), c.outWidth()}), dx(dtype, x.dims);
      TestTensor dy(dtype, largest.dims, std::vector<double>(largest.count(), 1));
      std::vector<double> wanted(largest.count()), wantedDx(x.count());
      forEachWindow(c, [&](int64_t i, const std::vector<int64_t> &window) {
        int64_t best = window[0];
        for (int64_t at : window)
          if (x[at] > x[best] || (std::isnan(x[at]) && !std::isnan(x[best]))) best = at;
        wanted[i] = x[best];
        wantedDx[best] += 1;
      });
      for (bool last : {false, true}) {
        if (last)
          for (TestTensor *tensor : {&x, &dy, &largest, &dx}) *tensor = moveChannels(*tensor, true);
        ASSERT_TRUE(runKernel<"fin.max_pool2d">(c.windows({}, last), {&x}, {&largest}).isOk());
        ASSERT_TRUE(runKernel<"fin.max_pool2d_grad">(c.windows({}, last), {&x, &dy}, {&dx}).isOk());
        expectNear(last ? moveChannels(largest, false) : largest, wanted, 0);
        expectNear(last ? moveChannels(dx, false) : dx, wantedDx);
      }
    }
}

} // namespace
} // namespace tinyfin::test
