// SPDX-License-Identifier: Apache-2.0
// Products of bf16 by AMX tiles or AVX512-BF16 vectors as MatmulPlan and its blocks want them.
#pragma once
#include "runtime/kernels/matmul/PackedProduct.h"

namespace tinyfin::amx {

/// Of what amx::isa() says now; null if bf16 is to be converted instead.
const gemm::PackedProduct *product();

} // namespace tinyfin::amx
