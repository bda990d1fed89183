// SPDX-License-Identifier: Apache-2.0
// The C interface: a handle with its workspace, which grows when the dims of a call need more.
#include "runtime/aot/Library.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tinyfin::aot {
namespace {

constexpr size_t kAlignment = 64;

// Initial-exec: a plain offset from the thread pointer, no call into the dynamic linker.
__attribute__((tls_model("initial-exec"))) thread_local Worker *currentWorker = nullptr;

void *allocate(size_t bytes) {
  void *block = nullptr;
  return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
}

Entry bestEntry(const Descriptor *descriptor) {
  for (int level = cpuLevel(); level >= 0; --level)
    if (descriptor->entries[level]) return descriptor->entries[level];
  return nullptr;
}

int32_t checkArgs(Library *library, const int64_t *words) {
  const Descriptor &d = *library->descriptor;
  if (!words) return aot_fail(library, kInvalidArgument, "args is null");
  int64_t wanted = 8 * (1 + d.numDims + d.numInputs + d.numOutputs);
  if (words[0] != wanted)
    return aot_fail(library, kInvalidArgument, "args->size is %lld, wanted sizeof(%s_args), %lld",
                    static_cast<long long>(words[0]), d.name, static_cast<long long>(wanted));
  for (int64_t i = 0; i < d.numDims; ++i)
    if (words[1 + i] < 1)
      return aot_fail(library, kInvalidArgument, "%s is %lld, wanted at least 1", d.names[i],
                      static_cast<long long>(words[1 + i]));
  for (int64_t i = d.numDims; i < d.numDims + d.numInputs + d.numOutputs; ++i)
    if (!words[1 + i]) return aot_fail(library, kInvalidArgument, "%s is null", d.names[i]);
  return kOk;
}

/// Evaluates the regions' sizes; `total` in bytes.
bool layOut(Library *library, const int64_t *dims, size_t &total) {
  int64_t end = 0;
  for (int64_t i = 0; i < library->descriptor->numRegions; ++i) {
    const RegionInfo &info = library->descriptor->regions[i];
    int64_t unit = 1, bytes;
    for (int64_t s = 0; s < info.numSymbols; ++s)
      if (__builtin_mul_overflow(unit, dims[info.symbols[s]], &unit)) return false;
    if (__builtin_mul_overflow(info.bytes, unit, &bytes)) return false;
    library->regions[i] = {reinterpret_cast<char *>(end), unit};
    if (__builtin_add_overflow(end, bytes, &end)) return false;
  }
  total = static_cast<size_t>(end);
  return true;
}

bool growWorkspace(Library *library, size_t bytes) {
  if (bytes <= library->workspaceBytes) return true;
  free(library->workspace);
  library->workspaceBytes = 0;
  library->workspace = static_cast<char *>(allocate(bytes));
  if (!library->workspace) return false;
  library->workspaceBytes = bytes;
  return true;
}

} // namespace

void setWorker(Worker *worker) { currentWorker = worker; }

void freeScratch(Worker &worker) {
  for (void *&block : worker.blocks) free(block), block = nullptr;
}

bool growScratch(Library *library, Worker &worker) {
  for (int use = 0; use < static_cast<int>(ScratchUse::Count); ++use)
    if (size_t bytes = library->scratchBytes[use]; bytes && !worker.blocks[use]) {
      worker.blocks[use] = allocate(bytes);
      if (!worker.blocks[use]) return false;
    }
  return true;
}

extern "C" bool aot_reserve(Library *library, int32_t use, size_t bytes) {
  if (bytes <= library->scratchBytes[use]) return true;
  library->scratchBytes[use] = bytes;
  for (int32_t i = 0; i < library->pool.threads; ++i) {
    Worker &worker = library->workers[i];
    free(worker.blocks[use]);
    worker.blocks[use] = nullptr;
    if (!growScratch(library, worker)) return library->scratchBytes[use] = 0, false;
  }
  return true;
}

extern "C" int32_t aot_fail(Library *library, int32_t code, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(library->error, sizeof(library->error), format, list);
  va_end(list);
  return code;
}

extern "C" Library *aot_create(const Descriptor *descriptor) {
  Entry entry = bestEntry(descriptor);
  auto *library = entry ? static_cast<Library *>(calloc(1, sizeof(Library))) : nullptr;
  if (!library) return nullptr;
  library->descriptor = descriptor;
  library->entry = entry;
  initPool(library);
  return library;
}

extern "C" void aot_destroy(Library *library) {
  if (!library) return;
  stopThreads(library);
  freeScratch(library->workers[0]);
  free(library->workspace);
  free(library);
}

extern "C" int32_t aot_run(Library *library, const int64_t *words) {
  if (!library) return kInvalidArgument;
  if (int32_t code = checkArgs(library, words)) return code;
  size_t bytes = 0;
  if (!layOut(library, words + 1, bytes))
    return aot_fail(library, kOutOfMemory, "dims need more memory than a machine can address");
  if (!growWorkspace(library, bytes))
    return aot_fail(library, kOutOfMemory, "cannot allocate a workspace of %zu bytes", bytes);
  for (int64_t i = 0; i < library->descriptor->numRegions; ++i) // offsets become addresses
    library->regions[i].base = library->workspace + reinterpret_cast<intptr_t>(library->regions[i].base);
  library->error[0] = 0;
  setWorker(&library->workers[0]);
  int32_t code = library->entry(library, words, library->regions);
  setWorker(nullptr);
  return code;
}

extern "C" const char *aot_error(const Library *library) {
  return library ? library->error : "the library was not created: no memory, or a processor it was not compiled for";
}

extern "C" int32_t aot_set_threads(Library *library, int32_t threads) {
  if (!library) return kInvalidArgument;
  if (threads < 1 || threads > kMaxThreads)
    return aot_fail(library, kInvalidArgument, "found %d threads, wanted 1 to %d", threads, kMaxThreads);
  stopThreads(library);
  if (startThreads(library, threads)) return kOk;
  return aot_fail(library, kOutOfMemory, "cannot start %d threads", threads);
}

} // namespace tinyfin::aot

namespace tinyfin {

namespace gemm {
bool fetchesAhead() { return true; } // declared in runtime/kernels/matmul/MatmulTile.h
} // namespace gemm

void *scratchBytes(ScratchUse use, size_t) { return aot::currentWorker->blocks[static_cast<int>(use)]; }

} // namespace tinyfin
