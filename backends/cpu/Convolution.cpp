// SPDX-License-Identifier: Apache-2.0
// Direct convolution and pooling over NCHW: lanes run along a row of the output, a few output channels share each load.
#include "backends/cpu/Contract.h"
#include "backends/cpu/Elementwise.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

Value insideMask(Code &code, Value first, int64_t stride, int64_t extent) {
  Type i32 = code.b.getI32Type();
  Value start = code.b.createOrFold<TruncIOp>(code.loc, i32, first);
  if (code.lanes == 1) return code.compare(CmpIPredicate::ult, start, code.integer(extent, i32));
  SmallVector<int32_t> steps;
  for (int lane = 0; lane < code.lanes; ++lane) steps.push_back(lane * stride);
  auto type = cast<ShapedType>(code.vectorOf(i32));
  Value offsets = arith::ConstantOp::create(code.b, code.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(steps)));
  // Unsigned: what is below 0 is far beyond the extent.
  return code.compare(CmpIPredicate::ult, code.binary<AddIOp>(offsets, start), code.integer(extent, i32));
}

namespace {

/// A window that slides over planes of [images, channels, height, width]; only the number of images may be symbolic.
struct Window {
  int64_t channels = 0, height = 0, width = 0, outHeight = 0, outWidth = 0;
  int64_t kernelHeight = 0, kernelWidth = 0, strideY = 1, strideX = 1, padY = 0, padX = 0;
};

class WindowEmitter {
public:
  explicit WindowEmitter(const ContractionArgs &args) : args(args), code(args.code), math(args.code) {}

protected:
  bool readShapes() {
    ArrayRef<Dim> x = args.dimsOf(0), y = args.resultDims();
    for (Dim dim : llvm::concat<const Dim>(x.drop_front(), y.drop_front()))
      if (!dim.isConstant()) return code.refuse("a window over symbolic extents other than the batch"), false;
    window.channels = x[1].constant();
    window.height = x[2].constant(), window.width = x[3].constant();
    window.outHeight = y[2].constant(), window.outWidth = y[3].constant();
    return true;
  }
  bool readSlide(AttrReader &attrs) {
    auto strides = attrs.list(), padding = attrs.list();
    if (attrs.flag()) return code.refuse("images with channels last"), false;
    window.strideY = strides[0], window.strideX = strides[1];
    window.padY = padding[0], window.padX = padding[1];
    return true;
  }
  Value most(Value a, Value b) { return code.b.createOrFold<MaxSIOp>(code.loc, a, b); }

  /// Loops over the rows of the window that lie in the input: `row` is the input's.
  SmallVector<Value> overRows(Value outRow, ValueRange init, llvm::function_ref<SmallVector<Value>(Value k, Value row, ValueRange)> body) {
    Value top = code.sub(code.mul(outRow, code.i64(window.strideY)), code.i64(window.padY));
    Value low = most(code.i64(0), code.sub(code.i64(0), top));
    Value high = code.least(code.i64(window.kernelHeight), code.sub(code.i64(window.height), top));
    return code.loop(low, high, code.i64(1), init,
                     [&](Value k, ValueRange carried) { return body(k, code.add(top, k), carried); });
  }

  /// The input's columns under a vector of output columns, for column `k` of the window.
  std::pair<Index, Value> columnsAt(Value outColumn, int64_t offset, int64_t k, Value tail) {
    Value first = code.add(code.mul(code.add(outColumn, code.i64(offset)), code.i64(window.strideX)), code.i64(k - window.padX));
    Index at{first, 0, code.lanes == 1 ? 0 : window.strideX, {}, 1};
    // Without padding every window lies in the input.
    Value inside = window.padX ? insideMask(code, first, window.strideX, window.width) : Value();
    return {at, code.conjunction(inside, tail)};
  }

  const ContractionArgs &args;
  Code &code;
  IndexMath math;
  Window window;
};

class ConvEmitter : public WindowEmitter {
public:
  using WindowEmitter::WindowEmitter;

