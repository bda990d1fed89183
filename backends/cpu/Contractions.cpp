// SPDX-License-Identifier: Apache-2.0
// Makes plans when a graph is compiled, so that a run only executes them.
#include "backends/cpu/Contractions.h"
#include "backends/cpu/Contract.h"
#include "backends/cpu/Machine.h"
#include "ir/Claim.h"
#include "ir/Fin.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/Config.h"
#include "runtime/kernels/Tune.h"

using namespace mlir;

namespace tinyfin::cpu {
namespace {

Status runMatmul(void *closure, void *const *args, ThreadPool &pool) {
  return static_cast<const MatmulPlan *>(closure)->execute(args[0], args[1], args[2], pool);
}
struct TiledMatmul {
  MatmulPlan plan;
  TileConsumer finish;
};
Status runTiled(void *closure, void *const *args, ThreadPool &pool) {
  const auto &tiled = *static_cast<const TiledMatmul *>(closure);
  TileConsumer finish = tiled.finish;
  finish.args = args + 1; // the right operand's place is the tile's
  return tiled.plan.execute(args[0], args[1], pool, finish);
}
Status runConv(void *closure, void *const *args, ThreadPool &pool) {
  return static_cast<const ConvPlan *>(closure)->execute(args[0], args[1], args[2], pool);
}

ArrayRef<int64_t> dimsOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }
DType dtypeOf(Value value) { return *fin::dtypeOf(cast<RankedTensorType>(value.getType()).getElementType()); }

StatusOr<MatmulPlan> planOf(fin::MatmulOp op, TuneNotes *tune, bool isFinished) {
  ArrayRef<int64_t> lhs = dimsOf(op.getLhs()), rhs = dimsOf(op.getRhs());
  auto spec = MatmulSpec::from(dtypeOf(op.getLhs()), lhs, rhs, op.getTransposeLhs(), op.getTransposeRhs());
  if (!spec.isOk()) return spec.status();
  return tune ? tunedMatmul(spec.value(), isFinished, *tune) : MatmulPlan::create(spec.value());
}

StatusOr<MatmulPlan> packedPlanOf(fin::MatmulOp op, Frozen &frozen, bool isFinished) {
  StatusOr<MatmulPlan> plan = planOf(op, frozen.rhs ? nullptr : frozen.tune, isFinished);
  if (!plan.isOk() || !frozen.rhs) return plan;
  TINYFIN_RETURN_IF_ERROR(plan.value().prepack(frozen.rhs, ThreadPool::process()));
  frozen.packedBytes = plan.value().prepackedBytes();
  return plan;
}

StatusOr<CallStep> matmulStep(fin::MatmulOp op, Frozen &frozen) {
  auto plan = packedPlanOf(op, frozen, /*isFinished=*/false);
  if (!plan.isOk()) return plan.status();
  CallStep step;
  step.function = runMatmul;
  step.closure = std::make_shared<MatmulPlan>(std::move(plan.value()));
  return step;
}

StatusOr<CallStep> convStep(ConvKind kind, Operation *op, TuneNotes *tune) {
  Words words = fin::wordsOf(op);
  ArrayRef<int64_t> first = dimsOf(op->getOperand(0)), second = dimsOf(op->getOperand(1));
  ConvSpec spec = ConvSpec::from(kind, dtypeOf(op->getOperand(0)), first, second, AttrReader(words));
  auto plan = tune ? tunedConv(spec, *tune) : ConvPlan::cached(spec);
  if (!plan.isOk()) return plan.status();
  CallStep step;
  step.function = runConv;
  step.closure = std::const_pointer_cast<ConvPlan>(plan.value());
  return step;
}

/// Whether the data of a value never change: it is such an argument of the function, or a view of one.
bool isFrozen(Value value) {
  if (config::isDisabled("constant-products")) return false;
  while (true) {
    if (auto reshape = value.getDefiningOp<fin::ReshapeOp>()) {
      value = reshape.getOperand();
      continue;
    }
    auto argument = dyn_cast<BlockArgument>(value);
    if (!argument) return false;
    Operation *owner = argument.getOwner()->getParentOp();
    if (auto main = dyn_cast<func::FuncOp>(owner)) return !!main.getArgAttr(argument.getArgNumber(), fin::kFrozenAttr);
    if (!isa<fin::FusionOp>(owner)) return false;
    value = owner->getOperand(argument.getArgNumber());
  }
}

/// By trials of 500 shapes (1 to 96 rows, 16 to 1536 columns and depth) in both forms, at one thread and at four.
bool prefersGeneratedMatmul(fin::MatmulOp op) {
  bool left = op.getTransposeLhs(), right = op.getTransposeRhs();
  ArrayRef<int64_t> lhs = dimsOf(op.getLhs()), result = dimsOf(op.getResult());
  int64_t rows = result[result.size() - 2], columns = result.back(), inner = lhs[lhs.size() - 1 - left];
  if (left && right) return false;
  bool isTurned = right && dtypeOf(op.getResult()) == DType::F32 && paysToTurnRight(rows, inner);
  if (isTurned && rows <= 96 && rows * columns * inner <= int64_t(1) << 20) return true;
  // Dot products: few rows leave nothing to gain from packing the right operand, and short ones cost their horizontal
  // sums.
  if (right)
    return rows <= 4 || (columns <= 16 && rows <= 16) || (inner >= 256 && (columns <= 16 || rows <= 16)) ||
           (inner >= 512 && rows <= 32);
  // A column of a transposed left operand is read once a block of columns, a page each step, until it is packed.
  if (left && rows >= 8 && rows < 64 && columns * inner >= int64_t(1) << 18) return false;
  return rows <= 96 && rows * columns * inner <= int64_t(1) << (rows <= 32 ? 23 : 24);
}

bool prefersGeneratedConv(fin::Conv2dOp op) {
  if (op.getChannelsLast()) return false;
  ArrayRef<int64_t> x = dimsOf(op.getX()), y = dimsOf(op.getResult());
  int64_t inChannels = x[1], outChannels = y[1], width = y[3];
  // With few channels there are no products large enough for a library's blocks.
  if (inChannels <= 8 && outChannels <= 8) return true;
  return (inChannels == 1 && width >= 16) || (inChannels <= 4 && width >= 32);
}

} // namespace

