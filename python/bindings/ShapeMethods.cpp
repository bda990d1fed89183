// SPDX-License-Identifier: Apache-2.0
// Views, joins, casts and moves.
#include "python/bindings/Bindings.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

/// f(2, 3) or f((2, 3)): extents as Dim words; a symbolic dim comes from `.shape`.
llvm::SmallVector<int64_t, 6> extentsOf(const py::args &args) {
  llvm::SmallVector<int64_t, 6> extents;
  py::sequence items = args;
  if (args.size() == 1 && PySequence_Check(args[0].ptr())) items = args[0].cast<py::sequence>();
  for (py::handle item : items) extents.push_back(dimOfObject(item));
  return extents;
}

std::vector<Tensor> tensorsOf(py::iterable items) {
  std::vector<Tensor> tensors;
  for (py::handle item : items) {
    if (!isTensor(item.ptr())) throw UserError(ErrorKind::Type, std::string("wanted tensors, found ") + Py_TYPE(item.ptr())->tp_name);
    tensors.push_back(cellOf(item.ptr()));
  }
  return tensors;
}

py::object to(py::object self, const py::args &args, const py::kwargs &kwargs) {
  Tensor x = cellOf(self.ptr());
  Tensor result = x;
  auto apply = [&](py::handle target) {
    if (target.is_none()) return;
    if (isTensor(target.ptr())) return void(result = ops::cast(result, cellOf(target.ptr())->spec.dtype));
    if (py::isinstance<py::str>(target)) {
      std::string name = py::str(target);
      if (name == "cpu") return;
      for (int i = 0; i < kNumDTypes; ++i)
        if (name == nameOf(static_cast<DType>(i))) return void(result = ops::cast(result, static_cast<DType>(i)));
      throw UserError(ErrorKind::Value, "device \"" + name + "\" is not available; there is cpu");
    }
    result = ops::cast(result, dtypeOfObject(target));
  };
  for (py::handle target : args) apply(target);
  for (auto [key, target] : kwargs)
    if (std::string name = py::str(key); name == "dtype" || name == "device") apply(target);
  return result == x ? self : py::cast(result);
}

} // namespace

py::object symbolicDim(Dim dim) { return py::cast(PyDim{dim.word()}); }

int64_t dimOfObject(py::handle object) {
  if (py::isinstance<PyDim>(object)) return object.cast<PyDim &>().word;
  if (!PyIndex_Check(object.ptr()))
    throw UserError(ErrorKind::Type, std::string("an extent must be an integer, found ") + Py_TYPE(object.ptr())->tp_name);
  Py_ssize_t value = PyNumber_AsSsize_t(object.ptr(), PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  if (value < -1) throw UserError(ErrorKind::Value, "an extent must not be negative, found " + std::to_string(value));
  return value;
}

void addShapeMethods(py::module_ &module) {
  py::class_<PyDim>(module, "SymbolicDim", "The extent of an axis that is not known while a graph is exported.")
      .def("__repr__", [](const PyDim &dim) { return Dim::fromWord(dim.word).str(); })
      .def("__eq__", [](const PyDim &a, const PyDim &b) { return a.word == b.word; })
      .def("__hash__", [](const PyDim &dim) { return dim.word; });

  method("reshape", [](const Tensor &x, py::args shape) { return ops::reshape(x, extentsOf(shape)); });
  method("view", [](const Tensor &x, py::args shape) { return ops::reshape(x, extentsOf(shape)); });
  method("permute", [](const Tensor &x, py::args axes) { return ops::transpose(x, extentsOf(axes)); });
  method("transpose", [](const Tensor &x, int64_t a, int64_t b) { return ops::swapAxes(x, a, b); });
  auto transposed = [](const Tensor &x) {
    llvm::SmallVector<int64_t, 6> axes;
    for (size_t i = x->spec.rank(); i-- > 0;) axes.push_back(static_cast<int64_t>(i));
    return ops::transpose(x, axes);
  };
  property("T", transposed);
  method("t", transposed);
  property("mT", [](const Tensor &x) { return ops::swapAxes(x, -1, -2); });
  method("flatten", [](const Tensor &x, int64_t first, int64_t last) { return ops::flatten(x, first, last); },
         py::arg("start_dim") = 0, py::arg("end_dim") = -1);
  method("squeeze", [](const Tensor &x, std::optional<int64_t> axis) { return ops::squeeze(x, axis); }, py::arg("dim") = py::none());
  method("unsqueeze", [](const Tensor &x, int64_t axis) { return ops::unsqueeze(x, axis); }, py::arg("dim"));
  method("expand", [](const Tensor &x, py::args shape) { return ops::expand(x, extentsOf(shape)); });
  method("expand_as", [](const Tensor &x, const Tensor &other) {
    llvm::SmallVector<int64_t, 6> words;
    for (Dim dim : other->spec.dims) words.push_back(dim.word());
    return ops::expand(x, words);
  });
  method("to", to);
  method("type_as", [](const Tensor &x, const Tensor &other) { return ops::cast(x, other->spec.dtype); });
  struct Named { const char *name; DType dtype; };
  for (auto [name, dtype] : {Named{"float", DType::F32}, Named{"double", DType::F64}, Named{"half", DType::F16}, Named{"bfloat16", DType::BF16},
                             Named{"long", DType::I64}, Named{"int", DType::I32}, Named{"bool", DType::Bool}})
    method(name, [dtype](py::object self) {
      Tensor x = cellOf(self.ptr()), result = ops::cast(x, dtype);
      return result == x ? self : py::cast(result);
    });

  module.def("cat", [](py::iterable xs, int64_t dim) { return ops::concat(tensorsOf(xs), dim); }, py::arg("tensors"), py::arg("dim") = 0);
  module.def("stack", [](py::iterable xs, int64_t dim) { return ops::stack(tensorsOf(xs), dim); }, py::arg("tensors"), py::arg("dim") = 0);
  module.def("attention", [](const Tensor &q, const Tensor &k, const Tensor &v, py::object mask, bool isCausal, double scale) {
    return ops::attention(q, k, v, mask.is_none() ? Tensor() : cellOf(mask.ptr()), isCausal, scale);
  }, py::arg("query"), py::arg("key"), py::arg("value"), py::arg("mask"), py::arg("is_causal"), py::arg("scale"));
  module.def("where", [](const Tensor &condition, const Operand &a, const Operand &b) { return ops::select(condition, a, b); },
             py::arg("condition"), py::arg("input"), py::arg("other"));
}

} // namespace tinyfin::python
