// SPDX-License-Identifier: Apache-2.0
// Writes the function after each pass to DIR/NNN-stem.mlir.
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/Pass.h"
#include "passes/Pipelines.h"
#include <atomic>

using namespace mlir;

namespace tinyfin::fin {
namespace {

// Files of all compilations of a process are numbered in one row.
std::atomic<unsigned> nextDump{0};

class Dump : public PassInstrumentation {
public:
  explicit Dump(std::string folder) : folder(std::move(folder)) {}

  void runAfterPass(Pass *pass, Operation *op) override { write(pass, op); }
  void runAfterPassFailed(Pass *pass, Operation *op) override { write(pass, op); }

private:
  void write(Pass *pass, Operation *op) {
    StringRef stem = pass->getArgument();
    if (stem.empty()) return; // an adaptor that only holds other passes
    stem.consume_front("fin-");
    writeDump(folder, (stem + ".mlir").str(), [&](llvm::raw_ostream &file) { op->print(file), file << '\n'; });
  }
  std::string folder;
};

} // namespace

void writeDump(const std::string &folder, StringRef name, llvm::function_ref<void(llvm::raw_ostream &)> print) {
  llvm::sys::fs::create_directories(folder);
  std::string path;
  llvm::raw_string_ostream(path) << folder << '/' << llvm::format("%03u-", nextDump++) << name;
  std::error_code error;
  llvm::raw_fd_ostream file(path, error);
  if (!error) print(file); // a dump that cannot be written must not stop the program
}

void instrument(PassManager &pm, const PipelineSettings &settings) {
  if (!settings.dumpFolder.empty()) pm.addInstrumentation(std::make_unique<Dump>(settings.dumpFolder));
}

} // namespace tinyfin::fin
