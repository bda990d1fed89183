// SPDX-License-Identifier: Apache-2.0
// Whole graphs on the CPU backend give what the interpreter gives; errors, sharing of kernels and symbols of objects.
#include "SpecTesting.h"
#include "backends/Compile.h"
#include "backends/cpu/Codegen.h"
#include "backends/cpu/Emit.h"
#include "backends/cpu/KernelCache.h"
#include "llvm/Object/ObjectFile.h"

namespace tinyfin::cpu {
namespace {

std::shared_ptr<Executable> compiled(const Recording &r, std::vector<uint32_t> outputs, const char *backend) {
  auto executable = compileTrace(r.words, outputs, *findBackend(backend).value(), {});
  EXPECT_TRUE(executable.isOk()) << executable.status().message();
  return executable.isOk() ? executable.value() : nullptr;
}

std::vector<Tensor> run(const Recording &r, std::vector<uint32_t> outputs, const char *backend, std::vector<Tensor> inputs, Status &status) {
  auto executable = compiled(r, outputs, backend);
  std::vector<Tensor> results;
  std::vector<void *> in, out;
  for (uint32_t output : outputs) results.emplace_back(r.types[output]);
  for (Tensor &input : inputs) in.push_back(input.data());
  for (Tensor &result : results) out.push_back(result.data());
  if (executable) status = executable->run(in, out);
  return results;
}

std::vector<Tensor> inputsOf(const Recording &r) {
  KernelSpec spec;
  for (uint32_t input : r.inputs) spec.values.push_back(r.types[input]);
  spec.numInputs = spec.values.size();
  return makeInputs(spec, 7, Fill::Unit);
}

void expectAgreement(const Recording &r, std::vector<uint32_t> outputs, std::vector<Tensor> inputs, double tolerance = 1e-4) {
  Status a, b;
  std::vector<Tensor> found = run(r, outputs, "cpu", inputs, a), wanted = run(r, outputs, "interpreter", inputs, b);
  ASSERT_TRUE(a.isOk()) << a.message();
  ASSERT_TRUE(b.isOk()) << b.message();
  for (size_t i = 0; i < found.size(); ++i) expectNear(found[i], wanted[i], tolerance, tolerance, "output " + std::to_string(i));
}

Recording trainingStep(int64_t batch, int64_t inputs, int64_t hidden, int64_t classes, std::vector<uint32_t> &outputs) {
  Recording r;
  uint32_t x = r.input({batch, inputs}), w1 = r.input({inputs, hidden}), b1 = r.input({hidden}), w2 = r.input({hidden, classes});
  uint32_t target = r.input({batch, classes}), rate = r.input({});
  Words plain{0, 0}, left{1, 0}, right{0, 1};
  uint32_t z = r.op(OpId::Add, {r.op(OpId::Matmul, {x, w1}, plain), b1}), h = r.op(OpId::Relu, {z});
  uint32_t logits = r.op(OpId::Matmul, {h, w2}, plain);
  uint32_t e = r.op(OpId::Exp, {r.op(OpId::Sub, {logits, r.reduce(OpId::ReduceMax, logits, {1}, true)})});
  uint32_t p = r.op(OpId::Div, {e, r.reduce(OpId::Sum, e, {1}, true)});
  uint32_t dlogits = r.op(OpId::Sub, {p, target});
  uint32_t dw2 = r.op(OpId::Matmul, {h, dlogits}, left), dh = r.op(OpId::Matmul, {dlogits, w2}, right);
  uint32_t positive = r.op(OpId::Cast, {r.op(OpId::Gt, {h, r.op(OpId::Sub, {h, h})})}, {int64_t(DType::F32)});
  uint32_t dz = r.op(OpId::Mul, {dh, positive}), db1 = r.reduce(OpId::Sum, dz, {0}, false);
  uint32_t dw1 = r.op(OpId::Matmul, {x, dz}, left);
  uint32_t loss = r.reduce(OpId::Mean, r.op(OpId::Square, {dlogits}), {0, 1}, false);
  auto update = [&](uint32_t parameter, uint32_t gradient) {
    return r.op(OpId::Sub, {parameter, r.op(OpId::Mul, {gradient, rate})});
  };
  outputs = {update(w1, dw1), update(b1, db1), update(w2, dw2), loss};
  return r;
}

TEST(CpuBackend, TrainingStep) {
  for (int64_t batch : {3, 64, 300}) {
    std::vector<uint32_t> outputs;
    Recording r = trainingStep(batch, 49, 96, 10, outputs);
    expectAgreement(r, outputs, inputsOf(r));
    EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
  }
}

TEST(CpuBackend, LargeReductionsAreCutAlike) {
  Recording r;
  uint32_t x = r.input({5000, 10}), y = r.input({100000});
  uint32_t half = r.op(OpId::Cast, {x}, {int64_t(DType::BF16)});
  std::vector<uint32_t> outputs = {r.reduce(OpId::Sum, x, {0}, false), r.reduce(OpId::Mean, y, {0}, true),
                                   r.reduce(OpId::ReduceMax, x, {0, 1}, false), r.reduce(OpId::Mean, half, {0}, true),
                                   r.op(OpId::Sqrt, {r.reduce(OpId::Sum, r.op(OpId::Square, {x}), {0, 1}, false)})};
  expectAgreement(r, outputs, inputsOf(r), 1e-2);
}

TEST(CpuBackend, SlicesAndGathersOutOfRangeFail) {
  Recording r;
  uint32_t x = r.input({8, 5}), starts = r.input({2}, DType::I64), indices = r.input({3}, DType::I64);
  Words slice;
  AttrWriter(slice).list(std::vector<int64_t>{2, 5}).list(std::vector<int64_t>{1, 1});
  std::vector<uint32_t> outputs = {r.op(OpId::Slice, {x, starts}, slice), r.op(OpId::Gather, {x, indices}, {0})};
  std::vector<Tensor> inputs = inputsOf(r);
  for (int64_t i = 0; i < 3; ++i) inputs[2].set(i, 7 - i);
  inputs[1].set(0, 6), inputs[1].set(1, 0);
  expectAgreement(r, outputs, inputs);
  for (auto [input, value] : {std::pair(1, 7), {1, -1}, {2, 8}, {2, -1}}) {
    std::vector<Tensor> bad = inputs;
    bad[input].set(0, value);
    Status found, wanted;
    run(r, outputs, "cpu", bad, found);
    run(r, outputs, "interpreter", bad, wanted);
    EXPECT_EQ(found.code(), StatusCode::OutOfRange);
    EXPECT_EQ(found.message(), wanted.message());
  }
}

TEST(CpuBackend, ConvolutionsAndPools) {
  Recording r;
  uint32_t x = r.input({2, 3, 9, 9}), w = r.input({4, 3, 3, 3});
  Words conv, pool;
  AttrWriter(conv).list(std::vector<int64_t>{1, 1}).list(std::vector<int64_t>{1, 1}).flag(false);
  AttrWriter(pool).list(std::vector<int64_t>{3, 3}).list(std::vector<int64_t>{2, 2}).list(std::vector<int64_t>{0, 0}).flag(false);
  uint32_t y = r.op(OpId::Conv2d, {x, w}, conv);
  expectAgreement(r, {r.op(OpId::MaxPool2d, {r.op(OpId::Relu, {y})}, pool), y}, inputsOf(r));
}

TEST(CpuBackend, ReductionsWithFullResultsRunInPieces) {
  Recording r;
  uint32_t x = r.input({4100, 64}), dy = r.input({4100, 64});
  uint32_t product = r.op(OpId::Mul, {x, dy}), sum = r.reduce(OpId::Sum, product, {0}, false);
  uint32_t other = r.reduce(OpId::Sum, r.op(OpId::Mul, {product, x}), {0}, false);
  expectAgreement(r, {product, sum, r.op(OpId::Add, {sum, other})}, inputsOf(r), 1e-3);
}

/// Convolution, statistics of channels, normalization, relu, pool, convolution with stride, and both gradients.
TEST(CpuBackend, ChainsOfConvolutionsWithChannelsLast) {
  Recording r;
  uint32_t x = r.input({2, 32, 12, 10}), w = r.input({48, 32, 3, 3}), v = r.input({16, 48, 3, 3}), dy = r.input({2, 16, 3, 3});
  auto slide = [](std::vector<std::vector<int64_t>> lists) {
    Words words;
    for (const auto &list : lists) AttrWriter(words).list(list);
    AttrWriter(words).flag(false);
    return words;
  };
  auto perChannel = [&](uint32_t value) {
    Words shape;
    AttrWriter(shape).list(std::vector<int64_t>{48, 1, 1});
    return r.op(OpId::Reshape, {value}, shape);
  };
  uint32_t y = r.op(OpId::Conv2d, {x, w}, slide({{1, 1}, {1, 1}}));
  uint32_t centered = r.op(OpId::Sub, {y, perChannel(r.reduce(OpId::Mean, y, {0, 2, 3}, false))});
  uint32_t variance = r.reduce(OpId::Mean, r.op(OpId::Square, {centered}), {0, 2, 3}, false);
  uint32_t relu = r.op(OpId::Relu, {r.op(OpId::Mul, {centered, perChannel(r.op(OpId::Rsqrt, {variance}))})});
  uint32_t pooled = r.op(OpId::MaxPool2d, {relu}, slide({{2, 2}, {2, 2}, {0, 0}}));
  uint32_t z = r.op(OpId::Conv2d, {pooled, v}, slide({{2, 2}, {1, 1}}));
  uint32_t dPooled = r.op(OpId::Conv2dInputGrad, {dy, v}, slide({{6, 5}, {2, 2}, {1, 1}}));
  uint32_t dRelu = r.op(OpId::MaxPool2dGrad, {relu, dPooled}, slide({{2, 2}, {2, 2}, {0, 0}}));
  std::vector<uint32_t> outputs = {z, r.op(OpId::Conv2dWeightGrad, {pooled, dy}, slide({{3, 3}, {2, 2}, {1, 1}})),
                                   r.op(OpId::Conv2dWeightGrad, {x, dRelu}, slide({{3, 3}, {1, 1}, {1, 1}})),
                                   r.op(OpId::Conv2dInputGrad, {dRelu, w}, slide({{12, 10}, {1, 1}, {1, 1}}))};
  expectAgreement(r, outputs, inputsOf(r), 2e-4);
  EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
}

TEST(CpuBackend, GradientsOfPoolsAreCompiled) {
  for (std::vector<int64_t> window : {std::vector<int64_t>{2, 2, 0}, {3, 2, 1}, {3, 3, 0}}) {
    Recording r;
    uint32_t x = r.input({2, 3, 20, 17});
    Words pool, grad;
    for (int64_t size : window) AttrWriter(pool).list(std::vector<int64_t>{size, size});
    AttrWriter(pool).flag(false);
    AttrWriter(grad).list(std::vector<int64_t>{20, 17});
    grad.insert(grad.end(), pool.begin(), pool.end());
    uint32_t largest = r.op(OpId::MaxPool2d, {x}, pool), mean = r.op(OpId::AvgPool2d, {x}, pool);
    std::vector<uint32_t> outputs = {r.op(OpId::MaxPool2dGrad, {x, r.op(OpId::Square, {largest})}, pool),
                                     r.op(OpId::AvgPool2dGrad, {r.op(OpId::Square, {mean})}, grad)};
    expectAgreement(r, outputs, inputsOf(r), 1e-5);
    EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
  }
}

TEST(CpuBackend, LabelsOutOfRangeFailBeforeDonatedMemoryIsWritten) {
  Recording r;
  uint32_t logits = r.input({4, 10}), labels = r.input({4}, DType::I64), p = r.input({3});
  uint32_t loss = r.op(OpId::CrossEntropy, {logits, labels}, {1});
  uint32_t updated = r.op(OpId::Sub, {p, loss});
  std::vector<uint32_t> outputs = {updated, loss};
  std::vector<Tensor> inputs = inputsOf(r);
  for (int64_t i = 0; i < 4; ++i) inputs[1].set(i, 3 * i);
  expectAgreement(r, outputs, inputs);
  auto executable = compiled(r, outputs, "cpu");
  EXPECT_EQ(executable->stats.interpretedOps, 0u);
  ASSERT_EQ(executable->donations.size(), 1u);
  ASSERT_EQ(executable->donations[0].input, 2u);
  for (int64_t bad : {-1, 10}) {
    inputs[1].set(3, bad);
    Tensor before = inputs[2], other(r.types[loss]);
    void *in[] = {inputs[0].data(), inputs[1].data(), inputs[2].data()}, *out[] = {inputs[2].data(), other.data()};
    Status status = executable->run(in, out);
    EXPECT_EQ(status.code(), StatusCode::OutOfRange) << status.message();
    EXPECT_GE(status.origin(), 0);
    for (int64_t i = 0; i < before.count(); ++i) EXPECT_EQ(inputs[2].at(i), before.at(i));
  }
}

TEST(CpuBackend, AssertsFailWithTheirMessage) {
  Recording r;
  uint32_t x = r.input({5}), y = r.input({5});
  Words message;
  AttrWriter(message).text("x must not be y");
  fin::appendOp(r.words, OpId::Assert, std::vector<uint32_t>{r.op(OpId::Ne, {x, y})}, message);
  std::vector<uint32_t> outputs = {r.op(OpId::Add, {x, y})};
  EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
  std::vector<Tensor> inputs = inputsOf(r);
  for (int64_t i = 0; i < 5; ++i) inputs[0].set(i, i), inputs[1].set(i, i + 1);
  expectAgreement(r, outputs, inputs);
  inputs[1].set(4, 4);
  Status found, wanted;
  run(r, outputs, "cpu", inputs, found);
  run(r, outputs, "interpreter", inputs, wanted);
  EXPECT_EQ(found.code(), StatusCode::AssertFailed);
  EXPECT_EQ(found.message(), wanted.message());
}

TEST(CpuBackend, ArgmaxIsCompiled) {
  Recording r;
  uint32_t x = r.input({4, 9, 70}), n = r.input({5, 3}, DType::I32);
  std::vector<uint32_t> outputs;
  for (int64_t axis : {0, 1, 2}) outputs.push_back(r.op(OpId::Argmax, {x}, {axis, axis == 1}));
  outputs.push_back(r.op(OpId::Argmax, {n}, {1, 0}));
  expectAgreement(r, outputs, inputsOf(r));
  EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
}

TEST(CpuBackend, UpdatesOfSlicesAndScattersAreCompiled) {
  Recording r;
  uint32_t x = r.input({8, 6}), update = r.input({2, 3}), starts = r.input({2}, DType::I64);
  uint32_t rows = r.input({3, 6}), indices = r.input({3}, DType::I32), scalar = r.input({});
  uint32_t none = r.input({0}, DType::I64);
  Words steps;
  AttrWriter(steps).list(std::vector<int64_t>{3, 2});
  std::vector<uint32_t> outputs = {r.op(OpId::SliceUpdate, {x, update, starts}, steps), r.op(OpId::ScatterAdd, {x, indices, rows}, {0}),
                                   r.op(OpId::SliceUpdate, {scalar, r.op(OpId::Square, {scalar}), none}, {0})};
  EXPECT_EQ(compiled(r, outputs, "cpu")->stats.interpretedOps, 0u);
  std::vector<Tensor> inputs = inputsOf(r);
  inputs[2].set(0, 4), inputs[2].set(1, 1);
  for (int64_t i = 0; i < 3; ++i) inputs[4].set(i, i == 2 ? 0 : 7); // 7 twice
  expectAgreement(r, outputs, inputs, 1e-6);
  for (auto [input, value] : {std::pair(2, 5), {2, -1}, {4, 8}, {4, -1}}) {
    std::vector<Tensor> bad = inputs;
    bad[input].set(0, value);
    Status found, wanted;
    run(r, outputs, "cpu", bad, found);
    run(r, outputs, "interpreter", bad, wanted);
    EXPECT_EQ(found.code(), StatusCode::OutOfRange);
    EXPECT_EQ(found.message(), wanted.message());
  }
}

TEST(CpuBackend, AnUpdateInDonatedMemoryChecksBeforeItWrites) {
  Recording r;
  uint32_t x = r.input({8, 6}), update = r.input({2, 3}), starts = r.input({2}, DType::I64);
  Words steps;
  AttrWriter(steps).list(std::vector<int64_t>{1, 1});
  auto executable = compiled(r, {r.op(OpId::SliceUpdate, {x, update, starts}, steps)}, "cpu");
  ASSERT_EQ(executable->donations.size(), 1u);
  std::vector<Tensor> inputs = inputsOf(r);
  Tensor before = inputs[0];
  void *in[] = {inputs[0].data(), inputs[1].data(), inputs[2].data()}, *out[] = {inputs[0].data()};
  inputs[2].set(0, 7), inputs[2].set(1, 2);
  EXPECT_EQ(executable->run(in, out).code(), StatusCode::OutOfRange);
  expectNear(inputs[0], before, 0, 0, "after a failure");
  inputs[2].set(0, 6);
  ASSERT_TRUE(executable->run(in, out).isOk());
  for (int64_t i = 0; i < 48; ++i) {
    bool isInside = i / 6 >= 6 && i % 6 >= 2 && i % 6 < 5;
    EXPECT_EQ(inputs[0].at(i), isInside ? inputs[1].at((i / 6 - 6) * 3 + i % 6 - 2) : before.at(i)) << i;
  }
}

TEST(CpuBackend, WhatHasNoGeneratedFormIsCounted) {
  Recording r;
  uint32_t x = r.input({4, 9}, DType::I64), y = r.input({4, 9}, DType::I64);
  auto executable = compiled(r, {r.op(OpId::Div, {x, y})}, "cpu");
  EXPECT_EQ(executable->stats.interpretedOps, 1u);
  ASSERT_EQ(executable->stats.refusals.size(), 1u);
  EXPECT_NE(executable->stats.refusals[0].find("fin.div"), std::string::npos);
}

TEST(Launch, TenMicrosecondsAreSharedButWakeNobody) {
  Launch launch;
  launch.last = Dim(100);
  launch.work = {Dim(100), Dim(1000)};
  launch.cost = 0.1;
  EXPECT_EQ(launch.count(), 100);
  EXPECT_EQ(launch.grain(), 50);
  EXPECT_GE(launch.grain({}, {}, kWakingNanoseconds), launch.count());
}

TEST(KernelCache, EqualStructuresShareCode) {
  auto spec = [](int64_t extent) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, {extent});
    return b.finish({b.op(OpId::Tanh, {b.op(OpId::Square, {x})})});
  };
  auto kernels = compileKernels({spec(12345), spec(12345), spec(12346)}, 1);
  ASSERT_TRUE(kernels.isOk());
  EXPECT_EQ(kernels.value()[0].function, kernels.value()[1].function);
  EXPECT_NE(kernels.value()[0].function, kernels.value()[2].function);
  uint64_t misses = kernelCacheStats().misses;
  EXPECT_EQ(compileKernels({spec(12345)}, 1).value()[0].function, kernels.value()[0].function);
  EXPECT_EQ(kernelCacheStats().misses, misses);
}

