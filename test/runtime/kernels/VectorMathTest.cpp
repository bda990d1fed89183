// SPDX-License-Identifier: Apache-2.0
// Error bounds of the vector functions, in units of the last place against f64 over swept ranges, and their special
// values.
#include "KernelTest.h"

namespace tinyfin::test {
namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

/// Distance of `got` from `exact` in units of f32's last place at `exact`.
double ulps(float got, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : 1e30;
  const double magnitude = std::max(std::fabs(exact), 0x1p-126);
  return std::fabs(got - exact) / std::ldexp(1.0, static_cast<int>(std::floor(std::log2(magnitude))) - 23);
}

template <OpName name> void checkSweep(double low, double high, double bound, double (*reference)(double)) {
  const int64_t count = 400000;
  KernelTensor x = KernelTensor::from(DType::F32, {count}, [&](int64_t i) { return low + (high - low) * i / (count - 1); });
  KernelTensor out = run<name>({x}, DType::F32, {count});
  double worst = 0;
  float where = 0;
  for (int64_t i = 0; i < count; ++i) {
    double error = ulps(out.at<float>(i), reference(x.at<float>(i)));
    if (error > worst) worst = error, where = x.at<float>(i);
  }
  EXPECT_LE(worst, bound) << name.text << " at " << where;
}

/// Magnitudes from the smallest denormal to the largest finite number, both signs.
template <OpName name> void checkAllExponents(double bound, double (*reference)(double), bool negative = true) {
  std::vector<float> values;
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 9973) {
    values.push_back(std::bit_cast<float>(bits));
    if (negative) values.push_back(-std::bit_cast<float>(bits));
  }
  const Dims dims = {static_cast<int64_t>(values.size())};
  KernelTensor out = run<name>({KernelTensor::of<float>(dims, values)}, DType::F32, dims);
  double worst = 0;
  float where = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double error = ulps(out.at<float>(i), reference(values[i]));
    if (error > worst) worst = error, where = values[i];
  }
  EXPECT_LE(worst, bound) << name.text << " at " << where;
}

template <OpName name> float valueAt(float x) {
  return run<name>({KernelTensor::of<float>({1}, {x})}, DType::F32, {1}).template at<float>(0);
}

double exactSigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(VectorMath, exp) {
  checkSweep<"fin.exp">(-103.9, 88.7, 1.5, std::exp);
  checkAllExponents<"fin.exp">(1.5, std::exp);
  EXPECT_EQ(valueAt<"fin.exp">(0), 1);
  EXPECT_EQ(valueAt<"fin.exp">(kInf), kInf);
  EXPECT_EQ(valueAt<"fin.exp">(-kInf), 0);
  EXPECT_EQ(valueAt<"fin.exp">(-1e9f), 0);
  EXPECT_EQ(valueAt<"fin.exp">(-103.9f), 0x1p-149f);
  EXPECT_EQ(valueAt<"fin.exp">(89), kInf);
  EXPECT_TRUE(std::isnan(valueAt<"fin.exp">(kNaN)));
}
TEST(VectorMath, log) {
  checkSweep<"fin.log">(0.5, 2, 2, std::log);
  checkAllExponents<"fin.log">(2, std::log, /*negative=*/false);
  EXPECT_EQ(valueAt<"fin.log">(1), 0);
  EXPECT_EQ(valueAt<"fin.log">(0), -kInf);
  EXPECT_EQ(valueAt<"fin.log">(-0.0f), -kInf);
  EXPECT_EQ(valueAt<"fin.log">(kInf), kInf);
  EXPECT_TRUE(std::isnan(valueAt<"fin.log">(-1)));
  EXPECT_TRUE(std::isnan(valueAt<"fin.log">(kNaN)));
}
TEST(VectorMath, tanh) {
  checkSweep<"fin.tanh">(-10, 10, 2, std::tanh);
  checkAllExponents<"fin.tanh">(2, std::tanh);
  EXPECT_EQ(valueAt<"fin.tanh">(kInf), 1);
  EXPECT_EQ(valueAt<"fin.tanh">(-kInf), -1);
  EXPECT_TRUE(std::signbit(valueAt<"fin.tanh">(-0.0f)));
  EXPECT_TRUE(std::isnan(valueAt<"fin.tanh">(kNaN)));
}
TEST(VectorMath, sigmoid) {
  checkSweep<"fin.sigmoid">(-87, 87, 3, exactSigmoid);
  EXPECT_EQ(valueAt<"fin.sigmoid">(0), 0.5f);
  EXPECT_EQ(valueAt<"fin.sigmoid">(kInf), 1);
  EXPECT_EQ(valueAt<"fin.sigmoid">(-kInf), 0);
  EXPECT_TRUE(std::isnan(valueAt<"fin.sigmoid">(kNaN)));
}
TEST(VectorMath, erf) {
  checkSweep<"fin.erf">(-5, 5, 2, std::erf);
  checkAllExponents<"fin.erf">(2, std::erf);
  EXPECT_EQ(valueAt<"fin.erf">(kInf), 1);
  EXPECT_EQ(valueAt<"fin.erf">(-kInf), -1);
  EXPECT_TRUE(std::isnan(valueAt<"fin.erf">(kNaN)));
}
TEST(VectorMath, sinAndCos) {
  checkSweep<"fin.sin">(-20, 20, 2, std::sin);
  checkSweep<"fin.cos">(-20, 20, 2, std::cos);
  checkSweep<"fin.sin">(-3e6, 3e6, 2, std::sin);
  checkSweep<"fin.cos">(-3e6, 3e6, 2, std::cos);
  checkAllExponents<"fin.sin">(2, std::sin);
  checkAllExponents<"fin.cos">(2, std::cos);
  EXPECT_TRUE(std::signbit(valueAt<"fin.sin">(-0.0f)));
  EXPECT_EQ(valueAt<"fin.cos">(0), 1);
  EXPECT_TRUE(std::isnan(valueAt<"fin.sin">(kInf)));
  EXPECT_TRUE(std::isnan(valueAt<"fin.cos">(kNaN)));
}

