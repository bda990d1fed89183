// SPDX-License-Identifier: Apache-2.0
// Kernels of the ordered effects: print and assert.
#include "runtime/kernels/Assertion.h"
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

Status checkAll(const bool *conditions, int64_t count, std::string_view message) {
  int failed = 0;
  for (int64_t i = 0; i < count; ++i) failed |= !conditions[i];
  if (!failed) return Status::ok();
  // What decompositions assert of indices and labels is the error that the undecomposed op gives.
  bool isRange = message.ends_with("is out of range");
  return Status::error(isRange ? StatusCode::OutOfRange : StatusCode::AssertFailed, std::string(message));
}

Status Kernel<"fin.assert">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  return checkAll(args.inputs[0].as<const bool>(), args.inputs[0].numElements(), attrs.text());
}

} // namespace tinyfin
