// SPDX-License-Identifier: Apache-2.0
// The Python type `Tensor`: a plain CPython type around a cell (operators go straight to its number slots), and the
// conversions that the rest of the bindings use.
#pragma once
#include "frontend/Ops.h"
#include <pybind11/pybind11.h>

namespace tinyfin::python {
namespace py = pybind11;

struct PyTensor {
  PyObject_HEAD
  Cell *cell;
  PyObject *weakrefs;
};

/// Makes the type and adds it to the module.
void addTensorType(py::module_ &module);
PyTypeObject *tensorType();
inline bool isTensor(PyObject *object) { return PyObject_TypeCheck(object, tensorType()); }
inline Tensor cellOf(PyObject *object) { return Tensor(reinterpret_cast<PyTensor *>(object)->cell); }
/// A new object around the cell; of `type`, or Tensor.
PyObject *wrap(Tensor tensor, PyTypeObject *type = nullptr);

/// A tensor or number; false (and no Python error) for anything else.
bool toOperand(PyObject *object, Operand &operand);
/// The same, but TypeError names what was found.
Operand operandOf(PyObject *object);
/// What stands between [ and ].
llvm::SmallVector<ops::IndexItem, 4> indexOf(PyObject *key);

/// Sets the Python error for the C++ exception being handled.
void translateException() noexcept;

/// Runs `body`; a C++ exception becomes the Python error and `failure` the result.
template <class R, class F> R guarded(R failure, F &&body) noexcept {
  try {
    return body();
  } catch (...) {
    translateException();
    return failure;
  }
}

/// The Python object `tinyfin.float32`.
struct PyDType {
  DType code;
};

} // namespace tinyfin::python

namespace pybind11::detail {
template <> struct type_caster<tinyfin::Tensor> {
  PYBIND11_TYPE_CASTER(tinyfin::Tensor, const_name("Tensor"));
  bool load(handle source, bool) {
    if (!source) return false;
    if (!tinyfin::python::isTensor(source.ptr())) // one sentence, where pybind11 would list signatures
      throw type_error(std::string("wanted a Tensor, found ") + Py_TYPE(source.ptr())->tp_name);
    value = tinyfin::python::cellOf(source.ptr());
    return true;
  }
  static handle cast(tinyfin::Tensor tensor, return_value_policy, handle) {
    if (!tensor) return none().release();
    return tinyfin::python::wrap(std::move(tensor));
  }
};
template <> struct type_caster<tinyfin::Operand> {
  PYBIND11_TYPE_CASTER(tinyfin::Operand, const_name("Union[Tensor, float, int, bool]"));
  bool load(handle source, bool) {
    if (!source) return false;
    value = tinyfin::python::operandOf(source.ptr());
    return true;
  }
  static handle cast(const tinyfin::Operand &, return_value_policy, handle) { return none().release(); }
};
} // namespace pybind11::detail
