// SPDX-License-Identifier: Apache-2.0
#include "test/backends/ConformanceFuzz.h"
#include <cmath>

namespace tinyfin::conformance {
namespace {

using fin::Dim;
using fin::Dims;
using List = std::vector<int64_t>;

constexpr double kMaxMagnitude = 1e3, kMaxElements = 20000;

double epsilonOf(DType dtype) {
  switch (dtype) {
  case DType::F32: return 0x1p-22;
  case DType::F64: return 0x1p-40; // polynomial approximations are not exact to the last bit
  case DType::BF16: return 0x1p-7;
  case DType::F16: return 0x1p-9;
  default: return 0;
  }
}

/// What is known of a slot beside its type.
struct Bound {
  double magnitude = 1, error = 0;
  bool isExact() const { return error == 0; }
};

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}

  FuzzGraph make() {
    constexpr int64_t extents[] = {1, 2, 3, 5, 8, 17, 33, 64};
    for (Dim &extent : pool) extent = extents[below(8)];
    for (uint64_t i = 0, count = 2 + below(3); i < count; ++i) addInput(randomType(), randomShape());
    uint64_t wanted = 5 + below(26);
    for (int attempt = 0; attempt < 400 && ops < wanted; ++attempt) step();
    return finish();
  }

private:
  uint64_t below(uint64_t end) { return random() % end; }
  uint32_t anySlot() { // mostly a late one, so that chains grow
    uint64_t count = graph.specs.size();
    return below(3) ? count - 1 - below(std::min<uint64_t>(count, 4)) : below(count);
  }
  TensorSpec spec(uint32_t slot) { return graph.specs[slot]; } // a copy: the list grows

  DType randomType() {
    constexpr DType types[] = {DType::F32, DType::F32, DType::F32, DType::F32, DType::F64,
                               DType::BF16, DType::F16, DType::I64, DType::I32, DType::Bool};
    return types[below(10)];
  }
  Dims randomShape() {
    switch (below(6)) {
    case 0: return {};
    case 1: return {pool[1]};
    case 2: return {pool[0], Dim(1)};
    case 3: return {pool[2], pool[0], pool[1]};
    default: return {pool[0], pool[1]};
    }
  }

  uint32_t addInput(DType dtype, Dims dims, double low = -1, double high = 1) {
    TensorSpec type{dtype, std::move(dims)};
    Array data = run::makeArray(plainType(type)).value();
    run::fillRandom(data, random(), low, high);
    bounds.push_back({std::max(std::abs(low), std::abs(high)), 0});
    return graph.input(type, data);
  }
  uint32_t addIndices(llvm::ArrayRef<int64_t> values) {
    std::vector<double> numbers(values.begin(), values.end());
    TensorSpec type{DType::I64, {static_cast<int64_t>(values.size())}};
    bounds.push_back({*std::max_element(numbers.begin(), numbers.end()), 0});
    return graph.input(type, arrayOf(type, numbers), fin::InputRole::Scalar);
  }

  /// Appends an op if the shape rule takes it and its value stays in bounds.
  bool emit(OpId id, llvm::ArrayRef<uint32_t> operands, const Words &attrs, Bound bound) {
    if (!(bound.magnitude <= kMaxMagnitude)) return false;
    Graph before = graph;
    std::optional<uint32_t> slot = graph.op(id, operands, attrs);
    if (!slot) return false;
    std::optional<Dim> count = fin::numElements(graph.specs[*slot].dims);
    if (!count || count->constant() > kMaxElements) return graph = before, false;
    for (uint32_t i = *slot; i < graph.specs.size(); ++i) {
      Bound own = bound;
      if (!own.isExact()) own.error += epsilonOf(graph.specs[i].dtype) * own.magnitude;
      bounds.push_back(own);
    }
    return ++ops, true;
  }
  /// Of a result that is rounded.
  Bound rounded(double magnitude, double error, DType dtype) {
    return {magnitude, error + (isFloat(dtype) ? epsilonOf(dtype) * std::max(magnitude, 1e-3) : 0)};
  }

  void step() {
    uint32_t x = anySlot();
    switch (below(8)) {
    case 0: case 1: return void(isFloat(spec(x).dtype) ? unaryFloat(x) : unaryExact(x));
    case 2: case 3: return void(binary(x, anySlot()));
    case 4: return void(reduce(x));
    case 5: return void(move(x));
    case 6: return void(rows(x));
    default: return void(choose(x));
    }
  }

