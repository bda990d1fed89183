// SPDX-License-Identifier: Apache-2.0
// Generated matrix products, convolutions and pools: small ones, and targets without libraries. One op a kernel, but that
// elementwise ops may finish a matrix product.
#pragma once
#include "backends/cpu/Emit.h"
#include "backends/cpu/Index.h"

namespace tinyfin::cpu {

struct ContractionArgs {
  Code &code;
  const KernelSpec &spec;
  const KernelOp &op;
  ArrayRef<Value> pointers; // inputs, then the output
  Value begin, end;
  Launch &launch;
  ArrayRef<Dim> dimsOf(unsigned operand) const { return spec.values[op.operands[operand]].dims; }
  ArrayRef<Dim> resultDims() const { return spec.values[op.result].dims; }
  DType dtype() const { return spec.values[op.result].dtype; }
  Value input(unsigned operand) const { return pointers[op.operands[operand]]; }
  Value output() const { return pointers[spec.numInputs]; }
};

void emitMatmul(const ContractionArgs &args);
void emitConv2d(const ContractionArgs &args);
void emitPool2d(const ContractionArgs &args);
void emitContraction(const ContractionArgs &args);

/// min(position, extent - 1): the last block of rows does its last row several times rather than branch.
Value clampTo(Code &code, Value position, Dim extent);
/// first + lane * stride within [0, extent), for each lane; the products fit 32 bits.
Value insideMask(Code &code, Value first, int64_t stride, int64_t extent);

} // namespace tinyfin::cpu
