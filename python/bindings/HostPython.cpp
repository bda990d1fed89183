// SPDX-License-Identifier: Apache-2.0
// Lines of user code and the GIL, for the frontend.
#include "frontend/Host.h"
#include "python/bindings/Bindings.h"
#include "runtime/Interrupt.h"
#include <frameobject.h>

namespace tinyfin::python {
namespace {

std::string packageFolder; // with a trailing separator


SourceRef capture() {
  PyFrameObject *frame = PyEval_GetFrame(); // borrowed
  if (!frame) return {};
  Py_INCREF(frame);
  for (;;) {
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyFrameObject *caller = isPackageCode(code) ? PyFrame_GetBack(frame) : nullptr;
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

unsigned long mainThread = 0;
struct {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
} raisedByHandler; // what a signal's handler raised while a graph ran

/// Python runs signal handlers on the main thread only, and with its lock.
bool interrupted() {
  if (PyThread_get_thread_ident() != mainThread) return false;
  py::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() == 0) return false;
  Py_XDECREF(raisedByHandler.type);
  Py_XDECREF(raisedByHandler.value);
  Py_XDECREF(raisedByHandler.traceback);
  PyErr_Fetch(&raisedByHandler.type, &raisedByHandler.value, &raisedByHandler.traceback);
  return true;
}

} // namespace

bool isPackageCode(PyCodeObject *code) {
  Py_ssize_t size = 0;
  const char *file = PyUnicode_AsUTF8AndSize(code->co_filename, &size);
  return file && !packageFolder.empty() && static_cast<size_t>(size) > packageFolder.size() &&
         std::memcmp(file, packageFolder.data(), packageFolder.size()) == 0;
}

bool restoreInterrupt() {
  if (!raisedByHandler.type) return false;
  PyErr_Restore(raisedByHandler.type, raisedByHandler.value, raisedByHandler.traceback);
  raisedByHandler = {};
  return true;
}

void installHost(py::module_ &module) {
  host() = {capture, release, describe, unlocked, interrupted};
  mainThread = PyThread_get_thread_ident();
  interruptPoll() = interrupted;
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