  bool unaryFloat(uint32_t x) {
    auto [m, e] = bounds[x];
    DType dtype = spec(x).dtype;
    switch (below(10)) {
    case 0: return emit(OpId::Tanh, {x}, {}, rounded(1, e, dtype));
    case 1: return emit(OpId::Sigmoid, {x}, {}, rounded(1, e, dtype));
    case 2: return emit(OpId::Erf, {x}, {}, rounded(1, 1.2 * e, dtype));
    case 3: return m <= 4 && emit(OpId::Exp, {x}, {}, rounded(std::exp(m), e * std::exp(m), dtype));
    case 4: return m <= 8 && emit(below(2) ? OpId::Sin : OpId::Cos, {x}, {}, rounded(1, e, dtype));
    case 5: return emit(OpId::Square, {x}, {}, rounded(m * m, 2 * m * e, dtype));
    case 6: return emit(OpId::Gelu, {x}, {static_cast<int64_t>(below(2))}, rounded(m, 1.2 * e, dtype));
    case 7: return emit(OpId::Cast, {x}, {static_cast<int64_t>(DType::F32)}, {m, dtype == DType::F64 ? rounded(m, e, DType::F32).error : e});
    case 8: return dtype == DType::F32 && emit(OpId::Cast, {x}, {static_cast<int64_t>(DType::BF16)}, rounded(m, e, DType::BF16));
    default: return unaryExact(x);
    }
  }
  bool unaryExact(uint32_t x) {
    constexpr OpId ops[] = {OpId::Neg, OpId::Abs, OpId::Relu, OpId::LogicalNot};
    return emit(ops[below(4)], {x}, {}, bounds[x]);
  }

  bool binary(uint32_t x, uint32_t y) {
    auto [m, e] = bounds[x];
    auto [n, f] = bounds[y];
    DType dtype = spec(x).dtype;
    switch (below(8)) {
    case 0: return emit(OpId::Add, {x, y}, {}, rounded(m + n, e + f, dtype));
    case 1: return emit(OpId::Sub, {x, y}, {}, rounded(m + n, e + f, dtype));
    case 2: return emit(OpId::Mul, {x, y}, {}, rounded(m * n, m * f + n * e, dtype));
    case 3: return emit(OpId::Maximum, {x, y}, {}, {std::max(m, n), std::max(e, f)});
    case 4: return emit(OpId::Minimum, {x, y}, {}, {std::max(m, n), std::max(e, f)});
    case 5: return e == 0 && f == 0 && emit(below(2) ? OpId::Lt : OpId::Ge, {x, y}, {}, {1, 0}); // a jump: no error allowed
    case 6: return emit(below(2) ? OpId::LogicalAnd : OpId::LogicalXor, {x, y}, {}, {1, 0});
    default: return emit(OpId::Select, {addInput(DType::Bool, spec(x).dims), x, y}, {}, {std::max(m, n), std::max(e, f)});
    }
  }

  bool reduce(uint32_t x) {
    TensorSpec type = spec(x);
    auto [m, e] = bounds[x];
    List axes;
    double count = 1;
    for (size_t axis = 0; axis < type.rank(); ++axis)
      if (below(2)) axes.push_back(axis), count *= type.dims[axis].constant();
    Words attrs;
    AttrWriter(attrs).list(axes).flag(below(2));
    double grown = std::sqrt(count) + 1; // partial sums are rounded too
    switch (below(4)) {
    case 0: return emit(OpId::Sum, {x}, attrs, rounded(m * count, e * count + (isFloat(type.dtype) ? epsilonOf(type.dtype) * m * grown : 0), type.dtype));
    case 1: return emit(OpId::Mean, {x}, attrs, rounded(m, e, type.dtype));
    case 2: return emit(OpId::ReduceMax, {x}, attrs, {m, e});
    default: return emit(OpId::ReduceMin, {x}, attrs, {m, e});
    }
  }

  bool move(uint32_t x) {
    TensorSpec type = spec(x);
    switch (below(7)) {
    case 0: return reshape(x, type);
    case 1: return transpose(x, type);
    case 2: {
      Words shape;
      List dims{pool[2].constant()};
      for (Dim dim : type.dims) dims.push_back(dim.constant());
      AttrWriter(shape).list(dims);
      return emit(OpId::Broadcast, {x}, shape, bounds[x]);
    }
    case 3: return slice(x, type);
    case 4: return pad(x, type);
    case 5: return type.rank() && emit(OpId::Concat, {x, x}, {static_cast<int64_t>(below(type.rank()))}, bounds[x]);
    default: {
      if (!type.rank() || type.dims[0].is(0)) return false;
      uint32_t indices = addIndices({0, type.dims[0].constant() - 1, type.dims[0].constant() / 2});
      return emit(OpId::Gather, {x, indices}, {0}, bounds[x]);
    }
    }
  }
  bool reshape(uint32_t x, const TensorSpec &type) {
    List dims{1};
    if (below(2)) dims = {fin::numElements(type.dims)->constant()};
    else for (Dim dim : type.dims) dims.push_back(dim.constant());
    Words shape;
    AttrWriter(shape).list(dims);
    return emit(OpId::Reshape, {x}, shape, bounds[x]);
  }
  bool transpose(uint32_t x, const TensorSpec &type) {
    List permutation;
    for (size_t axis = 0; axis < type.rank(); ++axis) permutation.push_back(axis);
    for (size_t i = permutation.size(); i > 1; --i) std::swap(permutation[i - 1], permutation[below(i)]);
    Words words;
    AttrWriter(words).list(permutation);
    return emit(OpId::Transpose, {x}, words, bounds[x]);
  }
  bool slice(uint32_t x, const TensorSpec &type) {
    if (!type.rank()) return false;
    List starts, sizes, steps;
    for (Dim dim : type.dims) {
      int64_t extent = dim.constant(), start = extent ? below(extent) : 0, step = 1 + below(2);
      starts.push_back(start);
      steps.push_back(step);
      sizes.push_back(extent ? (extent - start + step - 1) / step : 0);
    }
    Words attrs;
    AttrWriter(attrs).list(sizes).list(steps);
    return emit(OpId::Slice, {x, addIndices(starts)}, attrs, bounds[x]);
  }
  bool pad(uint32_t x, const TensorSpec &type) {
    List low, high;
    for (size_t axis = 0; axis < type.rank(); ++axis) low.push_back(below(3)), high.push_back(below(3));
    Words attrs;
    AttrWriter(attrs).list(low).list(high);
    Bound bound = bounds[x];
    bound.magnitude = std::max(bound.magnitude, 1.0);
    return emit(OpId::Pad, {x, addInput(type.dtype, {})}, attrs, bound);
  }

