// SPDX-License-Identifier: Apache-2.0
#include "tools/run/Npy.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

namespace tinyfin::run {
namespace {

constexpr llvm::StringLiteral kMagic("\x93NUMPY");
constexpr size_t kMaxRank = 64, kMaxHeader = 1 << 16;

struct Code {
  llvm::StringLiteral text;
  DType dtype;
};
constexpr Code kCodes[] = {{"<f4", DType::F32}, {"<f8", DType::F64}, {"<f2", DType::F16}, {"<i8", DType::I64},
                           {"<i4", DType::I32}, {"|i1", DType::I8},  {"|u1", DType::U8},  {"|b1", DType::Bool}};

Status refuse(const llvm::Twine &message) { return Status::error(StatusCode::InvalidArgument, ("npy: " + message).str()); }

/// The beginning of what a file holds, fit for a message.
std::string printable(llvm::StringRef text) {
  std::string shown;
  for (char c : text.take_front(40)) shown += llvm::isPrint(c) ? c : '?';
  return shown;
}

/// What the header's dictionary says; each key may come once.
struct Header {
  std::optional<DType> dtype;
  std::optional<bool> isFortran;
  std::optional<std::vector<int64_t>> dims;
};

/// Takes `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` apart. No other Python is understood.
class HeaderReader {
public:
  explicit HeaderReader(llvm::StringRef text) : rest(text) {}

  Status read(Header &header) {
    if (!take("{")) return unexpected("'{'");
    while (!take("}")) {
      llvm::StringRef key;
      if (!takeString(key) || !take(":")) return unexpected("a key in quotes and ':'");
      TINYFIN_RETURN_IF_ERROR(readValue(key, header));
      if (!take(",") && !peek("}")) return unexpected("',' or '}'");
    }
    if (!rest.trim().empty()) return unexpected("nothing behind the dictionary");
    if (!header.dtype || !header.isFortran || !header.dims)
      return refuse("header lacks one of 'descr', 'fortran_order' and 'shape'");
    return Status::ok();
  }

private:
  Status readValue(llvm::StringRef key, Header &header) {
    if (key == "descr" && !header.dtype) return readDType(header);
    if (key == "shape" && !header.dims) return readShape(header);
    if (key != "fortran_order" || header.isFortran) return refuse("header has key '" + printable(key) + "', wanted 'descr', 'fortran_order' and 'shape', each once");
    header.isFortran = take("True");
    return *header.isFortran || take("False") ? Status::ok() : unexpected("True or False");
  }

  Status readDType(Header &header) {
    llvm::StringRef code;
    if (!takeString(code)) return unexpected("a dtype in quotes");
    for (const Code &known : kCodes)
      if (code == known.text) header.dtype = known.dtype;
    return header.dtype ? Status::ok() : refuse("dtype is '" + printable(code) + "', wanted <f4, <f8, <f2, <i8, <i4, |i1, |u1 or |b1");
  }

  Status readShape(Header &header) {
    header.dims.emplace();
    if (!take("(")) return unexpected("'('");
    while (!take(")")) {
      int64_t dim = 0;
      rest = rest.ltrim();
      if (rest.empty() || !llvm::isDigit(rest.front()) || rest.consumeInteger(10, dim)) return unexpected("an extent");
      if (header.dims->size() == kMaxRank) return refuse("shape has more than 64 dimensions");
      header.dims->push_back(dim);
      if (!take(",") && !peek(")")) return unexpected("',' or ')'");
    }
    return Status::ok();
  }

  bool peek(llvm::StringRef token) { return rest = rest.ltrim(), rest.starts_with(token); }
  bool take(llvm::StringRef token) { return peek(token) && rest.consume_front(token); }
  bool takeString(llvm::StringRef &text) {
    if (!take("'")) return false;
    size_t end = rest.find('\'');
    if (end == llvm::StringRef::npos) return false;
    text = rest.take_front(end);
    rest = rest.drop_front(end + 1);
    return true;
  }
  Status unexpected(llvm::StringRef wanted) {
    return refuse("header has '" + printable(rest.take_front(12)) + "', wanted " + wanted);
  }

