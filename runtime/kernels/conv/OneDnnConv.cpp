// SPDX-License-Identifier: Apache-2.0
// Convolutions by oneDNN in the layouts it likes best. A chunk of images is brought into that layout in the thread's
// scratch, convolved and brought back; weights are brought there once a run.
#include "runtime/kernels/FirstError.h"
#include "runtime/kernels/Scratch.h"
#include "runtime/kernels/conv/ConvColumns.h"
#include "runtime/kernels/conv/OneDnnSupport.h"
#include <cstring>

namespace tinyfin {
namespace {

using dnnl::memory;

void run(const dnnl::primitive &primitive, std::initializer_list<dnnl_exec_arg_t> args) {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), onednn::stream().get(), static_cast<int>(args.size()), args.begin()),
      "could not execute a convolution");
}

/// An operand: row-major outside, oneDNN's choice inside.
struct Layout {
  memory::desc plain, best;
  dnnl::primitive enter, leave; // none where both are the same

  Layout() = default;
  Layout(const memory::desc &plain, const memory::desc &best) : plain(plain), best(best) {
    if (plain == best) return;
    enter = change(plain, best), leave = change(best, plain);
  }
  static dnnl::primitive change(const memory::desc &from, const memory::desc &to) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return dnnl::reorder(dnnl::reorder::primitive_desc(onednn::engine(), from, onednn::engine(), to, attributes));
  }
  bool isPlain() const { return !enter; }
  memory inside(void *plainData, ScratchUse use) const {
    return memory(best, onednn::engine(), isPlain() ? plainData : scratchBytes(use, best.get_size()));
  }
  void bringIn(const void *data, memory &to) const {
    if (isPlain()) return;
    memory from(plain, onednn::engine(), const_cast<void *>(data));
    run(enter, {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}});
  }
  void bringOut(memory &from, void *data) const {
    if (isPlain()) return;
    memory to(plain, onednn::engine(), data);
    run(leave, {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}});
  }
};

/// The primitive for a number of images.
struct Part {
  dnnl::primitive primitive;
  Layout x, y;
  memory::desc weights, scratchpad;

  Part() = default;
  Part(const ConvSpec &spec, int64_t images) {
    auto [height, width] = spec.output();
    auto type = onednn::typeOf(spec.dtype);
    memory::dims xDims{images, spec.inChannels, spec.input[0], spec.input[1]},
        yDims{images, spec.outChannels, height, width};
    memory::dims wDims{spec.outChannels, spec.inChannels, spec.kernel[0], spec.kernel[1]};
    memory::dims strides{spec.strides[0], spec.strides[1]}, padding{spec.padding[0], spec.padding[1]};
    using tag = memory::format_tag;
    memory::desc anyX(xDims, type, tag::any), anyY(yDims, type, tag::any), anyW(wDims, type, tag::any);
    dnnl::primitive_attr attributes = attributesOf(spec);
    auto direct = dnnl::algorithm::convolution_direct;
    dnnl::convolution_forward::desc forward =
        spec.epilogue.bias ? dnnl::convolution_forward::desc(dnnl::prop_kind::forward_training, direct, anyX, anyW,
                                                             memory::desc({spec.outChannels}, type, tag::a), anyY,
                                                             strides, padding, padding)
                           : dnnl::convolution_forward::desc(dnnl::prop_kind::forward_training, direct, anyX, anyW,
                                                             anyY, strides, padding, padding);
    dnnl::convolution_forward::primitive_desc hint(
        forward, spec.kind == ConvKind::Forward ? attributes : plainAttributes(), onednn::engine());
    memory::desc plainX(xDims, type, tag::nchw), plainY(yDims, type, tag::nchw);
    if (spec.kind == ConvKind::Forward) {
      x = Layout(plainX, hint.src_desc()), y = Layout(plainY, hint.dst_desc());
      weights = hint.weights_desc(), scratchpad = hint.scratchpad_desc();
      primitive = dnnl::convolution_forward(hint);
    } else if (spec.kind == ConvKind::InputGrad) {
      dnnl::convolution_backward_data::primitive_desc description({direct, anyX, anyW, anyY, strides, padding, padding},
                                                                  plainAttributes(), onednn::engine(), hint);
      x = Layout(plainX, description.diff_src_desc()), y = Layout(plainY, description.diff_dst_desc());
      weights = description.weights_desc(), scratchpad = description.scratchpad_desc();
      primitive = dnnl::convolution_backward_data(description);
    } else {
      // Partial sums in f32, whatever the operands are.
      memory::desc sums(wDims, memory::data_type::f32, tag::any);
      dnnl::convolution_backward_weights::primitive_desc description(
          {direct, anyX, sums, anyY, strides, padding, padding}, plainAttributes(), onednn::engine(), hint);
      x = Layout(plainX, description.src_desc()), y = Layout(plainY, description.diff_dst_desc());
      weights = description.diff_weights_desc(), scratchpad = description.scratchpad_desc();
      primitive = dnnl::convolution_backward_weights(description);
    }
  }

