// SPDX-License-Identifier: Apache-2.0
// Attention planned for static shapes: forward and gradients, without ever writing the scores. Eager kernels and compiled
// code run the same plans. Work is cut by shapes alone, and each head's gradients belong to one chunk, so results do not
// depend on the number of threads.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <array>

namespace tinyfin {

/// Where element (b, h, s) of a tensor starts, in elements; the last axis is dense.
struct HeadStrides {
  int64_t batch = 0, head = 0, row = 0;
  int64_t at(int64_t b, int64_t h, int64_t s = 0) const { return b * batch + h * head + s * row; }
};

enum class MaskKind : uint8_t { None, Bool, Number };

struct AttentionSpec {
  DType dtype = DType::F32;
  int64_t batch = 0, heads = 0, queries = 0, keys = 0, depth = 0, valueDepth = 0;
  HeadStrides q, k, v, output, rows; // of q and dq, k and dk, v and dv, output and dy, lse and delta
  bool isCausal = false;
  double scale = 1;
  MaskKind mask = MaskKind::None;
  std::array<int64_t, 4> maskStrides{}; // over batch, head, query and key; 0 where it is broadcast

  /// From operands whose shapes were checked. `attrs` are the op's.
  static AttentionSpec ofHeads(DType dtype, std::span<const int64_t> q, std::span<const int64_t> k,
                               std::span<const int64_t> v, AttrReader attrs);
  static AttentionSpec ofPacked(DType dtype, std::span<const int64_t> packed, AttrReader attrs);
  void setMask(DType maskType, std::span<const int64_t> dims);
  /// Bytes from the packed projection to its k (1) or v (2).
  int64_t packedOffset(int part) const;
};

/// q, k and v: operands or where their gradients go.
template <class Pointer> struct HeadParts {
  Pointer q, k, v;
};

class AttentionPlan {
public:
  explicit AttentionPlan(const AttentionSpec &spec) : spec(spec) {}
  void forward(HeadParts<const void *> x, const void *mask, void *output, void *lse, ThreadPool &pool) const;
  void backward(const void *dy, HeadParts<const void *> x, const void *lse, const void *delta, const void *mask,
                HeadParts<void *> d, ThreadPool &pool) const;

  /// The three parts of a packed projection.
  template <class Pointer> HeadParts<Pointer> partsOf(Pointer packed) const {
    using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
    auto *bytes = static_cast<Byte *>(packed);
    return {bytes, bytes + spec.packedOffset(1), bytes + spec.packedOffset(2)};
  }
  bool isMasked() const { return spec.mask != MaskKind::None; }

private:
  AttentionSpec spec;
};

} // namespace tinyfin
