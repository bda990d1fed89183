// SPDX-License-Identifier: Apache-2.0
// Kernels that are begun while passes work on the graph are those that the graph ends up with, compiled once.
#include "backends/cpu/KernelForge.h"
#include "SpecTesting.h"
#include "backends/Compile.h"
#include "runtime/Config.h"

namespace tinyfin::cpu {
namespace {

KernelSpec mapOf(int64_t extent) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {extent});
  return b.finish({b.op(OpId::Tanh, {b.op(OpId::Square, {x})})});
}

/// Two products that are finished, one that is small, a softmax, a long sum in pieces, and twice the same map.
Words graph(int64_t rows, std::vector<uint32_t> &outputs) {
  Recording r;
  uint32_t x = r.input({rows, 512}), w = r.input({512, 512}), small = r.input({8, 16}), other = r.input({16, 24});
  uint32_t one = r.op(OpId::Relu, {r.op(OpId::Matmul, {x, w}, {0, 0})}), two = r.op(OpId::Tanh, {r.op(OpId::Matmul, {one, w}, {0, 0})});
  uint32_t few = r.op(OpId::Relu, {r.op(OpId::Matmul, {small, other}, {0, 0})});
  uint32_t top = r.reduce(OpId::ReduceMax, two, {1}, true), e = r.op(OpId::Exp, {r.op(OpId::Sub, {two, top})});
  uint32_t soft = r.op(OpId::Div, {e, r.reduce(OpId::Sum, e, {1}, true)});
  uint32_t total = r.reduce(OpId::Sum, r.op(OpId::Square, {x}), {0, 1}, false);
  outputs = {few, soft, total};
  return r.words;
}

std::shared_ptr<Executable> compiled(int64_t rows) {
  std::vector<uint32_t> outputs;
  Words words = graph(rows, outputs);
  auto executable = compileTrace(words, outputs, *findBackend("cpu").value(), {});
  EXPECT_TRUE(executable.isOk()) << executable.status().message();
  return executable.value();
}

} // namespace

TEST(KernelForge, WhatIsBegunEarlyIsWhatIsUsed) {
  uint64_t before = kernelCacheStats().entries;
  ExecutableStats stats = compiled(1040)->stats;
  EXPECT_GE(stats.newKernels, 4u);
  EXPECT_LE(stats.newKernels, stats.uniqueKernels); // nothing was compiled in vain
  EXPECT_EQ(kernelCacheStats().entries - before, stats.newKernels);
  EXPECT_EQ(compiled(1040)->stats.newKernels, 0u);
}

TEST(KernelForge, SwitchedOffItMakesTheSameKernels) {
  ExecutableStats early = compiled(1056)->stats;
  ASSERT_TRUE(Config::process().set("DISABLE", "early-kernels").isOk());
  ExecutableStats late = compiled(1072)->stats;
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
  EXPECT_EQ(early.uniqueKernels, late.uniqueKernels);
  EXPECT_EQ(early.kernels, late.kernels);
  EXPECT_EQ(compiled(1072)->stats.newKernels, 0u);
}

TEST(KernelForge, KernelsAddedBeforeAreNotMadeAgain) {
  for (int threads : {1, 2, 4}) {
    int64_t extent = 54321 + 10 * threads;
    KernelForge forge(threads);
    for (int repeat = 0; repeat < 3; ++repeat)
      for (int64_t i = 0; i < 4; ++i) forge.add(mapOf(extent + i));
    std::vector<KernelSpec> specs{mapOf(extent), mapOf(extent + 1), mapOf(extent), mapOf(extent + 5)};
    KernelBatchStats stats;
    auto kernels = forge.finish(specs, &stats);
    ASSERT_TRUE(kernels.isOk());
    EXPECT_EQ(stats.generated, 5u); // four that were announced and one that was not
    EXPECT_EQ(stats.unique, 3u);
    EXPECT_EQ(kernels.value()[0].function, kernels.value()[2].function);
    for (const CompiledKernel &kernel : kernels.value()) EXPECT_NE(kernel.function, nullptr);
    EXPECT_GT(stats.times.of("generate"), 0);
  }
}

TEST(KernelForge, OneThatIsNotFinishedGoesAway) {
  KernelForge forge(3);
  for (int64_t i = 0; i < 12; ++i) forge.add(mapOf(98765 + i));
}

} // namespace tinyfin::cpu
