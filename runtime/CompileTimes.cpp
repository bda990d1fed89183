// SPDX-License-Identifier: Apache-2.0
// A dozen phases at most: a vector and a linear search.
#include "runtime/CompileTimes.h"
#include <algorithm>
#include <cstdio>

namespace tinyfin {

void CompileTimes::add(std::string_view phase, double milliseconds) {
  auto found = std::find_if(entries.begin(), entries.end(), [&](const auto &entry) { return entry.first == phase; });
  if (found == entries.end()) entries.emplace_back(phase, milliseconds);
  else found->second += milliseconds;
}

void CompileTimes::add(const CompileTimes &other) {
  for (const auto &[phase, milliseconds] : other.entries) add(phase, milliseconds);
}

double CompileTimes::of(std::string_view phase) const {
  for (const auto &[name, milliseconds] : entries)
    if (name == phase) return milliseconds;
  return 0;
}

double CompileTimes::total() const {
  double sum = 0;
  for (const auto &[name, milliseconds] : entries) sum += milliseconds;
  return sum;
}

std::string CompileTimes::line() const {
  std::string text;
  for (const auto &[name, milliseconds] : entries) {
    if (milliseconds < 0.05) continue;
    char number[32];
    std::snprintf(number, sizeof(number), " %.1f", milliseconds);
    text += (text.empty() ? "" : ", ") + name + number;
  }
  return text;
}

} // namespace tinyfin
