// SPDX-License-Identifier: Apache-2.0
// Graphs out of functions: placeholders in, MLIR out. Driven by tinyfin/export.py.
#include "frontend/Export.h"
#include "python/bindings/Bindings.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

/// (dtype, shape) with a str for a symbolic dim.
TensorSpec specOf(py::handle pair) {
  TensorSpec spec{dtypeOfObject(pair[py::int_(0)]), {}};
  for (py::handle extent : pair[py::int_(1)]) {
    if (!py::isinstance<py::str>(extent)) {
      spec.dims.push_back(Dim::fromWord(dimOfObject(extent)));
      continue;
    }
    std::string name = py::str(extent);
    std::optional<Dim> dim = Dim::parse(name);
    if (!dim || dim->isConstant())
      throw UserError(ErrorKind::Value, "dynamic: found \"" + name + "\", wanted the name of a dim such as \"N\"");
    spec.dims.push_back(*dim);
  }
  return spec;
}

std::unique_ptr<ExportCapture> begin(py::iterable specs) {
  std::vector<TensorSpec> all;
  for (py::handle pair : specs) all.push_back(specOf(pair));
  return std::make_unique<ExportCapture>(all);
}

} // namespace

void addExport(py::module_ &module) {
  py::class_<ExportCapture>(module, "ExportCapture")
      .def(py::init(&begin))
      .def_property_readonly("placeholders", [](ExportCapture &self) { return std::vector<Tensor>(self.placeholders().begin(), self.placeholders().end()); })
      .def("text", [](ExportCapture &self, const std::vector<Tensor> &results, std::vector<std::string> args, std::vector<std::string> names) {
        return self.text(results, {std::move(args), std::move(names)});
      })
      .def("lowered", [](ExportCapture &self, const std::vector<Tensor> &results, std::vector<std::string> args, std::vector<std::string> names) {
        return self.lowered(results, {std::move(args), std::move(names)});
      })
      .def("write", [](ExportCapture &self, const std::vector<Tensor> &results, std::vector<std::string> args, std::vector<std::string> names,
                       const std::string &path) { self.write(results, {std::move(args), std::move(names)}, path); });
}

} // namespace tinyfin::python
