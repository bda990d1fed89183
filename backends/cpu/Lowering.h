// SPDX-License-Identifier: Apache-2.0
// A planned function as a kernel list of generated kernels, library calls and, where neither exists, eager kernels.
#pragma once
#include "backends/Backend.h"

namespace tinyfin::cpu {

class KernelForge;

StatusOr<std::shared_ptr<Executable>> lowerToKernels(mlir::func::FuncOp main, const CompileOptions &options, KernelForge &forge);

} // namespace tinyfin::cpu
