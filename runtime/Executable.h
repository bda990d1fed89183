// SPDX-License-Identifier: Apache-2.0
// What the cache stores and a flush runs: compiled or interpreted code with its signature. Knows nothing of MLIR.
#pragma once
#include "runtime/CompileTimes.h"
#include "runtime/DType.h"
#include "runtime/Status.h"
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tinyfin {

class Device;

/// A dense row-major tensor's type.
struct TensorType {
  DType dtype = DType::F32;
  std::vector<int64_t> dims;
  int64_t numElements() const {
    int64_t count = 1;
    for (int64_t dim : dims) count *= dim;
    return count;
  }
  size_t bytes() const { return static_cast<size_t>(numElements()) * sizeOf(dtype); }
  bool operator==(const TensorType &) const = default;
};

/// `output` may be written over the memory of `input` when the caller holds its sole reference. If the caller
/// passes two different pointers nothing is lost: the code reads one and writes the other.
struct Donation {
  uint32_t input, output;
};

struct ExecutableStats {
  uint32_t kernels = 0;        // generated or library kernels a run launches
  uint32_t interpretedOps = 0; // eager kernels a run calls because no compiled form exists
  size_t arenaBytes = 0, maxLiveBytes = 0, constantBytes = 0, codeBytes = 0;
  size_t prepackedBytes = 0; // of operands that never change, in the order their products read them
  double compileMilliseconds = 0;
  uint32_t uniqueKernels = 0; // generated ones that differ in their code
  uint32_t newKernels = 0;    // of these, how many this compilation generated: the others were there
  CompileTimes compileTimes;  // wall time by pass and phase: sums up to compileMilliseconds
  CompileTimes kernelTimes;   // within the phase `kernels`: time of all threads that built them
  std::vector<std::string> tuned;    // choices that were tried, with the times
  std::vector<std::string> refusals; // "op: why it was not compiled"
};

class Executable {
public:
  virtual ~Executable() = default;
  /// Pointers in signature order, sizes as declared, inputs are read only but for donated ones. Does not block
  /// on locks held by the caller, does not call Python, may run on several threads at once.
  virtual Status run(std::span<void *const> inputs, std::span<void *const> outputs) = 0;
  virtual const char *backend() const = 0;

  std::vector<TensorType> inputs, outputs;
  std::vector<Donation> donations;
  ExecutableStats stats;
  Device *device = nullptr;
};

} // namespace tinyfin
