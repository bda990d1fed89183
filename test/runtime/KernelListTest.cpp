// SPDX-License-Identifier: Apache-2.0
#include "runtime/KernelList.h"
#include "runtime/Profiler.h"
#include <gtest/gtest.h>
#include <numeric>
#include <thread>

using namespace tinyfin;

namespace {

Status addKernel(const KernelArgs &args) {
  EXPECT_EQ(args.inputs.size(), 2u);
  EXPECT_EQ(args.outputs.size(), 1u);
  for (int64_t i = 0; i < args.outputs[0].numElements(); ++i)
    args.outputs[0].as<float>()[i] = args.inputs[0].as<float>()[i] + args.inputs[1].as<float>()[i];
  return Status::ok();
}

Status scaleKernel(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  float factor = static_cast<float>(attrs.real());
  EXPECT_TRUE(attrs.atEnd());
  EXPECT_EQ(args.inputs[0].dtype, DType::F32);
  for (int64_t i = 0; i < args.inputs[0].numElements(); ++i)
    args.outputs[0].as<float>()[i] = factor * args.inputs[0].as<float>()[i];
  return Status::ok();
}

Status failKernel(const KernelArgs &) { return Status::error(StatusCode::OutOfRange, "index 9 of 3"); }

void squareGenerated(void *const *args, const int64_t *dims, int64_t begin, int64_t end) {
  auto *in = static_cast<const float *>(args[0]);
  auto *out = static_cast<float *>(args[1]);
  for (int64_t i = begin * dims[0]; i < end * dims[0]; ++i) out[i] = in[i] * in[i];
}

Status addConstantCall(void *closure, void *const *args, ThreadPool &) {
  int64_t count = *static_cast<int64_t *>(closure);
  for (int64_t i = 0; i < count; ++i)
    static_cast<float *>(args[2])[i] = static_cast<float *>(args[0])[i] + static_cast<float *>(args[1])[i];
  return Status::ok();
}

/// out0 = (2 * (a + b))^2 + constant, out1 = a; the step kinds alternate between two arena blocks.
StatusOr<std::shared_ptr<Executable>> makeList(int64_t n) {
  TensorType type{DType::F32, {n}};
  size_t bytes = (type.bytes() + 63) / 64 * 64;
  KernelListBuilder list("test");
  ArgRef a = ArgRef::input(list.addInput(type)), b = ArgRef::input(list.addInput(type));
  ArgRef out = ArgRef::output(list.addOutput(type)), copy = ArgRef::output(list.addOutput(type));
  BufferRef constant = Device::cpu().allocate(type.bytes()).value();
  std::fill_n(static_cast<float *>(constant->data()), n, 0.5f);
  ArgRef half = ArgRef::constant(list.addConstant(constant));
  list.setArenaBytes(2 * bytes);
  ArgRef low = ArgRef::arena(0), high = ArgRef::arena(bytes);
  Words two;
  AttrWriter(two).real(2);
  list.add(EagerStep{{"add", 0, true}, addKernel, {}, {{a, type}, {b, type}}, {{low, type}}});
  list.add(EagerStep{{"scale", 1, true}, scaleKernel, two, {{low, type}}, {{high, type}}});
  list.add(GeneratedStep{{"square", 2}, squareGenerated, {high, low}, {1}, n, 64, 2 * type.bytes()});
  list.add(CallStep{{"add_constant", 3}, addConstantCall, std::make_shared<int64_t>(n), {low, half, out}});
  list.addCopy(a, copy, type.bytes());
  return list.build();
}

void runAndCheck(Executable &executable, int64_t n, float start) {
  std::vector<float> a(n), b(n, 1), out(n, -1), copy(n, -1);
  std::iota(a.begin(), a.end(), start);
  void *inputs[] = {a.data(), b.data()}, *outputs[] = {out.data(), copy.data()};
  Status status = executable.run(inputs, outputs);
  ASSERT_TRUE(status.isOk()) << status.message();
  for (int64_t i = 0; i < n; ++i) {
    float doubled = 2 * (a[i] + 1);
    ASSERT_EQ(out[i], doubled * doubled + 0.5f) << i;
    ASSERT_EQ(copy[i], a[i]) << i;
  }
}

TEST(KernelList, RunsEveryKindOfStep) {
  for (int64_t n : {0, 1, 5, 1000, 100000}) {
    StatusOr<std::shared_ptr<Executable>> list = makeList(n);
    ASSERT_TRUE(list.isOk()) << list.status().message();
    runAndCheck(*list.value(), n, 3);
    EXPECT_EQ(list.value()->stats.kernels, 3u);
    EXPECT_EQ(list.value()->stats.interpretedOps, 2u);
    EXPECT_EQ(list.value()->stats.constantBytes, n * sizeof(float));
    EXPECT_STREQ(list.value()->backend(), "test");
  }
}

TEST(KernelList, ThreadsRunOneListAtOnce) {
  std::shared_ptr<Executable> list = makeList(3000).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) runAndCheck(*list, 3000, static_cast<float>(t * 1000 + i));
    });
  for (std::thread &thread : threads) thread.join();
}

TEST(KernelList, SteadyStateAsksTheSystemForNothing) {
  std::shared_ptr<Executable> list = makeList(50000).value();
  runAndCheck(*list, 50000, 0);
  uint64_t before = Device::cpu().memoryStats().systemAllocations;
  for (int i = 0; i < 20; ++i) runAndCheck(*list, 50000, 0);
  EXPECT_EQ(Device::cpu().memoryStats().systemAllocations, before);
}

