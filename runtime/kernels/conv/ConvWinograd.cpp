// SPDX-License-Identifier: Apache-2.0
// In the transformed domain a convolution is 36 independent matrix products, one a point. With T tiles of 4x4 outputs:
//   Forward, InputGrad   M[point][T, targets] = V[point][T, sources] * U[point][sources, targets]
//   WeightGrad           W[point][sources, targets] = V[point]^T * Z[point], summed over tiles
// What is transformed is larger than what it is made of, so it should not leave the L2 cache:
//   Tiles     many tiles: a chunk takes some of them through all stages
//   Channels  few tiles, many weights: a chunk transforms the weights of some channels and takes all tiles through them
//   Stages    between the two: each stage is done as a whole; the points are the chunks of the products. Batches of tiles bound the memory
// The input's gradient is a convolution of dy with the kernel turned by 180 degrees.
#include "runtime/kernels/conv/ConvWinograd.h"
#include "runtime/Config.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/conv/ConvWeights.h"
#include "runtime/kernels/conv/WinogradTransforms.h"
#include <algorithm>

namespace tinyfin {
namespace {

using namespace winograd;

constexpr int64_t kPanel = gemm::kTileCols<float>;
constexpr int64_t kBlockTiles = 28;       // a chunk that goes through all stages
constexpr int64_t kBlockFloats = 1 << 18; // of transformed values a chunk, so that they stay in L2
constexpr int64_t kBatchFloats = 3 << 18; // of transformed values at a time where a stage is done as a whole
constexpr int64_t kGroupFloats = 3 << 16; // of partial sums of a weight gradient, likewise
constexpr int64_t kMostGroups = 16;
constexpr int64_t kSliceSources = 128;    // of weights transformed at a time, by a panel of targets
constexpr int64_t kBlockChannels = 64;    // sources and targets of a weight gradient, a chunk
constexpr int64_t kFewestTiles = 16;      // that pay for transformed weights

/// Tiles of 4x4 outputs, image by image.
struct Tiles {
  int64_t high, wide, count;
  Tiles(int64_t images, std::array<int64_t, 2> output)
      : high((output[0] + kOut - 1) / kOut), wide((output[1] + kOut - 1) / kOut), count(images * high * wide) {}
};

/// Channels-last images, and where a tile's window begins in them.
struct Images {
  std::array<int64_t, 2> size;
  int64_t channels;
  std::array<int64_t, 2> padding{0, 0};

