// SPDX-License-Identifier: Apache-2.0
// With Q = taps * source channels, for a block of P computed pixels and some target channels:
//   Forward, InputGrad   target[P, channels] = gathered[P, Q] * weights[Q, channels], a few taps at a time
//   WeightGrad           dweight[Q, channels] += gathered[P, Q]^T * dy[P, channels]
// Gathered rows and weights are brought into what the register tiles like (MatmulTile.h). f64 computes in f64, all else
// in f32. Blocks are cut by the shape alone.
#include "runtime/kernels/conv/ConvRows.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/conv/ConvWeights.h"
#include <algorithm>

namespace tinyfin {

ConvRowShapes::ConvRowShapes(const ConvSpec &spec) : images(spec.images) {
  bool isGrad = spec.kind == ConvKind::InputGrad;
  source = isGrad ? spec.output() : spec.input, target = isGrad ? spec.input : spec.output();
  sourceChannels = isGrad ? spec.outChannels : spec.inChannels;
  targetChannels = isGrad ? spec.inChannels : spec.outChannels;
  std::array<int64_t, 2> step = isGrad ? spec.strides : std::array<int64_t, 2>{1, 1};
  for (int64_t y = 0; y < std::min(step[0], target[0]); ++y)
    for (int64_t x = 0; x < std::min(step[1], target[1]); ++x) {
      ConvPass pass{(target[0] - y + step[0] - 1) / step[0], (target[1] - x + step[1] - 1) / step[1],
                    isGrad ? std::array<int64_t, 2>{1, 1} : spec.strides, {y, x}, step, {}};
      for (int64_t kh = 0; kh < spec.kernel[0]; ++kh)
        for (int64_t kw = 0; kw < spec.kernel[1]; ++kw) {
          int64_t dy = isGrad ? y + spec.padding[0] - kh : kh - spec.padding[0],
                  dx = isGrad ? x + spec.padding[1] - kw : kw - spec.padding[1];
          if (dy % step[0] || dx % step[1]) continue;
          pass.taps.push_back({dy / step[0], dx / step[1], kh * spec.kernel[1] + kw});
        }
      passes.push_back(std::move(pass));
    }
}

std::vector<ConvDepth> convDepths(int64_t taps, int64_t channels, int64_t most) {
  std::vector<ConvDepth> parts;
  if (channels == 0) return parts;
  int64_t slices = (channels + most - 1) / most, slice = (channels + slices - 1) / slices;
  int64_t tapsAtOnce = slices > 1 ? 1 : std::max<int64_t>(1, most / channels);
  for (int64_t tap = 0; tap < taps; tap += tapsAtOnce)
    for (int64_t channel = 0; channel < channels; channel += slice)
      parts.push_back({tap, std::min(tapsAtOnce, taps - tap), channel, std::min(slice, channels - channel)});
  return parts;
}

namespace {

constexpr int64_t kRows = gemm::kTileRows;
constexpr int64_t kPixels = 8 * kRows;     // a chunk
constexpr int64_t kDepth = 320;            // of Q at a time: a panel of weights stays in the L1 cache
constexpr int64_t kGradPixels = 256;       // of WeightGrad at a time
constexpr int64_t kChunks = 16;            // wanted at least
constexpr int64_t kMostPartial = 16 << 20; // bytes of partial weight gradients

template <class T> class RowsConv final : public ConvPlan {
  using Acc = Compute<T>;
  static constexpr int64_t width = gemm::kTileCols<Acc>;
  static constexpr bool isNarrow = !std::is_same_v<Acc, T>;

public:
  explicit RowsConv(const ConvSpec &spec) : spec(spec), shapes(spec) {
    taps = spec.kernel[0] * spec.kernel[1];
    panels = (shapes.targetChannels + width - 1) / width;
    if (spec.kind == ConvKind::WeightGrad)
      planWeightGrad();
    else
      planPasses();
  }

  Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                 const void *bias) const override {
    if (spec.kind == ConvKind::WeightGrad) {
      weightGrad(static_cast<const T *>(first), static_cast<const T *>(second), static_cast<T *>(result), pool);
      return Status::ok();
    }
    Acc *weights = scratch<Acc>(ScratchUse::LayoutW, weightElements);
    packWeights(static_cast<const T *>(second), weights, pool);
    pool.parallelFor(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        runChunk(i, static_cast<const T *>(first), weights, static_cast<T *>(result), static_cast<const T *>(bias));
    });
    return Status::ok();
  }

private:
  struct PassPlan {
    const ConvPass *pass;
    std::vector<ConvDepth> depths;
    int64_t weights, pixels, pixelBlocks, panelsAtOnce, firstChunk;
  };

