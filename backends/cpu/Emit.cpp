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

int64_t Launch::grain(ArrayRef<std::string> names, ArrayRef<int64_t> values) const {
  constexpr double kPieceNanoseconds = 20000; // below this, waking another thread costs more than it saves
  double elements = 1;
  for (Dim dim : work) elements *= valueOf(dim, names, values);
  int64_t indices = count(names, values);
  if (indices == 0) return 1;
  double each = std::max(elements / indices * cost, 1.0);
  return std::max<int64_t>(1, static_cast<int64_t>(kPieceNanoseconds / each));
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
struct Verdicts {
  std::mutex mutex;
  std::map<Words, std::string> known;
};
} // namespace

std::string whyRefused(const KernelSpec &spec, const Machine &machine) {
  static Verdicts verdicts;
  Words key = spec.key();
  key.push_back(machine.lanes * 2 + machine.hasF16c);
  {
    std::lock_guard lock(verdicts.mutex);
    auto found = verdicts.known.find(key);
    if (found != verdicts.known.end()) return found->second;
  }
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadEmissionDialects(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  std::string refusal = emitKernel(*module, spec, machine, "k").refusal;
  std::lock_guard lock(verdicts.mutex);
  if (verdicts.known.size() > 4096) verdicts.known.clear();
  return verdicts.known[key] = refusal;
}

} // namespace tinyfin::cpu
