// SPDX-License-Identifier: Apache-2.0
// A jitted call's arguments as the bytes of a signature, and the structure of its result.
#pragma once
#include "llvm/ADT/SmallString.h"
#include "python/bindings/Bindings.h"

namespace tinyfin::python {

/// A call's arguments, flat: the key describes structure, tensors' types and static values; numbers' values are left out.
struct Arguments {
  llvm::SmallString<256> key;
  llvm::SmallVector<Tensor, 8> tensors;
  llvm::SmallVector<int64_t, 4> numbers;     // bits of f64 or i64
  llvm::SmallVector<py::object, 2> statics;  // kept alive: the key holds their addresses
  bool hasArrays = false;                    // NumPy's

  void addPositional(PyObject *args, llvm::ArrayRef<uint32_t> staticPositions);
  void addDict(PyObject *dict, PyObject *staticNames, bool isStatic);

  template <class T> void put(T value) { key.append(llvm::StringRef(reinterpret_cast<const char *>(&value), sizeof(T))); }

private:
  void add(PyObject *object, bool isStatic);
  void addTensor(PyObject *object);
  void addStatic(PyObject *object);
};

/// What a function returned, with places for tensors.
class ResultShape {
public:
  ResultShape() = default;
  explicit ResultShape(py::handle templ);
  py::object fill(llvm::ArrayRef<Tensor> results) const;
  static PyTypeObject *leafType; // tinyfin.jit.Leaf

private:
  enum Kind : uint8_t { Constant, Leaf, Tuple, Named, List, Dict } kind = Constant;
  uint32_t index = 0;
  py::object constant; // Named: the type
  std::vector<ResultShape> items;
  std::vector<py::object> keys;
};

} // namespace tinyfin::python
