// SPDX-License-Identifier: Apache-2.0
// Patterns that remove or move transposes and reshapes. All are exact.
#include "ir/Splat.h"
#include "mlir/IR/Matchers.h"
#include "passes/Region.h"
#include "passes/Simplify.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

/// Whether `transpose` only swaps the last two axes.
bool swapsMatrixAxes(TransposeOp transpose) {
  if (!transpose) return false;
  llvm::ArrayRef<int64_t> permutation = transpose.getPermutation();
  int64_t rank = permutation.size();
  if (rank < 2 || permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1) return false;
  return llvm::equal(permutation.drop_back(2), llvm::seq<int64_t>(0, rank - 2));
}

/// matmul(transpose(x), y) -> matmul(x, y) {transpose_lhs}, likewise on the right
LogicalResult transposeIntoMatmul(MatmulOp op, PatternRewriter &rewriter) {
  auto lhs = op.getLhs().getDefiningOp<TransposeOp>(), rhs = op.getRhs().getDefiningOp<TransposeOp>();
  bool takesLhs = swapsMatrixAxes(lhs), takesRhs = swapsMatrixAxes(rhs);
  if (!takesLhs && !takesRhs) return failure();
  rewriter.replaceOpWithNewOp<MatmulOp>(op, takesLhs ? lhs.getX() : op.getLhs(), takesRhs ? rhs.getX() : op.getRhs(),
                                        op.getTransposeLhs() != takesLhs, op.getTransposeRhs() != takesRhs);
  return success();
}

/// transpose(matmul(x, y)) -> matmul(y, x) with the flags the other way round
LogicalResult transposeOfMatmul(TransposeOp op, PatternRewriter &rewriter) {
  auto matmul = op.getX().getDefiningOp<MatmulOp>();
  if (!matmul || !matmul->hasOneUse() || !swapsMatrixAxes(op)) return failure();
  rewriter.replaceOpWithNewOp<MatmulOp>(op, matmul.getRhs(), matmul.getLhs(), !matmul.getTransposeRhs(),
                                        !matmul.getTransposeLhs());
  return success();
}

bool isScalar(Value value) { return cast<ShapedType>(value.getType()).getRank() == 0; }

/// op(reshape(x), scalar) -> reshape(op(x, scalar)), also where all operands are reshapes of one shape: elementwise ops
/// meet without a reshape between them, and fusion sees one chain.
struct SinkReshape : OpTraitRewritePattern<Elementwise> {
  using OpTraitRewritePattern::OpTraitRewritePattern;

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (isWideningCast(op)) return failure(); // belongs to its readers: see reshapeOfWideningCast
    SmallVector<Value> operands;
    std::optional<TensorSpec> shape, target = fin::specOf(op->getResult(0).getType());
    for (Value operand : op->getOperands()) {
      if (isScalar(operand)) {
        operands.push_back(operand);
        continue;
      }
      auto reshape = operand.getDefiningOp<ReshapeOp>();
      std::optional<TensorSpec> source = reshape ? fin::specOf(reshape.getX().getType()) : std::nullopt;
      if (!source || (shape && shape->dims != source->dims) || !hasDims(operand, target->dims)) return failure();
      shape = source;
      operands.push_back(reshape.getX());
    }
    if (!shape || !target) return failure();
    Operation *moved = createOp(rewriter, op->getLoc(), *opIdOfOperation(op), operands, wordsOf(op));
    Words dims;
    AttrWriter(dims).integer(target->dims.size());
    for (Dim dim : target->dims) dims.push_back(dim.word());
    rewriter.replaceOp(op, createOp(rewriter, op->getLoc(), OpId::Reshape, moved->getResult(0), dims));
    return success();
  }

  // An operand that broadcasting repeats must not move.
  static bool hasDims(Value operand, llvm::ArrayRef<Dim> dims) {
    std::optional<TensorSpec> spec = fin::specOf(operand.getType());
    return spec && llvm::ArrayRef<Dim>(spec->dims) == dims;
  }
};

/// reshape(broadcast(scalar)) -> broadcast(scalar)
LogicalResult reshapeOfFill(ReshapeOp op, PatternRewriter &rewriter) {
  auto fill = op.getX().getDefiningOp<BroadcastOp>();
  if (!fill || !isScalar(fill.getX())) return failure();
  return rewriter.replaceOpWithNewOp<BroadcastOp>(op, fill.getX(), op.getShapeAttr()), success();
}

/// reshape(widening cast(x)) -> widening cast(reshape(x)): the view is of what lies in memory, the cast is its readers'
LogicalResult reshapeOfWideningCast(ReshapeOp op, PatternRewriter &rewriter) {
  auto cast = op.getX().getDefiningOp<CastOp>();
  if (!cast || !isWideningCast(cast)) return failure();
  Value moved = ReshapeOp::create(rewriter, op.getLoc(), cast.getX(), op.getShapeAttr());
  return rewriter.replaceOpWithNewOp<CastOp>(op, moved, cast.getDtypeAttr()), success();
}

