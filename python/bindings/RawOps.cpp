// SPDX-License-Identifier: Apache-2.0
// The submodule `ops`: one function a recorded op, driven by the op table, so no op can be missing. Arguments are the
// operands, then the attributes, in the order of the definition; random ops get state and offset from the generator.
#include "python/bindings/Bindings.h"

namespace tinyfin::python {
namespace {

const char *describe(fin::AttrKind kind) {
  switch (kind) {
  case fin::AttrKind::Integer: return "an int";
  case fin::AttrKind::Flag: return "a bool";
  case fin::AttrKind::Real: return "a number";
  case fin::AttrKind::DType: return "a dtype";
  case fin::AttrKind::Text: return "a string";
  case fin::AttrKind::List:
  case fin::AttrKind::Shape: break;
  }
  return "a sequence of ints";
}

void writeAttr(fin::AttrKind kind, PyObject *object, Words &words) {
  AttrWriter writer(words);
  py::handle handle(object);
  switch (kind) {
  case fin::AttrKind::Integer: writer.integer(handle.cast<int64_t>()); break;
  case fin::AttrKind::Flag: writer.flag(handle.cast<bool>()); break;
  case fin::AttrKind::Real: writer.real(handle.cast<double>()); break;
  case fin::AttrKind::DType: writer.dtype(dtypeOfObject(handle)); break;
  case fin::AttrKind::Text: writer.text(handle.cast<std::string>()); break;
  case fin::AttrKind::List:
  case fin::AttrKind::Shape: {
    py::sequence items = handle.cast<py::sequence>();
    writer.integer(static_cast<int64_t>(items.size()));
    for (py::handle item : items) words.push_back(kind == fin::AttrKind::Shape ? dimOfObject(item) : item.cast<int64_t>());
  }
  }
}

void appendAttr(const fin::AttrInfo &attr, PyObject *object, Words &words) {
  try {
    writeAttr(attr.kind, object, words);
  } catch (const py::cast_error &) {
    throw UserError(ErrorKind::Type, std::string(attr.name) + ": found " + Py_TYPE(object)->tp_name + ", wanted " + describe(attr.kind));
  }
}

/// The dtype a Python number takes beside tensors: that of the first one.
DType numberDType(PyObject *const *args, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (isTensor(args[i])) return cellOf(args[i])->spec.dtype;
  return DType::F32;
}

Var varOf(PyObject *object, DType dtype) {
  Operand operand = operandOf(object);
  return operand.isNumber() ? ops::asVar(operand, dtype) : operand.tensor->read();
}

PyObject *call(OpId op, PyObject *const *args, size_t count) {
  const fin::OpInfo &info = fin::infoOf(op);
  size_t operands = info.operands.size() - (info.isRandom ? 1 : 0), attrs = info.attrs.size() - (info.isRandom ? 1 : 0);
  size_t required = operands;
  for (size_t i = 0; i < attrs; ++i) required += !info.attrs[i].isOptional;
  if (count < required || count > operands + attrs)
    throw UserError(ErrorKind::Type, std::string(info.mnemonic) + ": found " + std::to_string(count) + " arguments, wanted " +
                                         std::to_string(operands) + " operands and " + std::to_string(attrs) + " attributes");
  Vars vars;
  if (info.isVariadic) {
    for (py::handle item : py::cast<py::sequence>(args[0])) vars.push_back(varOf(item.ptr(), DType::F32));
  } else {
    DType dtype = numberDType(args, operands);
    for (size_t i = 0; i < operands; ++i) vars.push_back(varOf(args[i], dtype));
  }
  Words words;
  for (size_t i = 0; i < attrs; ++i) {
    if (operands + i < count)
      appendAttr(info.attrs[i], args[operands + i], words);
    else
      AttrWriter(words).flag(false);
  }
  Vars results = ops::raw(op, std::move(words), vars);
  if (results.empty()) Py_RETURN_NONE;
  if (results.size() == 1) return wrap(makeTensor(results[0]));
  py::tuple tuple(results.size());
  for (size_t i = 0; i < results.size(); ++i) tuple[i] = makeTensor(results[i]);
  return tuple.release().ptr();
}

PyObject *entry(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return guarded<PyObject *>(nullptr, [&] { return call(static_cast<OpId>(PyLong_AsLong(self)), args, static_cast<size_t>(count)); });
}

} // namespace

void addRawOps(py::module_ &module) {
  py::module_ ops = module.def_submodule("ops", "One function a recorded op: operands, then attributes.");
  static auto *definitions = new PyMethodDef[fin::kNumOps];
  for (int i = 0; i < fin::kNumOps; ++i) {
    const fin::OpInfo &info = fin::infoOf(static_cast<OpId>(i));
    definitions[i] = {info.mnemonic, reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(entry)), METH_FASTCALL, info.summary};
    PyObject *function = PyCFunction_New(&definitions[i], py::int_(i).release().ptr());
    if (!function) throw py::error_already_set();
    ops.attr(info.mnemonic) = py::reinterpret_steal<py::object>(function);
  }
}

} // namespace tinyfin::python
