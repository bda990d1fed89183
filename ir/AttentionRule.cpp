// SPDX-License-Identifier: Apache-2.0
#include "ir/AttentionRule.h"
#include <limits>

namespace tinyfin::fin {

Expr AttentionRule::turned(Expr x) {
  if (headsFirst) return x;
  Axes permutation = axesBetween(0, static_cast<int64_t>(x.dims().size()));
  std::swap(permutation[1], permutation[2]);
  return transpose(x, permutation);
}

Expr AttentionRule::column(Expr rows) {
  Dims dims(rows.dims());
  dims.push_back(1);
  return reshape(rows, dims);
}

Expr AttentionRule::scores(Expr q, Expr k, Expr mask) {
  Expr result = matmul(q, k, false, true) * scale;
  Expr excluded = result.like(-std::numeric_limits<double>::infinity());
  if (isCausal) {
    Expr query = iota({result.dims()[2], 1}, 0, DType::I64), key = iota({1, result.dims()[3]}, 1, DType::I64);
    result = select(le(key, query), result, excluded);
  }
  if (!mask) return result;
  return mask.dtype() == DType::Bool ? select(mask, result, excluded) : result + wide(mask);
}

Expr AttentionRule::part(Expr packed, int64_t which) {
  Dims dims(packed.dims());
  dims[2] = 1;
  Expr part = slice(packed, indexVector({0, 0, which, 0, 0}), dims, {1, 1, 1, 1, 1});
  return reshape(part, {dims[0], dims[1], dims[3], dims[4]});
}

Expr AttentionRule::packed(Expr q, Expr k, Expr v) {
  Exprs parts;
  for (Expr part : {q, k, v}) {
    llvm::ArrayRef<Dim> dims = part.dims();
    parts.push_back(reshape(part, {dims[0], dims[1], 1, dims[2], dims[3]}));
  }
  return concat(parts, 2);
}

} // namespace tinyfin::fin
