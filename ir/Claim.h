// SPDX-License-Identifier: Apache-2.0
// How fusion asks a backend, which it does not know, whether it can make a kernel of a region.
#pragma once
#include "mlir/IR/DialectInterface.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace tinyfin::fin {

/// On an argument of @main whose data never change: a backend may prepare them once.
inline constexpr llvm::StringLiteral kFrozenAttr = "fin.frozen";

/// Attached to the fin dialect by a backend's DialectRegistry extension; where nobody attached one, every region of
/// docs/design/0003 is formed and none refused.
class ClaimInterface : public mlir::DialectInterface::Base<ClaimInterface> {
public:
  ClaimInterface(mlir::Dialect *dialect) : Base(dialect) {}
  /// Nothing, or why the backend cannot make a kernel of this fin.fusion.
  virtual std::optional<std::string> refuse(mlir::Operation *fusion) const = 0;
  /// Whether the kernels of a region that it is asked about are compiled from then on: asking early saves time.
  virtual bool compilesEarly() const { return false; }
  /// Whether a product should take the ops that finish it. Asked before regions grow: what a product does not take joins
  /// others, which a region that is refused in the end would have kept it from.
  virtual bool finishes(mlir::Operation *product) const { return true; }
};

} // namespace tinyfin::fin
