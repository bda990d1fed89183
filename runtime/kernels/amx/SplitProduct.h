// SPDX-License-Identifier: Apache-2.0
// Products of f32 on AMX: each operand is split into three bf16 parts that add up to it exactly, and the six products
// of parts that count are added up in f32. The result is as exact as one of f32 multiply-adds (fewer sums are rounded),
// at more than twice their rate. Squares of C whose operands are out of bf16's range, infinite or NaN are multiplied by
// vectors.
#pragma once
#include "runtime/kernels/amx/SplitPack.h"
#include "runtime/kernels/matmul/PackedProduct.h"

namespace tinyfin::split {

/// Null without AMX, with TINYFIN_DISABLE=split-products, or where TINYFIN_BF16_PRODUCTS excludes AMX.
const gemm::PackedProduct *product();

/// Of k that tiles add up before the sums are added to C: by the shape alone, results show it.
int64_t blockDepth(int64_t k);

/// A square of C by vectors, for values out of range; from B's packed panel where B itself is not there.
void multiplyByVectors(const Lines &a, const Lines &b, const char *panel, float *c, int64_t ldc);

} // namespace tinyfin::split