  static dnnl::primitive_attr plainAttributes() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }
  static dnnl::primitive_attr attributesOf(const ConvSpec &spec) {
    dnnl::primitive_attr attributes = plainAttributes();
    dnnl::post_ops after;
    if (spec.epilogue.accumulate) after.append_sum();
    if (spec.epilogue.relu) after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    attributes.set_post_ops(after);
    return attributes;
  }
  memory scratch() const {
    return memory(scratchpad, onednn::engine(), scratchBytes(ScratchUse::Library, scratchpad.get_size()));
  }
};

class LibraryConv final : public ConvPlan {
public:
  explicit LibraryConv(const ConvSpec &spec) : spec(spec), extents(spec) {
    full = Part(spec, std::min(extents.imagesPerChunk, spec.images));
    int64_t rest = spec.images % extents.imagesPerChunk;
    last = rest ? Part(spec, rest) : full;
    memory::dims dims{spec.outChannels, spec.inChannels, spec.kernel[0], spec.kernel[1]};
    memory::desc plain(dims, onednn::typeOf(spec.dtype), memory::format_tag::oihw);
    weights = Layout(plain, full.weights);
    lastNeedsOtherWeights = full.weights != last.weights;
    if (lastNeedsOtherWeights) lastWeights = Layout(plain, last.weights);
  }

  Status execute(const void *first, const void *second, void *result, ThreadPool &pool,
                 const void *bias) const override {
    FirstError error;
    if (spec.kind == ConvKind::WeightGrad) return weightGrad(first, second, result, pool);
    memory inner, innerLast;
    TINYFIN_RETURN_IF_ERROR(onednn::guarded("conv2d", [&] {
      inner = weights.inside(const_cast<void *>(second), ScratchUse::LayoutW);
      weights.bringIn(second, inner);
      if (!lastNeedsOtherWeights) return;
      innerLast = lastWeights.inside(const_cast<void *>(second), ScratchUse::Weight);
      lastWeights.bringIn(second, innerLast);
    }));
    pool.parallelFor(spec.images, extents.imagesPerChunk, [&](int64_t begin, int64_t end) {
      const Part &part = end - begin == extents.imagesPerChunk ? full : last;
      const memory &chosen = &part == &last && lastNeedsOtherWeights ? innerLast : inner;
      error.note(onednn::guarded("conv2d", [&] { runChunk(part, chosen, first, result, bias, begin); }));
    });
    return error.take();
  }

private:
  void runChunk(const Part &part, const memory &weights, const void *first, void *result, const void *bias,
                int64_t image) const {
    bool forward = spec.kind == ConvKind::Forward;
    const Layout &from = forward ? part.x : part.y, &to = forward ? part.y : part.x;
    int64_t size = static_cast<int64_t>(sizeOf(spec.dtype));
    auto *input =
        static_cast<const char *>(first) + image * size * (forward ? extents.inputImage : extents.outputImage);
    auto *output = static_cast<char *>(result) + image * size * (forward ? extents.outputImage : extents.inputImage);
    memory source = from.inside(const_cast<char *>(input), ScratchUse::LayoutX),
           target = to.inside(output, ScratchUse::LayoutY);
    memory scratch = part.scratch();
    from.bringIn(input, source);
    if (spec.epilogue.accumulate) to.bringIn(output, target);
    if (forward && spec.epilogue.bias) {
      memory offsets({{spec.outChannels}, onednn::typeOf(spec.dtype), memory::format_tag::a}, onednn::engine(),
                     const_cast<void *>(bias));
      run(part.primitive, {{DNNL_ARG_SRC, source.get()},
                           {DNNL_ARG_WEIGHTS, weights.get()},
                           {DNNL_ARG_BIAS, offsets.get()},
                           {DNNL_ARG_DST, target.get()},
                           {DNNL_ARG_SCRATCHPAD, scratch.get()}});
    } else {
      run(part.primitive, {{forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, source.get()},
                           {DNNL_ARG_WEIGHTS, weights.get()},
                           {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, target.get()},
                           {DNNL_ARG_SCRATCHPAD, scratch.get()}});
    }
    to.bringOut(target, output);
  }