  /// places[i] = offset of the window's place i, or -1 outside; `extent` x `extent` places.
  void places(const Tiles &tiles, int64_t tile, int extent, int64_t *places) const {
    int64_t image = tile / (tiles.high * tiles.wide), y0 = tile / tiles.wide % tiles.high * kOut - padding[0],
            x0 = tile % tiles.wide * kOut - padding[1];
    for (int i = 0; i < extent; ++i)
      for (int j = 0; j < extent; ++j) {
        int64_t y = y0 + i, x = x0 + j;
        bool isInside = y >= 0 && y < size[0] && x >= 0 && x < size[1];
        places[i * extent + j] = isInside ? ((image * size[0] + y) * size[1] + x) * channels : -1;
      }
  }
};

/// to[point * pointStride + channel] of one tile, for all channels.
template <class T>
void transformTile(const float *images, const int64_t *places, const float *zeros, int64_t channels, float *to,
                   int64_t pointStride) {
  const float *from[T::from * T::from];
  for (int i = 0; i < T::from * T::from; ++i) from[i] = places[i] < 0 ? zeros : images + places[i];
  for (int64_t c = 0; c < channels; c += kLanes)
    transform<T>([&](int i) { return *reinterpret_cast<const V *>(from[i] + c); },
                 [&](int i, V value) { *reinterpret_cast<V *>(to + i * pointStride + c) = value; });
}

/// A matrix of rows of tiles: a point after the other.
struct Points {
  float *data;
  int64_t rows, stride; // rows a point, floats a row
  float *at(int64_t point, int64_t row) const { return data + (point * rows + row) * stride; }
  int64_t pointStride() const { return rows * stride; }
};

/// Rows not a power of two apart.
int64_t rowOf(int64_t channels) { return channels + kLanes; }

class WinogradConv final : public ConvPlan {
public:
  explicit WinogradConv(const ConvSpec &spec)
      : spec(spec), tiles(spec.images, spec.kind == ConvKind::InputGrad ? spec.input : spec.output()) {
    bool isInputGrad = spec.kind == ConvKind::InputGrad;
    source = {isInputGrad ? spec.output() : spec.input, isInputGrad ? spec.outChannels : spec.inChannels, spec.padding};
    target = {isInputGrad ? spec.input : spec.output(), isInputGrad ? spec.inChannels : spec.outChannels};
    if (isInputGrad) source.padding = {2 - spec.padding[0], 2 - spec.padding[1]};
    panels = (target.channels + kPanel - 1) / kPanel;
    columns = panels * kPanel;
    bool hasManyTiles;
    if (spec.kind == ConvKind::WeightGrad) {
      groups = std::clamp<int64_t>(tiles.count / (2 * kBlockTiles), 1, kMostGroups);
      hasManyTiles = groups >= 8 && kPoints * source.channels * columns <= kGroupFloats;
      if (!hasManyTiles) groups = 1;
    } else {
      int64_t most = kBlockFloats / (kPoints * std::max(source.channels, target.channels));
      blockTiles = std::min(kBlockTiles, std::max<int64_t>(most, 1));
      hasManyTiles = blockTiles >= 12 && tiles.count >= 12 * blockTiles;
    }
    bool hasManyWeights = source.channels * target.channels >= 2 * tiles.count * (source.channels + target.channels);
    form = hasManyTiles ? Form::Tiles : hasManyWeights ? Form::Channels : Form::Stages;
    if (form == Form::Stages && !config::isDisabled("winograd-batches"))
      batches = std::clamp<int64_t>(kPoints * tiles.count * std::max(source.channels, columns) / kBatchFloats, 1, tiles.count / kFewestTiles);
  }

  Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                 const void *bias) const override {
    auto *a = static_cast<const float *>(first), *b = static_cast<const float *>(second);
    auto *c = static_cast<float *>(result);
    float *zeros = scratch<float>(ScratchUse::Rows, std::max(source.channels, target.channels));
    std::fill(zeros, zeros + std::max(source.channels, target.channels), 0.0f);
    if (spec.kind == ConvKind::WeightGrad) return weightGrad(a, b, c, zeros, pool), Status::ok();
    Call call{a, nullptr, c, static_cast<const float *>(bias), zeros};
    if (form == Form::Channels) return forwardByChannels(call, b, pool), Status::ok();
    float *u = scratch<float>(ScratchUse::LayoutW, kPoints * source.channels * columns);
    transformWeights(b, u, pool);
    call.u = u;
    form == Form::Tiles ? forwardByTiles(call, pool) : forwardInStages(call, pool);
    return Status::ok();
  }

private:
  enum class Form : uint8_t { Tiles, Channels, Stages };
  struct Call {
    const float *images, *u;
    float *result;
    const float *bias, *zeros;
  };

