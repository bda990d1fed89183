// SPDX-License-Identifier: Apache-2.0
// Graphs with data for the conformance suite: recorded words, inputs, and running them on any backend's device.
#pragma once
#include "backends/Compile.h"
#include "test/ir/RuleCases.h"
#include "tools/run/Array.h"

namespace tinyfin::conformance {

using fin::OpId;
using fin::TensorSpec;
using run::Array;

struct Graph {
  Words words;
  std::vector<Array> inputs;
  std::vector<uint32_t> outputs;
  std::vector<TensorSpec> specs; // of each slot
  std::string text;              // one line an op, for failures

  uint32_t input(const TensorSpec &spec, Array data, fin::InputRole role = fin::InputRole::Tensor);
  /// The first result's slot; nullopt where the shape rule refuses.
  std::optional<uint32_t> op(OpId id, llvm::ArrayRef<uint32_t> operands, llvm::ArrayRef<int64_t> attrs);
};

/// A graph of one op whose results are its outputs; nullopt where the shape rule refuses the case.
std::optional<Graph> graphOf(const fin::test::RuleCase &testCase);

TensorType plainType(const TensorSpec &spec);
Array arrayOf(const TensorSpec &spec, llvm::ArrayRef<double> values);

enum class Threads { Many, One };
/// Runs with fresh copies of the inputs on the executable's device; outputs are written over donated inputs.
StatusOr<std::vector<Array>> runDonating(Executable &executable, llvm::ArrayRef<Array> inputs, Threads threads = Threads::Many);

/// Why a case is not run on a backend.
struct Exclusion {
  const char *backend, *name; // of the case, or its beginning
  const char *reason;
};
/// The reason, or null.
const char *exclusionOf(llvm::StringRef backend, llvm::StringRef name);

} // namespace tinyfin::conformance
