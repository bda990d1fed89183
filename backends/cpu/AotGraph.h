// SPDX-License-Identifier: Apache-2.0
// A planned function as what a library consists of: its interface, its memory and its steps. Dims may be symbolic.
#pragma once
#include "backends/cpu/KernelSpec.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tinyfin::cpu {

struct AotParameter {
  std::string name;
  TensorSpec type;
  int into = -1; // of an output: the input whose memory it may be
};

/// A part of the workspace: `bytes` times the product of its symbols. The first has none.
struct AotRegion {
  int64_t bytes = 0;
  SmallVector<unsigned, 2> symbols;
};

/// Where a value lies. `number` is that of an input, output, constant or region.
struct AotPlace {
  enum Kind { Input, Output, Constant, Arena } kind;
  unsigned number;
  int64_t offset = 0; // in units of the region
};

struct AotValue {
  AotPlace place;
  TensorSpec type;
};

struct AotStep {
  mlir::Operation *op;
  std::string runtimeOp; // "conv2d_float32", or empty: `kernel` is generated
  KernelSpec kernel;
  Words attrs;
  std::vector<AotValue> inputs, outputs;
};

struct AotGraph {
  std::vector<std::string> symbols; // in order of appearance in the inputs
  std::vector<AotParameter> inputs, outputs;
  std::vector<AotRegion> regions;
  std::vector<fin::ConstantOp> constants;
  std::vector<AotStep> steps;
  std::vector<std::pair<AotValue, unsigned>> copies; // outputs that are inputs, constants or other outputs

  unsigned symbolNumber(StringRef name) const { return llvm::find(symbols, name) - symbols.begin(); }
};

/// Emits an error at the op that cannot be in a library.
llvm::FailureOr<AotGraph> readAotGraph(mlir::func::FuncOp main);

/// The name of the runtime's op that computes `op`, or empty: generated code does.
std::string runtimeOpOf(mlir::Operation *op);

} // namespace tinyfin::cpu
