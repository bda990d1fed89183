// SPDX-License-Identifier: Apache-2.0
#include "runtime/Trial.h"
#include <algorithm>

namespace tinyfin {

Trial::Side Trial::next(bool hasInterpreted) const {
  if (!hasInterpreted || decided == Verdict::Compiled) return Side::Compiled;
  if (decided == Verdict::Interpreted || wantsInterpreted()) return Side::Interpreted;
  return isComparing && interpreted.rounds <= compiled.rounds ? Side::Interpreted : Side::Compiled;
}

void Trial::note(Side side, double microseconds, bool isCompiled) {
  if (decided != Verdict::Open) return;
  Times &times = side == Side::Compiled ? compiled : interpreted;
  ++times.runs;
  times.rounds += isComparing;
  times.best = std::min(times.best, microseconds);
  if (isCompiled && compiled.runs > 0) decide();
}

void Trial::decide() {
  const bool isWatched = compiled.runs >= kWatched;
  if (isComparing) {
    if (std::min(compiled.rounds, interpreted.rounds) < kRounds) return;
    return settle(interpreted.best < kMargin * compiled.best ? Verdict::Interpreted : Verdict::Compiled);
  }
  if (isWatched && (compiled.best < kSmallest || interpreted.runs == 0)) return settle(Verdict::Compiled);
  if (interpreted.runs == 0 || (interpreted.runs > 1 && !isWatched)) return;
  if (compiled.best <= interpreted.best) return settle(Verdict::Compiled);
  isComparing = true;
}

std::string Trial::describe() const {
  auto text = [](const char *name, const Times &times) {
    return std::string(name) + " " + std::to_string(static_cast<int64_t>(times.best)) + " us";
  };
  std::string both = compiled.runs ? text("compiled", compiled) : "";
  if (interpreted.runs) both += (both.empty() ? "" : ", ") + text("interpreted", interpreted);
  return both;
}

} // namespace tinyfin
