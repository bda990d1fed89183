// SPDX-License-Identifier: Apache-2.0
// From recorded graphs to Executables. A key is a graph's words, compared in full, with the words of target and
// settings in front (the caller's). Under one key there is an entry for each set of live outputs that was asked for; an
// entry that computes more than is asked for is a hit too. Bounded in bytes, least recently used graphs go first.
//
//   Lookup found = cache.find(key, live, hash);
//   if (!found) found.entry = cache.insert(key, live, interpreted, {.hash = hash, .family = family});
//   else if (found.seen == 2) queue.submit(found.entry, job);   // see CompileQueue.h
//   found.executable->run(...)                                  // computes found.entry->outputSlots()
#pragma once
#include "runtime/Attrs.h"
#include "runtime/Executable.h"
#include "runtime/KeyHasher.h"
#include "runtime/Trial.h"
#include <atomic>
#include <memory>
#include <mutex>

namespace tinyfin {

enum class CompileState : uint8_t { Interpreted, Queued, Compiling, Compiled, Refused };
const char *nameOf(CompileState state);

/// A graph with one set of outputs. Outlives its eviction while someone holds it. Its key and slots never change.
class CacheEntry {
public:
  CacheEntry(std::shared_ptr<const Words> key, std::vector<uint32_t> slots, std::shared_ptr<Executable> executable,
             CompileState state);

  std::span<const int64_t> key() const { return *keyWords; }
  /// What the executable computes, in its order of outputs: ascending.
  std::span<const uint32_t> outputSlots() const { return slots; }
  std::shared_ptr<Executable> executable() const;
  CompileState state() const { return current.load(std::memory_order_acquire); }
  /// Why it is not compiled, if it was refused.
  std::string refusal() const;
  /// How often it was found, with the insertion as the first.
  uint64_t seen() const { return timesSeen.load(std::memory_order_relaxed); }
  bool isEvicted() const { return evicted.load(std::memory_order_relaxed); }

  /// Who makes the next run. `isTimed`: its time is to be noted.
  struct Choice {
    std::shared_ptr<Executable> executable;
    Trial::Side side = Trial::Side::Compiled;
    bool isTimed = false;
  };
  Choice choose() const;
  /// Compiled code that turns out slower than the interpreter is dropped, and the entry counts as refused.
  void note(Trial::Side side, double microseconds);
  /// Compiled code may be compared; it has run often enough and there is nothing to compare it with.
  bool wantsInterpreted() const;
  void offerInterpreted(std::shared_ptr<Executable> executable);
  /// There will be no comparison, or no further one: the compiled code stays.
  void endTrial();
  Trial trial() const;

  /// Moves from one state to another; false if it is in neither that state nor may change.
  bool advance(CompileState from, CompileState to) { return current.compare_exchange_strong(from, to); }
  void refuse(std::string reason);

private:
  friend class ExecutionCache;
  size_t bytes() const; // with its executable, under the cache's lock

  const std::shared_ptr<const Words> keyWords;
  const std::vector<uint32_t> slots;
  mutable std::mutex mutex; // guards the five below
  std::shared_ptr<Executable> code, interpreted; // `interpreted` only while it is compared with compiled code
  std::string reason;
  Trial contest;
  std::atomic<bool> settled; // the contest's verdict is there
  std::atomic<CompileState> current;
  std::atomic<uint64_t> timesSeen{1};
  std::atomic<bool> evicted{false};
  size_t countedBytes = 0; // what the cache counts for it, under the cache's lock
};

struct Lookup {
  std::shared_ptr<CacheEntry> entry; // null: a miss
  std::shared_ptr<Executable> executable;
  uint64_t seen = 0;    // times this entry was seen, with this one
  bool isExact = false; // computes the wanted outputs and no more
  explicit operator bool() const { return entry != nullptr; }
};

struct CacheStats {
  uint64_t hits = 0, misses = 0;
  uint64_t compiledHits = 0, interpretedHits = 0; // of the hits, by what was found
  uint64_t supersetHits = 0;                      // of the hits, those that compute more than was asked for
  uint64_t insertions = 0, evictions = 0;         // evictions count entries
  uint64_t graphs = 0, entries = 0, bytes = 0;    // held now
};

/// Safe to use from any thread.
class ExecutionCache {
public:
  explicit ExecutionCache(size_t maxBytes);
  ~ExecutionCache();
  ExecutionCache(const ExecutionCache &) = delete;
  /// Bounded by TINYFIN_CACHE_BYTES.
  static ExecutionCache &process();

  struct Place {
    uint64_t hash = 0;   // KeyHasher's value of the key; 0: computed here
    uint64_t family = 0; // hash of the key without shapes; 0: none
    CompileState state = CompileState::Interpreted;
  };
  /// `liveSlots` ascend. Prefers the exact entry, then a compiled one, then the one with the fewest outputs.
  Lookup find(std::span<const int64_t> key, std::span<const uint32_t> liveSlots, uint64_t hash = 0);
  /// Adds an entry; if there is one of this key and these outputs already, that one is returned as it is.
  std::shared_ptr<CacheEntry> insert(std::span<const int64_t> key, std::span<const uint32_t> outputSlots,
                                     std::shared_ptr<Executable> executable, Place place);
  std::shared_ptr<CacheEntry> insert(std::span<const int64_t> key, std::span<const uint32_t> outputSlots,
                                     std::shared_ptr<Executable> executable) {
    return insert(key, outputSlots, std::move(executable), Place());
  }
  /// Swaps compiled code in: later lookups get it, runs under way keep what they have.
  void install(CacheEntry &entry, std::shared_ptr<Executable> compiled);

  /// Graphs held of a family: how many shapes of the same program there are.
  uint32_t familyShapes(uint64_t family) const;
  CacheStats stats() const;
  /// Every entry held, least recently used first.
  std::vector<std::shared_ptr<CacheEntry>> entries() const;
  void clear();
  void setMaxBytes(size_t bytes);

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace tinyfin
