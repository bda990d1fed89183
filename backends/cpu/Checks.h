// SPDX-License-Identifier: Apache-2.0
// Steps that check, before a generated kernel runs, what only the values of its inputs can tell.
#pragma once
#include "backends/cpu/KernelSpec.h"
#include "runtime/KernelList.h"

namespace tinyfin::cpu {

/// The check of a slice's starts or a gather's indices, with the messages of the eager kernels; `operand` is the one
/// it reads. Nothing where the op needs none.
struct Check {
  CallFn function = nullptr;
  std::shared_ptr<void> closure;
  unsigned operand = 0;
};
Check checkOf(const KernelSpec &spec, const KernelOp &op);

} // namespace tinyfin::cpu
