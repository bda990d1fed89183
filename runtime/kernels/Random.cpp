// SPDX-License-Identifier: Apache-2.0
// Kernels of random_bits, uniform, normal and dropout. Element i comes from word i % 4 of one Philox block, whoever
// computes it: 64 elements (16 blocks) at a time here.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/Philox.h"
#include "runtime/kernels/RowLoops.h"
#include "runtime/kernels/VectorMath.h"

namespace tinyfin {
namespace {

constexpr int64_t kGroupElements = 4 * philox::kGroup;
static_assert(kElementGrain % kGroupElements == 0, "pieces of work begin at a group");

/// Seed and the counter of element 0.
struct Stream {
  uint64_t key, counter;
  Stream(const TensorArg &state, int64_t offset)
      : key(static_cast<uint64_t>(state.as<const int64_t>()[0])),
        counter(static_cast<uint64_t>(state.as<const int64_t>()[1]) + static_cast<uint64_t>(offset)) {}
};

/// Calls consume(first, size, values) for each group of up to 64 elements; draw(group, values) makes the values.
template <class Value, class Draw, class Consume>
void forGroups(ThreadPool &pool, int64_t count, Stream stream, Draw draw, Consume consume) {
  forElements(pool, count, [&](int64_t begin, int64_t end) {
    philox::Group group;
    Value values[kGroupElements];
    for (int64_t i = begin; i < end; i += kGroupElements) {
      philox::fill(group, stream.counter + static_cast<uint64_t>(i / 4), stream.key);
      draw(group, values);
      consume(i, std::min(kGroupElements, end - i), values);
    }
  });
}

void drawBits(const philox::Group &group, int32_t *values) {
  for (int b = 0; b < philox::kGroup; ++b)
    for (int w = 0; w < 4; ++w) values[4 * b + w] = static_cast<int32_t>(group.word[w][b]);
}

void drawUniform(const philox::Group &group, float *values) {
  for (int b = 0; b < philox::kGroup; ++b)
    for (int w = 0; w < 4; ++w) values[4 * b + w] = philox::toUnit(group.word[w][b]);
}

/// Box-Muller: words (0, 1) give elements 0 and 1 of a block, words (2, 3) elements 2 and 3.
void drawNormal(const philox::Group &group, float *values) {
  float normal[4][philox::kGroup];
  for (int pair = 0; pair < 4; pair += 2) {
    for (int b = 0; b < philox::kGroup; ++b) {
      float radius = std::sqrt(-2.0f * vectormath::log(philox::toPositiveUnit(group.word[pair][b])));
      float angle = 6.283185307179586f * philox::toUnit(group.word[pair + 1][b]);
      normal[pair][b] = radius * vectormath::cos(angle);
      normal[pair + 1][b] = radius * vectormath::sin(angle);
    }
  }
  for (int b = 0; b < philox::kGroup; ++b)
    for (int w = 0; w < 4; ++w) values[4 * b + w] = normal[w][b];
}

template <class T, class Value> auto writeTo(const TensorArg &out) {
  return [to = out.as<T>()](int64_t first, int64_t size, const Value *values) {
    for (int64_t i = 0; i < size; ++i) to[first + i] = store<T>(static_cast<Compute<T>>(values[i]));
  };
}

template <class Draw> Status randomFloats(const KernelArgs &args, Draw draw) {
  AttrReader attrs = args.attrs;
  attrs.list(); // shape and dtype are the output's
  attrs.dtype();
  const Stream stream(args.inputs[0], attrs.integer());
  const TensorArg &out = args.outputs[0];
  visitFloat(out.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return forGroups<float>(args.pool, out.numElements(), stream, draw, writeTo<T, float>(out)), 0;
  });
  return Status::ok();
}

} // namespace

Status Kernel<"fin.random_bits">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  attrs.list();
  const Stream stream(args.inputs[0], attrs.integer());
  const TensorArg &out = args.outputs[0];
  forGroups<int32_t>(args.pool, out.numElements(), stream, drawBits, writeTo<int32_t, int32_t>(out));
  return Status::ok();
}

Status Kernel<"fin.uniform">::run(const KernelArgs &args) { return randomFloats(args, drawUniform); }
Status Kernel<"fin.normal">::run(const KernelArgs &args) { return randomFloats(args, drawNormal); }

Status Kernel<"fin.dropout">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const Stream stream(args.inputs[2], attrs.integer());
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  visitFloat(out.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    using C = Compute<T>;
    const C p = load<T>(*args.inputs[1].as<const T>());
    const C scale = C(1) / (C(1) - p);
    auto keep = [=, from = x.as<const T>(), to = out.as<T>()](int64_t first, int64_t size, const float *uniform) {
      for (int64_t i = 0; i < size; ++i) {
        const C scaled = load<T>(from[first + i]) * scale;
        to[first + i] = store<T>(static_cast<C>(uniform[i]) >= p ? scaled : C(0));
      }
    };
    return forGroups<float>(args.pool, out.numElements(), stream, drawUniform, keep), 0;
  });
  return Status::ok();
}

} // namespace tinyfin
