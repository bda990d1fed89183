// SPDX-License-Identifier: Apache-2.0
// Dispatch of jitted functions: a call's signature finds its variant, whose program runs without Python. Recording
// and verification are driven by tinyfin/jit.py.
#include "frontend/Autocast.h"
#include "frontend/Flush.h"
#include "frontend/Jit.h"
#include "llvm/ADT/StringMap.h"
#include "python/bindings/JitSignature.h"
#include "runtime/Config.h"
#include "runtime/Executable.h"
#include "runtime/FreedMemory.h"
#include "runtime/Log.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

PyTypeObject *numberArgumentType = nullptr; // tinyfin.jit.NumberArgument

constexpr size_t kMaxSignatures = 256; // of one function: what has more is called with ever new things
constexpr size_t kMaxEpochs = 16;
constexpr size_t kManyOps = 500; // whose recordings leave megabytes of freed memory behind

struct Variant {
  std::unique_ptr<JitProgram> program;
  py::object result; // template
  ResultShape shape; // the same, for filling
  py::list guards;   // (kind, container, key, value)
  llvm::SmallVector<uint64_t, 4> epochs; // states of modules that it is known to be right in
  bool verified = false;
  llvm::SmallVector<std::pair<uint32_t, int64_t>, 2> fixedNumbers; // number arguments whose value the body used as Python
  // An argument that was always the same tensor may also be one that the body knows by another way: only calls with that
  // tensor are like the recorded ones. 0: others were recorded too, and nothing changed.
  llvm::SmallVector<uint64_t, 4> boundTo;

  bool fits(const Arguments &flat, uint64_t epoch) const {
    return llvm::is_contained(epochs, epoch) && numbersHold(flat.numbers) && guardsHold() && program->fits(flat.tensors);
  }
  bool hasItsTensors(const Arguments &flat) const {
    for (auto [bound, tensor] : llvm::zip_equal(boundTo, flat.tensors))
      if (bound && bound != tensor->born) return false;
    return true;
  }
  void addEpoch(uint64_t epoch) {
    if (llvm::is_contained(epochs, epoch)) return;
    if (epochs.size() == kMaxEpochs) epochs.erase(epochs.begin());
    epochs.push_back(epoch);
  }

private:
  bool guardsHold() const {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(guards.ptr()); ++i) {
      PyObject *guard = PyList_GET_ITEM(guards.ptr(), i);
      PyObject *container = PyTuple_GET_ITEM(guard, 1), *expected = PyTuple_GET_ITEM(guard, 3);
      PyObject *now = PyCell_Check(container) ? PyCell_GET(container) : PyDict_GetItemWithError(container, PyTuple_GET_ITEM(guard, 2));
      if (now == expected) continue;
      bool isPlain = now && (PyLong_CheckExact(now) || PyFloat_CheckExact(now) || PyUnicode_CheckExact(now));
      if (!isPlain || Py_TYPE(now) != Py_TYPE(expected) || PyObject_RichCompareBool(now, expected, Py_EQ) != 1) return PyErr_Clear(), false;
    }
    return true;
  }
  bool numbersHold(llvm::ArrayRef<int64_t> numbers) const {
    return llvm::all_of(fixedNumbers, [&](auto &fixed) { return numbers[fixed.first] == fixed.second; });
  }
};

struct Signature {
  std::vector<std::shared_ptr<Variant>> variants;
  std::vector<py::object> statics; // the key holds their addresses
  std::string demoted;
  uint32_t moduleWrites = 0; // recordings that changed a Module's attribute
};

class PyJit {
public:
  PyJit(py::object staticNames, std::vector<uint32_t> staticPositions)
      : staticNames(std::move(staticNames)), staticPositions(std::move(staticPositions)) {}

  Arguments flatten(py::handle args, py::handle kwargs) const {
    Arguments flat;
    flat.key.push_back(isGradEnabled() ? 'G' : 'g');
    flat.put(autocastMode().key());
    flat.put(&flush::backend()); // compiled code and its memory are one backend's
    flat.addPositional(args.ptr(), staticPositions);
    if (kwargs.ptr() && PyDict_Check(kwargs.ptr()) && PyDict_Size(kwargs.ptr()) > 0) flat.addDict(kwargs.ptr(), staticNames.ptr(), false);
    return flat;
  }

  std::shared_ptr<Signature> find(const Arguments &flat) const {
    auto found = signatures.find(llvm::StringRef(flat.key.data(), flat.key.size()));
    return found == signatures.end() ? nullptr : found->second;
  }

