// SPDX-License-Identifier: Apache-2.0
// The entry of emission: a function around a map or a reduction, and what a launch of it costs.
#include "backends/cpu/Emit.h"
#include "backends/cpu/Loops.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <mutex>

using namespace mlir;

namespace tinyfin::cpu {

void loadEmissionDialects(MLIRContext &context) {
  context.loadDialect<func::FuncDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect, scf::SCFDialect,
                      cf::ControlFlowDialect, LLVM::LLVMDialect>();
}

static int64_t valueOf(Dim dim, ArrayRef<std::string> names, ArrayRef<int64_t> values) {
  if (dim.isConstant()) return dim.constant();
  return dim.factor() * values[llvm::find(names, dim.symbolName().str()) - names.begin()];
}

int64_t Launch::count(ArrayRef<std::string> names, ArrayRef<int64_t> values) const {
  int64_t count = (valueOf(last, names, values) + block - 1) / block;
  for (Dim dim : outer) count *= valueOf(dim, names, values);
  return count;
}

int64_t Launch::grain(ArrayRef<std::string> names, ArrayRef<int64_t> values, double nanoseconds) const {
  double elements = 1;
  for (Dim dim : work) elements *= valueOf(dim, names, values);
  int64_t indices = count(names, values);
  if (indices == 0) return 1;
  double each = std::max(elements / indices * cost, 1.0);
  return std::max<int64_t>(1, static_cast<int64_t>(nanoseconds / each));
}

static Emitted emitWith(ModuleOp module, const KernelSpec &spec, const Machine &machine, StringRef name, int lanes,
                        bool &wantsScalar) {
  OpBuilder builder(module.getContext());
  builder.setInsertionPointToEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(module.getContext()), i64 = builder.getI64Type();
  auto function = func::FuncOp::create(builder, builder.getUnknownLoc(), name,
                                       builder.getFunctionType({pointer, pointer, i64, i64}, {}));
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  Code code(builder, machine, lanes);
  code.dimsArg = entry->getArgument(1);
  code.symbols = spec.symbols();
  SmallVector<Value> pointers;
  for (unsigned i = 0; i < spec.numInputs + spec.outputs.size(); ++i) pointers.push_back(code.argument(entry->getArgument(0), i));
  Emitted result;
  result.lanes = lanes;
  emitBody(code, spec, pointers, entry->getArgument(2), entry->getArgument(3), result.launch);
  builder.setInsertionPointToEnd(entry);
  func::ReturnOp::create(builder, builder.getUnknownLoc());
  result.refusal = code.refusal;
  wantsScalar = code.wantsScalar;
  if (wantsScalar || !result.refusal.empty()) function.erase();
  return result;
}

Emitted emitKernel(ModuleOp module, const KernelSpec &spec, const Machine &machine, StringRef name) {
  bool wantsScalar = false;
  Emitted result = emitWith(module, spec, machine, name, machine.lanes, wantsScalar);
  if (wantsScalar && result.refusal.empty()) result = emitWith(module, spec, machine, name, 1, wantsScalar);
  return result;
}

namespace {
/// What specs were found to be, and contexts to find it out in: a fresh one costs as much as an emission.
class Verdicts {
public:
  bool find(const Words &key, std::string &refusal) {
    std::lock_guard lock(mutex);
    auto found = known.find(key);
    if (found == known.end()) return false;
    return refusal = found->second, true;
  }
  void insert(Words key, const std::string &refusal) {
    std::lock_guard lock(mutex);
    if (known.size() > 4096) known.clear();
    known.emplace(std::move(key), refusal);
  }

  struct Context {
    std::unique_ptr<MLIRContext> context;
    unsigned uses = 0;
  };
  Context take() {
    std::lock_guard lock(mutex);
    if (!idle.empty()) return idle.pop_back_val();
    Context fresh{std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED)};
    loadEmissionDialects(*fresh.context);
    return fresh;
  }
  // Types and constants are never freed: a context is dropped some time.
  void giveBack(Context context) {
    std::lock_guard lock(mutex);
    if (++context.uses < 256 && idle.size() < 4) idle.push_back(std::move(context));
  }

private:
  std::mutex mutex;
  std::map<Words, std::string> known;
  SmallVector<Context, 4> idle;
};

/// Never destroyed: a graph may be compiled while the process ends.
Verdicts &verdicts() {
  static auto *shared = new Verdicts;
  return *shared;
}
} // namespace

std::string whyRefused(const KernelSpec &spec, const Machine &machine) {
  Words key = spec.key();
  key.push_back(machine.lanes * 4 + machine.hasBf16 * 2 + machine.hasF16c);
  std::string refusal;
  if (verdicts().find(key, refusal)) return refusal;
  Verdicts::Context context = verdicts().take();
  {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context.context.get()));
    refusal = emitKernel(*module, spec, machine, "k").refusal;
  }
  verdicts().giveBack(std::move(context));
  verdicts().insert(std::move(key), refusal);
  return refusal;
}

} // namespace tinyfin::cpu
