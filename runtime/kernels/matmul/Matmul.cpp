// SPDX-License-Identifier: Apache-2.0
// fin.matmul, and what its operands' dims say about a product.
#include "runtime/kernels/matmul/Matmul.h"
#include "runtime/kernels/Kernels.h"

namespace tinyfin {

StatusOr<MatmulSpec> MatmulSpec::from(DType dtype, std::span<const int64_t> lhs, std::span<const int64_t> rhs,
                                      bool transposeLhs, bool transposeRhs) {
  MatmulSpec spec;
  spec.dtype = dtype;
  spec.transposeLhs = transposeLhs, spec.transposeRhs = transposeRhs;
  spec.m = lhs[lhs.size() - 2 + transposeLhs], spec.k = lhs[lhs.size() - 1 - transposeLhs];
  spec.n = rhs[rhs.size() - 1 - transposeRhs];
  int64_t lhsStep = spec.m * spec.k, rhsStep = spec.k * spec.n;
  size_t rank = std::max(lhs.size(), rhs.size());
  for (size_t axis = 3; axis <= rank; ++axis) { // from the innermost batch axis out
    int64_t left = axis <= lhs.size() ? lhs[lhs.size() - axis] : 1,
            right = axis <= rhs.size() ? rhs[rhs.size() - axis] : 1;
    int64_t extent = left == 1 ? right : left;
    int64_t leftStride = left == 1 ? 0 : lhsStep, rightStride = right == 1 ? 0 : rhsStep;
    lhsStep *= left, rhsStep *= right;
    if (extent == 1) continue;
    if (int last = spec.batchRank - 1; last >= 0 && leftStride == spec.lhsStride[last] * spec.batch[last] &&
                                       rightStride == spec.rhsStride[last] * spec.batch[last]) {
      spec.batch[last] *= extent;
      continue;
    }
    if (spec.batchRank == kMaxBatchRank)
      return Status::error(StatusCode::Unsupported, "matmul: the batch axes broadcast in more than " +
                                                        std::to_string(kMaxBatchRank) + " groups");
    spec.batch[spec.batchRank] = extent;
    spec.lhsStride[spec.batchRank] = leftStride, spec.rhsStride[spec.batchRank++] = rightStride;
  }
  // A batch of row blocks times one matrix is one product with more rows.
  if (spec.batchRank == 1 && spec.rhsStride[0] == 0 && !transposeLhs && spec.lhsStride[0] == spec.m * spec.k) {
    spec.m *= spec.batch[0];
    spec.batchRank = 0;
  }
  return spec;
}

int64_t MatmulSpec::batches() const {
  int64_t count = 1;
  for (int i = 0; i < batchRank; ++i) count *= batch[i];
  return count;
}

int64_t MatmulSpec::rightBatches() const {
  int64_t count = 1;
  for (int i = 0; i < batchRank; ++i) count *= rhsStride[i] ? batch[i] : 1;
  return count;
}

int64_t MatmulSpec::rightBatch(int64_t index) const {
  int64_t found = 0, step = 1;
  for (int i = 0; i < batchRank; index /= batch[i++]) {
    if (!rhsStride[i]) continue;
    found += index % batch[i] * step;
    step *= batch[i];
  }
  return found;
}

Status Kernel<"fin.matmul">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  bool transposeLhs = attrs.flag(), transposeRhs = attrs.flag();
  const TensorArg &lhs = args.inputs[0], &rhs = args.inputs[1], &result = args.outputs[0];
  auto spec = MatmulSpec::from(result.dtype, lhs.dims, rhs.dims, transposeLhs, transposeRhs);
  if (!spec.isOk()) return spec.status();
  auto plan = MatmulPlan::create(spec.value());
  if (!plan.isOk()) return plan.status();
  return plan->execute(lhs.data, rhs.data, result.data, args.pool);
}

} // namespace tinyfin