/// slice_update(zeros, u) at known starts -> pad(u): what a slice's derivative is, and what fusion can read in place.
LogicalResult padOfSliceUpdate(SliceUpdateOp op, PatternRewriter &rewriter) {
  DenseElementsAttr fill = splatBehind(op.getX());
  ElementsAttr known;
  if (!fill || !matchPattern(op.getStarts(), m_Constant(&known))) return failure();
  auto starts = dyn_cast<DenseIntElementsAttr>(known);
  auto whole = cast<ShapedType>(op.getType()), part = cast<ShapedType>(op.getUpdate().getType());
  if (!starts || !whole.hasStaticShape() || !part.hasStaticShape()) return failure();
  SmallVector<int64_t> low, high;
  for (auto [start, step, size, extent] : llvm::zip(starts.getValues<int64_t>(), op.getSteps(), part.getShape(), whole.getShape())) {
    if (start < 0 || start + size > extent || (step != 1 && size != 1)) return failure();
    low.push_back(start);
    high.push_back(extent - start - size);
  }
  auto scalar = RankedTensorType::get({}, whole.getElementType());
  Value value = ConstantOp::create(rewriter, op.getLoc(), fill.resizeSplat(scalar));
  return rewriter.replaceOpWithNewOp<PadOp>(op, op.getUpdate(), value, low, high), success();
}

bool isZero(Value value) {
  DenseElementsAttr splat = splatBehind(value);
  if (!splat) return false;
  if (isa<FloatType>(splat.getElementType())) return splat.getSplatValue<APFloat>().isZero();
  return splat.getElementType().isInteger() && splat.getSplatValue<APInt>().isZero();
}

/// A piece of a sum that is zero everywhere but in [begin, end) of one axis.
struct Piece {
  Value value;
  int64_t axis, begin, end;
};
std::optional<Piece> pieceOf(PadOp pad) {
  std::optional<Piece> piece;
  auto part = cast<ShapedType>(pad.getX().getType());
  if (!part.hasStaticShape() || !isZero(pad.getValue())) return std::nullopt;
  for (auto [axis, low, high] : llvm::enumerate(pad.getLow(), pad.getHigh())) {
    if (low == 0 && high == 0) continue;
    if (piece || low < 0 || high < 0) return std::nullopt;
    piece = {pad.getX(), static_cast<int64_t>(axis), low, low + part.getDimSize(axis)};
  }
  return piece;
}

/// The terms of a sum, through adds that nobody else reads; none where one is no piece.
bool collectPieces(Value sum, SmallVectorImpl<Piece> &pieces) {
  constexpr size_t kMost = 16;
  if (auto add = sum.getDefiningOp<AddOp>(); add && (pieces.empty() || add->hasOneUse()))
    if (haveSameShape(add.getLhs().getType(), sum.getType()) && haveSameShape(add.getRhs().getType(), sum.getType()))
      return collectPieces(add.getLhs(), pieces) && collectPieces(add.getRhs(), pieces);
  auto pad = sum.getDefiningOp<PadOp>();
  std::optional<Piece> piece = pad ? pieceOf(pad) : std::nullopt;
  if (piece) pieces.push_back(*piece);
  return piece && pieces.size() <= kMost && piece->axis == pieces[0].axis;
}

/// pad(a) + pad(b) + ... -> concat(a, b, ...) where they fill the result side by side: the gradient of a tensor that was
/// taken apart by slices.
LogicalResult concatOfPads(AddOp op, PatternRewriter &rewriter) {
  SmallVector<Piece> pieces;
  if (!collectPieces(op.getResult(), pieces)) return failure();
  llvm::sort(pieces, [](const Piece &a, const Piece &b) { return a.begin < b.begin; });
  int64_t at = 0, axis = pieces[0].axis;
  SmallVector<Value> values;
  for (const Piece &piece : pieces) {
    if (piece.begin != at) return failure();
    at = piece.end;
    values.push_back(piece.value);
  }
  if (at != cast<ShapedType>(op.getType()).getDimSize(axis)) return failure();
  Words attrs;
  AttrWriter(attrs).integer(axis);
  return rewriter.replaceOp(op, createOp(rewriter, op.getLoc(), OpId::Concat, values, attrs)), success();
}

/// add(y, scatter_add(zeros, i, u)) -> scatter_add(y, i, u), in either order: the gradient of an embedding that is used
/// twice, such as a tied one. Half types would be rounded at each addition.
LogicalResult scatterOntoSummand(AddOp op, PatternRewriter &rewriter) {
  Type element = cast<ShapedType>(op.getType()).getElementType();
  if (!element.isF32() && !element.isF64()) return failure();
  for (auto [x, y] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
    auto scatter = y.getDefiningOp<ScatterAddOp>();
    if (!scatter || !scatter->hasOneUse() || x.getType() != y.getType() || !isZero(scatter.getX())) continue;
    return rewriter.replaceOpWithNewOp<ScatterAddOp>(op, x, scatter.getIndices(), scatter.getUpdates(), scatter.getAxis()), success();
  }
  return failure();
}

/// broadcast(reshape(scalar)) -> broadcast(scalar)
LogicalResult broadcastOfScalar(BroadcastOp op, PatternRewriter &rewriter) {
  auto reshape = op.getX().getDefiningOp<ReshapeOp>();
  if (!reshape || !isScalar(reshape.getX())) return failure();
  return rewriter.replaceOpWithNewOp<BroadcastOp>(op, reshape.getX(), op.getShapeAttr()), success();
}

} // namespace

void addMovementPatterns(RewritePatternSet &patterns) {
  patterns.add(transposeIntoMatmul);
  patterns.add(transposeOfMatmul);
  patterns.add(reshapeOfFill);
  patterns.add(reshapeOfWideningCast);
  patterns.add(padOfSliceUpdate);
  patterns.add(concatOfPads);
  patterns.add(scatterOntoSummand);
  patterns.add(broadcastOfScalar);
  patterns.add<SinkReshape>(patterns.getContext());
}

} // namespace tinyfin::fin