void scaleDown(void *const *args, const int64_t *, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) static_cast<float *>(args[1])[i] = static_cast<float *>(args[0])[i] * 1e-10f;
}

/// What a list makes of 1e-30, scaled down to a denormal by pieces of `grain`.
std::vector<float> scaledDown(bool flushes, int64_t grain) {
  TensorType type{DType::F32, {64}};
  KernelListBuilder list("test");
  ArgRef in = ArgRef::input(list.addInput(type)), out = ArgRef::output(list.addOutput(type));
  list.add(GeneratedStep{{"scale down"}, scaleDown, {in, out}, {}, 64, grain});
  if (flushes) list.flushDenormals();
  std::vector<float> x(64, 1e-30f), y(64, 1);
  void *inputs[] = {x.data()}, *outputs[] = {y.data()};
  EXPECT_TRUE(list.build().value()->run(inputs, outputs).isOk());
  return y;
}

TEST(KernelList, FlushesDenormalsWhereAsked) {
#if !defined(__SSE__)
  GTEST_SKIP() << "no mode that flushes denormals is known here";
#endif
  volatile float small = 1e-30f;
  const float kept = small * 1e-10f;
  ASSERT_GT(kept, 0);
  for (int64_t grain : {64, 1}) { // on the caller's thread, and on all
    EXPECT_EQ(scaledDown(true, grain), std::vector<float>(64, 0)) << grain;
    EXPECT_EQ(scaledDown(false, grain), std::vector<float>(64, kept)) << grain;
    EXPECT_EQ(small * 1e-10f, kept) << "the caller's mode";
  }
}

TEST(KernelList, StopsAtTheFirstFailureAndNamesItsOp) {
  TensorType type{DType::F32, {4}};
  KernelListBuilder list("test");
  ArgRef in = ArgRef::input(list.addInput(type)), out = ArgRef::output(list.addOutput(type));
  list.add(EagerStep{{"fail", 7}, failKernel, {}, {{in, type}}, {{out, type}}});
  list.addCopy(in, out, type.bytes());
  std::shared_ptr<Executable> built = list.build().value();
  float x[4] = {1, 2, 3, 4}, y[4] = {};
  void *inputs[] = {x}, *outputs[] = {y};
  Status status = built->run(inputs, outputs);
  EXPECT_EQ(status.code(), StatusCode::OutOfRange);
  EXPECT_EQ(status.message(), "index 9 of 3");
  EXPECT_EQ(status.origin(), 7);
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(built->run({}, outputs).code(), StatusCode::Internal);
}

TEST(KernelList, BuilderRefusesWhatReachesOutside) {
  TensorType type{DType::F32, {32}};
  KernelListBuilder list("test");
  ArgRef in = ArgRef::input(list.addInput(type));
  list.setArenaBytes(128);
  list.add(EagerStep{{"relu"}, scaleKernel, {}, {{in, type}}, {{ArgRef::arena(64), type}}});
  StatusOr<std::shared_ptr<Executable>> built = list.build();
  EXPECT_EQ(built.status().message(), "kernel list: relu reaches 192 bytes into an arena of 128");
  list.add(EagerStep{{"relu"}, scaleKernel, {}, {{in, type}}, {{ArgRef::output(0), type}}});
  EXPECT_EQ(list.build().status().code(), StatusCode::Internal);
}

TEST(KernelList, ListsItsSteps) {
  auto list = std::static_pointer_cast<KernelList>(makeList(16).value());
  EXPECT_EQ(list->listing(),
            "add(input 0, input 1, arena + 0)\nscale(arena + 0, arena + 64)\nsquare(arena + 64, arena + 0)\n"
            "add_constant(arena + 0, constant 0, output 0)\ncopy(input 0, output 1)\n");
}

TEST(Profiler, RecordsStepsOnlyWhenOn) {
  std::shared_ptr<Executable> list = makeList(100).value();
  Profiler &profiler = Profiler::process();
  profiler.start();
  for (int i = 0; i < 3; ++i) runAndCheck(*list, 100, 0);
  profiler.stop();
  runAndCheck(*list, 100, 0);
  EXPECT_EQ(profiler.spans().size(), 15u);
  bool found = false;
  for (const Profiler::Total &total : profiler.totals())
    if (total.name == "square") {
      found = true;
      EXPECT_EQ(total.count, 3u);
      EXPECT_EQ(total.bytes, 3 * 800u);
      EXPECT_GE(total.totalNs, total.maxNs);
      EXPECT_LE(total.minNs, total.maxNs);
    }
  EXPECT_TRUE(found);
}

TEST(Profiler, ChromeTraceEscapesNames) {
  Profiler &profiler = Profiler::process();
  profiler.start();
  {
    ProfileScope scope("a \"quoted\\\n\x01 name", 12);
  }
  profiler.stop();
  {
    ProfileScope scope("unseen");
  }
  std::string trace = profiler.chromeTrace();
  EXPECT_NE(trace.find(R"("name":"a \"quoted\\\u000a\u0001 name","args":{"bytes":12})"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("unseen"), std::string::npos);
  EXPECT_EQ(profiler.spans().size(), 1u);
}

} // namespace
