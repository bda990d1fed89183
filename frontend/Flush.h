// SPDX-License-Identifier: Apache-2.0
// Runs a trace: live values are its outputs, the cache is asked, a miss is interpreted and compiled when seen again.
#pragma once
#include "frontend/Modes.h"
#include "runtime/Executable.h"
#include "runtime/ExecutionCache.h"
#include <span>
#include <string>
#include <vector>

namespace tinyfin {
class Device;
class Recorder;
class Value;

namespace flush {

/// What every key begins with: backend, and settings that compiled code depends on. Modes stand behind it.
std::span<const int64_t> keyPrefix();
/// The backend of TINYFIN_BACKEND, probed once; throws UserError with the reason where it cannot be used.
Backend &backend();
/// Where new tensors are made: the backend's device.
Device &device();
/// Chooses another backend for what is recorded from now on.
void setBackend(const std::string &name);

void run(Recorder &recorder, const char *reason);
/// The compiled form of a trace, from the cache or made now. Where the backend refuses, the interpreter runs it and
/// `refusal` says why.
std::shared_ptr<CacheEntry> compiledNow(std::span<const int64_t> key, std::span<const int64_t> trace,
                                        std::span<const uint32_t> outputs, const Modes &modes, std::string &refusal);
/// A value made on another device stays where it is used.
void moveTo(Device &device, Value &value);

struct Stats {
  uint64_t flushes = 0, ops = 0, hits = 0, misses = 0, interpretedRuns = 0, compiledRuns = 0;
  double lookupMicroseconds = 0; // of all flushes: liveness, look-up and binding, without the kernels
};
Stats stats();
/// "flush: reason, ops, how it ran" of the last flushes, newest last, for explain().
std::vector<std::string> history();
/// Waits until nothing is being compiled in the background; false after `seconds`.
bool waitForCompiles(double seconds);

} // namespace flush
} // namespace tinyfin
