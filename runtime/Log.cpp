// SPDX-License-Identifier: Apache-2.0
// Log lines to stderr or to a sink.
#include "runtime/Log.h"
#include "runtime/Fork.h"
#include <cstdio>

namespace tinyfin {
namespace {

struct Sink {
  std::mutex mutex;
  LogSink function = nullptr;
  void *context = nullptr;
};

Sink &sink() {
  static Sink *instance = [] {
    auto *created = new Sink; // never destroyed: threads may log while the process ends
    holdAcrossFork(created->mutex);
    return created;
  }();
  return *instance;
}

} // namespace

void logLine(LogChannel channel, std::string_view text) {
  if (!isLogOn(channel)) return;
  Sink &target = sink();
  std::unique_lock lock(target.mutex);
  LogSink function = target.function;
  void *context = target.context;
  lock.unlock();
  if (function) return function(context, channel, text);
  std::string_view name = kLogChannelNames[static_cast<size_t>(channel)];
  std::fprintf(stderr, "tinyfin:%.*s: %.*s\n", static_cast<int>(name.size()), name.data(),
               static_cast<int>(text.size()), text.data());
}

void setLogSink(LogSink function, void *context) {
  Sink &target = sink();
  std::lock_guard lock(target.mutex);
  target.function = function;
  target.context = context;
}

} // namespace tinyfin
