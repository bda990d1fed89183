// SPDX-License-Identifier: Apache-2.0
// f32 products of some tens to hundreds of rows by a right operand that never changes, on AMX by three bf16 parts (see
// SplitProduct.h): the operand is packed in parts once. Each thread has rows of its own, which it packs once and
// multiplies by all panels: the panels are read from the third cache by every thread, which costs less than handing
// rows of the left operand and of the result from core to core.
#pragma once
#include "runtime/kernels/amx/SplitPack.h"
#include "runtime/kernels/matmul/FrozenProduct.h"

namespace tinyfin {

class SplitConstant : public FrozenProduct {
public:
  /// Rows enough to pay for panels half as large again as f32, and few enough for them to be what takes the time; never
  /// with TINYFIN_DISABLE=split-constants, or where there are no split products.
  static bool suits(const MatmulSpec &spec);
  /// `rhs` is read now and not needed later. Null if its values are out of the range in which parts are exact. Cut for
  /// as many threads as the pool has, which results do not show.
  static StatusOr<std::shared_ptr<const SplitConstant>> create(const MatmulSpec &spec, const void *rhs,
                                                               ThreadPool &pool);

  size_t packedBytes() const override { return panels * split::panelBytes(k); }
  /// A chunk is a block of rows times some panels.
  int64_t chunks() const override { return rowBlocks * groups; }
  void execute(const void *lhs, void *result, ThreadPool &pool, const TileConsumer *consumer) const override;

private:
  struct Call;
  struct Rows;
  void cut(int64_t threads);
  bool pack(const float *rhs, bool isTransposed, ThreadPool &pool);
  Rows packRows(const Call &call, int64_t block) const;
  void runChunk(const Call &call, int64_t index) const;
  void multiply(const Rows &rows, int64_t panel, int64_t endPanel, float *c, int64_t ldc, bool isWhole) const;
  void multiplyInexact(const Call &call, const Rows &rows, int64_t panel, int64_t endPanel, float *c,
                       int64_t ldc) const;

  int64_t m = 0, n = 0, k = 0, panels = 0;
  int64_t rowBlocks = 0, groups = 0;
  std::shared_ptr<char> packed;
};

} // namespace tinyfin
