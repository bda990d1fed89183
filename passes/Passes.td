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

def FoldConstantsPass : Fin_Pass<"fold-constants"> {
  let summary = "compute what is known when the graph is compiled";
  let description = [{
    Runs ops whose operands are all constants by the dialect's EvalInterface (the eager kernels). Nothing is folded that
    only repeats (broadcast, full, iota), that is random or has effects, that fails, or whose result is over the limit.
    Before: `%0 = fin.constant dense<2.0>; %1 = fin.exp %0`. After: `%1 = fin.constant dense<7.38905621>`.
  }];
  let options = [Option<"limitBytes", "limit-bytes", "int64_t", "1 << 20", "largest constant that may be made">];
}

def DecomposePass : Fin_Pass<"decompose"> {
  let summary = "express composite ops by simpler ones";
  let description = [{
    By the rules of ir/decompositions, until no composite is left but those in `keep`, which a backend runs better whole.
    Before: `%y = fin.softmax %x {axis = 1}`. After: `fin.reduce_max`, `fin.sub`, `fin.exp`, `fin.sum`, `fin.div`.
  }];
  let options = [ListOption<"keep", "keep", "std::string", "mnemonics of composites that stay, such as batch_norm">];
}

def CsePass : Fin_Pass<"cse"> {
  let summary = "compute equal expressions once";
  let description = [{
    Pure ops of equal name, attributes, result types and operands; those of a commutative op in any order. What nobody reads is erased.
    Before: `%0 = fin.exp %x; %1 = fin.exp %x; %2 = fin.add %0, %1`. After: `%0 = fin.exp %x; %2 = fin.add %0, %0`.
  }];
}

def SimplifyPass : Fin_Pass<"simplify"> {
  let summary = "rewrite patterns of several ops into cheaper ones";
  let description = [{
    Transposes of the last two axes become flags of fin.matmul, those around attention its layout, repetition becomes implicit broadcasting, reshapes sink
    below elementwise ops, division by a constant becomes multiplication, reductions of reductions become one.
    Before: `%t = fin.transpose %w {permutation = [1, 0]}; %y = fin.matmul %x, %t`.
    After: `%y = fin.matmul %x, %w {transpose_rhs = true}`.
    What is not exact is within one rounding of the last bit.
  }];
}

def SpecializeShapesPass : Fin_Pass<"specialize-shapes"> {
  let summary = "give symbolic dims their sizes";
  let description = [{
    `dims=N=8,T=4` replaces `N` by 8 and `2*T` by 8 in all types and shape attributes; types that became static lose
    their #fin.tensor encoding. A name that the function does not use is an error, so that typing mistakes show.
  }];
  let options = [ListOption<"dims", "dims", "std::string", "NAME=SIZE, ...">];
}

def CheckContractPass : Fin_Pass<"check-contract"> {
  let summary = "fail if the function is not what the end of a phase promises";
  let description = [{
    optimize: recorded ops and constants. specialize: also static shapes. fuse: also fusion regions.
    plan: also aliases, an offset for every result in the arena, and the arena's size.
  }];
  let options = [Option<"phase", "phase", "std::string", "\"optimize\"", "optimize, specialize, fuse or plan">,
                 Option<"symbolic", "symbolic", "bool", "false", "shapes may be symbolic in every phase">];
}

def RecomputePass : Fin_Pass<"recompute"> {
  let summary = "compute cheap values again in the backward half instead of keeping them";
  let description = [{
    Where most memory is held by values that wait for the backward half, those that elementwise ops can make of others
    that are kept anyway (an activation of what went into it, a normalized value of its input and statistics) are cloned
    in front of their late readers. What is kept is the cheapest cut in bytes. Marks clones and ops like them `fin.late`,
    which fusion does not merge with what stands before the first of them.
    Before: `%h = matmul ...; %g = gelu %h; ...; %dw = matmul %g, %dy`. After: `...; %g2 = gelu %h; %dw = matmul %g2, %dy`.
    Nothing is done while the values that wait take `budget-bytes` or less, or shapes are symbolic.
  }];
  let options = [Option<"budgetBytes", "budget-bytes", "int64_t", "0", "what may be kept without recomputing">];
  let statistics = [Statistic<"savedBytes", "saved-bytes", "bytes of values that are not kept">];
}

def ChannelsLastPass : Fin_Pass<"channels-last"> {
  let summary = "turn chains of convolutions, pools and what lies between them to images with channels last";
  let description = [{
    Convolutions and pools with enough channels are replaced by their channels-last forms; elementwise ops, reductions
    and repetitions that read such values follow, so that images are transposed only where a chain begins or ends.
    Before: `%y = fin.conv2d %x, %w; %z = fin.relu %y`.
    After: `%t = fin.transpose %x {permutation = [0, 2, 3, 1]}; %y = fin.conv2d %t, %w {channels_last}; %z = fin.relu %y`,
    and a transpose back for those who read %z otherwise.
    Needs: static shapes. What is computed stays the same to the last bit but for the order of sums.
  }];
  let options = [Option<"minChannels", "min-channels", "int64_t", "16", "fewest channels of a convolution that is turned">];
}

def FuseRegionsPass : Fin_Pass<"fuse-regions"> {
  let summary = "wrap groups of ops that become one kernel in fin.fusion";
  let description = [{
    Maps, reductions with what feeds and follows them, and normalizations (docs/design/0003). The backend is asked about
    each region; what it refuses runs op by op and carries the reason as `fin.refusal`.
    Before: `%1 = fin.exp %x; %2 = fin.add %1, %y`.
    After: `%2 = fin.fusion "map" (%a = %x, %b = %y) { %1 = fin.exp %a; %2 = fin.add %1, %b; fin.yield %2 }`.
    A product of static shape takes the elementwise ops that finish it: a region of kind "contraction" (docs/design/0006).
    Needs: static shapes. Guarantees: an elementwise op or reduction outside a region was refused.
  }];
  let options = [Option<"contractions", "contractions", "bool", "true",
                        "matmuls with what finishes them; off where fuse-contractions is disabled">,
                 Option<"samples", "samples", "bool", "true",
                        "show a backend that compiles early stretches of a long block first; off where sample-regions is disabled">];
}

def OrderOpsPass : Fin_Pass<"order-ops"> {
  let summary = "run ops earlier where that frees memory";
  let description = [{
    An op that frees more bytes than its results take runs as soon as its operands are there: gradients die in the
    optimizer's update right behind the op that made them, instead of living to the end of the step. What would overwrite
    an input waits for the other readers of it and for every op that may fail, so that it may still do so.
    Results of a few bytes are computed at once: an update's rate may stand at the end. Fills and what is made of constants alone run right before their first reader.
    Before: `%g1 = matmul ...; %g2 = matmul ...; %p1 = update(%g1); %p2 = update(%g2)`.
    After: `%g1, %p1, %g2, %p2`. Functions with symbolic shapes stay as they are.
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
    With `symbolic`, values of symbolic size lie in a region of the arena for each product of symbols, at offsets in units
    of that product: `fin.arena_regions = [[4096, "N"]]` on the function, bytes a unit and symbols.
    Guarantees: the arena is aligned to 64 bytes and values that live at the same time do not overlap.
  }];
  let options = [Option<"symbolic", "symbolic", "bool", "false", "plan symbolic shapes too">,
                 Option<"overwriteRows", "overwrite-rows", "bool", "true", "let normalized rows take the memory of what they are made of">];
  let statistics = [Statistic<"arenaBytes", "arena-bytes", "bytes of all arenas">];
}

#endif
