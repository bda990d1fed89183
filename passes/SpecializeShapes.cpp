// SPDX-License-Identifier: Apache-2.0
// Substitutes sizes for symbolic dims in types and shape attributes.
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_SPECIALIZESHAPESPASS
#include "passes/Passes.h.inc"

namespace {

class Substitution {
public:
  /// Entries are NAME=SIZE; fails with what is wrong.
  LogicalResult parse(ArrayRef<std::string> entries, std::string &error) {
    for (StringRef entry : entries) {
      auto [name, size] = entry.split('=');
      std::optional<Dim> dim = Dim::parse(name), extent = Dim::parse(size);
      if (!dim || dim->isConstant() || dim->factor() != 1 || !extent || !extent->isConstant())
        return error = "found '" + entry.str() + "', wanted NAME=SIZE", failure();
      sizes[name] = extent->constant();
    }
    return success();
  }

  /// The dim with its symbol replaced; as it was if the symbol has no size here. Null on overflow.
  std::optional<Dim> of(Dim dim) {
    if (dim.isConstant()) return dim;
    auto size = sizes.find(dim.symbolName());
    if (size == sizes.end()) return dim;
    used.insert(dim.symbolName());
    std::optional<Dim> whole = multiply(Dim(dim.factor()), Dim(size->second));
    isTooLarge |= !whole;
    return whole;
  }

  std::optional<Type> ofTensor(RankedTensorType type) {
    std::optional<TensorSpec> spec = specOf(type);
    if (!spec || type.hasStaticShape()) return std::nullopt;
    for (Dim &dim : spec->dims) {
      std::optional<Dim> replaced = of(dim);
      if (!replaced) return std::nullopt;
      dim = *replaced;
    }
    return typeOf(type.getContext(), *spec);
  }

  /// An extent of a shape attribute: "N" or "4*N".
  Attribute ofExtent(Attribute attr) {
    auto name = dyn_cast<StringAttr>(attr);
    std::optional<Dim> dim = name ? Dim::parse(name.getValue()) : std::nullopt;
    std::optional<Dim> replaced = dim ? of(*dim) : std::nullopt;
    if (!replaced || !replaced->isConstant()) return attr;
    return IntegerAttr::get(IntegerType::get(attr.getContext(), 64), replaced->constant());
  }

  std::string unusedName() const {
    for (const auto &entry : sizes)
      if (!used.contains(entry.getKey())) return entry.getKey().str();
    return {};
  }
  bool isTooLarge = false;

private:
  llvm::StringMap<int64_t> sizes;
  llvm::StringSet<> used;
};

void replaceShapeAttrs(Operation *op, Substitution &substitution) {
  std::optional<OpId> id = opIdOfOperation(op);
  if (!id) return;
  for (const AttrInfo &info : infoOf(*id).attrs) {
    auto extents = info.kind == AttrKind::Shape ? op->getAttrOfType<ArrayAttr>(info.name) : ArrayAttr();
    if (!extents) continue;
    SmallVector<Attribute> replaced;
    for (Attribute extent : extents) replaced.push_back(substitution.ofExtent(extent));
    op->setAttr(info.name, ArrayAttr::get(op->getContext(), replaced));
  }
}

struct SpecializeShapes : impl::SpecializeShapesPassBase<SpecializeShapes> {
  using Base::Base;

  void runOnOperation() override {
    if (dims.empty()) return;
    func::FuncOp function = getOperation();
    Substitution substitution;
    if (std::string error; failed(substitution.parse(dims, error))) {
      function.emitError("specialize-shapes: ") << error;
      return signalPassFailure();
    }
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](RankedTensorType type) { return substitution.ofTensor(type); });
    replacer.recursivelyReplaceElementsIn(function, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
    function.walk([&](Operation *op) { replaceShapeAttrs(op, substitution); });
    std::string unused = substitution.unusedName();
    if (substitution.isTooLarge)
      function.emitError("specialize-shapes: a dim is too large");
    else if (!unused.empty())
      function.emitError("specialize-shapes: no dim is named '") << unused << "'";
    else
      return;
    signalPassFailure();
  }
};

} // namespace
} // namespace tinyfin::fin
