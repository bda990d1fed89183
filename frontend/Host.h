// SPDX-License-Identifier: Apache-2.0
// What the frontend needs from the language above it: lines of user code, and its lock. python/ installs the real one.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace tinyfin {

/// An opaque (code, instruction) pair that names a line of user code. The host owns what `code` points to.
struct SourceRef {
  void *code = nullptr;
  int32_t instruction = 0;
};

struct Host {
  /// The user's line that is executing; cheap (called for every op), takes a reference on `code`.
  SourceRef (*capture)() = nullptr;
  void (*release)(SourceRef) = nullptr;
  /// "train.py:12"
  std::string (*describe)(SourceRef) = nullptr;
  /// Runs `work` without the language's lock, so that other threads of the user can go on.
  void (*unlocked)(const std::function<void()> &work) = nullptr;
  /// Whether the user pressed Ctrl-C.
  bool (*interrupted)() = nullptr;
};
Host &host();

SourceRef captureSource();
std::string describeSource(SourceRef source);
void runUnlocked(const std::function<void()> &work);

} // namespace tinyfin
