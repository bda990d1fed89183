// SPDX-License-Identifier: Apache-2.0
// From a KernelSpec to a function `void name(void *const *args, const int64_t *dims, int64_t begin, int64_t end)` of
// arith, vector, scf and LLVM memory ops. What a spec gives depends on nothing but the spec and the machine.
#pragma once
#include "backends/cpu/KernelSpec.h"
#include "backends/cpu/Machine.h"

namespace tinyfin::cpu {

/// What a piece of work should take at least: among threads that wait for it with their cores awake (a region costs one
/// microsecond, and lines that one core wrote cost a single reader more than four), and where threads have to be woken.
inline constexpr double kPieceNanoseconds = 5000, kWakingNanoseconds = 20000;

/// How a kernel is launched: `count` parallel indices, of which a piece of work takes `grain`.
struct Launch {
  SmallVector<Dim, 4> outer; // one index for each of these
  Dim last = Dim(1);         // times one for each `block` of this
  int64_t block = 1;
  SmallVector<Dim, 4> work;  // extents whose product is the number of elements computed
  double cost = 0.1;         // nanoseconds an element on one core, roughly

  /// `symbols` gives the value of each symbol of the spec.
  int64_t count(ArrayRef<std::string> names = {}, ArrayRef<int64_t> values = {}) const;
  int64_t grain(ArrayRef<std::string> names = {}, ArrayRef<int64_t> values = {}, double nanoseconds = kPieceNanoseconds) const;
};

struct Emitted {
  std::string refusal; // why there is no code; else empty
  Launch launch;
  int lanes = 0;
};

/// Appends the function to `module`, whose context has the emission dialects loaded.
Emitted emitKernel(mlir::ModuleOp module, const KernelSpec &spec, const Machine &machine, StringRef name);
void loadEmissionDialects(mlir::MLIRContext &context);
/// Whether a spec has a generated form on a machine, found out by emitting it; results are remembered.
std::string whyRefused(const KernelSpec &spec, const Machine &machine);

void registerCpuPasses();

/// Elements of the widest loop that one parallel index covers in a map; a multiple of every vector length.
inline constexpr int64_t kMapBlock = 2048;

} // namespace tinyfin::cpu