  Status weightGrad(const void *x, const void *dy, void *result, ThreadPool &pool) const {
    FirstError error;
    int64_t size = static_cast<int64_t>(sizeOf(spec.dtype));
    int64_t stride = static_cast<int64_t>(full.weights.get_size() / sizeof(float));
    float *sums = scratch<float>(ScratchUse::LayoutW, extents.chunks * stride);
    pool.parallelFor(spec.images, extents.imagesPerChunk, [&](int64_t begin, int64_t end) {
      const Part &part = end - begin == extents.imagesPerChunk ? full : last;
      float *sum = sums + begin / extents.imagesPerChunk * stride;
      error.note(onednn::guarded("conv2d_weight_grad", [&] {
        runWeightChunk(part, static_cast<const char *>(x) + begin * size * extents.inputImage,
                       static_cast<const char *>(dy) + begin * size * extents.outputImage, sum);
      }));
    });
    TINYFIN_RETURN_IF_ERROR(error.take());
    pool.parallelFor(stride, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = 1; chunk < extents.chunks; ++chunk)
        for (int64_t i = begin; i < end; ++i) sums[i] += sums[chunk * stride + i];
    });
    return onednn::guarded("conv2d_weight_grad", [&] {
      memory total(full.weights, onednn::engine(), sums);
      if (weights.isPlain())
        std::memcpy(result, sums, full.weights.get_size());
      else
        weights.bringOut(total, result);
    });
  }

  void runWeightChunk(const Part &part, const char *x, const char *dy, float *sum) const {
    memory source = part.x.inside(const_cast<char *>(x), ScratchUse::LayoutX),
           gradient = part.y.inside(const_cast<char *>(dy), ScratchUse::LayoutY);
    memory scratch = part.scratch();
    part.x.bringIn(x, source);
    part.y.bringIn(dy, gradient);
    memory target;
    if (&part == &last && lastNeedsOtherWeights)
      target = memory(last.weights, onednn::engine(), scratchBytes(ScratchUse::Weight, last.weights.get_size()));
    else
      target = memory(full.weights, onednn::engine(), sum);
    run(part.primitive, {{DNNL_ARG_SRC, source.get()},
                         {DNNL_ARG_DIFF_DST, gradient.get()},
                         {DNNL_ARG_DIFF_WEIGHTS, target.get()},
                         {DNNL_ARG_SCRATCHPAD, scratch.get()}});
    if (target.get_data_handle() == sum) return;
    memory wanted(full.weights, onednn::engine(), sum);
    dnnl::reorder(target, wanted).execute(onednn::stream(), target, wanted);
  }

  ConvSpec spec;
  ConvExtents extents;
  Part full, last;
  Layout weights, lastWeights;
  bool lastNeedsOtherWeights = false;
};

} // namespace

StatusOr<std::shared_ptr<const ConvPlan>> makeLibraryConv(const ConvSpec &spec) {
  std::shared_ptr<const ConvPlan> plan;
  TINYFIN_RETURN_IF_ERROR(onednn::guarded("conv2d", [&] { plan = std::make_shared<const LibraryConv>(spec); }));
  return plan;
}

} // namespace tinyfin
