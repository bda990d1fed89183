// SPDX-License-Identifier: Apache-2.0
// fin.matmul: every pair of matrices in blocks of rows and columns, each a product in registers
// (runtime/kernels/matmul/MatmulGemm.h).
#include "runtime/aot/kernels/Op.h"
#include "runtime/kernels/matmul/MatmulGemm.h"

namespace tinyfin::aot {
namespace {

constexpr int64_t kBlockRows = 112, kBlockColumns = 512; // multiples of every tile

/// One of the two operands: where the matrix of a batch index begins, and its strides.
struct Operand {
  const Tensor &tensor;
  bool isTransposed;
  int64_t rows() const { return tensor.dims[tensor.rank - 2]; }
  int64_t cols() const { return tensor.dims[tensor.rank - 1]; }
  int64_t outerStride() const { return isTransposed ? 1 : cols(); }
  int64_t innerStride() const { return isTransposed ? cols() : 1; }
  /// The number of the matrix that broadcasting takes for element `batch` of `leading`.
  int64_t matrixAt(int64_t batch, const Tensor &result) const {
    int64_t number = 0, step = 1;
    for (int64_t axis = result.rank - 3, own = tensor.rank - 3; axis >= 0; --axis, --own) {
      int64_t at = batch % result.dims[axis];
      batch /= result.dims[axis];
      if (own < 0 || tensor.dims[own] == 1) continue;
      number += at * step;
      step *= tensor.dims[own];
    }
    return number;
  }
};

template <class T> int32_t matmul(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const Tensor &result = call.outputs[0];
  Operand a{call.inputs[0], attrs.flag()}, b{call.inputs[1], attrs.flag()};
  int64_t m = result.dims[result.rank - 2], n = result.dims[result.rank - 1], k = a.isTransposed ? a.rows() : a.cols();
  int64_t batches = product(result.dims, 0, result.rank - 2);
  if (batches * m * n == 0) return kOk;
  if (!reserveGemm<T>(call, std::min(m, kBlockRows), std::min(n, kBlockColumns), k)) return failOutOfMemory(call);
  int64_t rowBlocks = (m + kBlockRows - 1) / kBlockRows, columnBlocks = (n + kBlockColumns - 1) / kBlockColumns;
  int64_t work = std::min(m, kBlockRows) * std::min(n, kBlockColumns) * k / 8;
  parallelFor(call.library, batches * rowBlocks * columnBlocks, pieceOf(work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t batch = i / (rowBlocks * columnBlocks), row = i / columnBlocks % rowBlocks * kBlockRows,
              column = i % columnBlocks * kBlockColumns;
      const T *left = a.tensor.as<const T>() + a.matrixAt(batch, result) * m * k + row * a.outerStride();
      const T *right = b.tensor.as<const T>() + b.matrixAt(batch, result) * k * n + column * b.innerStride();
      T *out = result.as<T>() + (batch * m + row) * n + column;
      gemm::multiplyOwn(dtypeOf<T>, {std::min(kBlockRows, m - row), std::min(kBlockColumns, n - column), k, left,
                                  a.outerStride(), a.innerStride(), right, b.outerStride(), b.innerStride(), out, n});
    }
  });
  return kOk;
}

} // namespace
} // namespace tinyfin::aot

using namespace tinyfin;
TINYFIN_AOT_FLOAT_OP(matmul, aot::matmul)
