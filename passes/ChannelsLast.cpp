// SPDX-License-Identifier: Apache-2.0
// One walk in program order. A value that can be had with channels last gets a twin:
//   1. convolutions with enough channels make one; their image operands enter (a transpose, if they have no twin)
//   2. pools, elementwise ops, reductions, pads and concatenations of values with twins are computed from the twins
//   3. whoever else reads a value with a twin reads a transpose of it, made where it is first needed
// What nobody reads any more is erased.
#include "ir/Fin.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_CHANNELSLASTPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kToLast[] = {0, 2, 3, 1}, kToFirst[] = {0, 3, 1, 2};
constexpr int64_t kAxisInLast[] = {0, 3, 1, 2}; // where axis i of [N, C, H, W] is in [N, H, W, C]

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
ArrayRef<int64_t> shapeOf(Value value) { return typeOf(value).getShape(); }

bool isConvolution(Operation *op) { return isa<Conv2dOp, Conv2dInputGradOp, Conv2dWeightGradOp>(op); }
bool isPool(Operation *op) { return isa<MaxPool2dOp, AvgPool2dOp, MaxPool2dGradOp, AvgPool2dGradOp>(op); }
bool isReduction(Operation *op) { return isa<SumOp, MeanOp, ReduceMaxOp, ReduceMinOp>(op); }
bool isImageBatch(Value value) { return typeOf(value).getRank() == 4 && typeOf(value).hasStaticShape(); }

/// [N, C, H, W] to [N, H, W, C].
SmallVector<int64_t, 4> toLast(ArrayRef<int64_t> shape) { return {shape[0], shape[2], shape[3], shape[1]}; }

/// Whether turning only renames places: one channel, or one place.
bool turnsByReshape(ArrayRef<int64_t> shape) { return shape[1] == 1 || shape[2] * shape[3] == 1; }

/// Whether the axes that stay do so in the same order in both layouts.
bool keepsOrder(ArrayRef<int64_t> reduced) {
  int64_t before = -1;
  for (int64_t axis = 0; axis < 4; ++axis) {
    if (llvm::is_contained(reduced, axis)) continue;
    if (kAxisInLast[axis] < before) return false;
    before = kAxisInLast[axis];
  }
  return true;
}

class Turner {
public:
  Turner(Block &block, int64_t minChannels) : block(block), minChannels(minChannels), builder(block.getParentOp()->getContext()) {}

  void run() {
    for (Operation &op : llvm::make_early_inc_range(block)) visit(&op);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (op.use_empty() && isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>()) op.erase();
  }

private:
  void visit(Operation *op) {
    builder.setInsertionPoint(op);
    location = op->getLoc();
    if (turns(op)) return turn(op);
    // What the op reads is found behind transposes only if it cannot follow.
    for (OpOperand &operand : op->getOpOperands()) operand.set(leave(operand.get()));
  }

  bool turns(Operation *op) {
    if (!opIdOfOperation(op) || op->getNumResults() != 1) return false;
    if (isConvolution(op)) return hasManyChannels(op);
    if (isPool(op) || (isa<PadOp, ConcatOp>(op) && isImageBatch(op->getResult(0))))
      return llvm::any_of(op->getOperands(), [&](Value operand) { return twins.contains(operand); });
    if (op->hasTrait<Elementwise>()) return isImageBatch(op->getResult(0)) && readsTwin(op);
    if (!isReduction(op) || !twins.contains(op->getOperand(0))) return false;
    return op->getAttrOfType<BoolAttr>("keepdims").getValue() || keepsOrder(axesOf(op));
  }

  /// Products are large enough for channels-last kernels to be the faster ones.
  bool hasManyChannels(Operation *op) {
    if (!isImageBatch(op->getOperand(0)) || !isImageBatch(op->getOperand(1)) || !isImageBatch(op->getResult(0))) return false;
    Type element = typeOf(op->getResult(0)).getElementType();
    if (!element.isF32() && !element.isBF16()) return false;
    // The weight, as an operand or as the result: [O, C, KH, KW].
    Value weight = isa<Conv2dWeightGradOp>(op) ? op->getResult(0) : op->getOperand(1);
    bool isMarked = op->getAttrOfType<BoolAttr>("channels_last").getValue();
    return !isMarked && std::max(shapeOf(weight)[0], shapeOf(weight)[1]) >= minChannels &&
           shapeOf(weight)[0] * shapeOf(weight)[1] >= 8 * minChannels;
  }