  void emit() {
    AttrReader attrs(args.op.attrs);
    if (!readSlide(attrs) || !readShapes()) return;
    ArrayRef<Dim> weight = args.dimsOf(1);
    if (llvm::any_of(weight, [](Dim dim) { return !dim.isConstant(); })) return code.refuse("a convolution with symbolic weights");
    outChannels = weight[0].constant();
    window.kernelHeight = weight[2].constant(), window.kernelWidth = weight[3].constant();
    int64_t vectors = (window.outWidth + code.lanes - 1) / code.lanes;
    columnVectors = std::clamp<int64_t>(vectors, 1, 2);
    blockChannels = std::clamp<int64_t>(outChannels, 1, code.lanes == 16 ? 12 / columnVectors : 6 / columnVectors);
    int64_t columnBlocks = (vectors + columnVectors - 1) / columnVectors;
    args.launch.outer = {args.dimsOf(0)[0], Dim(window.outHeight), Dim(columnBlocks)};
    args.launch.last = Dim(outChannels);
    args.launch.block = blockChannels;
    args.launch.work = {args.dimsOf(0)[0], Dim(window.outHeight), Dim(window.outWidth), Dim(outChannels), Dim(window.channels),
                        Dim(window.kernelHeight), Dim(window.kernelWidth)};
    args.launch.cost = 1.0 / code.lanes;
    int64_t channelBlocks = (outChannels + blockChannels - 1) / blockChannels;
    code.loop(args.begin, args.end, code.i64(1), {}, [&](Value index, ValueRange) {
      Value channel = code.mul(code.remainder(index, code.i64(channelBlocks)), code.i64(blockChannels));
      Value rest = code.divide(index, code.i64(channelBlocks));
      Value column = code.mul(code.remainder(rest, code.i64(columnBlocks)), code.i64(columnVectors * code.lanes));
      rest = code.divide(rest, code.i64(columnBlocks));
      tile(code.divide(rest, code.i64(window.outHeight)), code.remainder(rest, code.i64(window.outHeight)), column, channel);
      return SmallVector<Value>();
    });
  }

private:
  void tile(Value image, Value row, Value column, Value channel) {
    SmallVector<Value> tails, channels, init;
    for (int64_t v = 0; v < columnVectors; ++v) {
      bool isWhole = window.outWidth % (columnVectors * code.lanes) == 0;
      tails.push_back(isWhole ? Value() : code.tailMask(code.sub(code.i64(window.outWidth - v * code.lanes), column)));
    }
    for (int64_t o = 0; o < blockChannels; ++o) channels.push_back(clampTo(code, code.add(channel, code.i64(o)), Dim(outChannels)));
    Value zero = code.widen(code.constant(0, code.integer(0, code.computeType(args.dtype()))));
    init.assign(blockChannels * columnVectors, zero);
    auto sums = code.loop(code.i64(0), code.i64(window.channels), code.i64(1), init, [&](Value c, ValueRange carried) {
      Value plane = code.add(code.mul(image, code.i64(window.channels)), c);
      return overRows(row, carried, [&](Value ky, Value inRow, ValueRange inside) {
        Value start = code.mul(code.add(code.mul(plane, code.i64(window.height)), inRow), code.i64(window.width));
        return windowRow(start, column, c, ky, channels, tails, inside);
      });
    });
    for (int64_t o = 0; o < blockChannels; ++o) {
      Value plane = code.add(code.mul(image, code.i64(outChannels)), channels[o]);
      Value start = code.mul(code.add(code.mul(plane, code.i64(window.outHeight)), row), code.i64(window.outWidth));
      for (int64_t v = 0; v < columnVectors; ++v) {
        Index at{code.add(start, column), v * code.lanes, code.lanes == 1 ? 0 : 1, {}, 1};
        code.store(args.dtype(), sums[o * columnVectors + v], args.output(), at, tails[v]);
      }
    }
  }

