// SPDX-License-Identifier: Apache-2.0
// Boundaries, modes, statistics and settings.
#include "frontend/Autocast.h"
#include "frontend/Flush.h"
#include "python/bindings/Bindings.h"
#include "runtime/CompileQueue.h"
#include "runtime/Config.h"
#include "runtime/ExecutionCache.h"
#include "runtime/Version.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

thread_local int moduleDepth = 0;
uint64_t moduleEpoch = 0, moduleFlags = 0; // under the GIL

py::dict cacheInfo() {
  CacheStats cache = ExecutionCache::process().stats();
  flush::Stats flushes = flush::stats();
  py::dict info;
  info["hits"] = cache.hits;
  info["misses"] = cache.misses;
  info["compiled_hits"] = cache.compiledHits;
  info["superset_hits"] = cache.supersetHits;
  info["graphs"] = cache.graphs;
  info["entries"] = cache.entries;
  info["evictions"] = cache.evictions;
  info["bytes"] = cache.bytes;
  info["flushes"] = flushes.flushes;
  info["ops"] = flushes.ops;
  info["interpreted_runs"] = flushes.interpretedRuns;
  info["compiled_runs"] = flushes.compiledRuns;
  info["lookup_microseconds"] = flushes.lookupMicroseconds;
  return info;
}

py::list explain() {
  py::list records;
  for (const auto &entry : ExecutionCache::process().entries()) {
    auto executable = entry->executable();
    py::dict record;
    record["state"] = nameOf(entry->state());
    record["backend"] = executable->backend();
    record["seen"] = entry->seen();
    record["refused"] = entry->refusal();
    record["best_runs"] = entry->trial().describe();
    describeStats(record, executable->stats);
    records.append(record);
  }
  return records;
}

Vars gradOf(const std::vector<Tensor> &outputs, const std::vector<Tensor> &inputs, py::object given, bool retain, bool create) {
  Vars roots, cotangents;
  llvm::SmallVector<Edge> edges;
  for (const Tensor &output : outputs) roots.push_back(output->read());
  for (size_t i = 0; i < outputs.size(); ++i) {
    py::object grad = given.is_none() ? py::none() : py::object(given.cast<py::sequence>()[i]);
    cotangents.push_back(grad.is_none() ? Var() : cellOf(grad.ptr())->read());
  }
  for (const Tensor &input : inputs) {
    Var var = input->read();
    if (!var.edge) throw UserError(ErrorKind::Runtime, "grad: one of the inputs does not require grad: " + input->spec.str());
    edges.push_back(var.edge);
  }
  return runBackward(roots, cotangents, edges, retain, create);
}

} // namespace

static py::dict dictOf(const CompileTimes &times) {
  py::dict phases;
  for (const auto &[phase, milliseconds] : times.phases()) phases[py::str(phase)] = milliseconds;
  return phases;
}

void describeStats(py::dict &record, const ExecutableStats &stats) {
  record["kernels"] = stats.kernels;
  record["unique_kernels"] = stats.uniqueKernels;
  record["new_kernels"] = stats.newKernels;
  record["interpreted_ops"] = stats.interpretedOps;
  record["refusals"] = stats.refusals;
  record["autotuned"] = stats.tuned;
  record["arena_bytes"] = stats.arenaBytes;
  record["max_live_bytes"] = stats.maxLiveBytes;
  record["code_bytes"] = stats.codeBytes;
  record["prepacked_bytes"] = stats.prepackedBytes;
  record["compile_ms"] = stats.compileMilliseconds;
  record["compile_times"] = dictOf(stats.compileTimes);
  record["kernel_times"] = dictOf(stats.kernelTimes);
}

uint64_t jitEpoch() { return moduleEpoch * 0x9e3779b97f4a7c15 ^ moduleFlags ^ Cell::flagChanges; }

