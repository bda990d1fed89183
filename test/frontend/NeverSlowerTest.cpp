// SPDX-License-Identifier: Apache-2.0
// Compiled code that is made slow on purpose gives way to the interpreter, in recorded and in jitted graphs.
#include "backends/Compile.h"
#include "frontend/Capture.h"
#include "frontend/Flush.h"
#include "frontend/Jit.h"
#include "frontend/Ops.h"
#include "runtime/Config.h"
#include "runtime/ExecutionCache.h"
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

using namespace tinyfin;

namespace {

constexpr int64_t kRows = 256;
constexpr auto kDelay = std::chrono::milliseconds(100);

/// Another executable with a pause in front of each run.
struct Slowed : Executable {
  explicit Slowed(std::shared_ptr<Executable> inner) : inner(std::move(inner)) {
    inputs = this->inner->inputs, outputs = this->inner->outputs, stats = this->inner->stats, device = this->inner->device;
  }
  Status run(std::span<void *const> in, std::span<void *const> out) override {
    std::this_thread::sleep_for(kDelay);
    ++runs;
    return inner->run(in, out);
  }
  const char *backend() const override { return "slowed"; }
  std::shared_ptr<Executable> inner;
  int runs = 0;
};

Tensor filledWith(double value) { return makeTensor(filled(scalarValue(value, DType::F32), {Dim(kRows), Dim(kRows)})); }
float firstOf(const Tensor &x) {
  Recorder::materialize(*x->read().value, "test");
  return *static_cast<const float *>(x->read().value->buffer->data());
}
/// (x @ x) * 2 + x: about a millisecond of the interpreter's time.
Tensor formula(const Tensor &x) {
  Operand product = Operand::of(ops::matmul(x, x));
  return ops::binary(OpId::Add, Operand::of(ops::binary(OpId::Mul, product, Operand::of(2.0))), Operand::of(x));
}
std::shared_ptr<CacheEntry> newestEntry() { return ExecutionCache::process().entries().back(); }

class NeverSlower : public ::testing::Test {
protected:
  void SetUp() override {
    ExecutionCache::process().clear();
    ASSERT_TRUE(Config::process().set("TINYFIN_BACKGROUND_COMPILE", "0").isOk());
    Recorder::current().flush("test");
  }
  void TearDown() override { ASSERT_TRUE(Config::process().set("TINYFIN_BACKGROUND_COMPILE", "1").isOk()); }
};

TEST_F(NeverSlower, RecordedGraph) {
  Tensor x = filledWith(1);
  firstOf(x);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(firstOf(formula(x)), 2 * kRows + 1);
  auto entry = newestEntry();
  ASSERT_STREQ(entry->executable()->backend(), "interpreter");
  auto slowed = std::make_shared<Slowed>(entry->executable());
  ExecutionCache::process().install(*entry, slowed);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(firstOf(formula(x)), 2 * kRows + 1);
  EXPECT_EQ(slowed->runs, Trial::kWatched + Trial::kRounds);
  EXPECT_EQ(entry->state(), CompileState::Refused);
  EXPECT_TRUE(entry->refusal().starts_with("slower than the interpreter: compiled 1")) << entry->refusal();
}

/// A jitted state that each call adds one to, over a chain that one compiled pass makes much faster.
struct Counter {
  int length; // of the chain
  Tensor state = makeTensor(filled(scalarValue(0.0, DType::F32), {Dim(1024), Dim(1024)}));
  void body() {
    Tensor zero = ops::binary(OpId::Mul, Operand::of(state), Operand::of(0.0));
    for (int i = 0; i < length; ++i) zero = ops::unary(i % 2 ? OpId::Tanh : OpId::Abs, zero);
    Tensor next = ops::binary(OpId::Add, Operand::of(zero), Operand::of(ops::binary(OpId::Add, Operand::of(state), Operand::of(1.0))));
    state->write(next->read());
  }
};

/// What the first calls of a jitted function do: the first compiles, each computes what it recorded.
void record(Counter &counter, std::unique_ptr<JitProgram> &program) {
  Capture capture({}, true);
  counter.body();
  if (!program) program = std::make_unique<JitProgram>(capture, llvm::ArrayRef<Tensor>());
  program->runCaptured(capture);
}

void runJitted(bool isSlowed) {
  Counter counter{isSlowed ? 2 : 20};
  firstOf(counter.state);
  std::unique_ptr<JitProgram> program;
  record(counter, program);
  auto entry = newestEntry();
  ASSERT_EQ(entry->state(), CompileState::Compiled);
  auto slowed = std::make_shared<Slowed>(entry->executable());
  if (isSlowed) {
    entry->note(Trial::Side::Compiled, 1e6); // the first run, had it been the slowed code's
    ExecutionCache::process().install(*entry, slowed);
  }
  record(counter, program);
  for (int i = 0; i < 20; ++i) program->run({}, {});
  EXPECT_EQ(firstOf(counter.state), 22) << "each call ran once";
  EXPECT_FALSE(entry->choose().isTimed) << "settled";
  if (!isSlowed) {
    EXPECT_EQ(entry->state(), CompileState::Compiled) << entry->refusal();
    return;
  }
  EXPECT_LE(slowed->runs, Trial::kWatched + Trial::kRounds);
  EXPECT_EQ(entry->state(), CompileState::Refused);
  EXPECT_TRUE(program->refusal.starts_with("slower than the interpreter")) << program->refusal;
}

TEST_F(NeverSlower, JittedGraph) { runJitted(true); }
TEST_F(NeverSlower, OrdinaryJittedGraphStays) { runJitted(false); }

} // namespace
