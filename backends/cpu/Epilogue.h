// SPDX-License-Identifier: Apache-2.0
// Finishing a product: the elementwise ops of a contraction region over tiles that lie in the cache in float32.
#pragma once
#include "backends/cpu/Evaluate.h"

namespace tinyfin::cpu {

/// A tile of the product: rows count through its leading axes, `block` holds element (firstRow, firstColumn).
struct ProductTile {
  Value block, stride; // elements from row to row
  Value firstRow, endRow, firstColumn, endColumn;
};

class EpilogueEmitter {
public:
  /// `pointers` are the spec's inputs, then its outputs; `product` is the value that tiles hold.
  EpilogueEmitter(Code &code, const KernelSpec &spec, uint32_t product, ArrayRef<Value> pointers)
      : code(code), spec(spec), product(product), pointers(pointers), evaluator(code, spec, pointers) {}
  void emit(const ProductTile &tile);

private:
  void vectors(const ProductTile &tile, Value row, ArrayRef<Index> columns, Value mask);
  void prefetch(const Access &access);
  int unroll() const;

  Code &code;
  const KernelSpec &spec;
  uint32_t product;
  ArrayRef<Value> pointers;
  Evaluator evaluator;
};

/// The body of an epilogue kernel: `void consume(args, tile, rowBegin, rowEnd)`, a TileConsumer's function.
void emitTiles(Code &code, const KernelSpec &spec, ArrayRef<Value> pointers, Value begin, Value end);

} // namespace tinyfin::cpu
