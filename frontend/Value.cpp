// SPDX-License-Identifier: Apache-2.0
#include "frontend/Value.h"
#include "frontend/Recorder.h"

namespace tinyfin {

void Value::dispose() {
  // A pending value nobody holds is dead code: its recorder must not bind it.
  if (recorder && traceId == recorder->traceId()) recorder->forget(*this);
  delete this;
}

size_t Value::bytes() const {
  std::optional<Dim> count = fin::numElements(spec.dims);
  return count && count->isConstant() ? static_cast<size_t>(count->constant()) * sizeOf(spec.dtype) : 0;
}

ValueRef readyValue(TensorSpec spec, BufferRef buffer) {
  ValueRef value(new Value(std::move(spec), ValueState::Ready));
  value->buffer = std::move(buffer);
  return value;
}

} // namespace tinyfin
