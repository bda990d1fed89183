// SPDX-License-Identifier: Apache-2.0
// The pattern groups of --fin-simplify.
#pragma once
#include "mlir/IR/PatternMatch.h"

namespace tinyfin::fin {

void addArithmeticPatterns(mlir::RewritePatternSet &patterns);
void addAttentionPatterns(mlir::RewritePatternSet &patterns);
void addMovementPatterns(mlir::RewritePatternSet &patterns);
void addReductionPatterns(mlir::RewritePatternSet &patterns);

} // namespace tinyfin::fin
