// SPDX-License-Identifier: Apache-2.0
// fin.conv2d and its gradients: picks a plan for the shape, keeps it in a bounded cache and runs it.
#include "runtime/Config.h"
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/conv/ConvColumns.h"
#include "runtime/kernels/conv/ConvRows.h"
#include "runtime/kernels/conv/ConvWinograd.h"
#include "runtime/kernels/conv/OneDnnSupport.h"

namespace tinyfin {
namespace {

constexpr int64_t kChunkWork = 1 << 20;   // multiply-adds worth a thread and its change of layout
constexpr int64_t kChunkPositions = 1024; // output positions that pay for streaming the weights once more
constexpr int64_t kMaxChunks = 32, kMaxPartialSums = 8;

} // namespace

// With few input channels the blocks of the input's gradient are mostly padding (1 -> 6 channels of 28 x 28: 3.3 ms, by
// columns 0.45 ms).
bool prefersColumns(const ConvSpec &spec) {
  if (spec.dtype == DType::F64 || spec.dtype == DType::F16) return true;
  return spec.dtype == DType::F32 && spec.kind == ConvKind::InputGrad && spec.inChannels <= 4;
}

std::array<int64_t, 2> ConvSpec::output() const {
  std::array<int64_t, 2> size{};
  for (int i = 0; i < 2; ++i) size[i] = (input[i] + 2 * padding[i] - kernel[i]) / strides[i] + 1;
  return size;
}

ConvExtents::ConvExtents(const ConvSpec &spec) {
  auto [height, width] = spec.output();
  inputImage = spec.inChannels * spec.input[0] * spec.input[1];
  outputImage = spec.outChannels * height * width;
  weights = spec.outChannels * spec.inChannels * spec.kernel[0] * spec.kernel[1];
  work = weights * height * width;
  int64_t most = spec.kind == ConvKind::WeightGrad ? kMaxPartialSums : kMaxChunks;
  most = std::min(most, std::max<int64_t>(8, spec.images * height * width / kChunkPositions));
  int64_t wanted = std::clamp<int64_t>(spec.images * work / kChunkWork, 1, most);
  imagesPerChunk = std::max<int64_t>(1, (spec.images + wanted - 1) / wanted);
  chunks = (spec.images + imagesPerChunk - 1) / imagesPerChunk;
}

StatusOr<std::shared_ptr<const ConvPlan>> ConvPlan::create(const ConvSpec &spec) {
  if (prefersWinograd(spec) && !config::isDisabled("winograd")) return makeWinogradConv(spec);
  if (spec.channelsLast) {
    auto half = makeHalfRowsConv(spec);
    return half ? half : makeRowsConv(spec);
  }
  ConvExtents extents(spec);
  if (prefersColumns(spec) || spec.images * extents.work == 0) return makeColumnsConv(spec);
  auto library = makeLibraryConv(spec);
  if (library.status().code() == StatusCode::Unsupported) return makeColumnsConv(spec);
  return library;
}

Words keyOf(const ConvSpec &spec) {
  return {static_cast<int64_t>(spec.kind) * 256 + static_cast<int64_t>(spec.dtype),
          spec.epilogue.bias + 2 * spec.epilogue.accumulate + 4 * spec.epilogue.relu + 8 * spec.channelsLast,
          spec.images,
          spec.inChannels,
          spec.outChannels,
          spec.input[0],
          spec.input[1],
          spec.kernel[0],
          spec.kernel[1],
          spec.strides[0],
          spec.strides[1],
          spec.padding[0],
          spec.padding[1]};
}

StatusOr<std::shared_ptr<const ConvPlan>> ConvPlan::cached(const ConvSpec &spec) {
  static onednn::MadeOnce made(1024);
  const Words key = keyOf(spec);
  auto object = made.get(key, [&]() -> StatusOr<onednn::MadeOnce::Object> {
    auto plan = create(spec);
    if (!plan.isOk()) return plan.status();
    return onednn::MadeOnce::Object(plan.value());
  });
  if (!object.isOk()) return object.status();
  return std::static_pointer_cast<const ConvPlan>(object.value());
}

ConvSpec ConvSpec::from(ConvKind kind, DType dtype, std::span<const int64_t> first, std::span<const int64_t> second,
                        AttrReader attrs) {
  auto pairOf = [](std::span<const int64_t> list) { return std::array<int64_t, 2>{list[0], list[1]}; };
  ConvSpec spec;
  spec.kind = kind, spec.dtype = dtype, spec.images = first[0];
  if (kind == ConvKind::InputGrad) spec.input = pairOf(attrs.list());
  if (kind == ConvKind::WeightGrad) spec.kernel = pairOf(attrs.list());
  spec.strides = pairOf(attrs.list()), spec.padding = pairOf(attrs.list()), spec.channelsLast = attrs.flag();
  int channels = spec.channelsLast ? 3 : 1, height = spec.channelsLast ? 1 : 2;
  if (kind != ConvKind::InputGrad) spec.input = {first[height], first[height + 1]};
  if (kind != ConvKind::WeightGrad) spec.kernel = {second[2], second[3]};
  spec.inChannels = kind == ConvKind::InputGrad ? second[1] : first[channels];
  spec.outChannels = kind == ConvKind::WeightGrad ? second[channels] : second[0];
  return spec;
}

namespace {

Status runPlan(const KernelArgs &args, ConvKind kind) {
  const TensorArg &first = args.inputs[0], &second = args.inputs[1];
  auto plan = ConvPlan::cached(ConvSpec::from(kind, first.dtype, first.dims, second.dims, args.attrs));
  if (!plan.isOk()) return plan.status();
  return plan.value()->execute(first.data, second.data, args.outputs[0].data, args.pool);
}

} // namespace

Status Kernel<"fin.conv2d">::run(const KernelArgs &args) { return runPlan(args, ConvKind::Forward); }
Status Kernel<"fin.conv2d_input_grad">::run(const KernelArgs &args) { return runPlan(args, ConvKind::InputGrad); }
Status Kernel<"fin.conv2d_weight_grad">::run(const KernelArgs &args) { return runPlan(args, ConvKind::WeightGrad); }

} // namespace tinyfin
