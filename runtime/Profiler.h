// SPDX-License-Identifier: Apache-2.0
// Records named spans of time: which kernel ran when, where, for how long and over how many bytes. Off, a check is
// one load. Totals by name and a Chrome trace (chrome://tracing, Perfetto) come from the same spans.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tinyfin {

class Profiler {
public:
  struct Span {
    uint32_t name, thread; // as given by nameId; threads are numbered in order of their first span
    int64_t startNs, durationNs;
    uint64_t bytes;
  };
  struct Total {
    std::string name;
    uint64_t count = 0, bytes = 0;
    int64_t totalNs = 0, minNs = 0, maxNs = 0;
  };

  static Profiler &process();
  static bool isOn() { return on.load(std::memory_order_relaxed); }
  static int64_t now(); // nanoseconds of a clock that never goes back

  /// Names are kept for the process' life, so a span can hold a number.
  uint32_t nameId(std::string_view name);
  std::string nameOf(uint32_t id) const;

  void start(); // forgets the spans so far
  void stop();
  void record(uint32_t name, int64_t startNs, int64_t durationNs, uint64_t bytes);

  std::vector<Span> spans() const;
  /// Spans that were not kept because there were more than kMaxSpans.
  uint64_t dropped() const;
  /// Sorted by total time, longest first.
  std::vector<Total> totals() const;
  std::string chromeTrace() const;

  static constexpr size_t kMaxSpans = size_t{1} << 20;

private:
  Profiler();
  struct State;
  std::unique_ptr<State> state;
  static inline std::atomic<bool> on{false};
};

/// Records the time from its construction to its end.
class ProfileScope {
public:
  explicit ProfileScope(std::string_view name, uint64_t bytes = 0) : bytes(bytes) {
    if (!Profiler::isOn()) return;
    id = Profiler::process().nameId(name);
    start = Profiler::now();
  }
  ~ProfileScope() {
    if (start) Profiler::process().record(id, start, Profiler::now() - start, bytes);
  }
  ProfileScope(const ProfileScope &) = delete;

private:
  uint64_t bytes;
  int64_t start = 0;
  uint32_t id = 0;
};

} // namespace tinyfin
