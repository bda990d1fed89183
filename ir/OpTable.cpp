// SPDX-License-Identifier: Apache-2.0
// The generated op table and look-ups in it.
#include "ir/OpTable.h"
#include "ir/GraphBuilder.h"
#include "ir/shape/Check.h"
#include "llvm/ADT/StringMap.h"

namespace tinyfin::fin {

#include "ir/OpTable.cpp.inc"
static_assert(std::size(opTable) == kNumOps);

const OpInfo &infoOf(OpId op) { return opTable[static_cast<int>(op)]; }

std::optional<OpId> findOp(llvm::StringRef name) {
  static const auto *ids = [] {
    auto *map = new llvm::StringMap<OpId>;
    for (int i = 0; i < kNumOps; ++i) map->try_emplace(opTable[i].name, static_cast<OpId>(i));
    return map;
  }();
  auto found = ids->find(name);
  return found == ids->end() ? std::nullopt : std::optional(found->second);
}

llvm::LogicalResult inferResults(OpId op, llvm::ArrayRef<TensorSpec> operands, llvm::ArrayRef<int64_t> attrs,
                                 llvm::SmallVectorImpl<TensorSpec> &results, std::string &error) {
  ShapeQuery query{op, operands, AttrReader({attrs.data(), attrs.size()}), results, {}};
  if (llvm::failed(shape::checkQuery(query, error))) return llvm::failure();
  if (llvm::succeeded(infoOf(op).shapeRule(query))) return shape::checkResults(results, error);
  error = std::move(query.error);
  return llvm::failure();
}

} // namespace tinyfin::fin
