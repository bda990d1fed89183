// SPDX-License-Identifier: Apache-2.0
// Choices by trial: the fastest wins by a margin, once a key. And whatever may be chosen computes the same.
#include "runtime/kernels/Autotune.h"
#include "gtest/gtest.h"
#include "runtime/kernels/Tune.h"
#include <cmath>

using namespace tinyfin;

namespace {

[[maybe_unused]] const bool keepsNothing = setenv("TINYFIN_TUNE_CACHE", "0", 1) == 0; // what another run of the tests chose is not looked for

/// Candidates that take as long as they say, by a clock that only they move.
struct FakeTime {
  double now = 0;
  int runs = 0;
  Autotune table{[this] { return now; }};
  TuneCandidate taking(const std::string &name, double seconds, double first = 0) {
    auto isFirst = std::make_shared<bool>(true);
    return {name, [this, seconds, first, isFirst] {
              ++runs;
              now += std::exchange(*isFirst, false) && first ? first : seconds;
              return Status::ok();
            }};
  }
  size_t choose(std::vector<TuneCandidate> candidates, Words key = {1}) {
    return table.choose("x", key, [&] { return candidates; }).index;
  }
};

TuneCandidate failing() {
  return {"failing", [] { return Status::error(StatusCode::Unsupported, "not here"); }};
}

/// Values of both signs in a buffer of a dtype, and as doubles.
BufferRef filled(DType dtype, int64_t elements, unsigned seed) {
  BufferRef buffer = tuneScratch(dtype, elements);
  for (int64_t i = 0; i < elements; ++i) {
    float value = static_cast<float>(static_cast<int64_t>((i * 2654435761u + seed) >> 7 & 63) - 31) / 32;
    if (dtype == DType::F32) static_cast<float *>(buffer->data())[i] = value;
    else static_cast<uint16_t *>(buffer->data())[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); // exact: 6 bits
  }
  return buffer;
}
double at(const BufferRef &buffer, DType dtype, int64_t i) {
  if (dtype == DType::F32) return static_cast<const float *>(buffer->data())[i];
  return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t *>(buffer->data())[i]) << 16);
}

void expectClose(const BufferRef &found, const BufferRef &wanted, DType dtype, int64_t elements, const std::string &name) {
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < elements; ++i) {
    largest = std::max(largest, std::abs(at(wanted, dtype, i)));
    worst = std::max(worst, std::abs(at(found, dtype, i) - at(wanted, dtype, i)));
  }
  EXPECT_LE(worst, largest * (dtype == DType::F32 ? 1e-5 : 1e-2)) << name;
}

} // namespace

TEST(Autotune, TheFastestCandidateIsTaken) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 5e-3), time.taking("slow", 7e-3), time.taking("fast", 3e-3)}), 2u);
}

TEST(Autotune, TheRulesChoiceStaysUnlessItLosesByAMargin) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 5.0e-3), time.taking("near", 4.9e-3)}), 0u);
  EXPECT_EQ(time.choose({time.taking("rule", 5.0e-3), time.taking("near", 4.9e-3), time.taking("fast", 4.7e-3)}, {2}), 2u);
}

TEST(Autotune, AFirstRunThatPaysForCodeAndMemoryDoesNotDecide) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 5e-3), time.taking("fast", 2e-3, 10e-3)}), 1u);
  EXPECT_EQ(time.choose({time.taking("rule", 2e-3, 20e-3), time.taking("slow", 3e-3)}, {2}), 0u);
}

TEST(Autotune, HopelessCandidatesRunOnceAndABudgetEndsTheRounds) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 8e-3), time.taking("hopeless", 100e-3)}), 0u);
  EXPECT_EQ(time.runs, 1 + 1 + 3); // first runs, then the rule's until 20 ms are over
}

TEST(Autotune, AKeyIsTriedOnce) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 5e-3), time.taking("fast", 2e-3)}), 1u);
  int runs = time.runs;
  EXPECT_EQ(time.choose({time.taking("rule", 1e-3), time.taking("slow", 2e-3)}), 1u); // what is known holds
  EXPECT_EQ(time.runs, runs);
  EXPECT_EQ(time.choose({time.taking("rule", 1e-3), time.taking("slow", 2e-3)}, {1, 2}), 0u);
  EXPECT_GT(time.runs, runs);
  EXPECT_EQ(time.table.trials(), 2u);
}

TEST(Autotune, WhatFailsIsNotTakenAndOneCandidateIsNoChoice) {
  FakeTime time;
  EXPECT_EQ(time.choose({time.taking("rule", 5e-3), failing()}), 0u);
  EXPECT_EQ(time.choose({failing(), time.taking("other", 5e-3)}, {2}), 1u);
  EXPECT_EQ(time.choose({time.taking("rule", 5e-3)}, {3}), 0u);
  EXPECT_TRUE(time.table.choose("x", {3}, [] { return std::vector<TuneCandidate>(); }).note.empty());
}

