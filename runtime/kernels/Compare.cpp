// SPDX-License-Identifier: Apache-2.0
// Kernels of comparisons and of logic on booleans.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"

namespace tinyfin {
namespace {

#define TINYFIN_PREDICATE(Name, op)                                                                                    \
  struct Name {                                                                                                        \
    template <class T> static bool apply(T a, T b) { return a op b; }                                                  \
  }
TINYFIN_PREDICATE(Eq, ==);
TINYFIN_PREDICATE(Ne, !=);
TINYFIN_PREDICATE(Lt, <);
TINYFIN_PREDICATE(Le, <=);
TINYFIN_PREDICATE(Gt, >);
TINYFIN_PREDICATE(Ge, >=);
TINYFIN_PREDICATE(And, &);
TINYFIN_PREDICATE(Or, |);
TINYFIN_PREDICATE(Xor, ^);
#undef TINYFIN_PREDICATE

struct Not {
  static bool apply(bool x) { return !x; }
};

template <class Op> Status compare(const KernelArgs &args) {
  return runRows(args, visitAny(args.inputs[0].dtype, PredicateOf<Op>()));
}

} // namespace

Status Kernel<"fin.eq">::run(const KernelArgs &args) { return compare<Eq>(args); }
Status Kernel<"fin.ne">::run(const KernelArgs &args) { return compare<Ne>(args); }
Status Kernel<"fin.lt">::run(const KernelArgs &args) { return compare<Lt>(args); }
Status Kernel<"fin.le">::run(const KernelArgs &args) { return compare<Le>(args); }
Status Kernel<"fin.gt">::run(const KernelArgs &args) { return compare<Gt>(args); }
Status Kernel<"fin.ge">::run(const KernelArgs &args) { return compare<Ge>(args); }
Status Kernel<"fin.logical_and">::run(const KernelArgs &args) { return runRows(args, binaryRow<And, bool>); }
Status Kernel<"fin.logical_or">::run(const KernelArgs &args) { return runRows(args, binaryRow<Or, bool>); }
Status Kernel<"fin.logical_xor">::run(const KernelArgs &args) { return runRows(args, binaryRow<Xor, bool>); }
Status Kernel<"fin.logical_not">::run(const KernelArgs &args) { return runRows(args, unaryRow<Not, bool>); }

} // namespace tinyfin
