// SPDX-License-Identifier: Apache-2.0
// An op's attributes as flat 64-bit words, in the order of its definition. The same words are the tape's
// attributes, part of the cache key, the kernel's parameters and what a graph is decoded from.
//   integer, flag, dtype: one word   real: its bits   list: length, items   text: length in bytes, bytes padded to words
#pragma once
#include "runtime/DType.h"
#include <bit>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace tinyfin {

using Words = std::vector<int64_t>;

/// Reads attribute words in order. Reading past the end yields zeros and sets `failed`.
class AttrReader {
public:
  AttrReader() = default;
  explicit AttrReader(std::span<const int64_t> words) : words(words) {}

  int64_t integer() { return take(1) ? words[at - 1] : 0; }
  bool flag() { return integer() != 0; }
  DType dtype() { return static_cast<DType>(integer()); }
  double real() { return std::bit_cast<double>(integer()); }
  std::span<const int64_t> list() {
    int64_t size = integer();
    if (size < 0 || !take(size)) return overrun = true, std::span<const int64_t>();
    return words.subspan(at - size, size);
  }
  std::string_view text() {
    int64_t bytes = integer();
    size_t count = static_cast<size_t>(bytes) / 8 + (bytes % 8 != 0);
    if (bytes < 0 || !take(count)) return overrun = true, std::string_view();
    return {reinterpret_cast<const char *>(words.data() + at - count), static_cast<size_t>(bytes)};
  }
  bool atEnd() const { return at == words.size(); }
  bool failed() const { return overrun; }

private:
  bool take(size_t count) {
    if (overrun || count > words.size() - at) return overrun = true, false;
    at += count;
    return true;
  }
  std::span<const int64_t> words;
  size_t at = 0;
  bool overrun = false;
};

/// Appends attribute words; the mirror of AttrReader.
class AttrWriter {
public:
  explicit AttrWriter(Words &words) : words(words) {}
  AttrWriter &integer(int64_t value) { return words.push_back(value), *this; }
  AttrWriter &flag(bool value) { return integer(value); }
  AttrWriter &dtype(DType value) { return integer(static_cast<int64_t>(value)); }
  AttrWriter &real(double value) { return integer(std::bit_cast<int64_t>(value)); }
  AttrWriter &list(std::span<const int64_t> items) {
    integer(static_cast<int64_t>(items.size()));
    words.insert(words.end(), items.begin(), items.end());
    return *this;
  }
  AttrWriter &text(std::string_view text) {
    integer(static_cast<int64_t>(text.size()));
    size_t start = words.size();
    words.resize(start + (text.size() + 7) / 8, 0);
    if (!text.empty()) std::memcpy(words.data() + start, text.data(), text.size());
    return *this;
  }

private:
  Words &words;
};

} // namespace tinyfin
