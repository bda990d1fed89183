// SPDX-License-Identifier: Apache-2.0
// tinyfin-run: runs a graph file on a backend with given or random inputs and prints, writes or verifies its outputs.
// Exit status 1 and one "file:line:col: error: ..." or "tinyfin-run: ..." line where something is wrong.
#include "tools/run/Options.h"
#include "llvm/Support/raw_ostream.h"

using namespace tinyfin;

int main(int argc, char **argv) {
  StatusOr<run::Options> options = run::parseOptions(llvm::ArrayRef(argv + 1, argc > 0 ? argc - 1 : 0));
  if (!options.isOk()) return llvm::errs() << "tinyfin-run: " << options.status().message() << '\n', 1;
  if (options->help) return llvm::outs() << run::kUsage, 0;
  llvm::outs() << options->graph << '\n';
  return 0;
}
