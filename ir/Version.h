// SPDX-License-Identifier: Apache-2.0
// The version of the dialect that a graph was written with, and how older graphs become current ones. Text holds it
// as the module attribute `fin.version`, bytecode in the dialect's section.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"

namespace tinyfin::fin {

/// Raised when ops, attributes or their meaning change; the hook that upgrades the version before goes with it.
inline constexpr int64_t kDialectVersion = 1;
inline constexpr llvm::StringLiteral kVersionAttr = "fin.version";

/// Makes a graph of one version a graph of the next.
using UpgradeHook = mlir::LogicalResult (*)(mlir::Operation *root);
/// hooks[i] upgrades version i + 1; there are current - 1.
struct VersionTable {
  int64_t current;
  llvm::ArrayRef<UpgradeHook> hooks;
};
const VersionTable &versionTable();

/// Upgrades from `version`; a newer version, or one below 1, is refused with a diagnostic.
mlir::LogicalResult upgradeFrom(mlir::Operation *root, int64_t version, const VersionTable &table = versionTable());
/// Upgrades a module read from text by its fin.version (none: written by hand, current) and stamps it as current.
mlir::LogicalResult checkVersion(mlir::ModuleOp module, const VersionTable &table = versionTable());

/// Adds the interface that writes the version into bytecode and upgrades what is read.
void addVersionInterface(mlir::Dialect &dialect);

} // namespace tinyfin::fin
