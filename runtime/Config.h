// SPDX-License-Identifier: Apache-2.0
// The settings of Config.def: parsed once from the environment, read cheaply, changed by name.
#pragma once
#include "runtime/Status.h"
#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tinyfin {

enum class SettingType : uint8_t { Flag, Integer, Bytes, Text, Choice, Names, Channels };

enum class Setting : uint8_t {
#define TINYFIN_SETTING(accessor, NAME, type, fallback, sentence) accessor,
#include "runtime/Config.def"
#undef TINYFIN_SETTING
};

struct SettingInfo {
  Setting id;
  std::string_view name; // with the prefix TINYFIN_
  SettingType type;
  std::string_view fallback; // what holds if nothing is set, as text
  std::string_view sentence;
};

/// The log channels that TINYFIN_LOG may name; a channel's bit in the mask is its place.
inline constexpr std::string_view kLogChannelNames[] = {"cache", "compile", "fusion", "fallback",
                                                        "jit",   "memory",  "runtime"};

/// Safe to read and to set from any thread. Text is copied out under a lock; everything else is one atomic load.
class Config {
public:
  /// The process' settings, read from the environment at the first call.
  static Config &process();
  static std::span<const SettingInfo> table();
  /// The setting of a name such as `TINYFIN_LOG`, `LOG` or `log`; null when there is none.
  static const SettingInfo *find(std::string_view name);

  Config() { reset(); }

  /// Changes a setting; InvalidArgument says what was found and what was wanted and leaves it as it was.
  Status set(std::string_view name, std::string_view text);
  /// Back to what the environment says.
  void reset();

  int64_t number(Setting setting) const {
    return numbers[static_cast<size_t>(setting)].load(std::memory_order_relaxed);
  }
  /// The value as text, in the form `set` takes.
  std::string text(Setting setting) const;
  bool isSet(Setting setting) const;
  /// Variables that start with TINYFIN_ but are no setting (with the nearest one that is) or that could not be parsed.
  std::vector<std::string> warnings() const;

private:
  void readEnvironment();
  Status assign(const SettingInfo &info, std::string_view text);

#define TINYFIN_SETTING(accessor, NAME, type, fallback, sentence) +1
  static constexpr size_t kCount = 0
#include "runtime/Config.def"
      ;
#undef TINYFIN_SETTING
  std::atomic<int64_t> numbers[kCount];
  mutable std::mutex mutex; // guards the members below
  std::string texts[kCount];
  bool changed[kCount] = {};
  std::vector<std::string> complaints;
};

/// Whether a comma list such as `fuse-elementwise,licm` names `item`.
bool listContains(std::string_view list, std::string_view item);

/// The name nearest to `word` by edit distance, or empty if none is near.
std::string_view nearestName(std::string_view word, std::span<const std::string_view> names);

/// One accessor a setting: `config::maxPendingOps()`. Bytes of `auto` read as -1; a Choice as its text.
namespace config {
template <SettingType type> auto read(Setting setting) {
  if constexpr (type == SettingType::Flag)
    return Config::process().number(setting) != 0;
  else if constexpr (type == SettingType::Text || type == SettingType::Names || type == SettingType::Choice)
    return Config::process().text(setting);
  else
    return Config::process().number(setting);
}
#define TINYFIN_SETTING(accessor, NAME, type, fallback, sentence)                                                      \
  inline auto accessor() { return read<SettingType::type>(Setting::accessor); }
#include "runtime/Config.def"
#undef TINYFIN_SETTING
inline bool isEagerImmediate() { return Config::process().number(Setting::eager) == 1; }
inline bool isDisabled(std::string_view pass) {
  return Config::process().number(Setting::disable) != 0 && listContains(disable(), pass);
}
} // namespace config

} // namespace tinyfin
