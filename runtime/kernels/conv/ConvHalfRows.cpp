// SPDX-License-Identifier: Apache-2.0
// The products of ConvRows.cpp in bf16 by AMX tiles or AVX512-BF16 vectors (AmxMatmul.h). Rows of pixels are gathered as
// bf16, weights and gradients packed as these want them; sums are f32.
#include "runtime/kernels/amx/AmxMatmul.h"
#include "runtime/kernels/conv/ConvRows.h"
#include "runtime/kernels/conv/ConvWeights.h"
#include <bit>

namespace tinyfin {
namespace {

constexpr int64_t kBlockPixels = 128, kBlockColumns = 128;
constexpr int64_t kGatherBytes = 3 << 19;  // of a chunk, so that it stays in L2
constexpr int64_t kGroupPixels = 2048;     // of a partial weight gradient
constexpr int64_t kGradRows = 128, kMostGroups = 16;
constexpr int64_t kChunks = 16; // wanted at least

/// Rows of whole tiles that do not fall into the same sets of L1.
int64_t rowOf(int64_t depth) {
  int64_t row = (depth + amx::kDepth - 1) / amx::kDepth * amx::kDepth;
  return row % 1024 ? row : row + amx::kDepth;
}

class HalfRowsConv final : public ConvPlan {
  using T = BFloat16;

public:
  HalfRowsConv(const ConvSpec &spec, amx::Isa isa) : spec(spec), shapes(spec), isa(isa) {
    taps = spec.kernel[0] * spec.kernel[1];
    if (spec.kind == ConvKind::WeightGrad)
      planWeightGrad();
    else
      planPasses();
  }

  Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                 const void *bias) const override {
    auto *a = static_cast<const T *>(first), *b = static_cast<const T *>(second);
    auto *c = static_cast<T *>(result);
    if (spec.kind == ConvKind::WeightGrad) return weightGrad(a, b, c, pool), Status::ok();
    char *weights = scratch<char>(ScratchUse::LayoutW, weightBytes);
    packWeights(b, weights, pool);
    pool.parallelFor(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) runChunk(i, a, weights, c, static_cast<const T *>(bias));
    });
    return Status::ok();
  }

