// SPDX-License-Identifier: Apache-2.0
// Dispatch of jitted functions: a call's signature finds its variant, whose program runs without Python. Recording
// and verification are driven by tinyfin/jit.py.
#include "frontend/Jit.h"
#include "python/bindings/Bindings.h"
#include "runtime/Executable.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

PyTypeObject *numberArgumentType = nullptr; // tinyfin.jit.NumberArgument
PyTypeObject *leafType = nullptr;           // tinyfin.jit.Leaf: stands for a tensor in a result's template

/// A call's arguments, flat: the key describes structure, tensors' types and static values; numbers' values are left out.
struct Arguments {
  std::string key;
  llvm::SmallVector<Tensor> tensors;
  llvm::SmallVector<int64_t> numbers; // bits of f64 or i64
  std::vector<py::object> statics;    // kept alive: the key holds their addresses

  template <class T> void put(T value) { key.append(reinterpret_cast<const char *>(&value), sizeof(T)); }

  void addTensor(PyObject *object) {
    Tensor tensor = cellOf(object);
    key += 'T';
    // The same tensor passed twice is part of the signature.
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i] == tensor) put(static_cast<uint32_t>(i));
    put(static_cast<uint8_t>(tensor->spec.dtype));
    put(static_cast<uint8_t>(tensor->spec.rank()));
    put(static_cast<uint8_t>(tensor->requiresGrad || bool(tensor->read().edge)));
    for (Dim dim : tensor->spec.dims) put(dim.word());
    tensors.push_back(std::move(tensor));
  }

  void add(PyObject *object, bool isStatic = false) {
    if (isTensor(object)) return addTensor(object);
    if (object == Py_None || PyBool_Check(object)) return key += object == Py_None ? 'n' : object == Py_True ? 't' : 'f', void();
    if (!isStatic && PyFloat_CheckExact(object)) {
      key += 'F';
      return numbers.push_back(std::bit_cast<int64_t>(PyFloat_AS_DOUBLE(object)));
    }
    if (!isStatic && PyLong_CheckExact(object)) {
      int overflow = 0;
      int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
      if (!overflow) return key += 'I', numbers.push_back(value);
    }
    if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
      PyObject *items = PySequence_Fast(object, "");
      py::object owner = py::reinterpret_steal<py::object>(items);
      key += PyTuple_CheckExact(object) ? '(' : '[';
      put(static_cast<uint32_t>(PySequence_Fast_GET_SIZE(items)));
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); ++i) add(PySequence_Fast_GET_ITEM(items, i), isStatic);
      return;
    }
    if (PyDict_CheckExact(object)) return addDict(object, nullptr, isStatic);
    addStatic(object);
  }

  void addDict(PyObject *dict, PyObject *staticNames, bool isStatic) {
    key += '{';
    put(static_cast<uint32_t>(PyDict_Size(dict)));
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &name, &value)) {
      addStatic(name);
      add(value, isStatic || (staticNames && PySet_Contains(staticNames, name) == 1));
    }
  }

  void addStatic(PyObject *object) {
    // Plain values by what they are, anything else by identity.
    bool isPlain = PyUnicode_CheckExact(object) || PyLong_Check(object) || PyFloat_Check(object) || PyBytes_CheckExact(object);
    if (!isPlain) {
      key += 'o';
      put(object);
      return statics.push_back(py::reinterpret_borrow<py::object>(object));
    }
    std::string text = py::repr(object);
    key += 's';
    put(static_cast<uint32_t>(text.size()));
    key += text;
  }
};

struct Variant {
  std::unique_ptr<JitProgram> program;
  py::object result;  // template
  py::list guards;    // (kind, container, key, value)
  uint64_t epoch = 0;
  bool verified = false;
  std::vector<std::pair<uint32_t, int64_t>> fixedNumbers; // number arguments whose value the body used as Python

  bool guardsHold() const {
    for (py::handle item : guards) {
      PyObject *guard = item.ptr();
      PyObject *container = PyTuple_GET_ITEM(guard, 1), *expected = PyTuple_GET_ITEM(guard, 3);
      PyObject *now = PyCell_Check(container) ? PyCell_GET(container) : PyDict_GetItemWithError(container, PyTuple_GET_ITEM(guard, 2));
      if (now == expected) continue;
      bool isPlain = now && (PyLong_Check(now) || PyFloat_Check(now) || PyUnicode_Check(now) || PyTuple_Check(now));
      if (!isPlain || Py_TYPE(now) != Py_TYPE(expected) || PyObject_RichCompareBool(now, expected, Py_EQ) != 1) return PyErr_Clear(), false;
    }
    return true;
  }
  bool numbersHold(llvm::ArrayRef<int64_t> numbers) const {
    return llvm::all_of(fixedNumbers, [&](auto &fixed) { return numbers[fixed.first] == fixed.second; });
  }
};

