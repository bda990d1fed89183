// SPDX-License-Identifier: Apache-2.0
// Tracebacks that end in the user's line. `user_facing(function)` calls the function; when a mistake of the user is
// reported from inside the package, the package's frames at the end of the traceback are dropped.
// TINYFIN_FULL_TRACEBACKS=1 keeps them.
#include "python/bindings/Bindings.h"
#include "runtime/Config.h"
#include <frameobject.h>
#include <structmember.h>

namespace tinyfin::python {
namespace {

struct UserFacing {
  PyObject_HEAD
  PyObject *function;
  PyObject *dict; // __name__, __doc__, __wrapped__, ... for help() and inspect
  vectorcallfunc vectorcall;
};

bool isUsersMistake(PyObject *type) {
  for (PyObject *kind : {PyExc_ValueError, PyExc_TypeError, PyExc_IndexError, PyExc_RuntimeError, PyExc_AssertionError, PyExc_KeyError, PyExc_OSError, PyExc_NotImplementedError})
    if (PyErr_GivenExceptionMatches(type, kind)) return true;
  return false;
}

bool isInPackage(PyObject *traceback) {
  PyCodeObject *code = PyFrame_GetCode(reinterpret_cast<PyTracebackObject *>(traceback)->tb_frame);
  bool ours = isPackageCode(code);
  Py_DECREF(code);
  return ours;
}

void trimTraceback() {
  if (config::fullTracebacks() || !isUsersMistake(PyErr_Occurred())) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyTracebackObject *lastOfUser = nullptr;
  for (PyObject *at = traceback; at; at = reinterpret_cast<PyObject *>(reinterpret_cast<PyTracebackObject *>(at)->tb_next))
    if (!isInPackage(at)) lastOfUser = reinterpret_cast<PyTracebackObject *>(at);
  if (lastOfUser) Py_CLEAR(lastOfUser->tb_next);
  else Py_CLEAR(traceback);
  PyException_SetTraceback(value, traceback ? traceback : Py_None);
  PyErr_Restore(type, value, traceback);
}

PyObject *call(PyObject *self, PyObject *const *args, size_t count, PyObject *names) {
  PyObject *result = PyObject_Vectorcall(reinterpret_cast<UserFacing *>(self)->function, args, count, names);
  if (!result) trimTraceback();
  return result;
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *) {
  PyObject *function = nullptr;
  if (!PyArg_ParseTuple(args, "O", &function)) return nullptr;
  auto *self = reinterpret_cast<UserFacing *>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->function = Py_NewRef(function);
  self->vectorcall = call;
  return reinterpret_cast<PyObject *>(self);
}
PyObject *bind(PyObject *self, PyObject *object, PyObject *) {
  return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}
int traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reinterpret_cast<UserFacing *>(self)->function);
  Py_VISIT(reinterpret_cast<UserFacing *>(self)->dict);
  return 0;
}
int clear(PyObject *self) {
  Py_CLEAR(reinterpret_cast<UserFacing *>(self)->function);
  Py_CLEAR(reinterpret_cast<UserFacing *>(self)->dict);
  return 0;
}
void dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}
PyObject *represent(PyObject *self) { return PyObject_Repr(reinterpret_cast<UserFacing *>(self)->function); }

template <class F> PyType_Slot slot(int id, F *function) { return {id, reinterpret_cast<void *>(function)}; }

} // namespace

void addUserFrames(py::module_ &module) {
  static PyMemberDef members[] = {
      {"__dictoffset__", T_PYSSIZET, offsetof(UserFacing, dict), READONLY, nullptr},
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(UserFacing, vectorcall), READONLY, nullptr},
      {}};
  static PyGetSetDef properties[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
  static PyType_Slot slots[] = {slot(Py_tp_new, create),       slot(Py_tp_dealloc, dealloc), slot(Py_tp_traverse, traverse),
                                slot(Py_tp_clear, clear),      slot(Py_tp_call, PyVectorcall_Call), slot(Py_tp_descr_get, bind),
                                slot(Py_tp_repr, represent),   {Py_tp_members, members},     {Py_tp_getset, properties},
                                {0, nullptr}};
  static PyType_Spec spec = {"tinyfin._core.user_facing", sizeof(UserFacing), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  PyObject *type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  module.attr("user_facing") = py::reinterpret_steal<py::object>(type);
}

} // namespace tinyfin::python
