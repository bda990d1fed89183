// SPDX-License-Identifier: Apache-2.0
// Convolutions over channels-last images as products of rows of pixels: which pixels, by which taps of the kernel.
#pragma once
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/conv/OneDnn.h"
#include <algorithm>
#include <vector>

namespace tinyfin {

/// Any float dtype, channels-last images.
std::shared_ptr<const ConvPlan> makeRowsConv(const ConvSpec &spec);
/// bf16 by its own instructions, channels-last images; null where this machine or the settings have none.
std::shared_ptr<const ConvPlan> makeHalfRowsConv(const ConvSpec &spec);

/// A place in the kernel, and where it reads: computed pixel (i, j) reads source (i * stride + y, j * stride + x).
struct ConvTap {
  int64_t y, x, kernel; // kernel: index into [KH * KW]
};

/// Pixels of the target that are computed by the same taps. A forward convolution is one pass; the input's gradient at
/// strides s is s * s of them, each without a product by zero.
struct ConvPass {
  int64_t height, width;             // pixels an image
  std::array<int64_t, 2> stride;     // in the source, a computed pixel
  std::array<int64_t, 2> first, step; // where computed pixels lie in the target
  std::vector<ConvTap> taps;
};

/// What is read and what is written, channels last.
struct ConvRowShapes {
  std::array<int64_t, 2> source, target;
  int64_t sourceChannels, targetChannels, images;
  std::vector<ConvPass> passes;
  /// Forward and InputGrad; of WeightGrad the shapes of Forward.
  explicit ConvRowShapes(const ConvSpec &spec);
};

/// Goes through the pixels of a pass from `pixel` on, image by image.
struct ConvPixel {
  int64_t image, row, column;
  ConvPixel(const ConvPass &pass, int64_t pixel)
      : image(pixel / (pass.height * pass.width)), row(pixel / pass.width % pass.height), column(pixel % pass.width) {}
  void next(const ConvPass &pass) {
    if (++column < pass.width) return;
    column = 0;
    if (++row < pass.height) return;
    row = 0, ++image;
  }
};

/// A part of a product's inner dimension: channels [channel, channel + channels) of taps [tap, tap + taps).
struct ConvDepth {
  int64_t tap, taps, channel, channels;
  int64_t depth() const { return taps * channels; }
  int64_t begin(int64_t sourceChannels) const { return tap * sourceChannels + channel; }
};

/// The parts, of up to `most` each: some taps, or some channels of one.
std::vector<ConvDepth> convDepths(int64_t taps, int64_t channels, int64_t most);

template <class T, class Acc> void convertRow(const T *__restrict from, Acc *__restrict to, int64_t count) {
  if constexpr (std::is_same_v<T, Acc>)
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  else
    for (int64_t i = 0; i < count; ++i) to[i] = load<T>(from[i]);
}

/// rows[p - begin, :] = the source under the taps, zeros outside it, for pixels p in [begin, end).
template <class T, class Acc>
void gatherRows(const ConvRowShapes &shapes, const ConvPass &pass, const ConvDepth &part, const T *source, int64_t begin,
                int64_t end, Acc *rows, int64_t rowStride) {
  for (int64_t t = 0; t < part.taps; ++t) {
    const ConvTap &tap = pass.taps[part.tap + t];
    Acc *to = rows + t * part.channels;
    ConvPixel at(pass, begin);
    for (int64_t p = begin; p < end; ++p, to += rowStride, at.next(pass)) {
      int64_t y = at.row * pass.stride[0] + tap.y, x = at.column * pass.stride[1] + tap.x;
      if (y >= 0 && y < shapes.source[0] && x >= 0 && x < shapes.source[1]) {
        int64_t place = (at.image * shapes.source[0] + y) * shapes.source[1] + x;
        convertRow(source + place * shapes.sourceChannels + part.channel, to, part.channels);
      } else {
        std::fill(to, to + part.channels, Acc());
      }
    }
  }
}

} // namespace tinyfin
