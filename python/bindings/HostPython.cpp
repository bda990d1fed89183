// SPDX-License-Identifier: Apache-2.0
// Lines of user code and the GIL, for the frontend.
#include "frontend/Host.h"
#include "python/bindings/Bindings.h"
#include <frameobject.h>

namespace tinyfin::python {
namespace {

std::string packageFolder; // with a trailing separator

bool isOurs(PyCodeObject *code) {
  Py_ssize_t size = 0;
  const char *file = PyUnicode_AsUTF8AndSize(code->co_filename, &size);
  return file && !packageFolder.empty() && static_cast<size_t>(size) > packageFolder.size() &&
         std::memcmp(file, packageFolder.data(), packageFolder.size()) == 0;
}

SourceRef capture() {
  PyFrameObject *frame = PyEval_GetFrame(); // borrowed
  if (!frame) return {};
  Py_INCREF(frame);
  for (;;) {
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyFrameObject *caller = isOurs(code) ? PyFrame_GetBack(frame) : nullptr;
    if (!caller) {
      SourceRef source{code, PyFrame_GetLasti(frame)};
      Py_DECREF(frame);
      return source;
    }
    Py_DECREF(code);
    Py_DECREF(frame);
    frame = caller;
  }
}

void release(SourceRef source) { Py_DECREF(static_cast<PyObject *>(source.code)); }

std::string describe(SourceRef source) {
  auto *code = static_cast<PyCodeObject *>(source.code);
  const char *file = PyUnicode_AsUTF8(code->co_filename);
  return std::string(file ? file : "?") + ":" + std::to_string(PyCode_Addr2Line(code, source.instruction));
}

void unlocked(const std::function<void()> &work) {
  if (!PyGILState_Check()) return work();
  py::gil_scoped_release release;
  work();
}

bool interrupted() { return PyErr_CheckSignals() != 0; }

} // namespace

void installHost(py::module_ &module) {
  host() = {capture, release, describe, unlocked, interrupted};
  module.def("_set_package_folder", [](const std::string &folder) { packageFolder = folder; });
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const UserError &) {
      translateException();
    }
  });
}

} // namespace tinyfin::python
