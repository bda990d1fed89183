// SPDX-License-Identifier: Apache-2.0
#include "frontend/Host.h"

namespace tinyfin {

// A registry of one, filled when the language's module is loaded.
Host &host() {
  static Host installed;
  return installed;
}

SourceRef captureSource() { return host().capture ? host().capture() : SourceRef(); }
std::string describeSource(SourceRef source) {
  return source.code && host().describe ? host().describe(source) : std::string();
}
void runUnlocked(const std::function<void()> &work) { host().unlocked ? host().unlocked(work) : work(); }

} // namespace tinyfin
