// SPDX-License-Identifier: Apache-2.0
// f32 products by a right operand that never changes, such as weights in inference. It is packed once, in the order in
// which threads read it: panels of columns, each whole in k. With few rows that reading is what takes the time, so
// every thread has neighbouring panels of its own, always the same, and the next one is fetched while one is
// multiplied.
#pragma once
#include "runtime/kernels/matmul/FrozenProduct.h"

namespace tinyfin {

class ConstantProduct : public FrozenProduct {
public:
  /// One right matrix for all rows, and rows that are not columns.
  static bool suits(const MatmulSpec &spec);
  /// `rhs` is read now and not needed later.
  static StatusOr<std::shared_ptr<const ConstantProduct>> create(const MatmulSpec &spec, const void *rhs,
                                                                 ThreadPool &pool);

  size_t packedBytes() const override { return bytes; }
  /// A chunk is a block of rows times some panels; their number depends on the shape alone.
  int64_t chunks() const override { return rowBlocks * groups; }
  void execute(const void *lhs, void *result, ThreadPool &pool, const TileConsumer *consumer) const override;

private:
  struct Call;
  void cut();
  void pack(const float *rhs, bool isTransposed, ThreadPool &pool);
  void runChunk(const Call &call, int64_t index) const;
  void multiply(const Call &call, int64_t row, int64_t rows, int64_t panel, int64_t endPanel, float *c,
                int64_t ldc) const;
  const float *panelAt(int64_t panel) const;
  const float *spreadRows(const float *lhs, int64_t stride, ThreadPool &pool) const;

  int64_t m = 0, n = 0, k = 0, panels = 0;
  int64_t rowBlocks = 0, groups = 0, groupPanels = 0; // of a chunk
  size_t bytes = 0;
  std::shared_ptr<float> packed;
};

} // namespace tinyfin
