// SPDX-License-Identifier: Apache-2.0
// Log channels, switched on by TINYFIN_LOG. Off, a check is one load; build the text only behind it:
//   if (isLogOn(LogChannel::Cache)) logLine(LogChannel::Cache, "evicted " + ...);
#pragma once
#include "runtime/Config.h"

namespace tinyfin {

enum class LogChannel : uint8_t { Cache, Compile, Fusion, Fallback, Jit, Memory, Runtime };
inline constexpr size_t kNumLogChannels = std::size(kLogChannelNames);
static_assert(static_cast<size_t>(LogChannel::Runtime) + 1 == kNumLogChannels);

inline bool isLogOn(LogChannel channel) {
  return Config::process().number(Setting::log) >> static_cast<int>(channel) & 1;
}

/// Writes `tinyfin:cache: text` to stderr, or hands it to the sink. Does nothing if the channel is off.
void logLine(LogChannel channel, std::string_view text);

/// Called with each line instead of writing to stderr, from any thread and without a lock held (so that it may take
/// the GIL). `context` must outlive every thread that logs. Null restores stderr.
using LogSink = void (*)(void *context, LogChannel channel, std::string_view text);
void setLogSink(LogSink sink, void *context);

} // namespace tinyfin
