// SPDX-License-Identifier: Apache-2.0
// The extent of one axis: a constant, or a factor times a symbol such as the batch size of an exported graph.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "runtime/DType.h"
#include <cassert>
#include <optional>
#include <string>

namespace tinyfin::fin {

/// One 64-bit word, so that shapes are plain data: negative words are symbolic.
class Dim {
public:
  Dim() = default;
  Dim(int64_t extent) : bits(extent) { assert(extent >= 0); }
  /// `factor` times the symbol `name`; symbols are interned for the life of the process.
  static Dim symbol(llvm::StringRef name, int64_t factor = 1);
  static Dim fromWord(int64_t word) { Dim dim; dim.bits = word; return dim; }
  int64_t word() const { return bits; }
  /// False for a negative word that names no symbol: words may come from a file.
  bool isValid() const;

  bool isConstant() const { return bits >= 0; }
  int64_t constant() const { assert(isConstant()); return bits; }
  bool is(int64_t extent) const { return bits == extent; }
  llvm::StringRef symbolName() const; // of a symbolic dim
  int64_t factor() const;             // of a symbolic dim
  bool operator==(const Dim &) const = default;
  /// "8", "N" or "4*N"; parse() is its inverse.
  std::string str() const;
  static std::optional<Dim> parse(llvm::StringRef text);

private:
  int64_t bits = 0;
};

/// a + b, unless they are a symbol and something else or it overflows.
std::optional<Dim> add(Dim a, Dim b);
/// a * b, unless both are symbolic or it overflows.
std::optional<Dim> multiply(Dim a, Dim b);
/// The dim d with b * d == a, if there is one.
std::optional<Dim> divideExactly(Dim a, Dim b);
/// The product of all dims; nullopt on overflow (2**62 elements) or two symbols.
std::optional<Dim> numElements(llvm::ArrayRef<Dim> dims);
/// "[8, N]"
std::string str(llvm::ArrayRef<Dim> dims);

using Dims = llvm::SmallVector<Dim, 6>;

/// A tensor's type while recording: no MLIR context needed.
struct TensorSpec {
  DType dtype = DType::F32;
  Dims dims;
  size_t rank() const { return dims.size(); }
  bool operator==(const TensorSpec &) const = default;
  /// "float32[8, N]"
  std::string str() const;
};

} // namespace tinyfin::fin
