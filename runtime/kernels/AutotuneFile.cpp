// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernels/AutotuneFile.h"
#include "runtime/Log.h"
#include "runtime/Version.h"
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <link.h>
#include <optional>
#include <span>
#include <unistd.h>

namespace tinyfin {
namespace {

constexpr std::string_view kFormat = "tinyfin autotune 1";
constexpr std::uintmax_t kMostBytes = 16 << 20;
constexpr size_t kMostCandidates = 256;

void log(const std::string &line) { logLine(LogChannel::Compile, "autotune: " + line); }

/// FNV-1a: tells files from what is left of them, and machines and builds apart.
uint64_t checksum(std::string_view text) {
  uint64_t sum = 0xcbf29ce484222325;
  for (unsigned char c : text) sum = (sum ^ c) * 0x100000001b3;
  return sum;
}
std::string hex(uint64_t value) {
  char text[17];
  return std::string(text, std::to_chars(text, text + sizeof(text), value, 16).ptr);
}

/// Takes the text before `separator` off; nothing if there is none.
std::optional<std::string_view> take(std::string_view &text, char separator) {
  size_t end = text.find(separator);
  if (end == text.npos) return std::nullopt;
  std::string_view taken = text.substr(0, end);
  text.remove_prefix(end + 1);
  return taken;
}

template <class T> bool parseNumber(std::string_view text, T &number, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::string lineOf(const Words &key, const Autotune::Choice &choice) {
  std::string line;
  for (int64_t word : key) line += (line.empty() ? "" : ",") + hex(static_cast<uint64_t>(word));
  std::string note = choice.note;
  for (char &c : note)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return line + "\t" + std::to_string(choice.index) + "\t" + note + "\n";
}

bool parseLine(std::string_view line, Words &key, Autotune::Choice &choice) {
  auto words = take(line, '\t'), index = take(line, '\t');
  if (!words || !index || !parseNumber(*index, choice.index, 10) || choice.index >= kMostCandidates) return false;
  choice.note = line;
  for (std::string_view left = *words; !left.empty();) {
    std::string_view word = left.substr(0, left.find(','));
    left.remove_prefix(std::min(left.size(), word.size() + 1));
    uint64_t number = 0;
    if (!parseNumber(word, number, 16)) return false;
    key.push_back(static_cast<int64_t>(number));
  }
  return !key.empty();
}

/// The processor's name and what it can do, as the system tells them; empty if it does not.
std::string processorText() {
  std::ifstream file("/proc/cpuinfo");
  std::string line, name, flags;
  while (std::getline(file, line) && (name.empty() || flags.empty())) {
    size_t colon = line.find(": ");
    if (colon == line.npos) continue;
    if (line.starts_with("model name")) name = line.substr(colon + 2);
    if (line.starts_with("flags") || line.starts_with("Features")) flags = line.substr(colon + 2);
  }
  return flags.empty() ? "" : name + " with " + hex(checksum(flags));
}

/// The linker's number of the object that holds this code; empty if it has none.
std::string buildId() {
  struct Search {
    uintptr_t here = reinterpret_cast<uintptr_t>(&buildId);
    std::string found;
  } search;
  auto visit = [](dl_phdr_info *object, size_t, void *data) {
    auto &search = *static_cast<Search *>(data);
    auto holds = [&](const ElfW(Phdr) &part) { return part.p_type == PT_LOAD && search.here - object->dlpi_addr - part.p_vaddr < part.p_memsz; };
    std::span parts(object->dlpi_phdr, object->dlpi_phnum);
    if (std::none_of(parts.begin(), parts.end(), holds)) return 0;
    for (const ElfW(Phdr) &part : parts) {
      if (part.p_type != PT_NOTE) continue;
      for (uintptr_t at = object->dlpi_addr + part.p_vaddr, end = at + part.p_memsz; at + sizeof(ElfW(Nhdr)) < end;) {
        const auto &note = *reinterpret_cast<const ElfW(Nhdr) *>(at);
        const auto *name = reinterpret_cast<const unsigned char *>(&note + 1), *id = name + (note.n_namesz + 3) / 4 * 4;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !std::memcmp(name, "GNU", 4))
          for (const unsigned char *byte = id; byte < id + note.n_descsz; ++byte) search.found += hex(*byte >> 4) + hex(*byte & 15);
        at = reinterpret_cast<uintptr_t>(id + (note.n_descsz + 3) / 4 * 4);
      }
    }
    return 1;
  };
  dl_iterate_phdr(visit, &search);
  return search.found;
}

std::string folderOf(const std::string &setting) {
  if (setting == "0") return "";
  if (setting != "auto") return setting;
  auto variable = [](const char *name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
  if (std::string cache = variable("XDG_CACHE_HOME"); cache.starts_with('/')) return cache + "/tinyfin";
  std::string home = variable("HOME");
  return home.starts_with('/') ? home + "/.cache/tinyfin" : "";
}

} // namespace

AutotuneFile AutotuneFile::process() {
  std::string folder = folderOf(config::tuneCache());
  if (folder.empty()) return AutotuneFile("", "");
  std::string processor = processorText(), build = buildId();
  if (processor.empty() || build.empty()) {
    log("choices are not kept: the " + std::string(build.empty() ? "library's build" : "processor") + " is not known");
    return AutotuneFile("", "");
  }
  std::string identity = processor + ", tinyfin " + version() + " build " + build;
  return AutotuneFile(folder + "/autotune-" + hex(checksum(identity)) + ".txt", identity);
}

std::string AutotuneFile::parse(std::string_view text, Choices &choices) const {
  size_t end = text.rfind("\nend ");
  if (end == text.npos || !text.ends_with('\n')) return "it is cut short";
  std::string_view body = text.substr(0, end + 1), last = text.substr(end + 5, text.size() - end - 6);
  size_t lines = 0;
  uint64_t sum = 0;
  auto count = take(last, ' ');
  if (!count || !parseNumber(*count, lines, 10) || !parseNumber(last, sum, 16) || sum != checksum(body)) return "it is damaged";
  if (take(body, '\n') != kFormat) return "it is of another format";
  if (take(body, '\n') != identity) return "it is of another machine or build";
  while (auto line = take(body, '\n')) {
    Words key;
    Autotune::Choice choice;
    if (!parseLine(*line, key, choice)) return "it is damaged";
    choices[key] = choice;
  }
  return choices.size() == lines ? "" : "it is damaged";
}

AutotuneFile::Choices AutotuneFile::read() const {
  std::error_code error;
  if (keepsNothing() || !std::filesystem::exists(path, error)) return {};
  Choices choices;
  std::string problem = load(choices);
  log(problem.empty() ? std::to_string(choices.size()) + " choices from " + path : "ignored " + path + ": " + problem);
  return problem.empty() ? choices : Choices();
}

std::string AutotuneFile::load(Choices &choices) const {
  std::error_code error;
  std::uintmax_t size = std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : kMostBytes + 1;
  std::ifstream file(path, std::ios::binary);
  if (error || !file || size > kMostBytes) return "it cannot be read";
  std::string text(size, 0);
  file.read(text.data(), static_cast<std::streamsize>(size));
  return parse(std::string_view(text).substr(0, file.gcount()), choices);
}

void AutotuneFile::write(Choices choices) {
  if (keepsNothing()) return;
  Choices others;
  if (load(others).empty()) choices.merge(others);
  std::string text = std::string(kFormat) + "\n" + identity + "\n";
  for (const auto &[key, choice] : choices) text += lineOf(key, choice);
  text += "end " + std::to_string(choices.size()) + " " + hex(checksum(text)) + "\n";
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  // Complete under another name first: who reads meanwhile sees the old file or the new one.
  std::string draft = path + "." + std::to_string(getpid());
  std::ofstream file(draft, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) std::filesystem::rename(draft, path, error);
  if (file && !error) return;
  std::filesystem::remove(draft, error);
  log("choices are not kept: cannot write " + path);
  path.clear();
}

} // namespace tinyfin
