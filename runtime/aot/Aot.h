// SPDX-License-Identifier: Apache-2.0
// What a compiled library is made of at run time. The layouts of Descriptor, Region, Tensor and Call are also written
// by backends/cpu/AotHost.cpp. Plain C-like C++: no exceptions, RTTI, new, delete, virtual functions or guarded
// statics.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tinyfin::aot {

inline constexpr int kLevels = 3; // x86-64-v2, -v3, -v4
inline constexpr int kMaxThreads = 64;
inline constexpr int kMaxSymbols = 4; // in a product of extents

/// What NAME_run returns; the header names them.
enum Code : int32_t { kOk, kInvalidArgument, kOutOfRange, kOutOfMemory, kAssertFailed };

struct Library;
/// A part of the workspace as it stands in one call: values of a region lie at base + offset * unit.
struct Region {
  char *base;
  int64_t unit; // product of the region's symbols
};
using KernelFn = void (*)(void *const *args, const int64_t *dims, int64_t begin, int64_t end);
/// `words` are the args struct: its size, dims, inputs, outputs; 8 bytes each.
using Entry = int32_t (*)(Library *, const int64_t *words, const Region *regions);

struct RegionInfo {
  int64_t bytes; // times the values of the symbols
  int64_t numSymbols;
  int64_t symbols[kMaxSymbols]; // numbers of dims
};

struct Descriptor {
  const char *name;
  int64_t numDims, numInputs, numOutputs, numRegions;
  const char *const *names; // of dims, inputs, outputs
  const RegionInfo *regions;
  Entry entries[kLevels]; // null: not compiled for
};

/// A tensor that an op of the runtime reads or writes.
struct Tensor {
  char *data;
  const int64_t *dims;
  int64_t rank, dtype; // a DType
  int64_t numElements() const {
    int64_t count = 1;
    for (int64_t i = 0; i < rank; ++i) count *= dims[i];
    return count;
  }
  template <class T> T *as() const { return reinterpret_cast<T *>(data); }
};
/// An op's attributes are words as in runtime/Attrs.h.
struct Call {
  Library *library;
  const int64_t *attrs;
  int64_t numAttrs;
  const Tensor *inputs, *outputs;
  int64_t numInputs, numOutputs;
};

extern "C" {
Library *aot_create(const Descriptor *descriptor);
void aot_destroy(Library *library);
int32_t aot_run(Library *library, const int64_t *words);
const char *aot_error(const Library *library);
int32_t aot_set_threads(Library *library, int32_t threads);

/// Runs a generated kernel over [0, count) in pieces of `grain`.
void aot_launch(Library *library, KernelFn kernel, void *const *args, const int64_t *dims, int64_t count,
                int64_t grain);
/// body(context, begin, end) over [0, count) in pieces of `grain` whose bounds do not depend on the number of threads.
void aot_parallel(Library *library, int64_t count, int64_t grain, void (*body)(void *, int64_t, int64_t),
                  void *context);
/// Sets the message as printf would and returns `code`.
int32_t aot_fail(Library *library, int32_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/// Scratch memory that each thread can take without fail: the largest asked for so far.
bool aot_reserve(Library *library, int32_t use, size_t bytes);
}

template <class Body> void parallelFor(Library *library, int64_t count, int64_t grain, const Body &body) {
  aot_parallel(
      library, count, grain,
      [](void *context, int64_t begin, int64_t end) { (*static_cast<const Body *>(context))(begin, end); },
      const_cast<Body *>(&body));
}

/// x86-64-v2 is 0; below it -1.
int cpuLevel();

} // namespace tinyfin::aot