  SmallVector<Value> windowRow(Value start, Value column, Value c, Value ky, ArrayRef<Value> channels, ArrayRef<Value> tails,
                               ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (int64_t kx = 0; kx < window.kernelWidth; ++kx) {
      SmallVector<Value> inputs;
      for (int64_t v = 0; v < columnVectors; ++v) {
        auto [at, mask] = columnsAt(column, v * code.lanes, kx, tails[v]);
        inputs.push_back(code.load(args.dtype(), args.input(0), math.add(at, Index::uniform(start)), mask));
      }
      for (int64_t o = 0; o < blockChannels; ++o) {
        Value filter = code.add(code.mul(channels[o], code.i64(window.channels)), c);
        Value where = code.mul(code.add(code.mul(filter, code.i64(window.kernelHeight)), ky), code.i64(window.kernelWidth));
        Value weight = code.widen(code.load(args.dtype(), args.input(1), math.add(Index::uniform(where), kx), {}));
        for (int64_t v = 0; v < columnVectors; ++v) {
          Value &sum = next[o * columnVectors + v];
          sum = code.fadd(sum, code.fmul(weight, inputs[v]));
        }
      }
    }
    return next;
  }

  int64_t outChannels = 1, blockChannels = 1, columnVectors = 1;
};

class PoolEmitter : public WindowEmitter {
public:
  using WindowEmitter::WindowEmitter;

  void emit() {
    AttrReader attrs(args.op.attrs);
    auto kernel = attrs.list();
    window.kernelHeight = kernel[0], window.kernelWidth = kernel[1];
    if (!readSlide(attrs) || !readShapes()) return;
    int64_t vectors = (window.outWidth + code.lanes - 1) / code.lanes;
    args.launch.outer = {args.dimsOf(0)[0], Dim(window.channels), Dim(window.outHeight)};
    args.launch.last = Dim(window.outWidth);
    args.launch.block = code.lanes;
    args.launch.work = {args.dimsOf(0)[0], Dim(window.channels), Dim(window.outHeight), Dim(window.outWidth)};
    args.launch.cost = 0.1 * kernel[0] * kernel[1];
    code.loop(args.begin, args.end, code.i64(1), {}, [&](Value index, ValueRange) {
      Value column = code.mul(code.remainder(index, code.i64(vectors)), code.i64(code.lanes));
      Value rest = code.divide(index, code.i64(vectors));
      Value row = code.remainder(rest, code.i64(window.outHeight)), plane = code.divide(rest, code.i64(window.outHeight));
      Value tail = window.outWidth % code.lanes ? code.tailMask(code.sub(code.i64(window.outWidth), column)) : Value();
      Value result = pooled(plane, row, column, tail);
      Value start = code.mul(code.add(code.mul(plane, code.i64(window.outHeight)), row), code.i64(window.outWidth));
      Index at{code.add(start, column), 0, code.lanes == 1 ? 0 : 1, {}, 1};
      code.store(args.dtype(), result, args.output(), at, tail);
      return SmallVector<Value>();
    });
  }

private:
  Value pooled(Value plane, Value row, Value column, Value tail) {
    bool isMax = args.op.id == OpId::MaxPool2d;
    Type type = code.computeType(args.dtype());
    Value neutral = code.real(isMax ? -INFINITY : 0, type);
    SmallVector<Value> init{code.widen(neutral)};
    auto result = overRows(row, init, [&](Value, Value inRow, ValueRange carried) {
      Value best = carried[0];
      Value start = code.mul(code.add(code.mul(plane, code.i64(window.height)), inRow), code.i64(window.width));
      for (int64_t kx = 0; kx < window.kernelWidth; ++kx) {
        auto [at, mask] = columnsAt(column, 0, kx, tail);
        Value item = code.widen(code.load(args.dtype(), args.input(0), math.add(at, Index::uniform(start)), mask));
        if (mask) item = code.select(mask, item, neutral);
        best = isMax ? emitMaximum(code, args.dtype(), best, item) : code.fadd(best, item);
      }
      return SmallVector<Value>{best};
    });
    if (isMax) return result[0];
    return code.fdiv(result[0], code.real(static_cast<double>(window.kernelHeight * window.kernelWidth), type));
  }
};

} // namespace

void emitConv2d(const ContractionArgs &args) { ConvEmitter(args).emit(); }
void emitPool2d(const ContractionArgs &args) { PoolEmitter(args).emit(); }

void emitContraction(const ContractionArgs &args) {
  switch (args.op.id) {
  case OpId::Matmul: return emitMatmul(args);
  case OpId::Conv2d: return emitConv2d(args);
  default: return emitPool2d(args);
  }
}

} // namespace tinyfin::cpu
