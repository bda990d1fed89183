// SPDX-License-Identifier: Apache-2.0
// The envelope around bytecode, and what is checked of text, before a parser sees either.
#include "ir/Envelope.h"
#include "llvm/ADT/StringExtras.h"
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

// Walks tokens just far enough to know strings and comments from brackets.
struct NestingScanner {
  llvm::StringRef text;
  size_t at = 0, depth = 0, minuses = 0;

  void skipString() {
    for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
      if (text[at] == '\\') ++at;
  }
  void skipComment() { at = std::min(text.find('\n', at), text.size()); }
  bool startsComment() const { return text.substr(at).starts_with("//"); }

  // Affine expressions recurse by their length, and no graph of fin ops has one.
  bool startsAffine() const { return text[at] == 'a' && text.substr(at).starts_with("affine_"); }

  // False where a limit is passed.
  bool step() {
    char c = text[at];
    if (c == '"') return skipString(), true;
    if (startsComment()) return skipComment(), true;
    if (llvm::isSpace(c)) return true;
    bool isArrow = c == '-' && text.substr(at).starts_with("->");
    minuses = c == '-' && !isArrow ? minuses + 1 : 0;
    if (isArrow) return ++at, true;
    if (c == '(' || c == '[' || c == '{' || c == '<') ++depth;
    if ((c == ')' || c == ']' || c == '}' || c == '>') && depth) --depth;
    return depth <= kMaxNesting && minuses <= kMaxNesting;
  }
};

} // namespace

bool checkNesting(llvm::StringRef text, std::string &error) {
  NestingScanner scanner{text};
  for (; scanner.at < text.size(); ++scanner.at)
    if (scanner.startsAffine())
      return refuse(error, "text holds an affine map or set at byte " + llvm::Twine(scanner.at) + ", which no fin graph does");
    else if (!scanner.step())
      return refuse(error, "text nests deeper than " + llvm::Twine(kMaxNesting) + " levels at byte " + llvm::Twine(scanner.at));
  return true;
}

} // namespace tinyfin::fin
