// SPDX-License-Identifier: Apache-2.0
// Tensors in host memory: made, read element by element, compared.
#pragma once
#include "runtime/Buffer.h"
#include "runtime/Executable.h"
#include <string>

namespace tinyfin::run {

struct Array {
  TensorType type;
  BufferRef memory;
  std::byte *data() const { return static_cast<std::byte *>(memory->data()); }
};

/// Uninitialized; OutOfMemory where it would not fit into the machine.
StatusOr<Array> makeArray(TensorType type);
/// Every element rounded to the dtype.
void fill(const Array &array, double number);
/// Floats in [low, high), integers 0 or 1: what is safe as an index, a label and a divisor's exponent alike.
void fillRandom(const Array &array, uint64_t seed, double low = -1, double high = 1);

double elementOf(const Array &array, int64_t index);
void setElement(const Array &array, int64_t index, double value);
/// "4x8xf32"
std::string textOf(const TensorType &type);
/// "4x8xf32 = [1, 2, 3, ...]"
std::string summaryOf(const Array &array);

/// What two backends may differ by in a dtype: |found - wanted| <= absolute * max(1, largest |wanted|) + relative * |wanted|.
struct Tolerance {
  double relative = 0, absolute = 0;
};
Tolerance toleranceOf(DType dtype);

struct Difference {
  bool isOk = true;
  double maxError = 0; // the largest absolute one; infinite where only one side is NaN or infinite
  int64_t index = -1;  // where, or the first element out of tolerance
  std::string text;    // if not ok: the element and both values
};
Difference compare(const Array &found, const Array &wanted, Tolerance tolerance);

} // namespace tinyfin::run
