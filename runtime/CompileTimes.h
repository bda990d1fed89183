// SPDX-License-Identifier: Apache-2.0
// Where the time of one compilation went: milliseconds by phase, in the order in which phases began.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyfin {

class CompileTimes {
public:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }

  /// Adds to a phase of this name, or makes it.
  void add(std::string_view phase, double milliseconds);
  void add(const CompileTimes &other);
  double of(std::string_view phase) const;
  double total() const;
  /// "decode 1.2, cse 0.4": phases of 0.05 ms and more.
  std::string line() const;
  const std::vector<std::pair<std::string, double>> &phases() const { return entries; }

private:
  std::vector<std::pair<std::string, double>> entries;
};

/// Adds the time of its scope.
class PhaseTimer {
public:
  PhaseTimer(CompileTimes &times, std::string_view phase) : times(times), phase(phase) {}
  ~PhaseTimer() { times.add(phase, CompileTimes::since(start)); }
  PhaseTimer(const PhaseTimer &) = delete;

private:
  CompileTimes &times;
  std::string_view phase;
  CompileTimes::Clock::time_point start = CompileTimes::Clock::now();
};

} // namespace tinyfin
