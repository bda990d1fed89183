// SPDX-License-Identifier: Apache-2.0
// Python objects to operands and indices, C++ exceptions to Python's.
#include "python/bindings/Bindings.h"

namespace tinyfin::python {

/// NumPy's scalars: 0-d, with __index__ or __float__.
static bool fromNumPyScalar(PyObject *object, Operand &operand) {
  PyTypeObject *type = Py_TYPE(object);
  if (std::strncmp(type->tp_name, "numpy.", 6) != 0 || PySequence_Check(object)) return false;
  if (PyIndex_Check(object)) {
    operand.number = static_cast<int64_t>(PyNumber_AsSsize_t(object, PyExc_OverflowError));
  } else if (type->tp_as_number && type->tp_as_number->nb_float) {
    double value = PyFloat_AsDouble(object);
    bool isBool = std::strncmp(type->tp_name, "numpy.bool", 10) == 0;
    if (isBool) operand.number = value != 0;
    else operand.number = value;
  } else {
    return false;
  }
  if (PyErr_Occurred()) throw py::error_already_set();
  return true;
}

bool toOperand(PyObject *object, Operand &operand) {
  if (isTensor(object)) return operand.tensor = cellOf(object), true;
  if (PyFloat_CheckExact(object)) return operand.number = PyFloat_AS_DOUBLE(object), true;
  if (PyBool_Check(object)) return operand.number = object == Py_True, true;
  if (PyLong_Check(object)) {
    int overflow = 0;
    int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) throw UserError(ErrorKind::Value, "an integer does not fit into 64 bits");
    return operand.number = value, true;
  }
  if (PyFloat_Check(object)) return operand.number = PyFloat_AS_DOUBLE(object), true;
  return toNumberArgument(object, operand) || fromNumPyScalar(object, operand);
}

Operand operandOf(PyObject *object) {
  Operand operand;
  if (!toOperand(object, operand))
    throw UserError(ErrorKind::Type, std::string("wanted a Tensor or a number, found ") + Py_TYPE(object)->tp_name);
  return operand;
}

static std::optional<int64_t> boundOf(PyObject *object) {
  if (object == Py_None) return std::nullopt;
  Py_ssize_t value = PyNumber_AsSsize_t(object, nullptr);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

static ops::IndexItem itemOfKey(PyObject *key) {
  ops::IndexItem item;
  if (key == Py_Ellipsis) {
    item.kind = ops::IndexItem::Ellipsis;
  } else if (key == Py_None) {
    item.kind = ops::IndexItem::NewAxis;
  } else if (PySlice_Check(key)) {
    auto *slice = reinterpret_cast<PySliceObject *>(key);
    item.start = boundOf(slice->start);
    item.stop = boundOf(slice->stop);
    item.step = boundOf(slice->step);
  } else if (isTensor(key)) {
    item.kind = ops::IndexItem::Indices;
    item.indices = cellOf(key);
  } else if (PyBool_Check(key)) {
    throw UserError(ErrorKind::Index, "a bool is no index; use a mask tensor with where()");
  } else if (PyIndex_Check(key) && !PySequence_Check(key)) {
    item.kind = ops::IndexItem::Integer;
    item.integer = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (item.integer == -1 && PyErr_Occurred()) throw py::error_already_set();
  } else if (PySequence_Check(key)) {
    item.kind = ops::IndexItem::Indices;
    item.indices = tensorFromData(key, std::nullopt);
  } else {
    throw UserError(ErrorKind::Type, std::string("a tensor cannot be indexed by ") + Py_TYPE(key)->tp_name);
  }
  return item;
}

llvm::SmallVector<ops::IndexItem, 4> indexOf(PyObject *key) {
  llvm::SmallVector<ops::IndexItem, 4> items;
  if (!PyTuple_Check(key)) {
    items.push_back(itemOfKey(key));
    return items;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); ++i) items.push_back(itemOfKey(PyTuple_GET_ITEM(key, i)));
  return items;
}

static PyObject *typeOfError(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::Value: return PyExc_ValueError;
  case ErrorKind::Type: return PyExc_TypeError;
  case ErrorKind::Index: return PyExc_IndexError;
  case ErrorKind::Assertion: return PyExc_AssertionError;
  case ErrorKind::Memory: return PyExc_MemoryError;
  case ErrorKind::NotImplemented: return PyExc_NotImplementedError;
  case ErrorKind::Interrupted: return PyExc_KeyboardInterrupt;
  case ErrorKind::Runtime: break;
  }
  return PyExc_RuntimeError;
}

void translateException() noexcept {
  try {
    throw;
  } catch (const UserError &error) {
    if (error.kind == ErrorKind::Interrupted && restoreInterrupt()) return;
    PyErr_SetString(typeOfError(error.kind), error.what());
  } catch (py::error_already_set &error) {
    error.restore();
  } catch (const py::builtin_exception &error) {
    error.set_error();
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  } catch (const std::exception &error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown error");
  }
}

} // namespace tinyfin::python