fin::MatmulOp productOf(Operation *op) {
  auto fusion = dyn_cast<fin::FusionOp>(op);
  if (!fusion || fusion.getKind() != "contraction") return {};
  auto products = fusion.getBody().getOps<fin::MatmulOp>();
  return *products.begin();
}

StatusOr<CallStep> tiledStep(fin::MatmulOp product, GeneratedFn finish, int numArgs, Frozen &frozen) {
  auto plan = packedPlanOf(product, frozen, /*isFinished=*/true);
  if (!plan.isOk()) return plan.status();
  CallStep step;
  step.function = runTiled;
  step.closure = std::make_shared<TiledMatmul>(TiledMatmul{std::move(plan.value()), {finish, nullptr, numArgs}});
  return step;
}

bool prefersGenerated(Operation *op) {
  if (fin::MatmulOp product = productOf(op)) op = product;
  if (Machine::host().lanes < 8 || op->getNumResults() != 1 || dtypeOf(op->getResult(0)) != DType::F32) return false;
  if (auto matmul = dyn_cast<fin::MatmulOp>(op)) return prefersGeneratedMatmul(matmul);
  auto conv = dyn_cast<fin::Conv2dOp>(op);
  return conv && prefersGeneratedConv(conv);
}

bool paysToFinish(fin::MatmulOp product) {
  DType dtype = dtypeOf(product.getResult());
  if (prefersGenerated(product) || isFrozen(product.getRhs())) return true;
  if (dtype != DType::F32) return dtype != DType::BF16;
  auto result = cast<RankedTensorType>(product.getType());
  ArrayRef<int64_t> lhs = dimsOf(product.getLhs());
  int64_t inner = lhs[lhs.size() - 1 - product.getTransposeLhs()];
  return 2.0 * result.getNumElements() * inner >= 0x1p28;
}

bool isContraction(Operation *op) {
  return isa<fin::MatmulOp, fin::Conv2dOp, fin::Conv2dInputGradOp, fin::Conv2dWeightGradOp>(op);
}

StatusOr<CallStep> contractionStep(Operation *op, Frozen &frozen) {
  if (auto matmul = dyn_cast<fin::MatmulOp>(op)) return matmulStep(matmul, frozen);
  if (isa<fin::Conv2dOp>(op)) return convStep(ConvKind::Forward, op, frozen.tune);
  return convStep(isa<fin::Conv2dInputGradOp>(op) ? ConvKind::InputGrad : ConvKind::WeightGrad, op, frozen.tune);
}

} // namespace tinyfin::cpu
