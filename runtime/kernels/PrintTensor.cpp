// SPDX-License-Identifier: Apache-2.0
// Tensors as text: one number format for all elements, chosen from those shown; above 1000 elements each axis shows
// its first and last three.
#include "runtime/kernels/PrintTensor.h"
#include "runtime/kernels/Dispatch.h"
#include <cmath>
#include <cstdio>

namespace tinyfin {
namespace {

constexpr int64_t kMostElements = 1000, kEdge = 3, kLineWidth = 80;

class TensorPrinter {
public:
  explicit TensorPrinter(const TensorArg &tensor) : tensor(tensor), elide(tensor.numElements() > kMostElements) {}

  std::string print() {
    if (tensor.numElements() == 0) return "tensor([]" + shapeSuffix() + dtypeSuffix() + ")";
    visitShown(0, 0, [&](int64_t at) { study(at); });
    scientific = !whole && largest > 0 && (largest > 1000 * smallest || largest > 1e8 || smallest < 1e-4);
    scientific |= whole && largest >= 1e8;
    visitShown(0, 0, [&](int64_t at) { widen(at); });
    std::string text = "tensor(";
    axis(text, 0, 0, text.size());
    return text + dtypeSuffix() + ")";
  }

private:
  /// Calls f for each element that is shown, row-major.
  template <class F> void visitShown(size_t depth, int64_t offset, F &&f) {
    if (depth == tensor.dims.size()) return f(offset);
    const int64_t extent = tensor.dims[depth];
    for (int64_t i = 0; i < extent; ++i) {
      if (elide && extent > 2 * kEdge && i == kEdge) i = extent - kEdge;
      visitShown(depth + 1, offset * extent + i, f);
    }
  }

  double real(int64_t at) const {
    return visitFloat(tensor.dtype, [&](auto tag) {
      using T = ElementOf<decltype(tag)>;
      return static_cast<double>(load<T>(tensor.as<const T>()[at]));
    });
  }
  void study(int64_t at) {
    if (!isFloat(tensor.dtype)) return;
    const double value = std::fabs(real(at));
    if (!std::isfinite(value) || value == 0) return;
    whole &= value == std::floor(value);
    largest = std::max(largest, value);
    smallest = std::min(smallest, value);
  }

  std::string element(int64_t at) const {
    if (tensor.dtype == DType::Bool) return tensor.as<const bool>()[at] ? "True" : "False";
    if (!isFloat(tensor.dtype))
      return std::to_string(visitInteger(tensor.dtype, [&](auto tag) {
        return static_cast<int64_t>(tensor.as<const ElementOf<decltype(tag)>>()[at]);
      }));
    const double value = real(at);
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    char text[64];
    std::snprintf(text, sizeof(text), scientific ? "%.4e" : whole ? "%.0f." : "%.4f", value);
    return text;
  }
  /// As in PyTorch, nan and inf do not make columns wider.
  void widen(int64_t at) {
    if (!isFloat(tensor.dtype) || std::isfinite(real(at))) width = std::max(width, element(at).size());
  }
  std::string padded(int64_t at) const {
    std::string text = element(at);
    return std::string(width - std::min(width, text.size()), ' ') + text;
  }

  void axis(std::string &text, size_t depth, int64_t offset, size_t indent) const {
    if (depth == tensor.dims.size()) {
      text += tensor.dims.empty() ? element(offset) : padded(offset);
      return;
    }
    const bool innermost = depth + 1 == tensor.dims.size();
    const int64_t extent = tensor.dims[depth];
    const int64_t perLine =
        std::max<int64_t>(1, (kLineWidth - static_cast<int64_t>(indent)) / static_cast<int64_t>(width + 2));
    std::string newLine =
        "," + std::string(innermost ? 1 : tensor.dims.size() - 1 - depth, '\n') + std::string(indent + 1, ' ');
    text += '[';
    int64_t shown = 0;
    for (int64_t i = 0; i < extent; ++i, ++shown) {
      if (shown > 0) text += innermost && shown % perLine != 0 ? ", " : newLine;
      if (elide && extent > 2 * kEdge && i == kEdge) {
        text += "...";
        i = extent - kEdge - 1;
        continue;
      }
      axis(text, depth + 1, offset * extent + i, indent + 1);
    }
    text += ']';
  }

  std::string shapeSuffix() const {
    if (tensor.dims.size() == 1) return "";
    std::string text = ", size=(";
    for (size_t i = 0; i < tensor.dims.size(); ++i) text += (i ? ", " : "") + std::to_string(tensor.dims[i]);
    return text + ")";
  }
  std::string dtypeSuffix() const {
    const bool usual = tensor.dtype == DType::F32 || tensor.dtype == DType::I64 || tensor.dtype == DType::Bool;
    return usual ? "" : std::string(", dtype=") + nameOf(tensor.dtype);
  }

  const TensorArg &tensor;
  bool elide, whole = true, scientific = false;
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  size_t width = 1;
};

} // namespace

std::string printTensor(const TensorArg &tensor) { return TensorPrinter(tensor).print(); }

} // namespace tinyfin
