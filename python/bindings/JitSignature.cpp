// SPDX-License-Identifier: Apache-2.0
#include "python/bindings/JitSignature.h"

namespace tinyfin::python {

PyTypeObject *ResultShape::leafType = nullptr;

void Arguments::addTensor(PyObject *object) {
  Tensor tensor = cellOf(object);
  key.push_back('T');
  // The same tensor passed twice is part of the signature.
  uint32_t first = static_cast<uint32_t>(llvm::find(tensors, tensor) - tensors.begin());
  put(first == tensors.size() ? UINT32_MAX : first);
  put(static_cast<uint8_t>(tensor->spec.dtype));
  put(static_cast<uint8_t>(tensor->spec.rank()));
  put(static_cast<uint8_t>(tensor->requiresGrad || (!tensor->isLeaf())));
  for (Dim dim : tensor->spec.dims) put(dim.word());
  tensors.push_back(std::move(tensor));
}

void Arguments::add(PyObject *object, bool isStatic) {
  if (isTensor(object)) return addTensor(object);
  if (object == Py_None || PyBool_Check(object)) return key.push_back(object == Py_None ? 'n' : object == Py_True ? 't' : 'f');
  if (!isStatic && PyFloat_CheckExact(object)) {
    key.push_back('F');
    return numbers.push_back(std::bit_cast<int64_t>(PyFloat_AS_DOUBLE(object)));
  }
  if (!isStatic && PyLong_CheckExact(object)) {
    int overflow = 0;
    int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (!overflow) return key.push_back('I'), numbers.push_back(value);
  }
  if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
    bool isTuple = PyTuple_CheckExact(object);
    key.push_back(isTuple ? '(' : '[');
    put(static_cast<uint32_t>(PySequence_Fast_GET_SIZE(object)));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) add(PySequence_Fast_GET_ITEM(object, i), isStatic);
    return;
  }
  if (PyDict_CheckExact(object)) return addDict(object, nullptr, isStatic);
  if (std::strcmp(Py_TYPE(object)->tp_name, "numpy.ndarray") == 0) return key.push_back('a'), void(hasArrays = true);
  addStatic(object);
}

void Arguments::addPositional(PyObject *args, llvm::ArrayRef<uint32_t> staticPositions) {
  put(static_cast<uint32_t>(PyTuple_GET_SIZE(args)));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i)
    add(PyTuple_GET_ITEM(args, i), llvm::is_contained(staticPositions, static_cast<uint32_t>(i)));
}

void Arguments::addDict(PyObject *dict, PyObject *staticNames, bool isStatic) {
  key.push_back('{');
  put(static_cast<uint32_t>(PyDict_Size(dict)));
  PyObject *name, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(dict, &at, &name, &value)) {
    addStatic(name);
    add(value, isStatic || (staticNames && PySet_Contains(staticNames, name) == 1));
  }
}

void Arguments::addStatic(PyObject *object) {
  // Plain values by what they are, anything else by identity.
  if (PyUnicode_CheckExact(object)) {
    Py_ssize_t size = 0;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (!text) throw py::error_already_set();
    key.push_back('u');
    put(static_cast<uint32_t>(size));
    return key.append(llvm::StringRef(text, static_cast<size_t>(size)));
  }
  bool isPlain = PyLong_Check(object) || PyFloat_Check(object) || PyBytes_CheckExact(object);
  if (!isPlain) {
    key.push_back('o');
    put(object);
    return statics.push_back(py::reinterpret_borrow<py::object>(object));
  }
  std::string text = py::repr(object);
  key.push_back('s');
  put(static_cast<uint32_t>(text.size()));
  key.append(text);
}

ResultShape::ResultShape(py::handle templ) {
  PyObject *object = templ.ptr();
  bool isNamed = PyTuple_Check(object) && !PyTuple_CheckExact(object) && PyObject_HasAttrString(object, "_fields");
  if (Py_TYPE(object) == leafType) {
    kind = Leaf;
    index = templ.attr("index").cast<uint32_t>();
  } else if (PyTuple_CheckExact(object) || PyList_CheckExact(object) || isNamed) {
    kind = isNamed ? Named : PyTuple_CheckExact(object) ? Tuple : List;
    if (isNamed) constant = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject *>(Py_TYPE(object)));
    for (py::handle item : templ) items.emplace_back(item);
  } else if (PyDict_CheckExact(object)) {
    kind = Dict;
    for (auto [key, value] : py::reinterpret_borrow<py::dict>(templ)) {
      keys.push_back(py::reinterpret_borrow<py::object>(key));
      items.emplace_back(value);
    }
  } else {
    constant = py::reinterpret_borrow<py::object>(templ);
  }
}

py::object ResultShape::fill(llvm::ArrayRef<Tensor> results) const {
  switch (kind) {
  case Constant: return constant;
  case Leaf: return py::reinterpret_steal<py::object>(wrap(results[index]));
  case List: {
    py::list list(items.size());
    for (size_t i = 0; i < items.size(); ++i) PyList_SET_ITEM(list.ptr(), i, items[i].fill(results).release().ptr());
    return std::move(list);
  }
  case Dict: {
    py::dict dict;
    for (size_t i = 0; i < items.size(); ++i) dict[keys[i]] = items[i].fill(results);
    return std::move(dict);
  }
  case Tuple:
  case Named: break;
  }
  py::tuple tuple(items.size());
  for (size_t i = 0; i < items.size(); ++i) PyTuple_SET_ITEM(tuple.ptr(), i, items[i].fill(results).release().ptr());
  return kind == Named ? constant(*tuple) : py::object(std::move(tuple));
}

} // namespace tinyfin::python
