// SPDX-License-Identifier: Apache-2.0
// The own convolution: each image unrolled into columns, one matrix product an image. For dtypes and shapes where
// oneDNN has nothing, or nothing faster.
#pragma once
#include "runtime/kernels/conv/OneDnn.h"

namespace tinyfin {

/// Equal for equal specs alone.
Words keyOf(const ConvSpec &spec);
/// Where oneDNN has no convolution, or a slow one.
bool prefersColumns(const ConvSpec &spec);
/// Any float dtype.
std::shared_ptr<const ConvPlan> makeColumnsConv(const ConvSpec &spec);
/// f32 and bf16; Unsupported where this machine's oneDNN has no such convolution.
StatusOr<std::shared_ptr<const ConvPlan>> makeLibraryConv(const ConvSpec &spec);

/// Sizes that both kinds of plan use.
struct ConvExtents {
  explicit ConvExtents(const ConvSpec &spec);
  int64_t inputImage, outputImage, weights; // elements
  int64_t work;                             // multiply-adds an image
  int64_t imagesPerChunk, chunks;           // fixed by the shape
};

} // namespace tinyfin
