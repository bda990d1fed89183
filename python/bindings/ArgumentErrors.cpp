// SPDX-License-Identifier: Apache-2.0
// Arguments that fit no signature are one sentence, "transpose: found (str, int), wanted (int, int)", where pybind11 lists
// its signatures over several lines. Its functions keep their entry but for this step after a failure.
#include "python/bindings/Bindings.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

namespace tinyfin::python {
namespace {

using Entry = PyObject *(*)(PyObject *, PyObject *const *, size_t, PyObject *);
Entry entry = nullptr; // pybind11's, of every function it makes

std::string replaced(std::string text, llvm::StringRef from, llvm::StringRef to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

/// "(self: Tensor, dim: typing.SupportsInt | typing.SupportsIndex) -> Tensor" as "(dim: int)".
std::string wanted(llvm::StringRef signature) {
  signature = signature.substr(0, signature.rfind(" -> "));
  std::string text = signature.str();
  for (auto [from, to] : {std::pair("typing.SupportsInt | typing.SupportsIndex", "int"), {"typing.SupportsFloat | typing.SupportsIndex", "float"},
                          {"collections.abc.", ""}, {"typing.", ""}, {"self: Tensor, ", ""}, {"self: object, ", ""}, {"self: Tensor", ""},
                          {"self: object", ""}, {"Union[Tensor, float, int, bool]", "Tensor or number"}, {": object", ""}})
    text = replaced(text, from, to);
  for (char digit : {'0', '1', '2', '3'}) text = replaced(text, std::string("arg") + digit + ": ", "");
  return text;
}

std::string found(PyObject *const *args, size_t count, PyObject *names, bool isMethod) {
  llvm::SmallVector<std::string> types;
  size_t named = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
  for (size_t i = isMethod; i < count; ++i) types.push_back(Py_TYPE(args[i])->tp_name);
  for (size_t i = 0; i < named; ++i)
    types.push_back(std::string(py::str(PyTuple_GET_ITEM(names, i))) + "=" + Py_TYPE(args[count + i])->tp_name);
  return "(" + llvm::join(types, ", ") + ")";
}

/// Rewrites pybind11's message if it is the one of arguments that fit no signature.
void shorten(PyObject *const *args, size_t count, PyObject *names) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  std::string text = value ? std::string(py::str(value)) : "";
  auto [name, rest] = llvm::StringRef(text).split("(): incompatible function arguments.");
  llvm::StringRef signature = rest.split("1. ").second.split('\n').first;
  if (signature.empty()) return PyErr_Restore(type, value, traceback);
  Py_XDECREF(type), Py_XDECREF(value), Py_XDECREF(traceback);
  bool isMethod = signature.starts_with("(self");
  std::string message = name.str() + ": found " + found(args, count, names, isMethod) + ", wanted " + wanted(signature);
  PyErr_SetString(PyExc_TypeError, message.c_str());
}

PyObject *call(PyObject *self, PyObject *const *args, size_t count, PyObject *names) {
  PyObject *result = entry(self, args, count, names);
  if (!result && PyErr_ExceptionMatches(PyExc_TypeError)) shorten(args, static_cast<size_t>(PyVectorcall_NARGS(count)), names);
  return result;
}

/// The function that a function object or an unbound method is made of, if pybind11 made it.
void redirect(PyObject *object) {
  if (PyInstanceMethod_Check(object)) object = PyInstanceMethod_GET_FUNCTION(object);
  if (!PyCFunction_Check(object)) return;
  PyMethodDef *definition = reinterpret_cast<PyCFunctionObject *>(object)->m_ml;
  if (reinterpret_cast<void *>(definition->ml_meth) == reinterpret_cast<void *>(entry))
    definition->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(call));
}

void redirectAll(py::handle names) {
  py::object property = py::module_::import("builtins").attr("property");
  for (py::handle item : py::list(names.attr("values")())) {
    if (py::isinstance(item, property)) {
      for (const char *part : {"fget", "fset"}) redirect(item.attr(part).ptr());
    } else {
      redirect(item.ptr());
    }
  }
}

} // namespace

void shortenArgumentErrors(py::module_ &module) {
  py::cpp_function sample([] {});
  PyMethodDef *definition = reinterpret_cast<PyCFunctionObject *>(sample.ptr())->m_ml;
  if (definition->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) return; // another pybind11: its own messages
  entry = reinterpret_cast<Entry>(reinterpret_cast<void *>(definition->ml_meth));
  redirectAll(module.attr("__dict__"));
  redirectAll(module.attr("Tensor").attr("__dict__"));
}

} // namespace tinyfin::python
