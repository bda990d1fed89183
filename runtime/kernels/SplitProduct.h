// SPDX-License-Identifier: Apache-2.0
// Products of f32 on AMX: each operand is split into three bf16 parts that add up to it exactly, and the six products
// of parts that count are added up in f32. The result is as exact as one of f32 multiply-adds (fewer sums are rounded),
// at more than twice their rate. Squares of C whose operands are out of bf16's range, infinite or NaN are multiplied by
// vectors.
#pragma once
#include "runtime/kernels/PackedProduct.h"

namespace tinyfin::split {

/// Null without AMX, with TINYFIN_DISABLE=split-products, or where TINYFIN_BF16_PRODUCTS excludes AMX.
const gemm::PackedProduct *product();

} // namespace tinyfin::split
