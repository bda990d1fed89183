// SPDX-License-Identifier: Apache-2.0
// Random regions: chains of elementwise ops, broadcasts, reductions and index transforms over random shapes and dtypes
// give what the eager kernels give.
#include "SpecTesting.h"

namespace tinyfin::cpu {
namespace {

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}

  KernelSpec map() {
    shape = randomShape();
    dtype = pick({DType::F32, DType::F32, DType::F64, DType::BF16, DType::I32, DType::I64});
    makeInputs();
    if (flip(3)) full.push_back(transposedInput);
    if (flip(3)) full.push_back(slicedPad());
    grow(2 + below(6));
    std::vector<uint32_t> outputs{full.back()};
    if (flip(2)) outputs.push_back(full[below(full.size())]);
    return b.finish(outputs);
  }

  KernelSpec reduction(bool normalizes) {
    shape = randomShape();
    while (shape.empty() || hasZero()) shape = randomShape();
    dtype = pick({DType::F32, DType::F32, DType::F64});
    makeInputs();
    grow(1 + below(3));
    std::vector<int64_t> axes;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      if (flip(2)) axes.push_back(axis);
    if (axes.empty()) axes.push_back(below(shape.size()));
    std::vector<uint32_t> outputs;
    for (unsigned stage = 0, stages = 1 + below(3); stage < stages; ++stage) {
      OpId id = pick({OpId::Sum, OpId::Mean, OpId::ReduceMax, OpId::ReduceMin});
      uint32_t kept = b.reduce(id, full.back(), axes, true);
      if (flip(2)) kept = b.op(pick({OpId::Abs, OpId::Tanh, OpId::Neg}), {kept});
      outputs.push_back(kept);
      if (!normalizes) continue;
      full.push_back(b.op(pick({OpId::Sub, OpId::Add, OpId::Maximum}), {full.back(), kept}));
      if (flip(2)) full.push_back(b.op(pick({OpId::Tanh, OpId::Sigmoid, OpId::Relu}), {full.back()}));
    }
    if (normalizes || flip(3)) outputs.push_back(full.back());
    if (flip(2)) outputs.push_back(b.reduce(OpId::Sum, full[0], axes, false));
    return b.finish(outputs);
  }

  DType dtype = DType::F32;

private:
  uint64_t below(uint64_t bound) { return random() % bound; }
  bool flip(uint64_t odds) { return below(odds) == 0; }
  template <class T> T pick(std::initializer_list<T> items) { return items.begin()[below(items.size())]; }
  bool hasZero() const { return llvm::is_contained(shape, 0); }

  std::vector<int64_t> randomShape() {
    std::vector<int64_t> result;
    for (uint64_t axis = 0, rank = below(5); axis < rank; ++axis)
      result.push_back(pick({1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64, 70}));
    if (result.size() > 3) result[0] = 1 + below(3), result[1] = 1 + below(4);
    return result;
  }

  void makeInputs() {
    for (int i = 0; i < 3; ++i) full.push_back(b.input(dtype, shape));
    for (int i = 0; i < 2; ++i) { // some axes one, leading ones dropped
      std::vector<int64_t> dims = shape;
      for (int64_t &dim : dims)
        if (flip(2)) dim = 1;
      dims.erase(dims.begin(), dims.begin() + below(dims.size() + 1));
      narrow.push_back(b.input(dtype, dims));
    }
    narrow.push_back(b.input(dtype, {}));
    std::vector<int64_t> permutation(shape.size());
    for (size_t i = 0; i < permutation.size(); ++i) permutation[i] = i;
    std::shuffle(permutation.begin(), permutation.end(), random);
    std::vector<int64_t> source(shape.size()), padded;
    for (size_t i = 0; i < shape.size(); ++i) source[permutation[i]] = shape[i];
    uint32_t turned = b.input(dtype, source);
    for (int64_t dim : shape) low.push_back(dim > 2 ? below(2) : 0), padded.push_back(dim - low.back());
    uint32_t small = b.input(dtype, padded);
    transposedInput = b.op(OpId::Transpose, {turned}, listWords(permutation));
    paddedSource = small;
  }

  uint32_t slicedPad() {
    Words words;
    AttrWriter(words).list(low).list(std::vector<int64_t>(shape.size(), 0));
    return b.op(OpId::Pad, {paddedSource, narrow.back()}, words);
  }

  uint32_t any() { return flip(4) ? narrow[below(narrow.size())] : full[below(full.size())]; }

  void grow(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      uint32_t x = full[below(full.size())];
      if (isFloat(dtype) && flip(3)) full.push_back(b.op(pick({OpId::Tanh, OpId::Sigmoid, OpId::Relu, OpId::Abs, OpId::Neg, OpId::Sin}), {x}));
      else if (flip(4)) full.push_back(b.op(OpId::Select, {b.op(pick({OpId::Lt, OpId::Ge}), {x, any()}), x, any()}));
      else full.push_back(b.op(pick({OpId::Add, OpId::Sub, OpId::Mul, OpId::Maximum, OpId::Minimum}), {x, any()}));
    }
  }

  std::mt19937_64 random;
  SpecBuilder b;
  std::vector<int64_t> shape, low;
  std::vector<uint32_t> full, narrow; // of the domain's shape; broadcast to it
  uint32_t transposedInput = 0, paddedSource = 0;
};

double toleranceOf(DType dtype) { return dtype == DType::BF16 ? 0.1 : dtype == DType::F64 ? 1e-9 : 2e-4; }

TEST(RandomRegion, Maps) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Generator generator(seed);
    KernelSpec spec = generator.map();
    SCOPED_TRACE("seed " + std::to_string(seed));
    double tolerance = toleranceOf(generator.dtype);
    // Chains of products in bfloat16 are rounded after each op by the eager kernels, once by generated code.
    if (generator.dtype == DType::BF16 && spec.ops.size() > 6) continue;
    expectSame(spec, Fill::Unit, tolerance, tolerance, seed);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(RandomRegion, ReductionsAndNormalizations) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Generator generator(seed + 1000);
    KernelSpec spec = generator.reduction(seed % 2);
    SCOPED_TRACE("seed " + std::to_string(seed));
    double tolerance = toleranceOf(generator.dtype);
    expectSame(spec, Fill::Unit, tolerance, tolerance, seed);
    if (testing::Test::HasFailure()) return;
  }
}

} // namespace
} // namespace tinyfin::cpu
