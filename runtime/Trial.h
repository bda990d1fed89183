// SPDX-License-Identifier: Apache-2.0
// Which of a graph's two forms is the faster one, found out from real runs: no run is made for the comparison alone, as a
// step that writes state may not be run twice.
//   1. Runs before the compilation are the interpreter's; the first kWatched after it are the compiled form's. Where code was
//      compiled at once (fin.jit), the second run may be the interpreter's: two first runs are compared.
//   2. Where the compiled form's best is the better one, or too short to matter, that is all.
//   3. Else real runs alternate, kRounds of each, and the best times decide. Compiled code loses only by a margin.
#pragma once
#include <cstdint>
#include <limits>
#include <string>

namespace tinyfin {

/// Not safe to use from several threads at once: its CacheEntry locks.
class Trial {
public:
  enum class Side : uint8_t { Compiled, Interpreted };
  enum class Verdict : uint8_t { Open, Compiled, Interpreted };
  static constexpr double kSmallest = 200; // microseconds; noise is larger than what could be won below
  static constexpr double kMargin = 0.9;   // of the compiled form's best time the interpreter must stay below
  static constexpr int kWatched = 3, kRounds = 3;

  /// Who makes the next run, given whether there is interpreted code.
  Side next(bool hasInterpreted) const;
  void note(Side side, double microseconds, bool isCompiled);
  Verdict verdict() const { return decided; }
  void settle(Verdict verdict) { decided = verdict; }
  /// Compiled code has run, long enough to matter, and there is nothing to compare it with.
  bool wantsInterpreted() const {
    return decided == Verdict::Open && compiled.runs > 0 && interpreted.runs == 0 && compiled.best >= kSmallest;
  }
  /// "compiled 812 us, interpreted 2010 us", as far as known.
  std::string describe() const;

private:
  struct Times {
    int runs = 0, rounds = 0;
    double best = std::numeric_limits<double>::infinity();
  };
  void decide();
  Times compiled, interpreted;
  bool isComparing = false;
  Verdict decided = Verdict::Open;
};

} // namespace tinyfin
