// SPDX-License-Identifier: Apache-2.0
// Dialect versions in text and bytecode.
#include "ir/Version.h"
#include "mlir/Bytecode/BytecodeImplementation.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace tinyfin::fin {

// Version 1 is the first: nothing to upgrade from yet.
const VersionTable &versionTable() {
  static constexpr VersionTable table{kDialectVersion, {}};
  return table;
}

LogicalResult upgradeFrom(Operation *root, int64_t version, const VersionTable &table) {
  if (version > table.current)
    return root->emitError("graph has fin dialect version ") << version << ", which is newer than this tinyfin reads (" << table.current << ")";
  if (version < 1) return root->emitError("graph has fin dialect version ") << version << ", wanted 1 to " << table.current;
  for (; version < table.current; ++version)
    if (failed(table.hooks[version - 1](root)))
      return root->emitError("cannot upgrade the graph from fin dialect version ") << version << " to " << version + 1;
  return success();
}

LogicalResult checkVersion(ModuleOp module, const VersionTable &table) {
  int64_t version = table.current;
  if (Attribute found = module->getAttr(kVersionAttr)) {
    auto number = dyn_cast<IntegerAttr>(found);
    if (!number || !number.getType().isInteger(64))
      return module.emitError("fin.version is ") << found << ", wanted a 64-bit integer";
    version = number.getInt();
  }
  if (failed(upgradeFrom(module, version, table))) return failure();
  module->setAttr(kVersionAttr, Builder(module.getContext()).getI64IntegerAttr(table.current));
  return success();
}

namespace {

struct ReadVersion : DialectVersion {
  explicit ReadVersion(int64_t number) : number(number) {}
  int64_t number;
};

class VersionInterface : public BytecodeDialectInterface {
public:
  VersionInterface(Dialect *dialect) : BytecodeDialectInterface(dialect) {}

  void writeVersion(DialectBytecodeWriter &writer) const override { writer.writeVarInt(kDialectVersion); }

  // A newer version is refused here: nothing of its ops can be trusted to mean what this build thinks.
  std::unique_ptr<DialectVersion> readVersion(DialectBytecodeReader &reader) const override {
    uint64_t number = 0;
    if (failed(reader.readVarInt(number))) return nullptr;
    if (number >= 1 && number <= static_cast<uint64_t>(kDialectVersion))
      return std::make_unique<ReadVersion>(static_cast<int64_t>(number));
    reader.emitError("graph has fin dialect version ") << number << ", wanted 1 to " << kDialectVersion << ": a newer tinyfin wrote it, or it is damaged";
    return nullptr;
  }

  LogicalResult upgradeFromVersion(Operation *root, const DialectVersion &version) const override {
    return upgradeFrom(root, static_cast<const ReadVersion &>(version).number);
  }
};

} // namespace

void addVersionInterface(Dialect &dialect) { dialect.addInterface(std::make_unique<VersionInterface>(&dialect)); }

} // namespace tinyfin::fin