  /// The result, or `missing`: the body must be recorded, or run as it is.
  py::object dispatch(py::handle args, py::handle kwargs) {
    if (Recorder::current().capture) return missing; // part of the graph around it
    Arguments flat = flatten(args, kwargs);
    std::shared_ptr<Signature> signature = find(flat);
    if (!signature) return missing;
    uint64_t epoch = jitEpoch();
    for (const std::shared_ptr<Variant> &candidate : signature->variants) {
      if (!candidate->verified || !candidate->fits(flat, epoch) || !candidate->hasItsTensors(flat)) continue;
      std::shared_ptr<Variant> variant = candidate; // other threads may change the list while this one computes
      ++hits;
      return variant->shape.fill(variant->program->run(flat.tensors, flat.numbers));
    }
    return missing;
  }

  std::string whyDemoted(py::handle args, py::handle kwargs) const {
    std::shared_ptr<Signature> signature = find(flatten(args, kwargs));
    if (signature) return signature->demoted;
    return signatures.size() < kMaxSignatures ? "" : "more than " + std::to_string(kMaxSignatures) + " signatures";
  }

  llvm::StringMap<std::shared_ptr<Signature>> signatures;
  py::object staticNames, missing;
  std::vector<uint32_t> staticPositions;
  bool freezes = false;
  Modes modes;
  uint64_t hits = 0;
};

/// One recording, as jit.py drives it.
class PyCapture {
public:
  PyCapture(PyJit &jit, py::handle args, py::handle kwargs, bool fullgraph)
      : flat(jit.flatten(args, kwargs)), fullgraph(fullgraph), epoch(jitEpoch()) {
    // What this call would have found, had it been verified: it must record the same.
    if (std::shared_ptr<Signature> signature = jit.find(flat))
      for (const std::shared_ptr<Variant> &variant : signature->variants)
        if (variant->fits(flat, epoch)) candidates.push_back(variant);
    capture = std::make_unique<Capture>(flat.tensors, fullgraph, jit.modes);
  }
  py::object numberSlot(uint32_t index, bool isFloat) {
    return py::cast(makeTensor({capture->numberArgument(index, flat.numbers[index], isFloat ? DType::F64 : DType::I64), {}}));
  }
  /// " (file:line)" where the tensor was made if it was made inside; None for one from outside.
  std::optional<std::string> madeAt(const Tensor &tensor) const {
    if (!capture->isInside(*tensor)) return std::nullopt;
    return capture->lineOf(*tensor);
  }

  /// The second recording of a large program is the last large thing that goes.
  ~PyCapture() {
    capture.reset();
    if (returnsFreed) returnFreedMemory();
  }

  Arguments flat;
  bool fullgraph;
  bool returnsFreed = false;
  uint64_t epoch; // at entry
  std::vector<std::shared_ptr<Variant>> candidates;
  std::unique_ptr<Capture> capture;
};

/// Ends a recording: compares with what is known of the signature and runs the graph.
class Finish {
public:
  Finish(PyJit &jit, PyCapture &recorded) : freezes(jit.freezes), recorded(recorded), capture(*recorded.capture) {
    auto &slot = jit.signatures[llvm::StringRef(recorded.flat.key.data(), recorded.flat.key.size())];
    if (!slot) slot = std::make_shared<Signature>();
    signature = slot;
    signature->statics.insert(signature->statics.end(), recorded.flat.statics.begin(), recorded.flat.statics.end());
    recorded.flat.statics.clear();
  }

  /// "" or why the signature was demoted. `kept` says what jit.py found wrong already.
  std::string operator()(const std::vector<Tensor> &results, py::object shape, py::list guards, const std::vector<uint32_t> &fixedNumbers,
                         size_t maxVariants, const std::string &kept) {
    if (capture.isDemoted()) return demote(capture.reason());
    if (recorded.flat.hasArrays) return demote("an argument is a numpy array, whose content may change: pass a tensor");
    if (recorded.epoch != jitEpoch()) {
      // Toggling to what is needed happens once; a body that changes modules at each call cannot go without Python.
      if (++signature->moduleWrites > 1) return demote("the function sets an attribute of a Module");
      capture.abandon();
      return "";
    }
    if (!kept.empty()) return demote(kept);
    if (std::string why = escape(results); !why.empty()) return demote(why);
    auto variant = std::make_shared<Variant>();
    try {
      variant->program = std::make_unique<JitProgram>(capture, results);
      variant->program->freezes = freezes;
    } catch (const UserError &error) {
      return demote(error.what());
    }
    for (uint32_t index : fixedNumbers) variant->fixedNumbers.push_back({index, recorded.flat.numbers[index]});
    variant->result = shape;
    variant->guards = guards;
    return settle(std::move(variant), maxVariants);
  }

private:
  std::string escape(const std::vector<Tensor> &results) {
    std::string why = capture.escape(results);
    if (why.empty()) return why;
    PyGC_Collect(); // cycles of the body's own are not yet gone
    return capture.escape(results);
  }

