// SPDX-License-Identifier: Apache-2.0
// One oneDNN matmul of strided row-major blocks.
#pragma once
#include "runtime/kernels/Matmul.h"
#include <cstdint>
#include <memory>

namespace tinyfin {

/// A, B and C of m x k, k x n and m x n; strides as in gemm::Block.
struct MatmulPrimitiveSpec {
  DType dtype;
  int64_t m, n, k, aRow, aCol, bRow, bCol, ldc;
  Epilogue epilogue;
};

class MatmulPrimitive {
public:
  /// From the process's cache. Unsupported where this machine's oneDNN has no such product.
  static StatusOr<std::shared_ptr<const MatmulPrimitive>> cached(const MatmulPrimitiveSpec &spec);
  virtual ~MatmulPrimitive() = default;
  virtual Status execute(const void *a, const void *b, void *c, const void *bias) const = 0;
};

} // namespace tinyfin
