// SPDX-License-Identifier: Apache-2.0
// The extension module tinyfin._core.
#include "python/bindings/Bindings.h"

PYBIND11_MODULE(_core, module) {
  using namespace tinyfin::python;
  installHost(module);
  addUserFrames(module);
  addDTypes(module);
  addTensorType(module);
  addArrays(module);
  addMethods(module);
  addShapeMethods(module);
  addRawOps(module);
  addCreation(module);
  addRuntime(module);
  addJit(module);
  addExport(module);
  addProfile(module);
  shortenArgumentErrors(module);
}
