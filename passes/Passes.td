// SPDX-License-Identifier: Apache-2.0
// The passes, fin to fin, in the order of the pipelines (Pipelines.cpp). One stem everywhere: EraseDeadPass,
// --fin-erase-dead, EraseDead.cpp, test/passes/erase-dead.mlir.
#ifndef FIN_PASSES_TD
#define FIN_PASSES_TD
include "mlir/Pass/PassBase.td"

class Fin_Pass<string mnemonic> : Pass<"fin-" # mnemonic, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::tinyfin::fin::FinDialect"];
}

def AutodiffPass : Fin_Pass<"autodiff"> {
  let summary = "append the cotangents of the arguments to a function's results";
  let description = [{
    f(x...) -> (y...) becomes f(x..., dy...) -> (y..., dx...): an argument for each float result, a result for each
    float argument but those marked `fin.scalar`. Running it twice gives second derivatives.
    Before: `%0 = fin.exp %x; return %0`. After: `%0 = fin.exp %x; %1 = fin.mul %dy, %0; return %0, %1`.
    Needs: recorded ops only, so it runs before fusion.
  }];
}

def EraseDeadPass : Fin_Pass<"erase-dead"> {
  let summary = "erase ops whose results nobody needs";
  let description = [{
    One walk backwards; ops with effects (fin.print, fin.assert) stay.
    Before: `%0 = fin.exp %x; return %x`. After: `return %x`.
    Guarantees: every pure op has a used result.
  }];
}

def AliasOutputsPass : Fin_Pass<"alias-outputs"> {
  let summary = "pair each output with an input whose memory it may take";
  let description = [{
    Wraps returned values in `fin.alias %value into %input` where the types are equal, the input is not read after the
    output is written (or read at the written index by the op that writes it), and nothing can fail after the write.
    Inputs that the output's computation reads elementwise come first. Whether the memory is reused is decided when
    the graph runs: only if the caller holds the sole reference.
    Before: `%1 = fin.sub %p, %0; return %1`. After: `%1 = fin.sub %p, %0; %2 = fin.alias %1 into %p; return %2`.
    Needs: static shapes. Runs after fusion: what is one op there decides.
  }];
}

def PlanMemoryPass : Fin_Pass<"plan-memory"> {
  let summary = "give every intermediate value an offset in one arena";
  let description = [{
    Offsets follow from lifetimes; reshapes share their operand's memory, elementwise results take the memory of an
    operand that dies there. Returned values, arguments and constants are not in the arena.
    After: `fin.offsets = array<i64: 64>` on each op (one a result, -1: not in the arena), `fin.arena_bytes` and
    `fin.max_live_bytes` on the function.
    Guarantees: the arena is aligned to 64 bytes and values that live at the same time do not overlap.
  }];
  let statistics = [Statistic<"arenaBytes", "arena-bytes", "bytes of all arenas">];
}

#endif