/// No level of the instruction set leaves a call to libm or anything else in a kernel.
TEST(Codegen, ObjectsHaveNoUndefinedSymbols) {
  for (const char *level : {"x86-64-v2", "x86-64-v3", "x86-64-v4", "host"})
    for (DType dtype : {DType::F32, DType::F64, DType::BF16, DType::I64}) {
      Machine machine = Machine::level(level);
      Codegen codegen(machine);
      mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&codegen.context()));
      int number = 0;
      for (OpId id : {OpId::Exp, OpId::Log, OpId::Sqrt, OpId::Rsqrt, OpId::Tanh, OpId::Erf, OpId::Sin, OpId::Cos, OpId::Pow,
                      OpId::Sigmoid, OpId::Mul, OpId::Maximum, OpId::Square}) {
        bool isBinary = id == OpId::Pow || id == OpId::Maximum || id == OpId::Mul;
        if (dtype == DType::I64 && id != OpId::Mul && id != OpId::Maximum && id != OpId::Square) continue;
        SpecBuilder b;
        uint32_t x = b.input(dtype, {5, 37});
        uint32_t y = b.op(id, isBinary ? std::vector<uint32_t>{x, x} : std::vector<uint32_t>{x});
        KernelSpec spec = b.finish({y, b.op(OpId::Cast, {y}, {int64_t(DType::I32)})});
        EXPECT_EQ(emitKernel(*module, spec, machine, "k" + std::to_string(number++)).refusal, "");
        SpecBuilder c;
        uint32_t z = c.input(dtype, {5, 37});
        EXPECT_EQ(emitKernel(*module, c.finish({c.reduce(OpId::ReduceMax, z, {1}, false)}), machine, "k" + std::to_string(number++)).refusal, "");
      }
      auto object = codegen.object(*module);
      ASSERT_TRUE(object.isOk()) << object.status().message();
      auto file = llvm::object::ObjectFile::createObjectFile(object.value()->getMemBufferRef());
      ASSERT_TRUE(static_cast<bool>(file)) << llvm::toString(file.takeError());
      for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
        if (llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined)
          EXPECT_EQ(llvm::cantFail(symbol.getName()).str(), "") << level << " " << nameOf(dtype);
      }
    }
}

} // namespace
} // namespace tinyfin::cpu
