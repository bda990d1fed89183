// SPDX-License-Identifier: Apache-2.0
// Which product a dtype gets on this machine.
#include "runtime/kernels/amx/AmxProduct.h"
#include "runtime/kernels/amx/SplitProduct.h"

namespace tinyfin::gemm {

const PackedProduct &bestProduct(DType dtype) {
  const PackedProduct *tiles = dtype == DType::BF16 ? amx::product() : nullptr;
  return tiles ? *tiles : ownProduct(dtype);
}

const PackedProduct *largeProduct(DType dtype) { return dtype == DType::F32 ? split::product() : nullptr; }

void multiply(DType dtype, const Block &block) { bestProduct(dtype).multiplyUnpacked(dtype, block); }

} // namespace tinyfin::gemm
