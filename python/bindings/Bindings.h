// SPDX-License-Identifier: Apache-2.0
// What the binding files share: data in and out of tensors, and how methods are added to the Tensor type.
#pragma once
#include "python/bindings/TensorType.h"
#include "runtime/Executable.h"

namespace tinyfin::python {

/// Numbers, nested lists or a NumPy array; Python floats give float32, ints int64.
Tensor tensorFromData(PyObject *data, std::optional<DType> dtype);
/// A tensor, number, list or NumPy array on the right of an assignment.
Operand valueOperand(PyObject *value);
/// The one element as a Python number; observes.
py::object itemOf(const Tensor &tensor);
/// Makes the value Ready and returns it.
ValueRef observed(const Tensor &tensor, const char *reason);
/// A dim as a Python int; symbolic dims raise.
int64_t extentOf(Dim dim);

/// A symbolic dim in `.shape`, and an extent (int or symbolic) as a Dim word; -1 passes.
struct PyDim {
  int64_t word;
};
py::object symbolicDim(Dim dim);
int64_t dimOfObject(py::handle object);

void addDTypes(py::module_ &module);
void addArrays(py::module_ &module);
void addMethods(py::module_ &module);
void addShapeMethods(py::module_ &module);
void addRawOps(py::module_ &module);
void addCreation(py::module_ &module);
void addRuntime(py::module_ &module);
void addJit(py::module_ &module);
void addExport(py::module_ &module);
void addProfile(py::module_ &module);
void installHost(py::module_ &module);
void addUserFrames(py::module_ &module);
void shortenArgumentErrors(py::module_ &module); // of what was added before
/// Sets the Python error that a signal's handler raised while a graph ran; false if none did.
bool restoreInterrupt();
/// Whether the code is of a file in the package's folder.
bool isPackageCode(PyCodeObject *code);
/// The stand-in for a number argument inside a jitted body.
bool toNumberArgument(PyObject *object, Operand &operand);
/// Counts changes that can make Python bodies record something else: module attributes, requires_grad.
uint64_t jitEpoch();
/// Kernels, memory and compile times, as explain() shows them.
void describeStats(pybind11::dict &record, const ExecutableStats &stats);
DType dtypeOfObject(py::handle object);
py::object objectOfDType(DType dtype);

template <class F, class... Extra> void method(const char *name, F &&function, const Extra &...extra) {
  py::handle type(reinterpret_cast<PyObject *>(tensorType()));
  type.attr(name) = py::cpp_function(std::forward<F>(function), py::name(name), py::is_method(type), extra...);
}
template <class F> void property(const char *name, F &&getter) {
  py::handle type(reinterpret_cast<PyObject *>(tensorType()));
  type.attr(name) = py::module_::import("builtins").attr("property")(py::cpp_function(std::forward<F>(getter), py::name(name), py::is_method(type)));
}
template <class G, class S> void property(const char *name, G &&getter, S &&setter) {
  py::handle type(reinterpret_cast<PyObject *>(tensorType()));
  type.attr(name) = py::module_::import("builtins").attr("property")(
      py::cpp_function(std::forward<G>(getter), py::name(name), py::is_method(type)),
      py::cpp_function(std::forward<S>(setter), py::name(name), py::is_method(type)));
}

} // namespace tinyfin::python
