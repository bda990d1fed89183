// SPDX-License-Identifier: Apache-2.0
// Eager kernels: the one meaning of each op. Every backend is compared with them.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <algorithm>

namespace tinyfin {

/// A dense row-major tensor in host memory.
struct TensorArg {
  void *data = nullptr;
  DType dtype = DType::F32;
  std::span<const int64_t> dims;
  int64_t numElements() const {
    int64_t count = 1;
    for (int64_t dim : dims) count *= dim;
    return count;
  }
  template <class T> T *as() const { return static_cast<T *>(data); }
};

/// Types and shapes were checked when the op was recorded: kernels check values only (indices, labels, asserts).
/// Outputs never overlap inputs. Any dim may be 0.
struct KernelArgs {
  AttrReader attrs;
  std::span<const TensorArg> inputs;
  std::span<const TensorArg> outputs;
  ThreadPool &pool;
};
using KernelFn = Status (*)(const KernelArgs &);

template <size_t N> struct OpName {
  char text[N];
  constexpr OpName(const char (&name)[N]) { std::copy_n(name, N, text); }
};

/// The kernel of an op: `template <> struct Kernel<"fin.relu"> { static Status run(const KernelArgs &); };`
/// (TINYFIN_KERNEL("fin.relu") in kernels/Kernels.h declares it.)
template <OpName name> struct Kernel;

} // namespace tinyfin

#define TINYFIN_KERNEL(name)                                                                                           \
  template <> struct Kernel<name> {                                                                                    \
    static Status run(const KernelArgs &args);                                                                         \
  }
