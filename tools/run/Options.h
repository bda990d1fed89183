// SPDX-License-Identifier: Apache-2.0
// The command line of tinyfin-run.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "runtime/DType.h"
#include "runtime/Status.h"
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tinyfin::run {

inline constexpr char kUsage[] = R"(usage: tinyfin-run GRAPH [options]
  GRAPH                  a graph file, as text or bytecode; - reads standard input
  --backend=NAME         where it runs (default: the interpreter)
  --input=[TYPE=]DATA    the next input. TYPE: 4x8xf32, checked against the graph. DATA: 0 (any number) fills,
                         random:SEED, @FILE.npy. Inputs that are not given are random
  --output=N=@FILE.npy   writes output N instead of printing its first elements
  --dim NAME=SIZE        the size of a symbolic dimension
  --repeat=N             runs N times and prints the fastest and the median time
  --verify               compares each available backend with the interpreter; symbolic dimensions without --dim
                         are tried with sizes 1, 3 and 8
)";

/// One --input: what fills it, and its type as written, if written.
struct InputSpec {
  enum class Kind { Random, Fill, File };
  Kind kind = Kind::Random;
  uint64_t seed = 0;
  double number = 0;
  std::string path;
  std::optional<DType> dtype; // with `dims`
  std::vector<int64_t> dims;
};

struct Options {
  std::string graph, backend;
  std::vector<InputSpec> inputs;
  std::vector<std::pair<uint32_t, std::string>> outputs; // number, path
  std::vector<std::pair<std::string, int64_t>> dims;
  uint32_t repeat = 1;
  bool verify = false, help = false;
};

StatusOr<Options> parseOptions(llvm::ArrayRef<char *> arguments);
StatusOr<InputSpec> parseInput(llvm::StringRef text);

} // namespace tinyfin::run
