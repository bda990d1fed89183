// SPDX-License-Identifier: Apache-2.0
// Attributes hold bools as bits or bytes, depending on their kind, and splats once; memory is always plain.
#include "backends/Constants.h"
#include "ir/Fin.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tinyfin {

TensorType tensorTypeOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  assert(tensor.hasStaticShape());
  return {*fin::dtypeOf(tensor.getElementType()), tensor.getShape().vec()};
}

static void copyDense(DenseElementsAttr dense, char *to) {
  if (dense.getElementType().isInteger(1)) {
    for (bool value : dense.getValues<bool>()) *to++ = value;
    return;
  }
  ArrayRef<char> raw = dense.getRawData();
  int64_t copies = dense.isSplat() ? dense.getNumElements() : dense.getNumElements() ? 1 : 0;
  for (int64_t i = 0; i < copies; ++i) to = std::copy(raw.begin(), raw.end(), to);
}

LogicalResult copyElements(ElementsAttr elements, void *to) {
  if (auto dense = dyn_cast<DenseElementsAttr>(elements)) return copyDense(dense, static_cast<char *>(to)), success();
  auto resource = dyn_cast<DenseResourceElementsAttr>(elements);
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob) return failure();
  TensorType type = tensorTypeOf(cast<ShapedType>(elements.getType()));
  if (blob->getData().size() != type.bytes()) return failure();
  std::memcpy(to, blob->getData().data(), type.bytes());
  return success();
}

ElementsAttr elementsOf(ShapedType type, const void *from) {
  TensorType plain = tensorTypeOf(type);
  auto *bytes = static_cast<const char *>(from);
  if (plain.dtype != DType::Bool)
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef(bytes, plain.bytes()));
  SmallVector<bool> values;
  for (size_t i = 0; i < plain.bytes(); ++i) values.push_back(bytes[i] != 0);
  return DenseElementsAttr::get(type, values);
}

} // namespace tinyfin
