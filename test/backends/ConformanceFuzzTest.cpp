// SPDX-License-Identifier: Apache-2.0
// Random graphs on every backend against the interpreter: fusion, memory plans, donations and outputs of every kind.
//   TINYFIN_FUZZ_GRAPHS=10000 TINYFIN_FUZZ_SEED=1 tinyfin_backends_tests --gtest_filter='*RandomGraphs*'
#include "test/backends/ConformanceFuzz.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::conformance;

namespace {

uint64_t numberFrom(const char *variable, uint64_t fallback) {
  const char *text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : fallback;
}

class RandomGraphs : public testing::TestWithParam<Backend *> {
protected:
  void SetUp() override {
    if (Status status = GetParam()->probe(); !status.isOk()) GTEST_SKIP() << status.message();
  }

  std::vector<Array> outputsOf(Backend &backend, const Graph &graph, Threads threads) {
    auto compiled = compileTrace(graph.words, graph.outputs, backend, {});
    EXPECT_TRUE(compiled.isOk()) << compiled.status().message();
    if (!compiled.isOk()) return {};
    auto outputs = runDonating(*compiled.value(), graph.inputs, threads);
    EXPECT_TRUE(outputs.isOk()) << outputs.status().message();
    return outputs.isOk() ? outputs.value() : std::vector<Array>();
  }

  void compareOn(Backend &backend, const FuzzGraph &fuzz) {
    const Graph &graph = fuzz.graph;
    std::vector<Array> wanted = outputsOf(*findBackend("interpreter").value(), graph, Threads::Many);
    std::vector<Array> found = outputsOf(backend, graph, Threads::Many), serial = outputsOf(backend, graph, Threads::One);
    ASSERT_EQ(wanted.size(), graph.outputs.size());
    ASSERT_EQ(found.size(), wanted.size());
    ASSERT_EQ(serial.size(), wanted.size());
    for (size_t i = 0; i < found.size(); ++i) {
      run::Difference difference = run::compare(found[i], wanted[i], {0, 4 * fuzz.errors[i]});
      EXPECT_TRUE(difference.isOk) << "output " << i << " (%" << graph.outputs[i] << "): " << difference.text << ", allowed " << 4 * fuzz.errors[i];
      EXPECT_EQ(std::memcmp(found[i].data(), serial[i].data(), found[i].type.bytes()), 0) << "output " << i << " depends on the number of threads";
    }
  }
};

TEST_P(RandomGraphs, AgreeWithTheInterpreter) {
  uint64_t first = numberFrom("TINYFIN_FUZZ_SEED", 1), count = numberFrom("TINYFIN_FUZZ_GRAPHS", 200);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    FuzzGraph fuzz = makeFuzzGraph(seed);
    SCOPED_TRACE("TINYFIN_FUZZ_SEED=" + std::to_string(seed) + " TINYFIN_FUZZ_GRAPHS=1\n" + fuzz.graph.text);
    compareOn(*GetParam(), fuzz);
    if (HasFailure()) return;
  }
}

std::vector<Backend *> compared() {
  std::vector<Backend *> found;
  for (Backend *backend : allBackends())
    if (llvm::StringRef(backend->name()) != "interpreter") found.push_back(backend);
  return found;
}
INSTANTIATE_TEST_SUITE_P(Backends, RandomGraphs, testing::ValuesIn(compared()), [](const auto &info) { return std::string(info.param->name()); });

TEST(FuzzGraphs, AreTheSameForASeedAndNotTrivial) {
  size_t ops = 0, outputs = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    FuzzGraph one = makeFuzzGraph(seed), other = makeFuzzGraph(seed);
    EXPECT_EQ(one.graph.words, other.graph.words);
    ops += one.graph.specs.size() - one.graph.inputs.size();
    outputs += one.graph.outputs.size();
  }
  EXPECT_GT(ops, 50u * 10);
  EXPECT_GT(outputs, 50u * 3);
}

} // namespace
