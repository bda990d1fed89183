// SPDX-License-Identifier: Apache-2.0
// Dims as single words: a symbolic dim packs an interned name and a factor below zero.
#include "ir/Dim.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <deque>
#include <mutex>
#include <unordered_map>

namespace tinyfin::fin {
namespace {

// A registry filled as graphs name their dims; names are few and live as long as the process.
struct Symbols {
  std::mutex mutex;
  std::deque<std::string> names;
  std::unordered_map<std::string, int64_t> ids;
};
Symbols &symbols() {
  static Symbols table;
  return table;
}

constexpr int kFactorBits = 40;
constexpr int64_t kMaxFactor = (int64_t(1) << kFactorBits) - 1;
constexpr int64_t kMaxElements = int64_t(1) << 62;

} // namespace

Dim Dim::symbol(llvm::StringRef name, int64_t factor) {
  assert(factor > 0 && factor <= kMaxFactor);
  Symbols &table = symbols();
  std::lock_guard lock(table.mutex);
  auto [entry, isNew] = table.ids.try_emplace(name.str(), static_cast<int64_t>(table.names.size()));
  if (isNew) table.names.push_back(name.str());
  return fromWord(-1 - (entry->second << kFactorBits | factor));
}

bool Dim::isValid() const {
  if (isConstant()) return true;
  Symbols &table = symbols();
  std::lock_guard lock(table.mutex);
  return factor() > 0 && static_cast<size_t>((-1 - bits) >> kFactorBits) < table.names.size();
}

llvm::StringRef Dim::symbolName() const {
  Symbols &table = symbols();
  std::lock_guard lock(table.mutex);
  size_t id = static_cast<size_t>((-1 - bits) >> kFactorBits);
  return id < table.names.size() ? llvm::StringRef(table.names[id]) : llvm::StringRef("?");
}

int64_t Dim::factor() const { return (-1 - bits) & kMaxFactor; }

std::string Dim::str() const {
  if (isConstant()) return std::to_string(bits);
  std::string name = symbolName().str();
  return factor() == 1 ? name : std::to_string(factor()) + "*" + name;
}

std::optional<Dim> Dim::parse(llvm::StringRef text) {
  int64_t number = 0;
  if (!text.consumeInteger(10, number)) {
    if (text.empty()) return number >= 0 ? std::optional(Dim(number)) : std::nullopt;
    if (!text.consume_front("*") || number <= 0 || number > kMaxFactor) return std::nullopt;
  } else {
    number = 1;
  }
  bool isName = !text.empty() && !llvm::isDigit(text[0]) &&
                llvm::all_of(text, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  return isName ? std::optional(symbol(text, number)) : std::nullopt;
}

std::optional<Dim> add(Dim a, Dim b) {
  if (a.is(0)) return b;
  if (b.is(0)) return a;
  if (a.isConstant() != b.isConstant()) return std::nullopt;
  if (!a.isConstant() && a.symbolName() != b.symbolName()) return std::nullopt;
  int64_t sum;
  bool overflow = a.isConstant() ? __builtin_add_overflow(a.constant(), b.constant(), &sum)
                                 : __builtin_add_overflow(a.factor(), b.factor(), &sum);
  if (overflow || sum > (a.isConstant() ? kMaxElements : kMaxFactor)) return std::nullopt;
  return a.isConstant() ? Dim(sum) : Dim::symbol(a.symbolName(), sum);
}

std::optional<Dim> multiply(Dim a, Dim b) {
  if (a.is(0) || b.is(0)) return Dim(0);
  if (!a.isConstant() && !b.isConstant()) return std::nullopt;
  if (!a.isConstant()) std::swap(a, b);
  int64_t product;
  bool overflow = __builtin_mul_overflow(a.constant(), b.isConstant() ? b.constant() : b.factor(), &product);
  if (overflow || product > (b.isConstant() ? kMaxElements : kMaxFactor)) return std::nullopt;
  return b.isConstant() ? Dim(product) : Dim::symbol(b.symbolName(), product);
}

std::optional<Dim> divideExactly(Dim a, Dim b) {
  if (b.is(0)) return std::nullopt;
  if (a.is(0)) return Dim(0);
  if (a == b) return Dim(1);
  if (!a.isConstant() && !b.isConstant()) {
    if (a.symbolName() != b.symbolName() || a.factor() % b.factor()) return std::nullopt;
    return Dim(a.factor() / b.factor());
  }
  if (!b.isConstant()) return std::nullopt;
  int64_t whole = a.isConstant() ? a.constant() : a.factor();
  if (whole % b.constant()) return std::nullopt;
  return a.isConstant() ? Dim(whole / b.constant()) : Dim::symbol(a.symbolName(), whole / b.constant());
}

std::optional<Dim> numElements(llvm::ArrayRef<Dim> dims) {
  // Zero extents first: they make any other product harmless.
  if (llvm::any_of(dims, [](Dim dim) { return dim.is(0); })) return Dim(0);
  std::optional<Dim> count = Dim(1);
  for (Dim dim : dims)
    if (!(count = multiply(*count, dim))) return std::nullopt;
  return count;
}

std::string str(llvm::ArrayRef<Dim> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + dims[i].str();
  return text + "]";
}

std::string TensorSpec::str() const { return nameOf(dtype) + fin::str(dims); }

} // namespace tinyfin::fin