  void planPasses() {
    for (const ConvPass &pass : shapes.passes) {
      PassPlan plan{&pass, convDepths(pass.taps.size(), shapes.sourceChannels, kDepth), weightElements, 0, 0, 0, chunks};
      weightElements += panels * width * static_cast<int64_t>(pass.taps.size()) * shapes.sourceChannels;
      plan.pixels = shapes.images * pass.height * pass.width;
      int64_t blocks = (plan.pixels + kPixels - 1) / kPixels;
      if (blocks * panels == 0) continue;
      int64_t columnBlocks = std::clamp<int64_t>((kChunks + blocks - 1) / blocks, 1, panels);
      plan.pixelBlocks = blocks;
      plan.panelsAtOnce = (panels + columnBlocks - 1) / columnBlocks;
      chunks += blocks * ((panels + plan.panelsAtOnce - 1) / plan.panelsAtOnce);
      plans.push_back(plan);
    }
  }

  /// to[pass][panel][Q][width]
  void packWeights(const T *from, Acc *to, ThreadPool &pool) const {
    const bool isGrad = spec.kind == ConvKind::InputGrad;
    const int64_t channels = shapes.sourceChannels;
    if constexpr (std::is_same_v<Acc, float> && (std::is_same_v<T, float> || std::is_same_v<T, BFloat16>))
      if (hasWeightSquares(spec.outChannels, spec.inChannels) && shapes.targetChannels % width == 0)
        return forEachWeightSquare(from, {spec.outChannels, spec.inChannels, taps, isGrad}, pool, [&](int64_t s, int64_t t, const float *square) {
          for (const PassPlan &plan : plans)
            for (int64_t tap = 0, depth = plan.pass->taps.size(); tap < depth; ++tap)
              for (int64_t j = 0; j < WeightBlock::kLanes; ++j)
                std::copy_n(square + (j * taps + plan.pass->taps[tap].kernel) * WeightBlock::kLanes, WeightBlock::kLanes,
                            to + plan.weights + ((t / width * depth + tap) * channels + s + j) * width + t % width);
        });
    pool.parallelFor(panels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        for (const PassPlan &plan : plans) {
          int64_t depth = static_cast<int64_t>(plan.pass->taps.size()) * channels;
          packPanel(plan, from, to + plan.weights + panel * depth * width, panel * width);
        }
    });
  }
  void packPanel(const PassPlan &plan, const T *from, Acc *to, int64_t column) const {
    const bool isGrad = spec.kind == ConvKind::InputGrad;
    const int64_t channels = shapes.sourceChannels, used = std::min(width, shapes.targetChannels - column);
    const int64_t sourceStep = isGrad ? spec.inChannels * taps : taps, targetStep = isGrad ? taps : spec.inChannels * taps;
    const auto &list = plan.pass->taps;
    for (int64_t c = 0; c < channels; ++c) {
      const T *filter = from + c * sourceStep + column * targetStep;
      for (int64_t j = 0; j < width; ++j)
        for (size_t t = 0; t < list.size(); ++t)
          to[(static_cast<int64_t>(t) * channels + c) * width + j] =
              j < used ? Acc(load<T>(filter[j * targetStep + list[t].kernel])) : Acc(0);
    }
  }

  void runChunk(int64_t index, const T *source, const Acc *weights, T *result, const T *bias) const {
    size_t number = plans.size() - 1;
    while (plans[number].firstChunk > index) --number;
    const PassPlan &plan = plans[number];
    index -= plan.firstChunk;
    int64_t block = index % plan.pixelBlocks, panel = index / plan.pixelBlocks * plan.panelsAtOnce;
    int64_t begin = block * kPixels, end = std::min(begin + kPixels, plan.pixels);
    int64_t panelEnd = std::min(panel + plan.panelsAtOnce, panels);
    int64_t columns = std::min(panelEnd * width, shapes.targetChannels) - panel * width;
    bool isDirect = !isNarrow && plan.pass->step == std::array<int64_t, 2>{1, 1} && !plan.depths.empty() &&
                    shapes.targetChannels % width == 0 && !spec.epilogue.bias && !spec.epilogue.relu;
    int64_t ldc = isDirect ? shapes.targetChannels : (panelEnd - panel) * width;
    Acc *sums;
    if (isDirect)
      sums = reinterpret_cast<Acc *>(result) + begin * ldc + panel * width;
    else
      sums = scratch<Acc>(ScratchUse::LayoutY, kPixels * ldc);
    if (plan.depths.empty()) std::fill(sums, sums + (end - begin) * ldc, Acc(0));
    for (size_t d = 0; d < plan.depths.size(); ++d)
      multiply(plan, plan.depths[d], source, begin, end, weights, panel, panelEnd, sums, ldc,
               d > 0 || (isDirect && spec.epilogue.accumulate));
    if (!isDirect) finish(*plan.pass, begin, end, sums, ldc, panel * width, columns, result, bias);
  }

  void multiply(const PassPlan &plan, const ConvDepth &block, const T *source, int64_t begin, int64_t end,
                const Acc *weights, int64_t panel, int64_t panelEnd, Acc *sums, int64_t ldc,
                bool accumulate) const {
    int64_t depth = block.depth(), rowStride = (depth + 15) / 16 * 16 + 16; // rows not a power of two apart
    Acc *rows = scratch<Acc>(ScratchUse::Columns, kPixels * rowStride);
    gatherRows(shapes, *plan.pass, block, source, begin, end, rows, rowStride);
    int64_t whole = static_cast<int64_t>(plan.pass->taps.size()) * shapes.sourceChannels;
    for (int64_t p = panel; p < panelEnd; ++p) {
      const Acc *b = weights + plan.weights + (p * whole + block.begin(shapes.sourceChannels)) * width;
      for (int64_t row = 0; row < end - begin; row += kRows) {
        int64_t count = std::min(kRows, end - begin - row);
        multiplyRows(rows + row * rowStride, rowStride, b, width, depth, sums + row * ldc + (p - panel) * width, ldc, count, accumulate);
      }
    }
  }

  /// Sums of pixels [begin, end) go where they belong.
  void finish(const ConvPass &pass, int64_t begin, int64_t end, const Acc *sums, int64_t ldc, int64_t column,
              int64_t columns, T *result, const T *bias) const {
    ConvPixel at(pass, begin);
    for (int64_t p = begin; p < end; ++p, sums += ldc, at.next(pass)) {
      int64_t y = pass.first[0] + at.row * pass.step[0], x = pass.first[1] + at.column * pass.step[1];
      T *to = result + ((at.image * shapes.target[0] + y) * shapes.target[1] + x) * shapes.targetChannels + column;
      for (int64_t j = 0; j < columns; ++j) {
        Acc value = sums[j];
        if (spec.epilogue.bias) value += load<T>(bias[column + j]);
        if (spec.epilogue.accumulate) value += load<T>(to[j]);
        to[j] = store<T>(spec.epilogue.relu && value < 0 ? Acc(0) : value);
      }
    }
  }

  // ---- WeightGrad: partial sums [group][Q][panels * width], summed and transposed at the end.

  void planWeightGrad() {
    const ConvPass &pass = shapes.passes[0];
    int64_t channels = shapes.sourceChannels, pixels = shapes.images * pass.height * pass.width;
    sums = taps * channels * panels * width;
    int64_t most = std::max<int64_t>(1, kMostPartial / std::max<int64_t>(1, sums * static_cast<int64_t>(sizeof(Acc))));
    int64_t groups = std::clamp<int64_t>(pixels / (4 * kGradPixels), 1, std::min(most, kChunks));
    groupPixels = (pixels + groups - 1) / groups;
    gradDepths = convDepths(taps, channels, groups >= kChunks ? 1024 : 256);
    int64_t blocks = groups * static_cast<int64_t>(gradDepths.size());
    gradPanels = std::max<int64_t>(1, panels / std::clamp<int64_t>(blocks ? 2 * kChunks / blocks : 1, 1, std::max<int64_t>(panels, 1)));
    chunks = blocks * ((panels + gradPanels - 1) / gradPanels);
    gradGroups = groups;
  }

  void weightGrad(const T *x, const T *dy, T *result, ThreadPool &pool) const {
    Acc *partial = scratch<Acc>(ScratchUse::LayoutW, gradGroups * sums);
    pool.parallelFor(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) runGradChunk(i, x, dy, partial);
    });
    storeWeightSums(partial, {gradGroups, sums, panels * width}, spec, result, pool);
  }

  void runGradChunk(int64_t index, const T *x, const T *dy, Acc *partial) const {
    const ConvPass &pass = shapes.passes[0];
    int64_t depths = static_cast<int64_t>(gradDepths.size());
    const ConvDepth &block = gradDepths[index % depths];
    int64_t group = index / depths % gradGroups, panel = index / depths / gradGroups * gradPanels;
    int64_t panelEnd = std::min(panel + gradPanels, panels), pixels = shapes.images * pass.height * pass.width;
    int64_t begin = group * groupPixels, end = std::min(begin + groupPixels, pixels);
    int64_t depth = block.depth(), rowStride = (depth + 15) / 16 * 16 + 16, ldc = panels * width;
    Acc *rows = scratch<Acc>(ScratchUse::Columns, kGradPixels * rowStride);
    Acc *gradients = scratch<Acc>(ScratchUse::LayoutX, kGradPixels * width);
    Acc *c = partial + group * sums + block.begin(shapes.sourceChannels) * ldc;
    for (int64_t at = begin; at < end || at == begin; at += kGradPixels) {
      int64_t count = std::clamp<int64_t>(end - at, 0, kGradPixels);
      gatherRows(shapes, pass, block, x, at, at + count, rows, rowStride);
      for (int64_t p = panel; p < panelEnd; ++p) {
        packGradients(dy + at * spec.outChannels, count, p * width, gradients);
        for (int64_t q = 0; q < depth; q += kRows) {
          multiplyNeighbours(rows + q, rowStride, gradients, width, count, c + q * ldc + p * width, ldc,
                             std::min(kRows, depth - q), at > begin);
        }
      }
    }
  }

  /// to[pixel][width]: channels [column, column + width) of dy.
  void packGradients(const T *dy, int64_t pixels, int64_t column, Acc *to) const {
    int64_t used = std::min(width, spec.outChannels - column);
    for (int64_t p = 0; p < pixels; ++p, to += width) {
      convertRow(dy + p * spec.outChannels + column, to, used);
      std::fill(to + used, to + width, Acc(0));
    }
  }

  ConvSpec spec;
  ConvRowShapes shapes;
  std::vector<PassPlan> plans;
  std::vector<ConvDepth> gradDepths;
  int64_t taps = 0, panels = 0, weightElements = 0, chunks = 0;
  int64_t sums = 0, groupPixels = 0, gradGroups = 0, gradPanels = 0; // WeightGrad
};

} // namespace

std::shared_ptr<const ConvPlan> makeRowsConv(const ConvSpec &spec) {
  return visitFloat(spec.dtype, [&](auto tag) -> std::shared_ptr<const ConvPlan> {
    return std::make_shared<const RowsConv<ElementOf<decltype(tag)>>>(spec);
  });
}

} // namespace tinyfin
