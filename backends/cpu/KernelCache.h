// SPDX-License-Identifier: Apache-2.0
// Kernels by structure: specs of equal words share code, within a graph and between graphs. Missing ones are compiled by a
// KernelForge.
#pragma once
#include "backends/cpu/Emit.h"
#include "runtime/CompileTimes.h"
#include "runtime/KernelList.h"

namespace tinyfin::cpu {

struct CompiledKernel {
  GeneratedFn function = nullptr;
  Launch launch;
  std::string refusal;        // why there is no function
  std::shared_ptr<void> code; // keeps the function
  size_t codeBytes = 0;
};

/// What a compilation of kernels did: how many differ, how many were not in the table, and the time of all threads.
struct KernelBatchStats {
  uint32_t unique = 0, generated = 0;
  CompileTimes times;
};

/// Compiles for this machine; the result has an entry a spec. `threads` of them work at once.
StatusOr<std::vector<CompiledKernel>> compileKernels(ArrayRef<KernelSpec> specs, int threads,
                                                     KernelBatchStats *stats = nullptr);

/// The table, by KernelSpec::key().
bool findKernel(const Words &key, CompiledKernel &kernel);
bool isKernelKnown(const Words &key); // not counted
void insertKernel(const Words &key, const CompiledKernel &kernel);

struct KernelCacheStats {
  uint64_t hits = 0, misses = 0, entries = 0;
};
KernelCacheStats kernelCacheStats();

} // namespace tinyfin::cpu
