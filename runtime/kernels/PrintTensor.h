// SPDX-License-Identifier: Apache-2.0
// A tensor as text, in PyTorch's layout: `tensor([[1., 2.], [3., 4.]])`, large ones elided.
#pragma once
#include "runtime/kernels/Kernel.h"

namespace tinyfin {
std::string printTensor(const TensorArg &tensor);
} // namespace tinyfin
