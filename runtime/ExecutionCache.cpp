// SPDX-License-Identifier: Apache-2.0
// Graphs in a list, most recently used last, with an index by hash. What is evicted is destroyed without the lock: it
// may own machine code.
#include "runtime/ExecutionCache.h"
#include "runtime/Config.h"
#include "runtime/Fork.h"
#include "runtime/Log.h"
#include <algorithm>
#include <cstring>
#include <list>
#include <unordered_map>

namespace tinyfin {
namespace {

constexpr size_t kMaxVariants = 8; // a graph whose live outputs keep changing must not fill the cache

struct Graph {
  std::shared_ptr<const Words> key;
  uint64_t hash = 0, family = 0;
  std::vector<std::shared_ptr<CacheEntry>> variants; // oldest first
};
using Graphs = std::list<Graph>;

struct IdentityHash {
  size_t operator()(uint64_t hash) const { return hash; }
};

template <class T> bool equal(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

size_t graphBytes(const Graph &graph) { return graph.key->size() * sizeof(int64_t) + sizeof(Graph) + 64; }

/// The best variant that computes all wanted slots, or null.
const std::shared_ptr<CacheEntry> *bestVariant(const Graph &graph, std::span<const uint32_t> wanted, bool &isExact) {
  const std::shared_ptr<CacheEntry> *best = nullptr;
  isExact = false;
  for (const auto &variant : graph.variants)
    if (equal(variant->outputSlots(), wanted)) return isExact = true, &variant;
  auto rank = [](const CacheEntry &entry) {
    return std::pair(entry.state() != CompileState::Compiled, entry.outputSlots().size());
  };
  for (const auto &variant : graph.variants) {
    std::span<const uint32_t> slots = variant->outputSlots();
    if (!std::includes(slots.begin(), slots.end(), wanted.begin(), wanted.end())) continue;
    if (!best || rank(*variant) < rank(**best)) best = &variant;
  }
  return best;
}

} // namespace

const char *nameOf(CompileState state) {
  constexpr const char *names[] = {"interpreted", "queued", "compiling", "compiled", "refused"};
  return names[static_cast<size_t>(state)];
}

CacheEntry::CacheEntry(std::shared_ptr<const Words> key, std::vector<uint32_t> slots,
                       std::shared_ptr<Executable> executable, CompileState state)
    : keyWords(std::move(key)), slots(std::move(slots)), code(std::move(executable)),
      settled(!config::neverSlower() || config::deterministic()), current(state) {}

std::shared_ptr<Executable> CacheEntry::executable() const {
  std::lock_guard lock(mutex);
  return code;
}

std::string CacheEntry::refusal() const {
  std::lock_guard lock(mutex);
  return reason;
}

void CacheEntry::refuse(std::string why) {
  {
    std::lock_guard lock(mutex);
    reason = std::move(why);
  }
  current.store(CompileState::Refused, std::memory_order_release);
}

CacheEntry::Choice CacheEntry::choose() const {
  bool isTimed = !settled.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex);
  if (state() != CompileState::Compiled) return {code, Trial::Side::Interpreted, isTimed};
  if (!isTimed) return {code, Trial::Side::Compiled, false};
  Trial::Side side = contest.next(!!interpreted);
  return {side == Trial::Side::Interpreted ? interpreted : code, side, true};
}

void CacheEntry::note(Trial::Side side, double microseconds) {
  std::shared_ptr<Executable> dropped; // destroyed without the lock
  std::string line;
  {
    std::lock_guard lock(mutex);
    bool isCompiled = state() == CompileState::Compiled;
    contest.note(side, microseconds, isCompiled);
    Trial::Verdict verdict = contest.verdict();
    if (verdict == Trial::Verdict::Open || settled.exchange(true)) return;
    dropped = std::move(verdict == Trial::Verdict::Interpreted ? std::exchange(code, std::move(interpreted)) : interpreted);
    if (verdict == Trial::Verdict::Compiled) return;
    reason = "slower than the interpreter: " + contest.describe();
    current.store(CompileState::Refused, std::memory_order_release);
    line = reason;
  }
  logLine(LogChannel::Fallback, "compiled code is not used: " + line);
}

bool CacheEntry::wantsInterpreted() const {
  if (settled.load(std::memory_order_relaxed) || state() != CompileState::Compiled) return false;
  std::lock_guard lock(mutex);
  return !interpreted && contest.wantsInterpreted();
}

void CacheEntry::offerInterpreted(std::shared_ptr<Executable> executable) {
  std::lock_guard lock(mutex);
  if (!settled && !interpreted) interpreted = std::move(executable);
}

void CacheEntry::endTrial() {
  std::shared_ptr<Executable> dropped;
  std::lock_guard lock(mutex);
  contest.settle(Trial::Verdict::Compiled);
  settled = true;
  dropped = std::move(interpreted);
}

Trial CacheEntry::trial() const {
  std::lock_guard lock(mutex);
  return contest;
}

size_t CacheEntry::bytes() const {
  std::lock_guard lock(mutex);
  size_t codeBytes = code ? code->stats.constantBytes + code->stats.codeBytes : 0;
  return sizeof(CacheEntry) + slots.size() * sizeof(uint32_t) + codeBytes;
}

struct ExecutionCache::State {
  using Dropped = std::vector<std::shared_ptr<CacheEntry>>;