  llvm::StringRef rest;
};

/// The text of the header, and what is left behind it.
Status splitHeader(llvm::StringRef bytes, llvm::StringRef &header, llvm::StringRef &data) {
  if (!bytes.consume_front(kMagic)) return refuse("not an .npy file: the magic number is missing");
  if (bytes.size() < 2) return refuse("file is cut off inside its header");
  int major = static_cast<uint8_t>(bytes[0]);
  size_t lengthBytes = major == 1 ? 2 : 4;
  if (major < 1 || major > 3) return refuse("format version is " + llvm::Twine(major) + ", wanted 1 to 3");
  bytes = bytes.drop_front(2);
  if (bytes.size() < lengthBytes) return refuse("file is cut off inside its header");
  size_t length = major == 1 ? llvm::support::endian::read16le(bytes.data()) : llvm::support::endian::read32le(bytes.data());
  bytes = bytes.drop_front(lengthBytes);
  if (length > bytes.size() || length > kMaxHeader)
    return refuse("header of " + llvm::Twine(length) + " bytes, wanted at most " + llvm::Twine(std::min(bytes.size(), kMaxHeader)));
  header = bytes.take_front(length);
  data = bytes.drop_front(length);
  return Status::ok();
}

} // namespace

StatusOr<Array> parseNpy(llvm::StringRef bytes) {
  llvm::StringRef text, data;
  Header header;
  TINYFIN_RETURN_IF_ERROR(splitHeader(bytes, text, data));
  TINYFIN_RETURN_IF_ERROR(HeaderReader(text).read(header));
  if (*header.isFortran && header.dims->size() > 1) return refuse("elements are in column-major order, wanted row-major");
  StatusOr<size_t> size = byteSize(*header.dims, *header.dtype);
  if (!size.isOk()) return size.status();
  if (size.value() != data.size())
    return refuse("file holds " + llvm::Twine(data.size()) + " bytes of data, wanted " + llvm::Twine(size.value()));
  if (*header.dtype == DType::Bool && llvm::any_of(data, [](char c) { return c != 0 && c != 1; }))
    return refuse("a bool is neither 0 nor 1");
  StatusOr<Array> array = makeArray({*header.dtype, *header.dims});
  if (array.isOk() && !data.empty()) std::memcpy(array->data(), data.data(), data.size());
  return array;
}

StatusOr<std::string> readFile(const std::string &path) {
  auto refuseFile = [&](const std::string &why) {
    return Status::error(StatusCode::InvalidArgument, "cannot read " + path + ": " + why);
  };
  if (path != "-") {
    llvm::sys::fs::file_status status;
    if (std::error_code code = llvm::sys::fs::status(path, status)) return refuseFile(code.message());
    auto type = status.type();
    if (type != llvm::sys::fs::file_type::regular_file && type != llvm::sys::fs::file_type::fifo_file)
      return refuseFile("it is not a file");
  }
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) return refuseFile(buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

StatusOr<Array> readNpy(const std::string &path) {
  StatusOr<std::string> bytes = readFile(path);
  if (!bytes.isOk()) return bytes.status();
  StatusOr<Array> array = parseNpy(bytes.value());
  if (!array.isOk()) return Status::error(array.status().code(), path + ": " + array.status().message());
  return array;
}

std::string npyBytes(const Array &array) {
  TensorType type = array.type;
  if (type.dtype == DType::BF16) type.dtype = DType::F32;
  const Code *code = llvm::find_if(kCodes, [&](const Code &known) { return known.dtype == type.dtype; });
  std::string header = "{'descr': '" + code->text.str() + "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : type.dims) header += std::to_string(dim) + ", ";
  header += "), }";
  header.append(63 - (kMagic.size() + 4 + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = kMagic.str() + std::string("\x01\x00", 2);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  if (type.dtype == array.type.dtype) return bytes.append(reinterpret_cast<const char *>(array.data()), type.bytes());
  for (int64_t i = 0; i < type.numElements(); ++i) {
    auto value = static_cast<float>(elementOf(array, i));
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
  }
  return bytes;
}

Status writeNpy(const Array &array, const std::string &path) {
  std::error_code code;
  llvm::raw_fd_ostream out(path, code);
  if (!code) {
    out << npyBytes(array);
    out.close();
    code = out.error();
    out.clear_error(); // or its destructor ends the process
  }
  return code ? Status::error(StatusCode::InvalidArgument, "cannot write " + path + ": " + code.message()) : Status::ok();
}

} // namespace tinyfin::run