struct Signature {
  std::vector<Variant> variants;
  std::vector<py::object> statics;
  std::string demoted;
};

py::object fill(py::handle shape, llvm::ArrayRef<Tensor> results, llvm::ArrayRef<int64_t> numbers) {
  PyObject *object = shape.ptr();
  if (Py_TYPE(object) == leafType) {
    int64_t at = shape.attr("index").cast<int64_t>();
    return py::cast(results[at]);
  }
  if (PyTuple_CheckExact(object)) {
    py::tuple tuple(PyTuple_GET_SIZE(object));
    for (size_t i = 0; i < tuple.size(); ++i) tuple[i] = fill(PyTuple_GET_ITEM(object, i), results, numbers);
    return tuple;
  }
  if (PyList_CheckExact(object)) {
    py::list list;
    for (py::handle item : py::reinterpret_borrow<py::list>(shape)) list.append(fill(item, results, numbers));
    return list;
  }
  if (PyDict_CheckExact(object)) {
    py::dict dict;
    for (auto [key, value] : py::reinterpret_borrow<py::dict>(shape)) dict[key] = fill(value, results, numbers);
    return dict;
  }
  return py::reinterpret_borrow<py::object>(shape);
}

class PyJit {
public:
  explicit PyJit(py::object staticNames) : staticNames(std::move(staticNames)) {}

  Arguments flatten(py::handle args, py::handle kwargs) const {
    Arguments flat;
    flat.key += isGradEnabled() ? 'G' : 'g';
    flat.add(args.ptr());
    if (kwargs.ptr() && PyDict_Check(kwargs.ptr()) && PyDict_Size(kwargs.ptr()) > 0) flat.addDict(kwargs.ptr(), staticNames.ptr(), false);
    return flat;
  }

  /// The result, or None and the reason in `missing`: the body must be recorded (or run eagerly when demoted).
  py::object dispatch(py::handle args, py::handle kwargs) {
    Arguments flat = flatten(args, kwargs);
    auto found = signatures.find(flat.key);
    if (found == signatures.end()) return miss();
    Signature &signature = found->second;
    uint64_t epoch = jitEpoch();
    for (Variant &variant : signature.variants) {
      if (!variant.verified || variant.epoch != epoch || !variant.numbersHold(flat.numbers) || !variant.guardsHold() ||
          !variant.program->fits(flat.tensors))
        continue;
      ++hits;
      return fill(variant.result, variant.program->run(flat.tensors, flat.numbers), flat.numbers);
    }
    return miss();
  }

  py::object miss() const { return missing; }

  std::unordered_map<std::string, Signature> signatures;
  py::object staticNames, missing;
  uint64_t hits = 0;
};

/// One recording, as jit.py drives it.
class PyCapture {
public:
  PyCapture(PyJit &jit, py::handle args, py::handle kwargs, bool fullgraph) : flat(jit.flatten(args, kwargs)) {
    Tensor none;
    capture = std::make_unique<Capture>(flat.tensors, fullgraph);
  }
  py::object numberSlot(uint32_t index, bool isFloat) {
    return py::cast(makeTensor({capture->numberArgument(index, flat.numbers[index], isFloat ? DType::F64 : DType::I64), {}}));
  }

  Arguments flat;
  std::unique_ptr<Capture> capture;
};