  std::string settle(std::shared_ptr<Variant> variant, size_t maxVariants) {
    std::string difference;
    for (const std::shared_ptr<Variant> &known : signature->variants) {
      if (known->fixedNumbers != variant->fixedNumbers) continue;
      std::string why = variant->program->differenceFrom(*known->program);
      if (why.empty() && !isEqual(known->result, variant->result)) why = "the returned structure changed";
      if (why.empty()) return confirm(*known, *variant);
      // The very next call of the same state must record the same: else Python decides anew each time. Unless what was
      // an argument then is now one that the body knows by another way.
      bool isRenamed = llvm::any_of(known->boundTo, [&](uint64_t born) { return born && variant->program->readsOutside(born); });
      if (!isRenamed && llvm::is_contained(recorded.candidates, known)) difference = why;
    }
    if (!difference.empty()) return demote(difference);
    if (signature->variants.size() >= maxVariants)
      return demote("more than max_recompiles=" + std::to_string(maxVariants) + " variants");
    variant->shape = ResultShape(variant->result);
    variant->epochs.push_back(recorded.epoch);
    for (const Tensor &tensor : recorded.flat.tensors) variant->boundTo.push_back(tensor->born);
    signature->variants.push_back(variant); // before it runs: another thread may be about to record the same
    variant->program->runCaptured(capture);
    return "";
  }

  std::string confirm(Variant &known, const Variant &again) {
    known.verified = true;
    known.addEpoch(recorded.epoch);
    known.guards = again.guards;
    known.program->acceptGradsOf(*again.program);
    for (auto [bound, tensor] : llvm::zip_equal(known.boundTo, recorded.flat.tensors))
      if (bound != tensor->born) bound = 0;
    known.program->runCaptured(capture);
    recorded.returnsFreed = known.program->ops() >= kManyOps;
    return "";
  }

  static bool isEqual(const py::object &a, const py::object &b) {
    int equal = PyObject_RichCompareBool(a.ptr(), b.ptr(), Py_EQ);
    if (equal < 0) PyErr_Clear();
    return equal == 1;
  }

  std::string demote(const std::string &reason) {
    signature->demoted = reason;
    logLine(LogChannel::Jit, "jit: runs as eager code: " + reason);
    signature->variants.clear();
    if (recorded.fullgraph) capture.restore();
    capture.abandon();
    return reason;
  }

  bool freezes;
  PyCapture &recorded;
  Capture &capture;
  std::shared_ptr<Signature> signature;
};

py::list explainJit(PyJit &jit) {
  py::list records;
  for (auto &item : jit.signatures) {
    Signature &signature = *item.second;
    py::dict base;
    base["demoted"] = signature.demoted;
    if (signature.variants.empty()) records.append(base);
    for (const auto &variant : signature.variants) {
      py::dict record;
      const ExecutableStats *stats = variant->program->stats();
      record["demoted"] = signature.demoted;
      record["verified"] = variant->verified;
      record["ops"] = variant->program->ops();
      record["not_compiled"] = variant->program->refusal;
      record["best_runs"] = variant->program->bestRuns();
      describeStats(record, *stats);
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
      .def(py::init<py::object, std::vector<uint32_t>>())
      .def("dispatch", &PyJit::dispatch)
      .def("explain", explainJit)
      .def("clear", [](PyJit &jit) { jit.signatures.clear(); })
      .def("demoted", &PyJit::whyDemoted)
      .def_readonly("hits", &PyJit::hits)
      .def_readwrite("missing", &PyJit::missing)
      .def_readwrite("freezes", &PyJit::freezes)
      .def_property("keep_bytes", [](const PyJit &jit) { return jit.modes.keepBytes; }, [](PyJit &jit, int64_t bytes) { jit.modes.keepBytes = bytes; })
      .def_property("autotune", [](const PyJit &jit) { return jit.modes.autotune; }, [](PyJit &jit, std::optional<bool> isWanted) { jit.modes.autotune = isWanted.value_or(config::autotune()); });
  py::class_<PyCapture>(module, "Capture")
      .def(py::init<PyJit &, py::handle, py::handle, bool>())
      .def("number_slot", &PyCapture::numberSlot)
      .def("made_at", &PyCapture::madeAt)
      .def("abandon", [](PyCapture &self) { self.capture->abandon(); })
      .def("finish", [](PyCapture &self, PyJit &jit, const std::vector<Tensor> &results, py::object shape, py::list guards, const std::vector<uint32_t> &fixed,
                        size_t maxVariants, const std::string &kept) { return Finish(jit, self)(results, shape, guards, fixed, maxVariants, kept); });
  module.def("_set_jit_types", [](py::object number, py::object leaf) {
    numberArgumentType = reinterpret_cast<PyTypeObject *>(number.release().ptr());
    ResultShape::leafType = reinterpret_cast<PyTypeObject *>(leaf.release().ptr());
  });
  module.def("is_capturing", [] { return Recorder::current().capture != nullptr; });
  module.def("demote", [](const std::string &reason) {
    if (Capture *capture = Recorder::current().capture) capture->demote(reason);
  }, py::arg("reason"), "Makes the function being recorded run as eager code from now on; does nothing outside of one.");
}

} // namespace tinyfin::python