TEST(Tune, EveryBlockingOfAProductComputesTheSame) {
  int64_t shapes[][3] = {{200, 300, 70}, {64, 512, 256}, {17, 33, 129}, {1, 640, 64}, {257, 16, 300}};
  for (DType dtype : {DType::F32, DType::BF16})
    for (auto [m, n, k] : shapes)
      for (int transposed = 0; transposed < 4; ++transposed) {
        std::vector<int64_t> lhs{m, k}, rhs{k, n};
        if (transposed & 1) std::swap(lhs[0], lhs[1]);
        if (transposed & 2) std::swap(rhs[0], rhs[1]);
        MatmulSpec spec = MatmulSpec::from(dtype, lhs, rhs, transposed & 1, transposed & 2).value();
        BufferRef a = filled(dtype, m * k, 1), b = filled(dtype, k * n, 2), wanted = tuneScratch(dtype, m * n);
        ThreadPool &pool = ThreadPool::process();
        ASSERT_TRUE(MatmulPlan::create(spec).value().execute(a->data(), b->data(), wanted->data(), pool).isOk());
        for (const MatmulBlocking &blocking : otherBlockings(spec)) {
          BufferRef found = tuneScratch(dtype, m * n);
          ASSERT_TRUE(MatmulPlan::create(spec, blocking).execute(a->data(), b->data(), found->data(), pool).isOk());
          expectClose(found, wanted, dtype, m * n,
                      std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " transposed " + std::to_string(transposed) + " blocks " +
                          std::to_string(blocking.rows) + "x" + std::to_string(blocking.cols));
        }
      }
}

TEST(Tune, AProductOfEnoughRowsHasOtherBlockings) {
  std::vector<int64_t> lhs{512, 256}, rhs{256, 512}, none{0, 256};
  EXPECT_GE(otherBlockings(MatmulSpec::from(DType::F32, lhs, rhs, false, false).value()).size(), 4u);
  EXPECT_TRUE(otherBlockings(MatmulSpec::from(DType::F32, none, rhs, false, false).value()).empty());
}

TEST(Tune, EveryConvolutionComputesTheSame) {
  for (bool channelsLast : {false, true})
    for (ConvKind kind : {ConvKind::Forward, ConvKind::InputGrad, ConvKind::WeightGrad}) {
      ConvSpec spec;
      spec.kind = kind, spec.images = 8, spec.inChannels = spec.outChannels = 32, spec.input = {16, 16}, spec.kernel = {3, 3},
      spec.padding = {1, 1}, spec.channelsLast = channelsLast;
      int64_t image = 8 * 32 * 16 * 16, weight = 32 * 32 * 9;
      BufferRef first = filled(DType::F32, image, 1), second = filled(DType::F32, kind == ConvKind::WeightGrad ? image : weight, 2);
      int64_t results = kind == ConvKind::WeightGrad ? weight : image;
      BufferRef wanted = tuneScratch(DType::F32, results);
      ThreadPool &pool = ThreadPool::process();
      auto plans = allConvPlans(spec);
      ASSERT_GE(plans.size(), channelsLast ? 1u : 2u);
      ASSERT_TRUE(plans[0].second->execute(first->data(), second->data(), wanted->data(), pool).isOk());
      for (auto &[name, plan] : plans) {
        BufferRef found = tuneScratch(DType::F32, results);
        ASSERT_TRUE(plan->execute(first->data(), second->data(), found->data(), pool).isOk());
        expectClose(found, wanted, DType::F32, results, name);
      }
    }
}

TEST(Tune, PlansAreNotedAndRun) {
  TuneNotes notes;
  std::vector<int64_t> lhs{128, 96}, rhs{96, 256};
  MatmulSpec spec = MatmulSpec::from(DType::F32, lhs, rhs, false, false).value();
  BufferRef a = filled(DType::F32, 128 * 96, 1), b = filled(DType::F32, 96 * 256, 2), wanted = tuneScratch(DType::F32, 128 * 256),
            found = tuneScratch(DType::F32, 128 * 256);
  ThreadPool &pool = ThreadPool::process();
  ASSERT_TRUE(MatmulPlan::create(spec).value().execute(a->data(), b->data(), wanted->data(), pool).isOk());
  for (bool isFinished : {false, true, false}) {
    auto plan = tunedMatmul(spec, isFinished, notes);
    ASSERT_TRUE(plan.isOk());
    ASSERT_TRUE(plan.value().execute(a->data(), b->data(), found->data(), pool).isOk());
    expectClose(found, wanted, DType::F32, 128 * 256, "tuned");
  }
  EXPECT_EQ(notes.lines.size(), 2u); // a line a choice
}
