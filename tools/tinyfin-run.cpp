// SPDX-License-Identifier: Apache-2.0
// tinyfin-run: runs a graph file on a backend with given or random inputs and prints, writes or verifies its outputs.
// Exit status 1 and one "file:line:col: error: ..." or "tinyfin-run: ..." line where something is wrong.
#include "llvm/Support/raw_ostream.h"
#include "tools/run/Run.h"

using namespace tinyfin;

int main(int argc, char **argv) {
  StatusOr<run::Options> options = run::parseOptions(llvm::ArrayRef(argv + 1, argc > 0 ? argc - 1 : 0));
  if (options.isOk() && options->help) return llvm::outs() << run::kUsage, 0;
  Status status = options.isOk() ? run::runGraph(options.value(), llvm::outs()) : options.status();
  if (status.isOk()) return 0;
  // A diagnostic already says where.
  bool hasPlace = llvm::StringRef(status.message()).contains(": error: ");
  llvm::outs().flush();
  llvm::errs() << (hasPlace ? "" : "tinyfin-run: ") << status.message() << '\n';
  return 1;
}
