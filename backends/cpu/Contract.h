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
/// Whether blocks of a right operand that is stored transposed are turned in memory of the thread (32 KB at most) before
/// they are multiplied: that costs as much as some ten rows, while dot products end in sums over lanes. Measured with
/// AVX-512, 1 to 96 rows of 16 to 1024 (`TINYFIN_DISABLE=turn-operands`).
bool paysToTurnRight(int64_t rows, int64_t inner);
void emitConv2d(const ContractionArgs &args);
void emitPool2d(const ContractionArgs &args);
void emitContraction(const ContractionArgs &args);

/// min(position, extent - 1): the last block of rows does its last row several times rather than branch.
Value clampTo(Code &code, Value position, Dim extent);
/// first + lane * stride within [0, extent), for each lane; the products fit 32 bits.
Value insideMask(Code &code, Value first, int64_t stride, int64_t extent);

} // namespace tinyfin::cpu
