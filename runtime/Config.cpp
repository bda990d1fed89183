// SPDX-License-Identifier: Apache-2.0
// Parses settings by their type and finds near matches for misspelt names.
#include "runtime/Config.h"
#include "runtime/Fork.h"
#include <algorithm>
#include <charconv>
#include <limits>

extern char **environ;

namespace tinyfin {
namespace {

constexpr std::string_view kPrefix = "TINYFIN_";

constexpr SettingInfo kTable[] = {
#define TINYFIN_SETTING(accessor, NAME, type, fallback, sentence)                                                      \
  {Setting::accessor, "TINYFIN_" #NAME, SettingType::type, fallback, sentence},
#include "runtime/Config.def"
#undef TINYFIN_SETTING
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string upperCase(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), upper);
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Calls visit on each trimmed, non-empty item of a list.
template <class Visit> void forEachItem(std::string_view list, char separator, Visit visit) {
  while (!list.empty()) {
    size_t end = std::min(list.find(separator), list.size());
    if (std::string_view item = trimmed(list.substr(0, end)); !item.empty()) visit(item);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

Status invalid(const SettingInfo &info, std::string_view found, const std::string &wanted) {
  return Status::error(StatusCode::InvalidArgument,
                       std::string(info.name) + " is '" + std::string(found) + "', wanted " + wanted);
}

StatusOr<int64_t> parseFlag(const SettingInfo &info, std::string_view text) {
  for (std::string_view on : {"1", "on", "true", "yes"})
    if (text == on) return int64_t{1};
  for (std::string_view off : {"0", "off", "false", "no", ""})
    if (text == off) return int64_t{0};
  return invalid(info, text, "0 or 1");
}

StatusOr<int64_t> parseInteger(const SettingInfo &info, std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    return invalid(info, text, "an integer from 0");
  return value;
}

StatusOr<int64_t> parseBytes(const SettingInfo &info, std::string_view text) {
  if (text == "auto") return int64_t{-1};
  const std::string wanted = "bytes such as 1048576, 64M, 2G or auto";
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(end, text.data() + text.size() - end);
  if (error != std::errc() || value < 0 || unit.size() > 1) return invalid(info, text, wanted);
  size_t power = unit.empty() ? 0 : std::string_view("KMGT").find(upper(unit[0])) + 1;
  if (!unit.empty() && power == 0) return invalid(info, text, wanted);
  int shift = static_cast<int>(10 * power);
  if (value > std::numeric_limits<int64_t>::max() >> shift) return invalid(info, text, wanted);
  return value << shift;
}

StatusOr<int64_t> parseChoice(const SettingInfo &info, std::string_view text) {
  int64_t at = 0, found = -1;
  std::string wanted;
  forEachItem(info.fallback, '|', [&](std::string_view choice) {
    if (choice == text) found = at;
    wanted += (at++ ? " or " : "") + std::string(choice);
  });
  if (found < 0) return invalid(info, text, wanted);
  return found;
}

StatusOr<int64_t> parseChannels(const SettingInfo &info, std::string_view text) {
  int64_t mask = 0;
  std::string_view unknown;
  if (text == "0") return mask;
  forEachItem(text, ',', [&](std::string_view item) {
    auto *channel = std::find(std::begin(kLogChannelNames), std::end(kLogChannelNames), item);
    if (item == "all")
      mask = (int64_t{1} << std::size(kLogChannelNames)) - 1;
    else if (channel == std::end(kLogChannelNames))
      unknown = item;
    else
      mask |= int64_t{1} << (channel - kLogChannelNames);
  });
  if (unknown.empty()) return mask;
  std::string wanted = "a comma list of";
  for (std::string_view name : kLogChannelNames) wanted += " " + std::string(name);
  return invalid(info, unknown, wanted + ", or all");
}

StatusOr<int64_t> parse(const SettingInfo &info, std::string_view text) {
  switch (info.type) {
  case SettingType::Flag:
    return parseFlag(info, text);
  case SettingType::Integer:
    return parseInteger(info, text);
  case SettingType::Bytes:
    return parseBytes(info, text);
  case SettingType::Choice:
    return parseChoice(info, text);
  case SettingType::Channels:
    return parseChannels(info, text);
  case SettingType::Text:
    return int64_t{0};
  case SettingType::Names: // whether it names any, so that asking costs one load where it does not
    return int64_t{!text.empty() && text != "0"};
  }
  return Status::error(StatusCode::Internal, "setting of unknown type");
}

std::string_view defaultText(const SettingInfo &info) {
  return info.type == SettingType::Choice ? info.fallback.substr(0, info.fallback.find('|')) : info.fallback;
}

size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string unknownVariable(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SettingInfo &info : kTable) names.push_back(info.name.substr(kPrefix.size()));
  std::string warning = std::string(name) + " is no setting";
  std::string_view near = nearestName(name.substr(kPrefix.size()), names);
  return near.empty() ? warning : warning + ", did you mean " + std::string(kPrefix) + std::string(near) + "?";
}

} // namespace

bool listContains(std::string_view list, std::string_view item) {
  bool found = false;
  forEachItem(list, ',', [&](std::string_view each) { found |= each == item; });
  return found;
}

std::string_view nearestName(std::string_view word, std::span<const std::string_view> names) {
  std::string_view best;
  size_t limit = std::min<size_t>(4, word.size() / 2 + 1); // farther names share too little to be meant
  for (std::string_view name : names)
    if (size_t distance = editDistance(word, name); distance < limit) best = name, limit = distance;
  return best;
}

Config &Config::process() {
  static Config *config = [] {
    auto *created = new Config; // never destroyed: threads may read it while the process ends
    holdAcrossFork(created->mutex);
    return created;
  }();
  return *config;
}

std::span<const SettingInfo> Config::table() { return kTable; }

const SettingInfo *Config::find(std::string_view name) {
  std::string wanted = upperCase(name);
  if (!wanted.starts_with(kPrefix)) wanted.insert(0, kPrefix);
  for (const SettingInfo &info : kTable)
    if (info.name == wanted) return &info;
  return nullptr;
}

Status Config::set(std::string_view name, std::string_view text) {
  const SettingInfo *info = find(name);
  if (info) return assign(*info, trimmed(text));
  std::string full = upperCase(name);
  if (!full.starts_with(kPrefix)) full.insert(0, kPrefix);
  return Status::error(StatusCode::InvalidArgument, unknownVariable(full));
}

Status Config::assign(const SettingInfo &info, std::string_view text) {
  StatusOr<int64_t> number = parse(info, text);
  TINYFIN_RETURN_IF_ERROR(number.status());
  std::lock_guard lock(mutex);
  size_t at = static_cast<size_t>(info.id);
  // "=0 means off" holds for lists and folders too.
  bool isOff = text == "0" && (info.type == SettingType::Names || info.name == "TINYFIN_DUMP");
  texts[at] = isOff ? "" : std::string(text);
  numbers[at].store(number.value(), std::memory_order_relaxed);
  changed[at] = texts[at] != defaultText(info);
  return Status::ok();
}

void Config::reset() {
  for (const SettingInfo &info : kTable)
    (void)assign(info, defaultText(info)); // defaults parse: a test holds them to it
  readEnvironment();
}

void Config::readEnvironment() {
  std::vector<std::string> found;
  for (char **variable = environ; variable && *variable; ++variable) {
    std::string_view text(*variable);
    size_t equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    const SettingInfo *info = find(text.substr(0, equals));
    if (!info || info->name != text.substr(0, equals)) {
      found.push_back(unknownVariable(text.substr(0, equals)));
      continue;
    }
    if (Status status = assign(*info, trimmed(text.substr(equals + 1))); !status.isOk())
      found.push_back(status.message());
  }
  std::lock_guard lock(mutex);
  complaints = std::move(found);
}

std::string Config::text(Setting setting) const {
  std::lock_guard lock(mutex);
  return texts[static_cast<size_t>(setting)];
}

bool Config::isSet(Setting setting) const {
  std::lock_guard lock(mutex);
  return changed[static_cast<size_t>(setting)];
}

std::vector<std::string> Config::warnings() const {
  std::lock_guard lock(mutex);
  return complaints;
}

} // namespace tinyfin
