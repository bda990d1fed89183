// SPDX-License-Identifier: Apache-2.0
// The profiler's spans for Python.
#include "python/bindings/Bindings.h"
#include "runtime/Profiler.h"

namespace tinyfin::python {

void addProfile(py::module_ &module) {
  module.def("profile_start", [] { Profiler::process().start(); });
  module.def("profile_stop", [] { Profiler::process().stop(); });
  module.def("profile_totals", [] {
    py::list rows;
    for (const Profiler::Total &total : Profiler::process().totals()) {
      py::dict row;
      row["name"] = total.name;
      row["count"] = total.count;
      row["total_us"] = total.totalNs / 1e3;
      row["min_us"] = total.minNs / 1e3;
      row["max_us"] = total.maxNs / 1e3;
      row["bytes"] = total.bytes;
      rows.append(row);
    }
    return rows;
  });
  module.def("profile_trace", [] { return Profiler::process().chromeTrace(); });
  module.def("profile_dropped", [] { return Profiler::process().dropped(); });
}

} // namespace tinyfin::python
