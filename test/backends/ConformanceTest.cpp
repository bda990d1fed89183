// SPDX-License-Identifier: Apache-2.0
// Every op on every backend that can run here, against the interpreter: within the tolerance of the dtype, exactly for
// integers and booleans, the same bits on one thread and on many.
#include "test/backends/ConformanceCases.h"
#include "test/backends/ConformanceGraph.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::conformance;
using fin::test::RuleCase;

namespace {

Backend &interpreter() { return *findBackend("interpreter").value(); }

std::vector<Backend *> others() {
  std::vector<Backend *> found;
  for (Backend *backend : allBackends())
    if (backend != &interpreter()) found.push_back(backend);
  return found;
}

struct Outcome {
  Status status;
  std::vector<Array> outputs;
  std::string printed;
};

Outcome runOn(Backend &backend, const Graph &graph, Threads threads = Threads::Many) {
  auto compiled = compileTrace(graph.words, graph.outputs, backend, {});
  if (!compiled.isOk()) return {compiled.status(), {}, {}};
  testing::internal::CaptureStdout();
  auto outputs = runDonating(*compiled.value(), graph.inputs, threads);
  std::string printed = testing::internal::GetCapturedStdout();
  if (!outputs.isOk()) return {outputs.status(), {}, printed};
  return {Status::ok(), outputs.value(), printed};
}

/// A decomposed composite may round to 16 bits where its kernel does not: one unit of its largest terms.
run::Tolerance toleranceOf(OpId op, DType dtype) {
  run::Tolerance tolerance = run::toleranceOf(dtype);
  if (fin::infoOf(op).isComposite && dtype == DType::BF16) tolerance.absolute = 0x1p-8;
  if (fin::infoOf(op).isComposite && dtype == DType::F16) tolerance.absolute = 0x1p-11;
  return tolerance;
}

void expectSameBits(const std::vector<Array> &one, const std::vector<Array> &other) {
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_EQ(std::memcmp(one[i].data(), other[i].data(), one[i].type.bytes()), 0) << "output " << i << " depends on the number of threads";
}

struct OpCase {
  Backend *backend;
  OpId op;
};
void PrintTo(const OpCase &opCase, std::ostream *out) { *out << opCase.backend->name() << " " << fin::infoOf(opCase.op).name; }

class Conformance : public testing::TestWithParam<OpCase> {
protected:
  void SetUp() override {
    if (Status status = GetParam().backend->probe(); !status.isOk()) GTEST_SKIP() << status.message();
  }
  bool isExcluded(const std::string &name) {
    const char *reason = exclusionOf(GetParam().backend->name(), name);
    if (reason) std::cout << "excluded " << name << ": " << reason << "\n";
    return reason;
  }
};

TEST_P(Conformance, AgreesWithTheInterpreter) {
  auto [backend, op] = GetParam();
  size_t ran = 0;
  for (const RuleCase &testCase : allCases()) {
    std::optional<Graph> graph = testCase.op == op ? graphOf(testCase) : std::nullopt;
    if (!graph) continue;
    ++ran;
    if (isExcluded(testCase.name())) continue;
    SCOPED_TRACE(testCase.name());
    Outcome wanted = runOn(interpreter(), *graph), found = runOn(*backend, *graph);
    ASSERT_TRUE(wanted.status.isOk()) << wanted.status.message();
    ASSERT_TRUE(found.status.isOk()) << found.status.message();
    ASSERT_EQ(found.outputs.size(), wanted.outputs.size());
    EXPECT_EQ(found.printed, wanted.printed);
    for (size_t i = 0; i < found.outputs.size(); ++i) {
      run::Tolerance tolerance = toleranceOf(op, wanted.outputs[i].type.dtype);
      run::Difference difference = run::compare(found.outputs[i], wanted.outputs[i], tolerance);
      EXPECT_TRUE(difference.isOk) << "output " << i << ": " << difference.text;
    }
    expectSameBits(found.outputs, runOn(*backend, *graph, Threads::One).outputs);
  }
  EXPECT_GE(ran, 2u - (op == OpId::Print || op == OpId::Assert)) << fin::infoOf(op).name << " has too few cases: add them to test/backends/ConformanceCases.cpp";
}

TEST_P(Conformance, FailsAsTheInterpreterDoes) {
  auto [backend, op] = GetParam();
  for (const RuleCase &testCase : failingCases()) {
    if (testCase.op != op) continue;
    SCOPED_TRACE(testCase.name());
    std::optional<Graph> graph = graphOf(testCase);
    ASSERT_TRUE(graph);
    Outcome wanted = runOn(interpreter(), *graph), found = runOn(*backend, *graph);
    EXPECT_FALSE(wanted.status.isOk());
    EXPECT_FALSE(found.status.isOk()); // in words of its own where it runs other kernels
    if (isExcluded("code of " + testCase.name())) continue;
    EXPECT_EQ(static_cast<int>(found.status.code()), static_cast<int>(wanted.status.code())) << found.status.message();
    EXPECT_EQ(found.status.origin(), 0);
  }
}

std::vector<OpCase> allOps() {
  std::vector<OpCase> cases;
  for (Backend *backend : others())
    for (int op = 0; op < fin::kNumOps; ++op) cases.push_back({backend, static_cast<OpId>(op)});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance, testing::ValuesIn(allOps()), [](const auto &info) {
  return std::string(info.param.backend->name()) + "_" + fin::infoOf(info.param.op).mnemonic;
});

TEST(ConformanceTolerance, ToldApartFromAgreement) {
  fin::TensorSpec spec{DType::F32, {fin::Dim(2)}};
  Array one = arrayOf(spec, {1, 2}), near = arrayOf(spec, {1, 2.000001}), far = arrayOf(spec, {1, 2.1}), nan = arrayOf(spec, {1, NAN});
  run::Tolerance tolerance = run::toleranceOf(DType::F32);
  EXPECT_TRUE(run::compare(near, one, tolerance).isOk);
  EXPECT_FALSE(run::compare(far, one, tolerance).isOk);
  EXPECT_FALSE(run::compare(nan, one, tolerance).isOk);
  EXPECT_TRUE(run::compare(nan, nan, tolerance).isOk);
  EXPECT_FALSE(run::compare(near, one, {}).isOk);
}

} // namespace
