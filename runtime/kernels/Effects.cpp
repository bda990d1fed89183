// SPDX-License-Identifier: Apache-2.0
// Kernels of the ordered effects: print and assert.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/PrintTensor.h"
#include <cstdio>

namespace tinyfin {

Status Kernel<"fin.print">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  std::string text(attrs.text());
  if (!text.empty()) text += ' ';
  text += printTensor(args.inputs[0]);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  return Status::ok();
}

Status Kernel<"fin.assert">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const bool *condition = args.inputs[0].as<const bool>();
  const int64_t count = args.inputs[0].numElements();
  int failed = 0;
  for (int64_t i = 0; i < count; ++i) failed |= !condition[i];
  return failed ? Status::error(StatusCode::AssertFailed, std::string(attrs.text())) : Status::ok();
}

} // namespace tinyfin
