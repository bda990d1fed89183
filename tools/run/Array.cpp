// SPDX-License-Identifier: Apache-2.0
#include "tools/run/Array.h"
#include "runtime/kernels/Half.h"
#include <cmath>
#include <cstring>
#include <random>
#include <unistd.h>

namespace tinyfin::run {
namespace {

constexpr int64_t kShownElements = 8;
constexpr const char *kShortNames[kNumDTypes] = {"f32", "f64", "bf16", "f16", "i64", "i32", "i8", "ui8", "i1"};

size_t machineBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

template <class T> T at(const Array &array, int64_t index) {
  T value;
  std::memcpy(&value, array.data() + index * sizeof(T), sizeof(T));
  return value;
}
template <class T> void put(const Array &array, int64_t index, T value) {
  std::memcpy(array.data() + index * sizeof(T), &value, sizeof(T));
}

std::string numberText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

} // namespace

StatusOr<Array> makeArray(TensorType type) {
  StatusOr<size_t> bytes = byteSize(type.dims, type.dtype);
  if (!bytes.isOk()) return bytes.status();
  if (bytes.value() > machineBytes())
    return Status::error(StatusCode::OutOfMemory, "a tensor of " + textOf(type) + " has " + std::to_string(bytes.value()) +
                                                      " bytes, more than this machine's memory");
  StatusOr<BufferRef> memory = Device::cpu().allocate(bytes.value());
  if (!memory.isOk()) return memory.status();
  return Array{std::move(type), std::move(memory.value())};
}

double elementOf(const Array &array, int64_t index) {
  switch (array.type.dtype) {
  case DType::F32: return at<float>(array, index);
  case DType::F64: return at<double>(array, index);
  case DType::BF16: return widen(at<BFloat16>(array, index));
  case DType::F16: return static_cast<float>(at<Float16>(array, index));
  case DType::I64: return static_cast<double>(at<int64_t>(array, index));
  case DType::I32: return at<int32_t>(array, index);
  case DType::I8: return at<int8_t>(array, index);
  case DType::U8: return at<uint8_t>(array, index);
  case DType::Bool: return at<uint8_t>(array, index) != 0;
  }
  return 0;
}

/// Casts of doubles outside an integer's range are undefined: they saturate here.
template <class T> T saturated(double value) {
  if (std::isnan(value)) return 0;
  constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double high = static_cast<double>(std::numeric_limits<T>::max());
  if (value <= low) return std::numeric_limits<T>::min();
  return value >= high ? std::numeric_limits<T>::max() : static_cast<T>(value);
}

void setElement(const Array &array, int64_t index, double value) {
  switch (array.type.dtype) {
  case DType::F32: return put(array, index, static_cast<float>(value));
  case DType::F64: return put(array, index, value);
  case DType::BF16: return put(array, index, roundToBFloat16(static_cast<float>(value)));
  case DType::F16: return put(array, index, static_cast<Float16>(value));
  case DType::I64: return put(array, index, saturated<int64_t>(value));
  case DType::I32: return put(array, index, saturated<int32_t>(value));
  case DType::I8: return put(array, index, saturated<int8_t>(value));
  case DType::U8: return put(array, index, saturated<uint8_t>(value));
  case DType::Bool: return put(array, index, static_cast<uint8_t>(value != 0));
  }
}

void fill(const Array &array, double number) {
  for (int64_t i = 0, count = array.type.numElements(); i < count; ++i) setElement(array, i, number);
}

void fillRandom(const Array &array, uint64_t seed, double low, double high) {
  std::mt19937_64 random(seed);
  bool isReal = isFloat(array.type.dtype);
  for (int64_t i = 0, count = array.type.numElements(); i < count; ++i) {
    double unit = static_cast<double>(random() >> 11) * 0x1p-53; // not std's distributions: the same on every system
    setElement(array, i, isReal ? low + unit * (high - low) : unit < 0.5);
  }
}

std::string textOf(const TensorType &type) {
  std::string text;
  for (int64_t dim : type.dims) text += std::to_string(dim) + "x";
  return text + kShortNames[static_cast<int>(type.dtype)];
}

std::string summaryOf(const Array &array) {
  int64_t count = array.type.numElements();
  std::string text = textOf(array.type) + " = [";
  for (int64_t i = 0; i < std::min(count, kShownElements); ++i) {
    bool isExact = array.type.dtype == DType::I64;
    text += (i ? ", " : "") + (isExact ? std::to_string(at<int64_t>(array, i)) : numberText(elementOf(array, i)));
  }
  return text + (count > kShownElements ? ", ...]" : "]");
}

Tolerance toleranceOf(DType dtype) {
  switch (dtype) {
  case DType::F32: return {1.3e-6, 1e-5};
  case DType::F64: return {1e-7, 1e-7};
  case DType::BF16: return {1.6e-2, 1e-5};
  case DType::F16: return {1e-3, 1e-5};
  default: return {};
  }
}

static double largestOf(const Array &array) {
  double largest = 0;
  for (int64_t i = 0, count = array.type.numElements(); i < count; ++i)
    if (double size = std::abs(elementOf(array, i)); std::isfinite(size)) largest = std::max(largest, size);
  return largest;
}

Difference compare(const Array &found, const Array &wanted, Tolerance tolerance) {
  Difference difference;
  if (!(found.type == wanted.type)) {
    difference.isOk = false;
    difference.text = "found " + textOf(found.type) + ", wanted " + textOf(wanted.type);
    return difference;
  }
  if (found.type.bytes() == 0 || !std::memcmp(found.data(), wanted.data(), found.type.bytes())) return difference;
  double absolute = tolerance.absolute * std::max(1.0, largestOf(wanted));
  for (int64_t i = 0, count = found.type.numElements(); i < count; ++i) {
    double f = elementOf(found, i), w = elementOf(wanted, i);
    if (f == w || (std::isnan(f) && std::isnan(w))) continue;
    double error = std::isfinite(f) && std::isfinite(w) ? std::abs(f - w) : INFINITY;
    bool isClose = error <= absolute + tolerance.relative * std::abs(w);
    if (!isClose && difference.isOk) {
      difference.isOk = false;
      difference.index = i;
      difference.text = "element " + std::to_string(i) + " is " + numberText(f) + ", wanted " + numberText(w);
    }
    if (error > difference.maxError && difference.isOk) difference.index = i;
    difference.maxError = std::max(difference.maxError, error);
  }
  return difference;
}

} // namespace tinyfin::run