  Graphs::iterator locate(std::span<const int64_t> key, uint64_t hash) {
    auto [first, last] = index.equal_range(hash);
    for (auto at = first; at != last; ++at)
      if (equal<int64_t>(*at->second->key, key)) return at->second;
    return graphs.end();
  }
  void touch(Graphs::iterator graph) { graphs.splice(graphs.end(), graphs, graph); }

  Graphs::iterator addGraph(std::span<const int64_t> key, const Place &place) {
    Graphs::iterator graph = graphs.insert(graphs.end(), Graph());
    graph->key = std::make_shared<const Words>(key.begin(), key.end());
    graph->hash = place.hash;
    graph->family = place.family;
    index.emplace(place.hash, graph);
    if (place.family) families[place.family]++;
    stats.graphs++;
    stats.bytes += graphBytes(*graph);
    return graph;
  }
  void recount(CacheEntry &entry) {
    size_t bytes = entry.bytes();
    stats.bytes += bytes - entry.countedBytes;
    entry.countedBytes = bytes;
  }
  void dropVariant(Graph &graph, size_t at, Dropped &dropped) {
    std::shared_ptr<CacheEntry> entry = std::move(graph.variants[at]);
    graph.variants.erase(graph.variants.begin() + at);
    entry->evicted.store(true, std::memory_order_relaxed);
    stats.bytes -= entry->countedBytes;
    stats.entries--;
    stats.evictions++;
    dropped.push_back(std::move(entry));
  }
  void dropGraph(Graphs::iterator graph, Dropped &dropped) {
    while (!graph->variants.empty()) dropVariant(*graph, graph->variants.size() - 1, dropped);
    auto [first, last] = index.equal_range(graph->hash);
    index.erase(std::find_if(first, last, [&](const auto &item) { return item.second == graph; }));
    if (auto family = families.find(graph->family); family != families.end() && --family->second == 0)
      families.erase(family);
    stats.bytes -= graphBytes(*graph);
    stats.graphs--;
    graphs.erase(graph);
  }
  /// Drops the least recently used graphs until the bound holds; the newest one stays whatever its size.
  void shrink(Dropped &dropped) {
    while (stats.bytes > maxBytes && graphs.size() > 1) dropGraph(graphs.begin(), dropped);
  }

