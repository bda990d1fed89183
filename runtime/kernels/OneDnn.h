// SPDX-License-Identifier: Apache-2.0
// Plans of matrix products and convolutions: made once for a static shape, run many times from any thread. They choose
// between oneDNN and own kernels, and how the work is cut into chunks (by the shape alone). Eager kernels and compiled
// code run the same plans.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include "runtime/ThreadPool.h"
#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace tinyfin {

/// What is done to a product before it is stored: `+ bias` over the columns (matmul) or output channels (conv2d),
/// `+ what the output holds`, then relu.
struct Epilogue {
  bool bias = false, accumulate = false, relu = false;
};

inline constexpr int kMaxBatchRank = 6;

/// lhs @ rhs over the last two axes. The batch axes that broadcast are strides of 0.
struct MatmulSpec {
  DType dtype = DType::F32;
  bool transposeLhs = false, transposeRhs = false;
  int64_t m = 0, n = 0, k = 0;
  int batchRank = 0;
  std::array<int64_t, kMaxBatchRank> batch{}, lhsStride{}, rhsStride{}; // strides count elements
  Epilogue epilogue;

  /// From operand dims whose shapes were checked; axes of a batch that can be merged are.
  static StatusOr<MatmulSpec> from(DType dtype, std::span<const int64_t> lhs, std::span<const int64_t> rhs,
                                   bool transposeLhs, bool transposeRhs);
  int64_t batches() const;
};

class MatmulPlan {
public:
  /// Cheap unless oneDNN takes part (large bf16 products), whose primitives are cached by the process.
  static StatusOr<MatmulPlan> create(const MatmulSpec &spec);
  /// Row-major operands of the spec's dtype; `bias` is read if the epilogue asks for it.
  Status execute(const void *lhs, const void *rhs, void *result, ThreadPool &pool, const void *bias = nullptr) const;
  int64_t chunks() const { return tiles; }

private:
  struct Tile;
  Tile tileAt(int64_t index) const;
  void runOwn(const Tile &tile, const void *lhs, const void *rhs, void *result, const void *bias) const;
  Status runLibrary(const Tile &tile, const void *lhs, const void *rhs, void *result, const void *bias) const;

  MatmulSpec spec;
  int64_t tileRows = 0, tileCols = 0; // of C a chunk
  int64_t rowTiles = 0, colTiles = 0, tiles = 0, grain = 1;
  std::array<std::shared_ptr<const class MatmulPrimitive>, 4> library; // full and last tile, by rows and columns
};

enum class ConvKind : uint8_t { Forward, InputGrad, WeightGrad };

/// conv2d of x [images, inChannels, h, w] with weight [outChannels, inChannels, kh, kw] and one of its gradients.
struct ConvSpec {
  ConvKind kind = ConvKind::Forward;
  DType dtype = DType::F32;
  int64_t images = 0, inChannels = 0, outChannels = 0;
  std::array<int64_t, 2> input{}, kernel{}, strides{1, 1}, padding{}; // height, width
  Epilogue epilogue;                                                  // Forward only
  std::array<int64_t, 2> output() const;
};

class ConvPlan {
public:
  /// Not cheap (oneDNN generates code): keep it, or use `cached`.
  static StatusOr<std::shared_ptr<const ConvPlan>> create(const ConvSpec &spec);
  /// From the process's bounded cache.
  static StatusOr<std::shared_ptr<const ConvPlan>> cached(const ConvSpec &spec);
  virtual ~ConvPlan() = default;
  /// Row-major NCHW and OIHW. (first, second) -> result: Forward (x, weight) -> y, InputGrad (dy, weight) -> dx,
  /// WeightGrad (x, dy) -> dweight.
  virtual Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                         const void *bias = nullptr) const = 0;
};

} // namespace tinyfin
