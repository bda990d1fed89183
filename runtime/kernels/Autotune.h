// SPDX-License-Identifier: Apache-2.0
// Choices between ways to compute the same thing, by trying them on scratch data when a graph is compiled: the rules that
// choose by shape were measured on some machines and shapes, a trial on this one. A choice is made once a machine and key
// (kind, shapes, dtypes, threads, settings) and kept in a file (AutotuneFile.h). What is chosen differs from the rule's choice by rounding at most.
#pragma once
#include "runtime/Attrs.h"
#include "runtime/Buffer.h"
#include "runtime/Status.h"
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tinyfin {

/// One way, ready to run on data of its own.
struct TuneCandidate {
  std::string name;
  std::function<Status()> run;
};

class AutotuneFile;

class Autotune {
public:
  static constexpr double kBudgetSeconds = 0.02; // for the rounds of one choice, after a first run of each candidate
  static constexpr double kMargin = 0.95;        // of the rule's best time another candidate must stay below
  static constexpr double kHopeless = 3;         // a first run this much slower than the rule's is the last
  static constexpr int kMostRounds = 12;

  static Autotune &process();
  using Clock = std::function<double()>; // seconds
  /// Choices are kept in `file`, if there is one.
  explicit Autotune(Clock clock, std::shared_ptr<AutotuneFile> file = nullptr);

  struct Choice {
    size_t index = 0;
    std::string note; // "matmul f32 64x64x64: thread 0.81 ms, first 0.64 ms"; empty: there was nothing to choose
  };
  /// The first candidate is the rule's. `make` is called where the key is new; a candidate that fails is not chosen. The index
  /// may come from a file: who counts on it to be that of a candidate has to look.
  Choice choose(const std::string &what, const Words &key, const std::function<std::vector<TuneCandidate>()> &make);
  size_t trials() const;

private:
  const Choice *findKept(const Words &key);
  void keep(const Words &key, const Choice &choice);
  Choice measure(const std::string &what, std::vector<TuneCandidate> candidates) const;
  Clock clock;
  mutable std::mutex mutex; // trials do not run beside each other either
  std::map<Words, Choice> made, kept; // in this process; by this one and others
  std::shared_ptr<AutotuneFile> file;
  bool isFileRead = false;
};

constexpr int64_t kMostTrialBytes = int64_t(256) << 20; // of operands and result: larger contractions are not tried

/// Memory to try things on, filled with halves: neither denormal nor growing. Null if there is none.
BufferRef tuneScratch(DType dtype, int64_t elements);

/// What one compilation tried: for logs and explain(). Null pointers to it mean that nothing is tried.
struct TuneNotes {
  std::vector<std::string> lines;
  void add(const std::string &line);
};

} // namespace tinyfin