  std::mutex mutex; // guards all below
  size_t maxBytes = 0;
  Graphs graphs; // most recently used last
  std::unordered_multimap<uint64_t, Graphs::iterator, IdentityHash> index;
  std::unordered_map<uint64_t, uint32_t, IdentityHash> families;
  CacheStats stats;
};

ExecutionCache::ExecutionCache(size_t maxBytes) : state(std::make_unique<State>()) { state->maxBytes = maxBytes; }
ExecutionCache::~ExecutionCache() = default;

ExecutionCache &ExecutionCache::process() {
  static ExecutionCache *cache = [] {
    int64_t bytes = config::cacheBytes();
    auto *created =
        new ExecutionCache(bytes < 0 ? SIZE_MAX : static_cast<size_t>(bytes)); // used until the process ends
    holdAcrossFork(created->state->mutex);
    return created;
  }();
  return *cache;
}

Lookup ExecutionCache::find(std::span<const int64_t> key, std::span<const uint32_t> liveSlots, uint64_t hash) {
  if (!hash) hash = KeyHasher::of(key);
  std::lock_guard lock(state->mutex);
  CacheStats &stats = state->stats;
  Graphs::iterator graph = state->locate(key, hash);
  Lookup found;
  const auto *variant = graph == state->graphs.end() ? nullptr : bestVariant(*graph, liveSlots, found.isExact);
  if (!variant) {
    stats.misses++;
    return found;
  }
  state->touch(graph);
  found.entry = *variant;
  found.executable = found.entry->executable();
  found.seen = found.entry->timesSeen.fetch_add(1, std::memory_order_relaxed) + 1;
  stats.hits++;
  stats.supersetHits += !found.isExact;
  (found.entry->state() == CompileState::Compiled ? stats.compiledHits : stats.interpretedHits)++;
  return found;
}

std::shared_ptr<CacheEntry> ExecutionCache::insert(std::span<const int64_t> key, std::span<const uint32_t> outputSlots,
                                                   std::shared_ptr<Executable> executable, Place place) {
  if (!place.hash) place.hash = KeyHasher::of(key);
  State::Dropped dropped;
  std::unique_lock lock(state->mutex);
  Graphs::iterator graph = state->locate(key, place.hash);
  if (graph == state->graphs.end())
    graph = state->addGraph(key, place);
  else
    state->touch(graph);
  for (const auto &variant : graph->variants)
    if (equal(variant->outputSlots(), outputSlots)) return variant;
  if (graph->variants.size() == kMaxVariants) state->dropVariant(*graph, 0, dropped);
  auto entry = std::make_shared<CacheEntry>(graph->key, std::vector<uint32_t>(outputSlots.begin(), outputSlots.end()),
                                            std::move(executable), place.state);
  graph->variants.push_back(entry);
  state->stats.insertions++;
  state->stats.entries++;
  state->recount(*entry);
  state->shrink(dropped);
  lock.unlock(); // a log sink and the destructors of code may take their time
  if (!dropped.empty() && isLogOn(LogChannel::Cache))
    logLine(LogChannel::Cache,
            "evicted " + std::to_string(dropped.size()) + " entries to hold " + "the bound of TINYFIN_CACHE_BYTES");
  return entry;
}

void ExecutionCache::install(CacheEntry &entry, std::shared_ptr<Executable> compiled) {
  State::Dropped dropped;
  {
    std::lock_guard lock(state->mutex);
    {
      std::lock_guard entryLock(entry.mutex);
      std::swap(entry.code, compiled);
      // The old one has run and may be compared with; else it is destroyed without locks.
      if (!entry.settled && entry.contest.describe() != "") entry.interpreted = std::move(compiled);
    }
    entry.current.store(CompileState::Compiled, std::memory_order_release);
    if (entry.isEvicted()) return;
    state->recount(entry);
    state->shrink(dropped);
  }
}

uint32_t ExecutionCache::familyShapes(uint64_t family) const {
  std::lock_guard lock(state->mutex);
  auto found = state->families.find(family);
  return found == state->families.end() ? 0 : found->second;
}

CacheStats ExecutionCache::stats() const {
  std::lock_guard lock(state->mutex);
  return state->stats;
}

std::vector<std::shared_ptr<CacheEntry>> ExecutionCache::entries() const {
  std::lock_guard lock(state->mutex);
  std::vector<std::shared_ptr<CacheEntry>> all;
  for (const Graph &graph : state->graphs) all.insert(all.end(), graph.variants.begin(), graph.variants.end());
  return all;
}

void ExecutionCache::clear() {
  State::Dropped dropped;
  std::lock_guard lock(state->mutex);
  while (!state->graphs.empty()) state->dropGraph(state->graphs.begin(), dropped);
  state->stats.evictions -= dropped.size(); // asked for, not for want of room
}

void ExecutionCache::setMaxBytes(size_t bytes) {
  State::Dropped dropped;
  std::lock_guard lock(state->mutex);
  state->maxBytes = bytes;
  state->shrink(dropped);
}

} // namespace tinyfin