/// Flags of modules (training) are toggled to and fro: what they are together is a number that setting one back restores.
static void toggleModuleFlag(py::handle module, py::handle name) {
  size_t hash = py::hash(py::make_tuple(reinterpret_cast<uintptr_t>(module.ptr()), name));
  moduleFlags ^= (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9;
}

void addRuntime(py::module_ &module) {
  // The compiler's own statics, made while it works, are gone before a handler of the process would wait for it.
  py::module_::import("atexit").attr("register")(py::cpp_function([] {
    py::gil_scoped_release others;
    CompileQueue::process().shutdown();
  }));
  module.attr("__version__") = version();
  module.def("is_grad_enabled", isGradEnabled);
  module.def("set_grad_enabled", setGradEnabled, py::arg("mode"), "Sets the mode of this thread and returns what it was.");
  module.def("is_autocast_enabled", [] { return autocastMode().enabled; }, "Whether autocast is on in this thread.");
  module.def("get_autocast_dtype", [] { return objectOfDType(autocastMode().dtype); }, "The dtype that autocast lowers to in this thread.");
  module.def("_set_autocast", [](bool enabled, py::handle dtype) {
    AutocastMode old = setAutocastMode({enabled, dtypeOfObject(dtype)});
    return py::make_tuple(old.enabled, objectOfDType(old.dtype));
  });
  module.def("sync", [] { Recorder::current().flush("sync()"); }, "Computes everything recorded on this thread.");
  module.def("mark_step", [] { Recorder::current().requestCut(); });
  module.def("module_enter", [] { ++moduleDepth; });
  module.def("module_exit", [] {
    if (--moduleDepth == 0) Recorder::current().softCut();
  });
  module.def("bump_module_epoch", [] { ++moduleEpoch; });
  module.def("toggle_module_flag", toggleModuleFlag, py::arg("module"), py::arg("name"));
  module.def("module_epoch", jitEpoch);
  module.def("pending_ops", [] { return Recorder::current().ops(); });
  module.def("cache_info", cacheInfo);
  module.def("cache_clear", [] { ExecutionCache::process().clear(); });
  module.def("explain", explain, "One record a graph in the cache: its state, backend, kernels, and why parts were not compiled.");
  module.def("flush_history", flush::history);
  module.def("wait_for_compiles", [](double seconds) {
    py::gil_scoped_release release;
    return flush::waitForCompiles(seconds);
  }, py::arg("seconds") = 60.0);
  module.def("set_backend", [](const std::string &name) {
    Recorder::current().flush("backend change");
    flush::setBackend(name);
  });
  module.def("set_config", [](const std::string &name, const std::string &text) { throwIfError(Config::process().set(name, text)); });
  module.def("config_warnings", [] { return Config::process().warnings(); });
  module.def("settings", [] {
    py::list rows;
    for (const SettingInfo &info : Config::table())
      rows.append(py::make_tuple(std::string(info.name), Config::process().text(info.id), std::string(info.fallback), std::string(info.sentence)));
    return rows;
  });
  module.def("memory_stats", [] {
    MemoryStats stats = flush::device().memoryStats();
    py::dict info;
    info["live_bytes"] = stats.liveBytes;
    info["peak_bytes"] = stats.peakBytes;
    info["pooled_bytes"] = stats.pooledBytes;
    info["allocations"] = stats.allocations;
    info["system_allocations"] = stats.systemAllocations;
    return info;
  });
  module.def("reset_peak_memory", [] { flush::device().resetPeak(); });
  module.def("grad", [](py::object outputs, py::object inputs, py::object given, std::optional<bool> retain, bool create) -> py::object {
    auto listOf = [](py::object object) {
      if (isTensor(object.ptr())) return std::vector<Tensor>{cellOf(object.ptr())};
      if (!PySequence_Check(object.ptr()))
        throw UserError(ErrorKind::Type, std::string("grad: found ") + Py_TYPE(object.ptr())->tp_name + ", wanted a Tensor or a sequence of them");
      return object.cast<std::vector<Tensor>>();
    };
    if (!given.is_none() && isTensor(given.ptr())) given = py::make_tuple(given);
    Vars grads = gradOf(listOf(outputs), listOf(inputs), given, retain.value_or(create), create);
    py::tuple result(grads.size());
    for (size_t i = 0; i < grads.size(); ++i) result[i] = grads[i] ? py::cast(makeTensor(grads[i])) : py::none();
    return result;
  }, py::arg("outputs"), py::arg("inputs"), py::arg("grad_outputs") = py::none(), py::arg("retain_graph") = py::none(),
     py::arg("create_graph") = false, "Gradients of the outputs' sum with respect to the inputs, as a tuple; None where an input was not reached.");
}

} // namespace tinyfin::python