/// Ends a recording: compares with what is known of the signature, runs the graph. Returns "" or why it was demoted.
std::string finish(PyJit &jit, PyCapture &recorded, const std::vector<Tensor> &results, py::object shape, py::list guards,
                   const std::vector<uint32_t> &fixedNumbers, int maxVariants) {
  Capture &capture = *recorded.capture;
  Signature &signature = jit.signatures[recorded.flat.key];
  signature.statics.insert(signature.statics.end(), recorded.flat.statics.begin(), recorded.flat.statics.end());
  auto demote = [&](const std::string &reason) {
    signature.demoted = reason;
    signature.variants.clear();
    capture.abandon();
    return reason;
  };
  if (capture.isDemoted()) return demote(capture.reason());
  auto program = std::make_unique<JitProgram>(capture, results);
  std::vector<std::pair<uint32_t, int64_t>> fixed;
  for (uint32_t index : fixedNumbers) fixed.push_back({index, recorded.flat.numbers[index]});

  std::string difference;
  for (Variant &variant : signature.variants) {
    if (variant.fixedNumbers != fixed) continue;
    std::string why = program->differenceFrom(*variant.program);
    bool sameShape = why.empty() && variant.result.equal(shape);
    if (sameShape) {
      variant.verified = true;
      variant.epoch = jitEpoch();
      variant.guards = guards;
      variant.program->runCaptured(capture);
      return "";
    }
    // The very next call of the same state must record the same: else Python decides anew each time.
    if (!variant.verified && variant.epoch == jitEpoch() && variant.guardsHold() && variant.program->fits(recorded.flat.tensors))
      difference = why.empty() ? "the returned structure changed" : why;
  }
  if (!difference.empty()) return demote(difference);
  if (signature.variants.size() >= static_cast<size_t>(maxVariants))
    return demote("more than max_recompiles=" + std::to_string(maxVariants) + " variants");
  program->runCaptured(capture);
  Variant variant;
  variant.program = std::move(program);
  variant.result = shape;
  variant.guards = guards;
  variant.epoch = jitEpoch();
  variant.fixedNumbers = fixed;
  signature.variants.push_back(std::move(variant));
  return "";
}

py::list explainJit(PyJit &jit) {
  py::list records;
  for (auto &[key, signature] : jit.signatures) {
    py::dict base;
    base["demoted"] = signature.demoted;
    if (signature.variants.empty()) records.append(base);
    for (Variant &variant : signature.variants) {
      py::dict record;
      const ExecutableStats *stats = variant.program->stats();
      record["demoted"] = signature.demoted;
      record["verified"] = variant.verified;
      record["ops"] = variant.program->ops();
      record["kernels"] = stats->kernels;
      record["interpreted_ops"] = stats->interpretedOps;
      record["refusals"] = stats->refusals;
      record["not_compiled"] = variant.program->refusal;
      record["arena_bytes"] = stats->arenaBytes;
      record["max_live_bytes"] = stats->maxLiveBytes;
      record["compile_ms"] = stats->compileMilliseconds;
      records.append(record);
    }
  }
  return records;
}

} // namespace

bool toNumberArgument(PyObject *object, Operand &operand) {
  if (!numberArgumentType || Py_TYPE(object) != numberArgumentType) return false;
  py::object slot = py::handle(object).attr("_slot");
  operand.slot = cellOf(slot.ptr())->read().value;
  return true;
}

void addJit(py::module_ &module) {
  py::class_<PyJit>(module, "JitFunction")
      .def(py::init<py::object>())
      .def("dispatch", &PyJit::dispatch)
      .def("explain", explainJit)
      .def("clear", [](PyJit &jit) { jit.signatures.clear(); })
      .def("demoted", [](PyJit &jit, py::handle args, py::handle kwargs) {
        auto found = jit.signatures.find(jit.flatten(args, kwargs).key);
        return found == jit.signatures.end() ? std::string() : found->second.demoted;
      })
      .def_readonly("hits", &PyJit::hits)
      .def_readwrite("missing", &PyJit::missing);
  py::class_<PyCapture>(module, "Capture")
      .def(py::init<PyJit &, py::handle, py::handle, bool>())
      .def("number_slot", &PyCapture::numberSlot)
      .def("abandon", [](PyCapture &self) { self.capture->abandon(); })
      .def_property_readonly("demoted", [](PyCapture &self) { return self.capture->reason(); })
      .def("finish", [](PyCapture &self, PyJit &jit, const std::vector<Tensor> &results, py::object shape, py::list guards,
                        const std::vector<uint32_t> &fixed, int maxVariants) { return finish(jit, self, results, shape, guards, fixed, maxVariants); });
  module.def("_set_jit_types", [](py::object number, py::object leaf) {
    numberArgumentType = reinterpret_cast<PyTypeObject *>(number.release().ptr());
    leafType = reinterpret_cast<PyTypeObject *>(leaf.release().ptr());
  });
  module.def("is_capturing", [] { return Recorder::current().capture != nullptr; });
  module.def("demote", [](const std::string &reason) {
    if (Capture *capture = Recorder::current().capture) capture->demote(reason);
  }, py::arg("reason"), "Makes the function being recorded run as eager code from now on; does nothing outside of one.");
}

} // namespace tinyfin::python
