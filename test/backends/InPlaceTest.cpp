// SPDX-License-Identifier: Apache-2.0
// Planning and donation let elementwise ops write over an operand: every eager kernel must then compute the same.
#include "backends/KernelTable.h"
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

using Bytes = std::vector<char>;

/// Small whole numbers are valid elements of every type and stay exact.
Bytes randomBytes(DType dtype, int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(count * sizeOf(dtype));
  for (int64_t i = 0; i < count; ++i) {
    int value = dtype == DType::Bool ? random() & 1 : 1 + random() % 5;
    char *at = bytes.data() + i * sizeOf(dtype);
    switch (dtype) {
    case DType::F32: *reinterpret_cast<float *>(at) = value; break;
    case DType::F64: *reinterpret_cast<double *>(at) = value; break;
    case DType::BF16: *reinterpret_cast<uint16_t *>(at) = std::bit_cast<uint32_t>(float(value)) >> 16; break;
    case DType::F16: *reinterpret_cast<_Float16 *>(at) = static_cast<_Float16>(value); break;
    case DType::I64: *reinterpret_cast<int64_t *>(at) = value; break;
    case DType::I32: *reinterpret_cast<int32_t *>(at) = value; break;
    default: *at = static_cast<char>(value);
    }
  }
  return bytes;
}

struct Case {
  OpId op;
  std::vector<DType> dtypes; // of the operands
  Words attrs;
  int64_t count;
};

void expectSameInPlace(const Case &test) {
  llvm::SmallVector<TensorSpec> operands, results;
  for (DType dtype : test.dtypes) operands.push_back({dtype, {Dim(test.count)}});
  std::string error;
  if (failed(inferResults(test.op, operands, test.attrs, results, error))) return; // not for these types
  int64_t dims[] = {test.count};
  std::vector<Bytes> inputs;
  for (size_t i = 0; i < test.dtypes.size(); ++i) inputs.push_back(randomBytes(test.dtypes[i], test.count, i + 1));
  auto run = [&](std::vector<Bytes> &in, void *out) {
    std::vector<TensorArg> args;
    for (size_t i = 0; i < in.size(); ++i) args.push_back({in[i].data(), test.dtypes[i], dims});
    TensorArg result{out, results[0].dtype, dims};
    return kernelOf(test.op)({AttrReader(test.attrs), args, {&result, 1}, ThreadPool::process()});
  };
  Bytes expected(test.count * sizeOf(results[0].dtype));
  std::vector<Bytes> apart = inputs;
  ASSERT_TRUE(run(apart, expected.data()).isOk());
  for (size_t taken = 0; taken < inputs.size(); ++taken) {
    if (inputs[taken].size() != expected.size()) continue;
    std::vector<Bytes> shared = inputs;
    ASSERT_TRUE(run(shared, shared[taken].data()).isOk());
    EXPECT_EQ(shared[taken], expected) << infoOf(test.op).name << " over operand " << taken << ", " << test.count << " "
                                       << nameOf(test.dtypes.back());
  }
}

constexpr DType kDTypes[] = {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64,
                             DType::I32, DType::I8,  DType::U8,   DType::Bool};

TEST(InPlace, EveryElementwiseKernel) {
  unsigned ops = 0;
  for (int id = 0; id < kNumOps; ++id) {
    const OpInfo &info = infoOf(static_cast<OpId>(id));
    if (!info.isElementwise) continue;
    ++ops;
    for (DType dtype : kDTypes)
      for (int64_t count : {1, 7, 33, 64, 1000, 70001}) {
        std::vector<DType> dtypes(info.operands.size(), dtype);
        if (static_cast<OpId>(id) == OpId::Select) dtypes[0] = DType::Bool;
        if (static_cast<OpId>(id) != OpId::Cast) {
          expectSameInPlace({static_cast<OpId>(id), dtypes, {}, count});
          continue;
        }
        for (DType to : kDTypes) expectSameInPlace({OpId::Cast, dtypes, {static_cast<int64_t>(to)}, count});
      }
  }
  EXPECT_GT(ops, 30u);
}

TEST(InPlace, SliceUpdate) {
  std::vector<float> x = {0, 1, 2, 3, 4, 5}, update = {10, 11};
  int64_t start = 2, xDims[] = {6}, updateDims[] = {2}, startDims[] = {1};
  Words attrs;
  AttrWriter(attrs).list(std::vector<int64_t>{2});
  TensorArg inputs[] = {{x.data(), DType::F32, xDims}, {update.data(), DType::F32, updateDims}, {&start, DType::I64, startDims}};
  TensorArg output{x.data(), DType::F32, xDims};
  ASSERT_TRUE(kernelOf(OpId::SliceUpdate)({AttrReader(attrs), inputs, {&output, 1}, ThreadPool::process()}).isOk());
  EXPECT_EQ(x, (std::vector<float>{0, 1, 10, 3, 11, 5}));
}

TEST(InPlace, ScatterAdd) {
  std::vector<float> x = {0, 1, 2, 3, 4, 5}, updates = {10, 20, 30, 40};
  int64_t indices[] = {2, 0}, xDims[] = {3, 2}, updateDims[] = {2, 2}, indexDims[] = {2};
  Words attrs;
  AttrWriter(attrs).integer(0);
  TensorArg inputs[] = {{x.data(), DType::F32, xDims}, {indices, DType::I64, indexDims}, {updates.data(), DType::F32, updateDims}};
  TensorArg output{x.data(), DType::F32, xDims};
  ASSERT_TRUE(kernelOf(OpId::ScatterAdd)({AttrReader(attrs), inputs, {&output, 1}, ThreadPool::process()}).isOk());
  EXPECT_EQ(x, (std::vector<float>{30, 41, 2, 3, 14, 25}));
}

} // namespace
