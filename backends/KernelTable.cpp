// SPDX-License-Identifier: Apache-2.0
// One entry an op, made from the generated op list: an op without a kernel does not compile.
#include "backends/KernelTable.h"
#include "runtime/kernels/Kernels.h"

namespace tinyfin {
namespace {

template <OpName name>
concept HasKernel = requires(const KernelArgs &args) {
  { Kernel<name>::run(args) } -> std::same_as<Status>;
};

template <OpName name> constexpr KernelFn find() {
  static_assert(HasKernel<name>, "an eager kernel is missing: declare TINYFIN_KERNEL(\"fin.x\") in "
                                 "runtime/kernels/Kernels.h and define it in its family's file");
  return Kernel<name>::run;
}

constexpr KernelFn table[] = {
#define FIN_OP(Id, Class, mnemonic) find<"fin." mnemonic>(),
#include "ir/OpList.h.inc"
};
static_assert(std::size(table) == fin::kNumOps);

} // namespace

KernelFn kernelOf(fin::OpId op) { return table[static_cast<int>(op)]; }

} // namespace tinyfin