  /// Softmax, normalization, products: what fuses into rows or is a kernel of its own.
  bool rows(uint32_t x) {
    TensorSpec type = spec(x);
    auto [m, e] = bounds[x];
    if (!type.rank() || !isFloat(type.dtype)) return false;
    int64_t last = type.rank() - 1, width = type.dims[last].constant();
    switch (below(4)) {
    case 0: return emit(OpId::Softmax, {x}, {static_cast<int64_t>(below(type.rank()))}, rounded(1, 2 * e + epsilonOf(type.dtype) * m, type.dtype));
    case 1: return emit(OpId::LogSoftmax, {x}, {last}, rounded(2 * m + std::log(width + 1.0), 2 * e + epsilonOf(type.dtype) * m, type.dtype));
    case 2: {
      uint32_t weight = addInput(type.dtype, {width}), bias = addInput(type.dtype, {width});
      Words attrs{last, std::bit_cast<int64_t>(1.0)}; // eps 1: errors do not grow where rows hardly vary
      double normal = std::sqrt(width) + 1;
      return emit(OpId::LayerNorm, {x, weight, bias}, attrs, rounded(normal + m, 4 * normal * e + epsilonOf(type.dtype) * normal * (m + 1), type.dtype));
    }
    default: { // x @ y^T, of one's own rows where no other fits
      uint32_t y = spec(x).rank() >= 2 && below(2) ? x : addInput(type.dtype, {pool[1], Dim(width)});
      auto [n, f] = bounds[y];
      double error = width * (m * f + n * e) + epsilonOf(type.dtype) * m * n * (std::sqrt(width) + 1);
      return emit(OpId::Matmul, {x, y}, {0, 1}, rounded(m * n * width, error, type.dtype));
    }
    }
  }

  bool choose(uint32_t x) {
    TensorSpec type = spec(x);
    auto [m, e] = bounds[x];
    switch (below(4)) {
    case 0: return type.rank() && e == 0 && emit(OpId::Argmax, {x}, {static_cast<int64_t>(below(type.rank())), 0}, {64, 0});
    case 1: return emit(OpId::Clamp, {x, addInput(type.dtype, {}, -1, -0.5), addInput(type.dtype, {}, 0.5, 1)}, {}, {1, e});
    case 2: {
      uint32_t state = addIndices({static_cast<int64_t>(below(1000)), 3});
      Words attrs;
      AttrWriter(attrs).list(List{pool[0].constant(), pool[1].constant()}).dtype(DType::F32).integer(5);
      return emit(OpId::Uniform, {state}, attrs, {1, 0});
    }
    default: { // x / (|y| + 1)
      uint32_t y = anySlot();
      if (!isFloat(type.dtype) || spec(y).dtype != type.dtype) return false;
      auto [n, f] = bounds[y];
      uint32_t one = addInput(type.dtype, {}, 1, 1);
      if (!emit(OpId::Abs, {y}, {}, {n, f})) return false;
      if (!emit(OpId::Add, {last(), one}, {}, rounded(n + 1, f, type.dtype))) return false;
      double error = bounds.back().error;
      return emit(OpId::Div, {x, last()}, {}, rounded(m, e + m * error, type.dtype));
    }
    }
  }
  uint32_t last() { return graph.specs.size() - 1; }

  /// A third of all values, inputs too; the last; one of them twice.
  FuzzGraph finish() {
    for (uint32_t slot = 0; slot < graph.specs.size(); ++slot)
      if (slot == last() || below(3) == 0) graph.outputs.push_back(slot);
    graph.outputs.push_back(graph.outputs[below(graph.outputs.size())]);
    FuzzGraph made{std::move(graph), {}};
    for (uint32_t slot : made.graph.outputs) made.errors.push_back(bounds[slot].error);
    return made;
  }

  std::mt19937_64 random;
  Dim pool[3] = {1, 1, 1};
  Graph graph;
  std::vector<Bound> bounds; // one a slot
  uint64_t ops = 0;
};

} // namespace

FuzzGraph makeFuzzGraph(uint64_t seed) { return Generator(seed).make(); }

} // namespace tinyfin::conformance
