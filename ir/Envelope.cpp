// SPDX-License-Identifier: Apache-2.0
// The envelope around bytecode, and what is checked of text, before a parser sees either.
#include "ir/Envelope.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Endian.h"
#include <array>

using namespace llvm::support;

namespace tinyfin::fin {
namespace {

constexpr llvm::StringLiteral kMagic("\x7f" "FINGRF\n");
constexpr uint32_t kFormat = 1;
constexpr size_t kHeaderBytes = 64; // so that tensor data in the payload keeps its alignment
constexpr size_t kMaxNesting = 1000;
constexpr size_t kMaxExpansion = size_t(1) << 24; // of the aliases used in one definition

bool refuse(std::string &error, const llvm::Twine &message) { return error = message.str(), false; }

} // namespace

bool isEnvelope(llvm::StringRef bytes) { return bytes.starts_with(kMagic); }

void writeEnvelope(llvm::StringRef payload, llvm::raw_ostream &out) {
  std::array<char, kHeaderBytes> header{};
  auto hash = llvm::BLAKE3::hash(llvm::ArrayRef(payload.bytes_begin(), payload.size()));
  llvm::copy(kMagic, header.begin());
  endian::write32le(&header[8], kFormat);
  endian::write64le(&header[16], payload.size());
  llvm::copy(hash, reinterpret_cast<uint8_t *>(&header[24]));
  out.write(header.data(), header.size());
  out << payload;
}

bool openEnvelope(llvm::StringRef bytes, llvm::StringRef &payload, std::string &error) {
  if (!isEnvelope(bytes)) return refuse(error, "not a tinyfin graph: the magic number is missing");
  if (bytes.size() < kHeaderBytes) return refuse(error, "graph file is cut off inside its header");
  if (uint32_t format = endian::read32le(&bytes.data()[8]); format != kFormat)
    return refuse(error, "graph file has format " + llvm::Twine(format) + ", wanted " + llvm::Twine(kFormat));
  uint64_t length = endian::read64le(&bytes.data()[16]), found = bytes.size() - kHeaderBytes;
  if (length != found)
    return refuse(error, "graph file holds " + llvm::Twine(found) + " bytes of payload, wanted " + llvm::Twine(length));
  llvm::StringRef body = bytes.drop_front(kHeaderBytes);
  auto hash = llvm::BLAKE3::hash(llvm::ArrayRef(body.bytes_begin(), body.size()));
  // The bytes that nothing uses count as well: no two files mean the same.
  bool isPadded = endian::read32le(&bytes.data()[12]) == 0 && bytes.slice(56, kHeaderBytes).find_first_not_of('\0') == llvm::StringRef::npos;
  if (!isPadded || !llvm::equal(hash, bytes.slice(24, 56).bytes()))
    return refuse(error, "graph file is damaged: its checksum does not match");
  payload = body;
  return true;
}

namespace {

// Walks tokens just far enough to know strings and comments from brackets, and what an alias (`#a = [#b]`) stands for.
class NestingScanner {
public:
  explicit NestingScanner(llvm::StringRef text) : text(text) {}

  // The reason and the place of the first token that passes a limit.
  bool check(std::string &error) {
    for (; at < text.size(); ++at)
      if (!step()) return refuse(error, llvm::Twine(reason) + " at byte " + llvm::Twine(at));
    return true;
  }

private:
  // What an alias brings to the place it is used at.
  struct Weight {
    size_t depth = 0, size = 1;
  };

  bool stop(const char *why) { return reason = why, false; }

  bool step() {
    char c = text[at];
    if (c == '"') return skipString(), true;
    if (llvm::isSpace(c)) return true;
    llvm::StringRef rest = text.substr(at);
    if (rest.starts_with("//")) return at = std::min(text.find('\n', at), text.size()), true;
    // Affine expressions recurse by their length, and no graph of fin ops has one.
    if (c == 'a' && rest.starts_with("affine_")) return stop("text holds an affine map or set, which no fin graph does,");
    if (rest.starts_with("->")) return ++at, true;
    minuses = c == '-' ? minuses + 1 : 0;
    if (c == '#' || c == '!') return readAlias(rest);
    if (c == '(' || c == '[' || c == '{' || c == '<') ++depth;
    if ((c == ')' || c == ']' || c == '}' || c == '>') && depth) --depth;
    return count({depth + minuses, 0});
  }

  void skipString() {
    for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
      if (text[at] == '\\') ++at;
  }

  // A definition begins a new sum; a use adds what the alias stands for.
  bool readAlias(llvm::StringRef rest) {
    size_t length = 1 + rest.drop_front().take_while([](char c) { return llvm::isAlnum(c) || llvm::is_contained("$._-", c); }).size();
    at += length - 1;
    if (depth == 0 && rest.drop_front(length).ltrim().starts_with("=")) {
      if (!defined.empty()) aliases[defined] = sum;
      defined = rest.take_front(length), sum = {};
      return true;
    }
    auto alias = aliases.find(rest.take_front(length));
    // Of what is still being summed up, or is no alias, the brackets count alone.
    return alias == aliases.end() || count({depth + alias->second.depth, alias->second.size});
  }

  // Where a definition ends is not looked for: what follows the last one makes it seem larger, never smaller.
  bool count(Weight weight) {
    sum.depth = std::max(sum.depth, weight.depth);
    sum.size = std::min(sum.size + weight.size, 2 * kMaxExpansion);
    if (weight.size > kMaxExpansion) return stop("an alias stands for more than 2**24 others");
    return weight.depth <= kMaxNesting || stop("text nests deeper than 1000 levels");
  }

  llvm::StringRef text;
  size_t at = 0, depth = 0, minuses = 0;
  llvm::StringMap<Weight> aliases;
  llvm::StringRef defined;
  Weight sum;
  const char *reason = "";
};

} // namespace

bool checkNesting(llvm::StringRef text, std::string &error) { return NestingScanner(text).check(error); }

} // namespace tinyfin::fin
