// SPDX-License-Identifier: Apache-2.0
// The dtype objects tinyfin.float32 and so on: one object each, compared by identity.
#include "python/bindings/Bindings.h"

namespace tinyfin::python {
namespace {

// Filled once when the module loads; leaked so that it outlives the interpreter's teardown.
py::object *objects() {
  static auto *table = new py::object[kNumDTypes];
  return table;
}

const char *attributeName(DType dtype) { return dtype == DType::Bool ? "bool_" : nameOf(dtype); }

} // namespace

py::object objectOfDType(DType dtype) { return objects()[static_cast<int>(dtype)]; }

DType dtypeOfObject(py::handle object) {
  if (py::isinstance<PyDType>(object)) return object.cast<PyDType &>().code;
  if (object.ptr() == reinterpret_cast<PyObject *>(&PyFloat_Type)) return DType::F32;
  if (object.ptr() == reinterpret_cast<PyObject *>(&PyLong_Type)) return DType::I64;
  if (object.ptr() == reinterpret_cast<PyObject *>(&PyBool_Type)) return DType::Bool;
  std::string name;
  if (py::isinstance<py::str>(object)) name = object.cast<std::string>();
  else if (py::hasattr(object, "name")) name = py::str(object.attr("name"));                  // numpy.dtype
  else if (py::hasattr(object, "__name__")) name = py::str(object.attr("__name__"));          // numpy.float32
  for (int i = 0; i < kNumDTypes; ++i)
    if (name == nameOf(static_cast<DType>(i))) return static_cast<DType>(i);
  std::string found = py::str(object);
  throw UserError(ErrorKind::Type, "wanted a dtype such as tinyfin.float32, found " + found);
}

void addDTypes(py::module_ &module) {
  auto type = py::class_<PyDType>(module, "dtype");
  type
      .def("__repr__", [](const PyDType &dtype) { return std::string("tinyfin.") + attributeName(dtype.code); })
      .def("__reduce__", [](const PyDType &dtype) { return std::string(attributeName(dtype.code)); })
      .def_property_readonly("name", [](const PyDType &dtype) { return nameOf(dtype.code); })
      .def_property_readonly("itemsize", [](const PyDType &dtype) { return sizeOf(dtype.code); })
      .def_property_readonly("is_floating_point", [](const PyDType &dtype) { return isFloat(dtype.code); });
  module.def("promote_types", [](py::handle a, py::handle b) { return objectOfDType(promoteTypes(dtypeOfObject(a), dtypeOfObject(b))); },
             py::arg("type1"), py::arg("type2"), "The dtype that holds values of both, by PyTorch's rule (no values are looked at).");
  for (int i = 0; i < kNumDTypes; ++i) {
    objects()[i] = py::cast(PyDType{static_cast<DType>(i)});
    module.attr(attributeName(static_cast<DType>(i))) = objects()[i];
  }
}

} // namespace tinyfin::python