TEST(VectorMath, pow) {
  const int64_t count = 200000;
  KernelTensor x = KernelTensor::random(DType::F32, {count}, 0, 20, 5),
             y = KernelTensor::random(DType::F32, {count}, -25, 25, 6);
  KernelTensor out = run<"fin.pow">({x, y}, DType::F32, {count});
  double worst = 0;
  for (int64_t i = 0; i < count; ++i)
    worst = std::max(worst, ulps(out.at<float>(i), std::pow(static_cast<double>(x.at<float>(i)), y.at<float>(i))));
  EXPECT_LE(worst, 1);
}
TEST(VectorMath, powOfSpecialValuesIsC) {
  const float huge = 3e38f, tiny = 1e-45f;
  const std::vector<float> items = {0,     -0.0f, 1,        -1,   2,     -2,   3,     -3,   0.5f,  -0.5f, 1.5f,
                                    -2.5f, 1e10f, 16777216, huge, -huge, tiny, -tiny, kInf, -kInf, kNaN};
  for (float base : items)
    for (float exponent : items) {
      KernelTensor x = KernelTensor::of<float>({1}, {base}), y = KernelTensor::of<float>({1}, {exponent});
      const float got = run<"fin.pow">({x, y}, DType::F32, {1}).at<float>(0), want = std::pow(base, exponent);
      EXPECT_LE(ulps(got, want), 1) << base << " ** " << exponent << ": " << got << " vs " << want;
      EXPECT_TRUE(std::isnan(want) || std::signbit(got) == std::signbit(want)) << base << " ** " << exponent;
    }
}

TEST(VectorMath, otherFloatsFollow) {
  for (DType dtype : {DType::F64, DType::BF16, DType::F16}) {
    KernelTensor x = KernelTensor::random(dtype, {3000}, 0.1, 5, 9), y = KernelTensor::random(dtype, {3000}, -2, 2, 10);
    auto check = [&](const KernelTensor &out, auto reference) {
      for (int64_t i = 0; i < x.size(); ++i) {
        const double want = reference(x.get(i), y.get(i));
        ASSERT_NEAR(out.get(i), want, std::max(1e-3, std::fabs(want)) * epsilonOf(dtype))
            << nameOf(dtype) << " " << x.get(i);
      }
    };
    check(run<"fin.exp">({x}, dtype, {3000}), [](double x, double) { return std::exp(x); });
    check(run<"fin.log">({x}, dtype, {3000}), [](double x, double) { return std::log(x); });
    check(run<"fin.tanh">({x}, dtype, {3000}), [](double x, double) { return std::tanh(x); });
    check(run<"fin.erf">({x}, dtype, {3000}), [](double x, double) { return std::erf(x); });
    check(run<"fin.sin">({x}, dtype, {3000}), [](double x, double) { return std::sin(x); });
    check(run<"fin.cos">({x}, dtype, {3000}), [](double x, double) { return std::cos(x); });
    check(run<"fin.sigmoid">({x}, dtype, {3000}), [](double x, double) { return exactSigmoid(x); });
    check(run<"fin.pow">({x, y}, dtype, {3000}), [](double x, double y) { return std::pow(x, y); });
  }
}

} // namespace
} // namespace tinyfin::test
