// SPDX-License-Identifier: Apache-2.0
// Spans in one bounded list, totals by name and the Chrome trace writer.
#include "runtime/Profiler.h"
#include "runtime/Fork.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <unordered_map>

namespace tinyfin {
namespace {

uint32_t threadNumber() {
  static std::atomic<uint32_t> next{0};
  thread_local uint32_t number = next.fetch_add(1);
  return number;
}

void appendJsonString(std::string &out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", c);
      out += escaped;
    } else
      out += c;
  }
  out += '"';
}

void appendMicroseconds(std::string &out, int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof(text), "%lld.%03lld", static_cast<long long>(ns / 1000),
                static_cast<long long>(ns % 1000));
  out += text;
}

} // namespace

struct Profiler::State {
  mutable std::mutex mutex; // guards all below
  std::vector<std::string> names;
  std::unordered_map<std::string, uint32_t> ids;
  std::vector<Span> spans;
  uint64_t dropped = 0;
};

Profiler::Profiler() : state(std::make_unique<State>()) {}

Profiler &Profiler::process() {
  static Profiler *profiler = [] {
    auto *created = new Profiler; // never destroyed: threads may record while the process ends
    holdAcrossFork(created->state->mutex);
    return created;
  }();
  return *profiler;
}

int64_t Profiler::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

uint32_t Profiler::nameId(std::string_view name) {
  std::lock_guard lock(state->mutex);
  auto [at, isNew] = state->ids.try_emplace(std::string(name), static_cast<uint32_t>(state->names.size()));
  if (isNew) state->names.emplace_back(name);
  return at->second;
}

std::string Profiler::nameOf(uint32_t id) const {
  std::lock_guard lock(state->mutex);
  return id < state->names.size() ? state->names[id] : std::string();
}

void Profiler::start() {
  std::lock_guard lock(state->mutex);
  state->spans.clear();
  state->spans.reserve(1 << 14);
  state->dropped = 0;
  on.store(true, std::memory_order_relaxed);
}

void Profiler::stop() { on.store(false, std::memory_order_relaxed); }

void Profiler::record(uint32_t name, int64_t startNs, int64_t durationNs, uint64_t bytes) {
  uint32_t thread = threadNumber();
  std::lock_guard lock(state->mutex);
  if (state->spans.size() >= kMaxSpans)
    state->dropped++;
  else
    state->spans.push_back({name, thread, startNs, durationNs, bytes});
}

std::vector<Profiler::Span> Profiler::spans() const {
  std::lock_guard lock(state->mutex);
  return state->spans;
}

uint64_t Profiler::dropped() const {
  std::lock_guard lock(state->mutex);
  return state->dropped;
}

std::vector<Profiler::Total> Profiler::totals() const {
  std::vector<Total> byName;
  {
    std::lock_guard lock(state->mutex);
    byName.resize(state->names.size());
    for (const Span &span : state->spans) {
      Total &total = byName[span.name];
      total.minNs = total.count ? std::min(total.minNs, span.durationNs) : span.durationNs;
      total.maxNs = std::max(total.maxNs, span.durationNs);
      total.totalNs += span.durationNs;
      total.bytes += span.bytes;
      total.count++;
    }
    for (size_t id = 0; id < byName.size(); ++id) byName[id].name = state->names[id];
  }
  std::erase_if(byName, [](const Total &total) { return total.count == 0; });
  std::sort(byName.begin(), byName.end(), [](const Total &a, const Total &b) { return a.totalNs > b.totalNs; });
  return byName;
}

std::string Profiler::chromeTrace() const {
  std::lock_guard lock(state->mutex);
  int64_t first = state->spans.empty() ? 0 : state->spans.front().startNs;
  for (const Span &span : state->spans) first = std::min(first, span.startNs);
  std::string out = "{\"traceEvents\":[";
  for (const Span &span : state->spans) {
    if (out.back() != '[') out += ",\n";
    out += "{\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(span.thread) + ",\"ts\":";
    appendMicroseconds(out, span.startNs - first);
    out += ",\"dur\":";
    appendMicroseconds(out, span.durationNs);
    out += ",\"name\":";
    appendJsonString(out, state->names[span.name]);
    out += ",\"args\":{\"bytes\":" + std::to_string(span.bytes) + "}}";
  }
  return out + "],\"displayTimeUnit\":\"ns\"}\n";
}

} // namespace tinyfin
