// SPDX-License-Identifier: Apache-2.0
// The time each pass took, by its stem.
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "passes/Pipelines.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

class Timing : public PassInstrumentation {
public:
  explicit Timing(PassTimes sink) : sink(std::move(sink)) {}
  void runBeforePass(Pass *, Operation *) override { start = std::chrono::steady_clock::now(); }
  void runAfterPass(Pass *pass, Operation *) override {
    StringRef stem = pass->getArgument();
    if (stem.empty()) return; // an adaptor that only holds other passes
    stem.consume_front("fin-");
    sink(stem, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }

private:
  PassTimes sink;
  std::chrono::steady_clock::time_point start; // of the innermost pass: adaptors end without being counted
};

} // namespace

void timePasses(PassManager &pm, PassTimes sink) { pm.addInstrumentation(std::make_unique<Timing>(std::move(sink))); }

} // namespace tinyfin::fin
