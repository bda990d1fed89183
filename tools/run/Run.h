// SPDX-License-Identifier: Apache-2.0
// What tinyfin-run does with its options.
#pragma once
#include "llvm/Support/raw_ostream.h"
#include "tools/run/Array.h"
#include "tools/run/Options.h"

namespace tinyfin::run {

/// Runs or verifies; prints to `out`. Not Ok where anything fails or backends disagree.
Status runGraph(const Options &options, llvm::raw_ostream &out);

/// Input `number` of a graph as an option says; converts f32 files to bf16.
StatusOr<Array> makeInput(const InputSpec &spec, const TensorType &type, size_t number);

} // namespace tinyfin::run