private:
  struct PassPlan {
    const ConvPass *pass;
    int64_t depth, weights, pixels, blockPixels, pixelBlocks, blockColumns, firstChunk;
  };

  void planPasses() {
    for (const ConvPass &pass : shapes.passes) {
      PassPlan plan{&pass, static_cast<int64_t>(pass.taps.size()) * shapes.sourceChannels, weightBytes,
                    shapes.images * pass.height * pass.width, kBlockPixels, 0, 0, chunks};
      weightBytes += amx::panelsOf(shapes.targetChannels) * amx::panelBytes(plan.depth);
      while (plan.blockPixels > amx::kSquare && plan.blockPixels * rowOf(plan.depth) * 2 > kGatherBytes) plan.blockPixels /= 2;
      plan.pixelBlocks = (plan.pixels + plan.blockPixels - 1) / plan.blockPixels;
      if (plan.pixelBlocks * shapes.targetChannels == 0) continue;
      plan.blockColumns = shapes.targetChannels;
      if (plan.pixelBlocks < kChunks) plan.blockColumns = std::min(kBlockColumns, shapes.targetChannels);
      chunks += plan.pixelBlocks * ((shapes.targetChannels + plan.blockColumns - 1) / plan.blockColumns);
      plans.push_back(plan);
    }
  }

  /// to[pass][panel of columns][step of depth][tile][pair of sources][target][2], as packB would.
  void packWeights(const T *from, char *to, ThreadPool &pool) const {
    const bool isGrad = spec.kind == ConvKind::InputGrad;
    if (!hasWeightSquares(spec.outChannels, spec.inChannels) || shapes.targetChannels % amx::kSquare ||
        shapes.sourceChannels % amx::kDepth)
      return packRows(from, to);
    forEachWeightSquare(from, {spec.outChannels, spec.inChannels, taps, isGrad}, pool, [&](int64_t s, int64_t t, const float *square) {
      for (const PassPlan &plan : plans) {
        char *panel = to + plan.weights + t / amx::kSquare * amx::panelBytes(plan.depth) +
                      t % amx::kSquare / amx::kTile * 1024 + t % amx::kTile * 4;
        for (size_t tap = 0; tap < plan.pass->taps.size(); ++tap) {
          int64_t q = static_cast<int64_t>(tap) * shapes.sourceChannels + s;
          char *tile = panel + q / amx::kDepth * amx::kStepBytes + q % amx::kDepth / 2 * 64;
          const float *rows = square + plan.pass->taps[tap].kernel * WeightBlock::kLanes;
          for (int64_t j = 0; j < WeightBlock::kLanes; j += 2)
            storePairs(rows + j * taps * WeightBlock::kLanes, rows + (j + 1) * taps * WeightBlock::kLanes,
                       reinterpret_cast<uint32_t *>(tile + j / 2 * 64));
        }
      }
    });
  }
  /// Floats that are bf16 exactly.
  static void storePairs(const float *first, const float *second, uint32_t *to) {
    for (int64_t i = 0; i < WeightBlock::kLanes; ++i)
      to[i] = std::bit_cast<uint32_t>(first[i]) >> 16 | (std::bit_cast<uint32_t>(second[i]) & 0xffff0000u);
  }
  /// Any channels: by way of rows.
  void packRows(const T *from, char *to) const {
    const bool isGrad = spec.kind == ConvKind::InputGrad;
    const int64_t sources = shapes.sourceChannels, targets = shapes.targetChannels;
    const int64_t sourceStep = isGrad ? spec.inChannels * taps : taps, targetStep = isGrad ? taps : spec.inChannels * taps;
    for (const PassPlan &plan : plans) {
      T *rows = scratch<T>(ScratchUse::Columns, plan.depth * targets);
      for (int64_t q = 0; q < plan.depth; ++q)
        for (int64_t j = 0; j < targets; ++j)
          rows[q * targets + j] = from[q % sources * sourceStep + j * targetStep + plan.pass->taps[q / sources].kernel];
      if (plan.depth) amx::packB(to + plan.weights, {rows, targets, 1}, plan.depth, targets);
    }
  }

  void runChunk(int64_t index, const T *source, const char *weights, T *result, const T *bias) const {
    size_t number = plans.size() - 1;
    while (plans[number].firstChunk > index) --number;
    const PassPlan &plan = plans[number];
    index -= plan.firstChunk;
    int64_t begin = index % plan.pixelBlocks * plan.blockPixels, end = std::min(begin + plan.blockPixels, plan.pixels);
    int64_t column = index / plan.pixelBlocks * plan.blockColumns;
    int64_t columns = std::min(plan.blockColumns, shapes.targetChannels - column), row = rowOf(plan.depth);
    T *rows = scratch<T>(ScratchUse::Columns, plan.blockPixels * row);
    gatherRows(shapes, *plan.pass, {0, static_cast<int64_t>(plan.pass->taps.size()), 0, shapes.sourceChannels}, source, begin, end, rows, row);
    amx::Block block{isa, end - begin, columns, plan.depth, {rows, row, 1},
                     weights + plan.weights + column / amx::kSquare * amx::panelBytes(plan.depth)};
    amx::Store store{spec.epilogue.bias ? bias + column : nullptr, spec.epilogue.accumulate, spec.epilogue.relu};
    if (plan.pass->step == std::array<int64_t, 2>{1, 1})
      return amx::multiply(block, result + begin * shapes.targetChannels + column, shapes.targetChannels, store);
    T *sums = scratch<T>(ScratchUse::LayoutY, plan.blockPixels * columns);
    amx::multiply(block, sums, columns, store);
    scatter(*plan.pass, begin, end, sums, column, columns, result);
  }

  void scatter(const ConvPass &pass, int64_t begin, int64_t end, const T *sums, int64_t column, int64_t columns, T *result) const {
    ConvPixel at(pass, begin);
    for (int64_t p = begin; p < end; ++p, sums += columns, at.next(pass)) {
      int64_t y = pass.first[0] + at.row * pass.step[0], x = pass.first[1] + at.column * pass.step[1];
      convertRow(sums, result + ((at.image * shapes.target[0] + y) * shapes.target[1] + x) * shapes.targetChannels + column, columns);
    }
  }

  // ---- WeightGrad: sums[group][Q][columns] in f32

  void planWeightGrad() {
    const ConvPass &pass = shapes.passes[0];
    pixels = shapes.images * pass.height * pass.width;
    groups = std::clamp<int64_t>(pixels / kGroupPixels, 1, kMostGroups);
    depths = convDepths(taps, shapes.sourceChannels, kGradRows);
    columns = amx::panelsOf(spec.outChannels) * amx::kSquare;
    sumsOfGroup = taps * shapes.sourceChannels * columns;
  }
  int64_t groupBegin(int64_t group) const { return pixels * group / groups; }
  int64_t groupBytes() const {
    return amx::panelsOf(spec.outChannels) * amx::panelBytes((pixels + groups - 1) / groups);
  }

  void weightGrad(const T *x, const T *dy, T *result, ThreadPool &pool) const {
    float *sums = scratch<float>(ScratchUse::LayoutW, groups * sumsOfGroup);
    char *packed = scratch<char>(ScratchUse::LayoutY, groups * groupBytes());
    int64_t panels = amx::panelsOf(spec.outChannels), parts = static_cast<int64_t>(depths.size());
    if (pixels == 0) std::fill(sums, sums + groups * sumsOfGroup, 0.0f);
    pool.parallelFor(pixels ? groups * panels : 0, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t group = i / panels, from = groupBegin(group), count = groupBegin(group + 1) - from;
        amx::packB(packed + group * groupBytes(), {dy + from * spec.outChannels, spec.outChannels, 1}, count, spec.outChannels,
                   {i % panels, i % panels + 1, 0, count});
      }
    });
    pool.parallelFor(pixels ? groups * parts : 0, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) runGradChunk(i / parts, depths[i % parts], x, packed, sums);
    });
    storeWeightSums(sums, {groups, sumsOfGroup, columns}, spec, result, pool);
  }

  void runGradChunk(int64_t group, const ConvDepth &part, const T *x, const char *packed, float *sums) const {
    int64_t from = groupBegin(group), count = groupBegin(group + 1) - from, row = rowOf(part.depth());
    T *rows = scratch<T>(ScratchUse::Columns, count * row);
    gatherRows(shapes, shapes.passes[0], part, x, from, from + count, rows, row);
    amx::Block block{isa, part.depth(), spec.outChannels, count, {rows, 1, row}, packed + group * groupBytes()};
    amx::multiply(block, sums + group * sumsOfGroup + part.begin(shapes.sourceChannels) * columns, columns);
  }

  ConvSpec spec;
  ConvRowShapes shapes;
  amx::Isa isa;
  std::vector<PassPlan> plans;
  int64_t taps = 0, weightBytes = 0, chunks = 0;
  std::vector<ConvDepth> depths; // WeightGrad
  int64_t pixels = 0, groups = 1, columns = 0, sumsOfGroup = 0;
};

} // namespace

std::shared_ptr<const ConvPlan> makeHalfRowsConv(const ConvSpec &spec) {
  if (spec.dtype != DType::BF16 || amx::isa() == amx::Isa::None) return nullptr;
  return std::make_shared<const HalfRowsConv>(spec, amx::isa());
}

} // namespace tinyfin
