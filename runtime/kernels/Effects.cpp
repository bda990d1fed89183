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
  if (!failed) return Status::ok();
  // What decompositions assert of indices and labels is the error that the undecomposed op gives.
  std::string text(attrs.text());
  bool isRange = text.ends_with("is out of range");
  return Status::error(isRange ? StatusCode::OutOfRange : StatusCode::AssertFailed, std::move(text));
}

} // namespace tinyfin
