// SPDX-License-Identifier: Apache-2.0
// What a matrix product by a right operand that never changes looks like to a plan: the operand was packed when it was
// made.
#pragma once
#include "runtime/kernels/matmul/Matmul.h"
#include <algorithm>

namespace tinyfin {

class FrozenProduct {
public:
  virtual ~FrozenProduct() = default;
  virtual size_t packedBytes() const = 0;
  virtual int64_t chunks() const = 0;
  /// To `result`, or to the consumer if there is one.
  virtual void execute(const void *lhs, void *result, ThreadPool &pool, const TileConsumer *consumer) const = 0;
};

/// Hands rows [row, endRow) to a consumer; their columns [tile[1], tile[2]) lie in `block`, tile[0] elements a row.
inline void finishBlock(const TileConsumer &consumer, void *block, const int64_t *tile, int64_t row, int64_t endRow) {
  void *args[kMaxConsumerArgs];
  std::copy_n(consumer.args, consumer.numArgs, args);
  args[0] = block;
  consumer.function(args, tile, row, endRow);
}

} // namespace tinyfin