  /// Whether an operand as large as the result has a twin.
  bool readsTwin(Operation *op) {
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      return twins.contains(operand) && shapeOf(operand) == shapeOf(op->getResult(0));
    });
  }

  static ArrayRef<int64_t> axesOf(Operation *op) { return op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef(); }

  void turn(Operation *op) {
    if (isReduction(op)) return turnReduction(op);
    SmallVector<Value> operands;
    for (OpOperand &operand : op->getOpOperands()) {
      bool isWeight = isa<Conv2dOp, Conv2dInputGradOp>(op) && operand.getOperandNumber() == 1;
      operands.push_back(isWeight ? leave(operand.get()) : enter(operand.get()));
    }
    Value made = createOp(builder, location, *opIdOfOperation(op), operands, turnedWords(op))->getResult(0);
    if (isa<Conv2dWeightGradOp>(op)) return op->getResult(0).replaceAllUsesWith(made);
    twins[op->getResult(0)] = made;
  }

  static Words turnedWords(Operation *op) {
    Words words = wordsOf(op);
    if (isConvolution(op) || isPool(op)) words.back() = 1; // channels_last
    if (auto concat = dyn_cast<ConcatOp>(op)) words = {kAxisInLast[concat.getAxis()]};
    if (auto pad = dyn_cast<PadOp>(op)) {
      SmallVector<int64_t, 4> low = toLast(pad.getLow()), high = toLast(pad.getHigh());
      words.clear();
      AttrWriter(words).list({low.data(), low.size()}).list({high.data(), high.size()});
    }
    return words;
  }

  void turnReduction(Operation *op) {
    Words words;
    SmallVector<int64_t> axes = llvm::map_to_vector(axesOf(op), [](int64_t axis) { return kAxisInLast[axis]; });
    llvm::sort(axes);
    bool keepdims = op->getAttrOfType<BoolAttr>("keepdims").getValue();
    AttrWriter(words).list({axes.data(), axes.size()}).flag(keepdims);
    Value made = createOp(builder, location, *opIdOfOperation(op), enter(op->getOperand(0)), words)->getResult(0);
    if (keepdims)
      twins[op->getResult(0)] = made;
    else
      op->getResult(0).replaceAllUsesWith(made);
  }

  /// A value for an op that computes with channels last. Of what broadcasting repeats only the places are renamed.
  Value enter(Value value) {
    if (Value twin = twins.lookup(value)) return twin;
    if (typeOf(value).getRank() == 0) return value;
    if (Value made = entered.lookup(value)) return made;
    SmallVector<int64_t, 4> shape(4 - typeOf(value).getRank(), 1);
    llvm::append_range(shape, shapeOf(value));
    Value made = makeEntered(value, shape);
    return entered[value] = made;
  }

  Value makeEntered(Value value, ArrayRef<int64_t> shape) {
    auto type = typeOf(value);
    if (auto constant = value.getDefiningOp<ConstantOp>())
      if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue()))
        return ConstantOp::create(builder, location, splat.resizeSplat(RankedTensorType::get(toLast(shape), type.getElementType())));
    if (auto broadcast = value.getDefiningOp<BroadcastOp>(); broadcast && type.getRank() == 4 && isRepetition(broadcast.getX()))
      return create(OpId::Broadcast, enter(broadcast.getX()), toLast(shape));
    if (turnsByReshape(shape)) return create(OpId::Reshape, value, toLast(shape));
    if (type.getRank() < 4) value = create(OpId::Reshape, value, shape);
    return create(OpId::Transpose, value, kToLast);
  }

  /// A smaller value that becomes channels-last without being moved.
  bool isRepetition(Value value) {
    int64_t rank = typeOf(value).getRank();
    if (rank == 0 || twins.contains(value)) return true;
    if (rank > 4 || !typeOf(value).hasStaticShape()) return false;
    SmallVector<int64_t, 4> shape(4 - rank, 1);
    llvm::append_range(shape, shapeOf(value));
    return turnsByReshape(shape);
  }

  /// The value as it was, for an op that does not follow.
  Value leave(Value value) {
    Value twin = twins.lookup(value);
    if (!twin) return value;
    Value &left = originals[value];
    if (left) return left;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(twin.getDefiningOp());
    if (turnsByReshape(shapeOf(value))) return left = create(OpId::Reshape, twin, shapeOf(value));
    return left = create(OpId::Transpose, twin, kToFirst);
  }
  Value create(OpId op, Value operand, ArrayRef<int64_t> list) {
    Words words;
    AttrWriter(words).list({list.data(), list.size()});
    return createOp(builder, location, op, operand, words)->getResult(0);
  }

  Block &block;
  int64_t minChannels;
  OpBuilder builder;
  Location location = builder.getUnknownLoc();
  llvm::DenseMap<Value, Value> twins;    // of values that are no longer computed themselves
  llvm::DenseMap<Value, Value> entered;  // of values that are
  llvm::DenseMap<Value, Value> originals; // transposes of twins
};

struct ChannelsLast : impl::ChannelsLastPassBase<ChannelsLast> {
  using ChannelsLastPassBase::ChannelsLastPassBase;
  void runOnOperation() override { Turner(getOperation().front(), minChannels).run(); }
};

} // namespace
} // namespace tinyfin::fin
