// SPDX-License-Identifier: Apache-2.0
// Which blockings of a product are tried, and the trial.
#include "runtime/kernels/Rounding.h"
#include "runtime/kernels/Tune.h"
#include "runtime/kernels/matmul/PackedProduct.h"
#include <algorithm>
#include <cstring>

namespace tinyfin {
namespace {

constexpr int64_t kMostCols = 1024, kMostSliceBytes = int64_t(8) << 20;

/// `from` with blocks of other sizes; nothing where they come out the same.
bool resize(MatmulBlocking &from, const MatmulSpec &spec, const gemm::PackedProduct &product, int64_t rows, int64_t cols) {
  rows = std::clamp<int64_t>(roundUp(rows, product.rowMultiple), 1, spec.m);
  cols = std::clamp<int64_t>(roundUp(cols, product.panelCols), 1, spec.n);
  const int64_t mostRows = std::max(product.blockRows, product.streamRows);
  if ((rows == from.rows && cols == from.cols) || rows > mostRows || cols > kMostCols) return false;
  from.grain = std::max<int64_t>(1, from.grain * from.rows * from.cols / (rows * cols));
  from.rows = rows, from.cols = cols;
  from.rowBlocks = ceilDiv(spec.m, rows), from.colBlocks = ceilDiv(spec.n, cols);
  from.chunks = spec.batches() * from.rowBlocks * from.colBlocks;
  return true;
}

bool repack(MatmulBlocking &from, const MatmulSpec &spec, const gemm::PackedProduct &product, MatmulPacking packing) {
  if (packing == from.packing || (packing == MatmulPacking::Chunk && !product.multiplyUnpacked)) return false;
  if (packing == MatmulPacking::Thread && ceilDiv(from.cols, product.panelCols) * product.panelBytes(spec.k) > kMostSliceBytes) return false;
  if (packing == MatmulPacking::First && spec.rightBatches() * ceilDiv(spec.n, product.panelCols) * product.panelBytes(spec.k) > kMostTrialBytes)
    return false;
  from.packing = packing;
  return true;
}

std::string nameOf(const MatmulBlocking &blocking) {
  constexpr const char *packings[] = {"chunk", "thread", "first"};
  return std::string(packings[static_cast<int>(blocking.packing)]) + " " + std::to_string(blocking.rows) + "x" + std::to_string(blocking.cols);
}

/// A consumer that stores its blocks: args are the block, the result and the result's row length.
void storeBlock(void *const *args, const int64_t *tile, int64_t rowBegin, int64_t rowEnd) {
  const auto *block = static_cast<const float *>(args[0]);
  const int64_t columns = *static_cast<const int64_t *>(args[2]);
  for (int64_t row = rowBegin; row < rowEnd; ++row)
    std::memcpy(static_cast<float *>(args[1]) + row * columns + tile[1], block + (row - rowBegin) * tile[0],
                (tile[2] - tile[1]) * sizeof(float));
}

struct Operands {
  BufferRef lhs, rhs, result;
};

std::vector<TuneCandidate> candidatesOf(const MatmulSpec &spec, const std::vector<MatmulBlocking> &blockings, bool isFinished) {
  int64_t lhs = spec.m * spec.k * spec.batches(), rhs = spec.k * spec.n * spec.rightBatches(), result = spec.m * spec.n * spec.batches();
  const DType stored = isFinished && spec.dtype != DType::F64 ? DType::F32 : spec.dtype;
  if (static_cast<int64_t>(sizeOf(spec.dtype)) * (lhs + rhs) + static_cast<int64_t>(sizeOf(stored)) * result > kMostTrialBytes) return {};
  auto data = std::make_shared<Operands>(Operands{tuneScratch(spec.dtype, lhs), tuneScratch(spec.dtype, rhs), tuneScratch(stored, result)});
  if (!data->lhs || !data->rhs || !data->result) return {};
  std::vector<TuneCandidate> candidates;
  for (const MatmulBlocking &blocking : blockings)
    candidates.push_back({nameOf(blocking), [data, plan = MatmulPlan::create(spec, blocking), isFinished, columns = spec.n] {
                            ThreadPool &pool = ThreadPool::process();
                            if (!isFinished) return plan.execute(data->lhs->data(), data->rhs->data(), data->result->data(), pool);
                            int64_t length = columns;
                            void *args[] = {nullptr, data->result->data(), &length};
                            return plan.execute(data->lhs->data(), data->rhs->data(), pool, {storeBlock, args, 3});
                          }});
  return candidates;
}

Words keyOf(const MatmulSpec &spec, bool isFinished) {
  Words key{'m', static_cast<int64_t>(spec.dtype), spec.transposeLhs + 2 * spec.transposeRhs + 4 * isFinished, spec.m, spec.n, spec.k,
            ThreadPool::process().threads(), spec.batchRank};
  for (int i = 0; i < spec.batchRank; ++i) key.insert(key.end(), {spec.batch[i], spec.lhsStride[i], spec.rhsStride[i]});
  return key;
}

} // namespace

std::vector<MatmulBlocking> otherBlockings(const MatmulSpec &spec) {
  const MatmulBlocking rule = MatmulBlocking::choose(spec);
  std::vector<MatmulBlocking> others;
  if (rule.chunks == 0) return others;
  const gemm::PackedProduct &product = *rule.product;
  auto add = [&](auto change) {
    MatmulBlocking changed = rule;
    bool isKnown = !change(changed) || std::any_of(others.begin(), others.end(), [&](const MatmulBlocking &other) {
      return other.packing == changed.packing && other.rows == changed.rows && other.cols == changed.cols;
    });
    if (!isKnown) others.push_back(changed);
  };
  for (MatmulPacking packing : {MatmulPacking::Chunk, MatmulPacking::Thread, MatmulPacking::First})
    add([&](MatmulBlocking &b) { return repack(b, spec, product, packing); });
  for (auto [rows, cols] : {std::pair(1, 2), {2, 1}, {1, 4}, {4, 1}, {2, 4}, {4, 2}}) // halves and doubles
    add([&, rows = rows, cols = cols](MatmulBlocking &b) { return resize(b, spec, product, b.rows * rows / 2, b.cols * cols / 2); });
  return others;
}

StatusOr<MatmulPlan> tunedMatmul(const MatmulSpec &spec, bool isFinished, TuneNotes &notes) {
  std::vector<MatmulBlocking> blockings = otherBlockings(spec);
  if (blockings.empty()) return MatmulPlan::create(spec);
  blockings.insert(blockings.begin(), MatmulBlocking::choose(spec));
  std::string what = "matmul " + std::string(tinyfin::nameOf(spec.dtype)) + " " + std::to_string(spec.batches()) + " x " + std::to_string(spec.m) + "x" +
                     std::to_string(spec.n) + "x" + std::to_string(spec.k) + (spec.transposeLhs ? ", left transposed" : "") +
                     (spec.transposeRhs ? ", right transposed" : "") + (isFinished ? ", finished by a kernel" : "");
  Autotune::Choice choice = Autotune::process().choose(what, keyOf(spec, isFinished), [&] { return candidatesOf(spec, blockings, isFinished); });
  notes.add(choice.note);
  return MatmulPlan::create(spec, blockings[choice.index < blockings.size() ? choice.index : 0]);
}

} // namespace tinyfin
