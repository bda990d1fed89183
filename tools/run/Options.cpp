// SPDX-License-Identifier: Apache-2.0
#include "tools/run/Options.h"
#include "llvm/ADT/StringExtras.h"

namespace tinyfin::run {
namespace {

constexpr int64_t kMaxRepeat = 1'000'000;
constexpr size_t kMaxRank = 64;

Status refuse(const llvm::Twine &message) { return Status::error(StatusCode::InvalidArgument, message.str()); }

std::optional<DType> dtypeNamed(llvm::StringRef name) {
  constexpr const char *names[kNumDTypes] = {"f32", "f64", "bf16", "f16", "i64", "i32", "i8", "ui8", "i1"};
  for (int code = 0; code < kNumDTypes; ++code)
    if (name == names[code] || name == nameOf(static_cast<DType>(code))) return static_cast<DType>(code);
  return std::nullopt;
}

/// "4x8xf32"
Status parseType(llvm::StringRef text, InputSpec &spec) {
  llvm::StringRef rest = text;
  while (rest.contains('x') && !rest.empty() && llvm::isDigit(rest.front())) {
    auto [number, tail] = rest.split('x');
    int64_t dim = 0;
    if (number.getAsInteger(10, dim) || dim < 0 || spec.dims.size() == kMaxRank)
      return refuse("found type '" + text + "', wanted one like 4x8xf32");
    spec.dims.push_back(dim);
    rest = tail;
  }
  spec.dtype = dtypeNamed(rest);
  if (!spec.dtype) return refuse("found element type '" + rest + "', wanted f32, f64, bf16, f16, i64, i32, i8, ui8 or i1");
  return Status::ok();
}

Status parseData(llvm::StringRef text, InputSpec &spec) {
  if (text.consume_front("@")) {
    spec.kind = InputSpec::Kind::File;
    spec.path = text.str();
    return text.empty() ? refuse("found '@' without a file, wanted @FILE.npy") : Status::ok();
  }
  if (text.consume_front("random")) {
    spec.kind = InputSpec::Kind::Random;
    if (text.empty() || (text.consume_front(":") && !text.getAsInteger(10, spec.seed))) return Status::ok();
    return refuse("found random seed '" + text + "', wanted random or random:SEED");
  }
  spec.kind = InputSpec::Kind::Fill;
  if (text.empty() || text.getAsDouble(spec.number))
    return refuse("found input '" + text + "', wanted a number, random, random:SEED or @FILE.npy");
  return Status::ok();
}

Status parseOutput(llvm::StringRef text, Options &options) {
  auto [number, path] = text.split('=');
  uint32_t output = 0;
  if (number.getAsInteger(10, output) || !path.consume_front("@") || path.empty())
    return refuse("found --output=" + text + ", wanted --output=N=@FILE.npy");
  options.outputs.emplace_back(output, path.str());
  return Status::ok();
}

Status parseDim(llvm::StringRef text, Options &options) {
  auto [name, number] = text.split('=');
  int64_t size = 0;
  if (name.empty() || number.getAsInteger(10, size) || size < 0)
    return refuse("found --dim '" + text + "', wanted --dim NAME=SIZE");
  for (const auto &[known, value] : options.dims)
    if (known == name) return refuse("found --dim " + name + " twice, wanted it once");
  options.dims.emplace_back(name.str(), size);
  return Status::ok();
}

Status parseRepeat(llvm::StringRef text, Options &options) {
  if (text.getAsInteger(10, options.repeat) || options.repeat < 1 || options.repeat > kMaxRepeat)
    return refuse("found --repeat=" + text + ", wanted 1 to 1000000");
  return Status::ok();
}

/// Takes the argument of `name` from "--name=value" or from the next word.
bool takeValue(llvm::ArrayRef<char *> arguments, size_t &at, llvm::StringRef name, llvm::StringRef &value) {
  llvm::StringRef word = arguments[at];
  if (!word.consume_front(name)) return false;
  if (word.consume_front("=")) return value = word, true;
  if (!word.empty() || at + 1 >= arguments.size()) return false;
  return value = arguments[++at], true;
}

Status parseOne(llvm::ArrayRef<char *> arguments, size_t &at, Options &options) {
  llvm::StringRef word = arguments[at], value;
  if (word == "--verify") return options.verify = true, Status::ok();
  if (word == "--help" || word == "-h") return options.help = true, Status::ok();
  if (takeValue(arguments, at, "--backend", value)) return options.backend = value.str(), Status::ok();
  if (takeValue(arguments, at, "--output", value)) return parseOutput(value, options);
  if (takeValue(arguments, at, "--dim", value)) return parseDim(value, options);
  if (takeValue(arguments, at, "--repeat", value)) return parseRepeat(value, options);
  if (takeValue(arguments, at, "--input", value)) {
    StatusOr<InputSpec> input = parseInput(value);
    if (input.isOk()) options.inputs.push_back(std::move(input.value()));
    return input.status();
  }
  if (word.starts_with("-") && word != "-") return refuse("found option '" + word + "'; --help lists the options");
  if (!options.graph.empty()) return refuse("found a second graph '" + word + "', wanted one");
  return options.graph = word.str(), Status::ok();
}

} // namespace

StatusOr<InputSpec> parseInput(llvm::StringRef text) {
  InputSpec spec;
  auto [type, data] = text.split('=');
  bool isFile = text.starts_with("@"); // whose name may hold a '='
  if (!isFile && text.contains('=')) TINYFIN_RETURN_IF_ERROR(parseType(type, spec));
  TINYFIN_RETURN_IF_ERROR(parseData(spec.dtype ? data : text, spec));
  return spec;
}

StatusOr<Options> parseOptions(llvm::ArrayRef<char *> arguments) {
  Options options;
  for (size_t at = 0; at < arguments.size(); ++at) TINYFIN_RETURN_IF_ERROR(parseOne(arguments, at, options));
  if (options.graph.empty() && !options.help) return refuse("found no graph file; --help lists the options");
  return options;
}

} // namespace tinyfin::run
