// SPDX-License-Identifier: Apache-2.0
// Candidates run in turn, so that what disturbs the machine for a while disturbs them alike; the best times decide.
#include "runtime/kernels/Autotune.h"
#include "runtime/Log.h"
#include "runtime/kernels/AutotuneFile.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>

namespace tinyfin {

namespace {

/// Which candidates there are depends on settings too: a choice holds as long as they do.
Words withSettings(const Words &key) {
  Words words{static_cast<int64_t>(std::hash<std::string>()(config::disable() + " " + config::bf16Products()))};
  words.insert(words.end(), key.begin(), key.end());
  return words;
}

} // namespace

Autotune::Autotune(Clock clock, std::shared_ptr<AutotuneFile> file) : clock(std::move(clock)), file(std::move(file)) {}

Autotune &Autotune::process() {
  auto clock = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  static Autotune *table = new Autotune(clock, std::make_shared<AutotuneFile>(AutotuneFile::process())); // compile workers may ask while the process ends
  return *table;
}

const Autotune::Choice *Autotune::findKept(const Words &key) {
  if (!file) return nullptr;
  if (!isFileRead) kept = file->read();
  isFileRead = true;
  auto found = kept.find(key);
  return found == kept.end() ? nullptr : &found->second;
}

void Autotune::keep(const Words &key, const Choice &choice) {
  if (!file || choice.note.empty()) return;
  kept[key] = choice;
  file->write(kept);
}

size_t Autotune::trials() const {
  std::lock_guard lock(mutex);
  return made.size();
}

Autotune::Choice Autotune::choose(const std::string &what, const Words &shape,
                                  const std::function<std::vector<TuneCandidate>()> &make) {
  std::lock_guard lock(mutex);
  const Words key = withSettings(shape);
  auto known = made.find(key);
  if (known != made.end()) return known->second;
  if (const Choice *choice = findKept(key)) return made[key] = {choice->index, choice->note + ", found earlier"};
  Choice choice = measure(what, make());
  keep(key, choice);
  if (!choice.note.empty() && isLogOn(LogChannel::Compile)) logLine(LogChannel::Compile, "autotune: " + choice.note);
  return made[key] = choice;
}

Autotune::Choice Autotune::measure(const std::string &what, std::vector<TuneCandidate> candidates) const {
  if (candidates.size() < 2) return {};
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> best(candidates.size(), kNever);
  auto run = [&](size_t i) {
    double begin = clock();
    bool isOk = candidates[i].run().isOk();
    double seconds = clock() - begin;
    best[i] = isOk ? std::min(best[i], seconds) : kNever;
  };
  // The first run of each pays for memory and code; it only says who is not worth another.
  for (size_t i = 0; i < candidates.size(); ++i) run(i);
  std::vector<size_t> left;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (best[i] < kNever && (i == 0 || best[i] < kHopeless * best[0])) left.push_back(i);
    else if (i) best[i] = kNever;
  }
  const double end = clock() + kBudgetSeconds;
  for (size_t i : left) best[i] = kNever;
  for (int round = 0; round < kMostRounds && (round < 2 || clock() < end); ++round)
    for (size_t i : left) run(i);

  Choice choice;
  for (size_t i = 1; i < candidates.size(); ++i)
    if (best[i] < (choice.index ? 1 : kMargin) * best[choice.index]) choice.index = i;
  choice.note = what + ":";
  for (size_t i = 0; i < candidates.size(); ++i) {
    char time[48] = " given up"; // it failed, or its first run was hopeless
    if (best[i] < kNever) std::snprintf(time, sizeof(time), " %.1f us%s", best[i] * 1e6, i == choice.index ? " (taken)" : "");
    choice.note += (choice.note.back() == ':' ? " " : ", ") + candidates[i].name + time;
  }
  return choice;
}

BufferRef tuneScratch(DType dtype, int64_t elements) {
  auto buffer = Device::cpu().allocate(std::max<size_t>(1, elements * sizeOf(dtype)));
  if (!buffer.isOk()) return {};
  auto fill = [&](auto half) { std::fill_n(static_cast<decltype(half) *>(buffer.value()->data()), elements, half); };
  switch (dtype) {
  case DType::F32: fill(0.5f); break;
  case DType::F64: fill(0.5); break;
  case DType::BF16: fill(uint16_t(0x3f00)); break;
  case DType::F16: fill(uint16_t(0x3800)); break;
  default: std::memset(buffer.value()->data(), 0, elements * sizeOf(dtype));
  }
  return std::move(buffer.value());
}

void TuneNotes::add(const std::string &line) {
  if (!line.empty() && std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

} // namespace tinyfin