  /// u[point][panel][source][kPanel]
  void transformWeights(const float *weights, float *u, ThreadPool &pool) const {
    bool isTurned = spec.kind == ConvKind::InputGrad;
    const int64_t pointStride = source.channels * columns;
    if (columns != target.channels)
      for (int64_t point = 0; point < kPoints; ++point)
        for (int64_t s = 0; s < source.channels; ++s)
          std::fill_n(u + point * pointStride + ((panels - 1) * source.channels + s) * kPanel + kLanes, kPanel - kLanes, 0.0f);
    WeightSquares squares{spec.outChannels, spec.inChannels, 9, isTurned};
    forEachWeightSquare(weights, squares, pool, [&](int64_t s, int64_t t, const float *square) {
      transformSquare(square, u + (t / kPanel * source.channels + s) * kPanel + t % kPanel, pointStride);
    });
  }
  /// to[point * pointStride + source * kPanel + target] of square[source][tap][target], kLanes of both.
  void transformSquare(const float *square, float *to, int64_t pointStride) const {
    bool isTurned = spec.kind == ConvKind::InputGrad;
    for (int64_t j = 0; j < kLanes; ++j, square += 9 * kLanes, to += kPanel)
      transform<Kernel>([&](int k) { return *reinterpret_cast<const V *>(square + (isTurned ? 8 - k : k) * kLanes); },
                        [&](int k, V value) { *reinterpret_cast<V *>(to + k * pointStride) = value; });
  }

  template <class T>
  void transformTiles(const Images &images, const float *data, const float *zeros, int64_t begin, int64_t end,
                      const Points &to, int64_t firstRow) const {
    int64_t places[kPoints];
    for (int64_t tile = begin; tile < end; ++tile) {
      images.places(tiles, tile, T::from, places);
      transformTile<T>(data, places, zeros, images.channels, to.at(0, firstRow + tile - begin), to.pointStride());
    }
  }

  /// M[point] = or += V[point] * b for all rows of a panel of columns, from source `first` on.
  void multiplyPanel(const Points &v, int64_t first, const float *b, int64_t depth, const Points &m, int64_t column,
                     int64_t point, int64_t rows, bool accumulate) const {
    int64_t blocks = (rows + gemm::kTileRows - 1) / gemm::kTileRows;
    for (int64_t i = 0; i < blocks; ++i) {
      int64_t row = rows * i / blocks, count = rows * (i + 1) / blocks - row;
      multiplyRows(v.at(point, row) + first, v.stride, b, kPanel, depth, m.at(point, row) + column, m.stride, count, accumulate);
    }
  }
  void multiply(const Points &v, const float *u, const Points &m, int64_t point, int64_t rows) const {
    for (int64_t panel = 0; panel < panels; ++panel)
      multiplyPanel(v, 0, u + (point * panels + panel) * source.channels * kPanel, source.channels, m, panel * kPanel, point, rows, false);
  }

  /// Channels [first, first + count) of the target, which m's rows begin with.
  void storeTiles(const Points &m, int64_t firstRow, int64_t begin, int64_t end, const Call &call, int64_t first, int64_t count) const {
    int64_t places[kOut * kOut];
    for (int64_t tile = begin; tile < end; ++tile) {
      target.places(tiles, tile, kOut, places);
      const float *from = m.at(0, firstRow + tile - begin);
      for (int64_t c = 0; c < count; c += kLanes) {
        V bias = spec.epilogue.bias ? *reinterpret_cast<const V *>(call.bias + first + c) : V{};
        transform<Output>([&](int i) { return *reinterpret_cast<const V *>(from + i * m.pointStride() + c); },
                          [&](int i, V value) {
                            if (places[i] < 0) return;
                            V *to = reinterpret_cast<V *>(call.result + places[i] + first + c);
                            value += bias;
                            if (spec.epilogue.accumulate) value += *to;
                            if (spec.epilogue.relu) value = value < V{} ? V{} : value; // a NaN stays
                            *to = value;
                          });
      }
    }
  }

