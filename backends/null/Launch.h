// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "backends/null/Memory.h"
#include "runtime/Executable.h"
#include <memory>

namespace tinyfin::null {

/// Runs `kernels` on the device: its inputs and outputs are addresses of the device.
std::shared_ptr<Executable> launchOn(NullDevice &device, std::shared_ptr<Executable> kernels);

} // namespace tinyfin::null