  void forwardByTiles(const Call &call, ThreadPool &pool) const {
    int64_t blocks = (tiles.count + blockTiles - 1) / blockTiles;
    pool.parallelFor(blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        int64_t begin = tiles.count * block / blocks, end = tiles.count * (block + 1) / blocks;
        Points v = newPoints(ScratchUse::LayoutX, blockTiles, source.channels), m = newPoints(ScratchUse::LayoutY, blockTiles, columns);
        transformTiles<Input>(source, call.images, call.zeros, begin, end, v, 0);
        for (int64_t point = 0; point < kPoints; ++point) multiply(v, call.u, m, point, end - begin);
        storeTiles(m, 0, begin, end, call, 0, target.channels);
      }
    });
  }

  void forwardInStages(const Call &call, ThreadPool &pool) const {
    forEachBatch([&](int64_t from, int64_t to) {
      Points v = transformedInput(call.images, call.zeros, from, to, pool), m = newPoints(ScratchUse::LayoutY, to - from, columns);
      pool.parallelFor(kPoints, 1, [&](int64_t begin, int64_t end) {
        for (int64_t point = begin; point < end; ++point) multiply(v, call.u, m, point, to - from);
      });
      pool.parallelFor(to - from, tileGrain(target.channels),
                       [&](int64_t begin, int64_t end) { storeTiles(m, begin, from + begin, from + end, call, 0, target.channels); });
    });
  }
  template <class Run> void forEachBatch(Run run) const {
    for (int64_t batch = 0; batch < batches; ++batch) run(tiles.count * batch / batches, tiles.count * (batch + 1) / batches);
  }

  /// Tiles [from, to), in scratch of the calling thread.
  Points transformedInput(const float *images, const float *zeros, int64_t from, int64_t to, ThreadPool &pool) const {
    Points v = newPoints(ScratchUse::LayoutX, to - from, source.channels);
    pool.parallelFor(to - from, tileGrain(source.channels), [&](int64_t begin, int64_t end) {
      transformTiles<Input>(source, images, zeros, from + begin, from + end, v, begin);
    });
    return v;
  }

  void forwardByChannels(const Call &call, const float *weights, ThreadPool &pool) const {
    Points v = transformedInput(call.images, call.zeros, 0, tiles.count, pool);
    pool.parallelFor(panels, 1, [&](int64_t begin, int64_t end) {
      Points m = newPoints(ScratchUse::LayoutY, tiles.count, kPanel);
      float *u = scratch<float>(ScratchUse::Columns, kPoints * kSliceSources * kPanel);
      for (int64_t panel = begin; panel < end; ++panel) {
        int64_t count = std::min(kPanel, target.channels - panel * kPanel);
        for (int64_t s = 0; s < source.channels; s += kSliceSources) {
          int64_t depth = std::min(kSliceSources, source.channels - s);
          transformSlice(weights, s, depth, panel * kPanel, count, u);
          for (int64_t point = 0; point < kPoints; ++point)
            multiplyPanel(v, s, u + point * kSliceSources * kPanel, depth, m, 0, point, tiles.count, s > 0);
        }
        storeTiles(m, 0, 0, tiles.count, call, panel * kPanel, count);
      }
    });
  }
  /// u[point][source - first][target - column]
  void transformSlice(const float *weights, int64_t first, int64_t depth, int64_t column, int64_t count, float *u) const {
    bool isTurned = spec.kind == ConvKind::InputGrad;
    alignas(64) float loaded[9 * kLanes * kLanes], swapped[9 * kLanes * kLanes];
    if (count < kPanel) std::fill(u, u + kPoints * kSliceSources * kPanel, 0.0f);
    for (int64_t s = 0; s < depth; s += kLanes)
      for (int64_t t = 0; t < count; t += kLanes) {
        WeightBlock block{spec.inChannels, 9, isTurned ? first + s : column + t, isTurned ? column + t : first + s};
        loadOutputLanes(weights, block, loaded);
        if (isTurned) swapLanes(loaded, block, swapped);
        transformSquare(isTurned ? swapped : loaded, u + s * kPanel + t, kSliceSources * kPanel);
      }
  }
  static int64_t tileGrain(int64_t channels) { return std::max<int64_t>(1, 512 / channels); }

  // ---- WeightGrad: sums[group][point][source][columns]

  /// w[source][row] = or += V[point]^T * Z[point] over `rows` tiles, for some sources and targets.
  void multiplyGradients(const Points &v, const Points &z, int64_t point, int64_t rows, int64_t source, int64_t sources,
                         int64_t target, int64_t targets, float *w, int64_t row, bool accumulate) const {
    for (int64_t t = 0; t < targets; t += kPanel)
      for (int64_t s = 0; s < sources; s += gemm::kTileRows) {
        int64_t count = std::min<int64_t>(gemm::kTileRows, sources - s);
        multiplyNeighbours(v.at(point, 0) + source + s, v.stride, z.at(point, 0) + target + t, z.stride, rows, w + s * row + t, row,
                           count, accumulate);
      }
  }
  void multiplyGradients(const Points &v, const Points &z, int64_t point, int64_t rows, float *w, bool accumulate) const {
    multiplyGradients(v, z, point, rows, 0, source.channels, 0, columns, w + point * source.channels * columns, columns, accumulate);
  }

  void weightGrad(const float *x, const float *dy, float *result, const float *zeros, ThreadPool &pool) const {
    if (form == Form::Channels) return gradientsByChannels(x, dy, result, zeros, pool);
    int64_t sums = kPoints * source.channels * columns;
    float *w = scratch<float>(ScratchUse::LayoutW, groups * sums);
    form == Form::Tiles ? gradientsByTiles(x, dy, w, zeros, pool) : gradientsInStages(x, dy, w, zeros, pool);
    const int64_t blocks = source.channels / kLanes;
    pool.parallelFor(blocks * (target.channels / kLanes), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t s = i % blocks * kLanes, t = i / blocks * kLanes;
        storeGradients(w + s * columns + t, source.channels * columns, columns, sums, s, t, result);
      }
    });
  }

  /// kLanes sources by kLanes targets of the gradient: the sum of `groups` transformed ones, `sums` apart, turned back.
  void storeGradients(const float *w, int64_t pointStride, int64_t row, int64_t sums, int64_t s, int64_t t, float *result) const {
    alignas(64) float square[9 * kLanes * kLanes]; // [source][tap][target]
    for (int64_t j = 0; j < kLanes; ++j) {
      const float *from = w + j * row;
      transform<KernelGradient>(
          [&](int point) {
            V sum = *reinterpret_cast<const V *>(from + point * pointStride);
            for (int64_t group = 1; group < groups; ++group)
              sum += *reinterpret_cast<const V *>(from + group * sums + point * pointStride);
            return sum;
          },
          [&](int k, V value) { *reinterpret_cast<V *>(square + (j * 9 + k) * kLanes) = value; });
    }
    storeOutputLanes(square, {spec.inChannels, 9, t, s}, result);
  }

  Points newPoints(ScratchUse use, int64_t rows, int64_t channels) const {
    return {scratch<float>(use, kPoints * rows * rowOf(channels)), rows, rowOf(channels)};
  }
  /// The columns that pad the last panel.
  void clearPadding(const Points &z) const {
    if (columns == target.channels) return;
    for (int64_t row = 0; row < kPoints * z.rows; ++row)
      std::fill(z.data + row * z.stride + target.channels, z.data + row * z.stride + columns, 0.0f);
  }

  void gradientsByTiles(const float *x, const float *dy, float *w, const float *zeros, ThreadPool &pool) const {
    pool.parallelFor(groups, 1, [&](int64_t first, int64_t last) {
      Points v = newPoints(ScratchUse::LayoutX, kBlockTiles, source.channels), z = newPoints(ScratchUse::LayoutY, kBlockTiles, columns);
      clearPadding(z);
      for (int64_t group = first; group < last; ++group) {
        int64_t from = tiles.count * group / groups, to = tiles.count * (group + 1) / groups;
        float *sums = w + group * kPoints * source.channels * columns;
        for (int64_t begin = from; begin < to; begin += kBlockTiles) {
          int64_t end = std::min(begin + kBlockTiles, to);
          transformTiles<Input>(source, x, zeros, begin, end, v, 0);
          transformTiles<Gradient>(target, dy, zeros, begin, end, z, 0);
          for (int64_t point = 0; point < kPoints; ++point) multiplyGradients(v, z, point, end - begin, sums, begin > from);
        }
      }
    });
  }

  /// Tiles [from, to) of x and dy.
  std::pair<Points, Points> transformedPair(const float *x, const float *dy, const float *zeros, int64_t from, int64_t to,
                                            ThreadPool &pool) const {
    Points v = newPoints(ScratchUse::LayoutX, to - from, source.channels), z = newPoints(ScratchUse::LayoutY, to - from, columns);
    clearPadding(z);
    pool.parallelFor(to - from, tileGrain(source.channels + target.channels), [&](int64_t begin, int64_t end) {
      transformTiles<Input>(source, x, zeros, from + begin, from + end, v, begin);
      transformTiles<Gradient>(target, dy, zeros, from + begin, from + end, z, begin);
    });
    return {v, z};
  }

  void gradientsInStages(const float *x, const float *dy, float *w, const float *zeros, ThreadPool &pool) const {
    forEachBatch([&](int64_t from, int64_t to) {
      auto [v, z] = transformedPair(x, dy, zeros, from, to, pool);
      pool.parallelFor(kPoints, 1, [&, v = v, z = z](int64_t begin, int64_t end) {
        for (int64_t point = begin; point < end; ++point) multiplyGradients(v, z, point, to - from, w, from > 0);
      });
    });
  }

  void gradientsByChannels(const float *x, const float *dy, float *result, const float *zeros, ThreadPool &pool) const {
    auto [v, z] = transformedPair(x, dy, zeros, 0, tiles.count, pool);
    const int64_t high = (source.channels + kBlockChannels - 1) / kBlockChannels, wide = (columns + kBlockChannels - 1) / kBlockChannels;
    pool.parallelFor(high * wide, 1, [&, v = v, z = z](int64_t begin, int64_t end) {
      constexpr int64_t pointStride = kBlockChannels * kBlockChannels;
      float *w = scratch<float>(ScratchUse::Columns, kPoints * pointStride);
      for (int64_t i = begin; i < end; ++i) {
        int64_t s0 = i % high * kBlockChannels, t0 = i / high * kBlockChannels;
        int64_t sources = std::min(kBlockChannels, source.channels - s0), targets = std::min(kBlockChannels, columns - t0);
        for (int64_t point = 0; point < kPoints; ++point)
          multiplyGradients(v, z, point, tiles.count, s0, sources, t0, targets, w + point * pointStride, kBlockChannels, false);
        for (int64_t s = 0; s < sources; s += kLanes)
          for (int64_t t = 0; t < targets && t0 + t < target.channels; t += kLanes)
            storeGradients(w + s * kBlockChannels + t, pointStride, kBlockChannels, 0, s0 + s, t0 + t, result);
      }
    });
  }

  ConvSpec spec;
  Tiles tiles;
  Images source{}, target{};
  int64_t panels = 0, columns = 0, blockTiles = 0, groups = 1, batches = 1;
  Form form = Form::Stages;
};

} // namespace

bool prefersWinograd(const ConvSpec &spec) {
  if (spec.dtype != DType::F32 || !spec.channelsLast || gemm::kLanes<float> != 16) return false;
  for (int i = 0; i < 2; ++i)
    if (spec.kernel[i] != 3 || spec.strides[i] != 1 || spec.padding[i] > 2) return false;
  if (spec.inChannels % kLanes || spec.outChannels % kLanes || std::min(spec.inChannels, spec.outChannels) < 32) return false;
  // Tiles that reach over the edge are computed in vain.
  auto made = spec.kind == ConvKind::InputGrad ? spec.input : spec.output();
  Tiles tiles(1, made);
  return spec.images * tiles.count >= kFewestTiles && tiles.count * kPoints * 2 <= made[0] * made[1] * 9;
}

std::shared_ptr<const ConvPlan> makeWinogradConv(const ConvSpec &spec) { return std::make_shared<const WinogradConv>(spec); }

} // namespace tinyfin
