// SPDX-License-Identifier: Apache-2.0
// fin.attention, fin.packed_attention and their gradients: operands to specs.
#include "runtime/kernels/attention/Attention.h"
#include "runtime/kernels/Kernels.h"

namespace tinyfin {
namespace {

HeadStrides stridesOf(std::span<const int64_t> dims, bool headsFirst) {
  const int64_t inner = dims[2] * dims[3], batch = dims[1] * inner;
  return headsFirst ? HeadStrides{batch, inner, dims[3]} : HeadStrides{batch, dims[3], inner};
}

const void *maskOf(const KernelArgs &args, size_t operand) {
  return operand < args.inputs.size() ? args.inputs[operand].data : nullptr;
}
void setMask(AttentionSpec &spec, const KernelArgs &args, size_t operand) {
  if (operand < args.inputs.size()) spec.setMask(args.inputs[operand].dtype, args.inputs[operand].dims);
}

} // namespace

AttentionSpec AttentionSpec::ofHeads(DType dtype, std::span<const int64_t> q, std::span<const int64_t> k,
                                     std::span<const int64_t> v, AttrReader attrs) {
  AttentionSpec spec;
  spec.dtype = dtype;
  spec.isCausal = attrs.flag(), spec.scale = attrs.real();
  const bool headsFirst = attrs.flag();
  const size_t head = headsFirst ? 1 : 2, row = headsFirst ? 2 : 1;
  spec.batch = q[0], spec.heads = q[head], spec.queries = q[row], spec.keys = k[row];
  spec.depth = q[3], spec.valueDepth = v[3];
  const int64_t output[] = {q[0], q[1], q[2], v[3]}, rows[] = {q[0], q[1], q[2], 1};
  spec.q = stridesOf(q, headsFirst), spec.k = stridesOf(k, headsFirst), spec.v = stridesOf(v, headsFirst);
  spec.output = stridesOf(output, headsFirst), spec.rows = stridesOf(rows, headsFirst);
  return spec;
}

AttentionSpec AttentionSpec::ofPacked(DType dtype, std::span<const int64_t> packed, AttrReader attrs) {
  AttentionSpec spec;
  spec.dtype = dtype;
  spec.isCausal = attrs.flag(), spec.scale = attrs.real();
  spec.batch = packed[0], spec.queries = spec.keys = packed[1], spec.heads = packed[3];
  spec.depth = spec.valueDepth = packed[4];
  const int64_t width = spec.heads * spec.depth;
  spec.q = spec.k = spec.v = {spec.queries * 3 * width, spec.depth, 3 * width};
  spec.output = {spec.queries * width, spec.depth, width};
  spec.rows = {spec.queries * spec.heads, 1, spec.heads};
  return spec;
}

void AttentionSpec::setMask(DType maskType, std::span<const int64_t> dims) {
  mask = maskType == DType::Bool ? MaskKind::Bool : MaskKind::Number;
  int64_t stride = 1;
  for (int i = 3; i >= 0; stride *= dims[i--]) maskStrides[i] = dims[i] == 1 ? 0 : stride;
}

int64_t AttentionSpec::packedOffset(int part) const {
  return part * heads * depth * static_cast<int64_t>(sizeOf(dtype));
}

Status Kernel<"fin.attention">::run(const KernelArgs &args) {
  const TensorArg *x = args.inputs.data();
  AttentionSpec spec = AttentionSpec::ofHeads(x[0].dtype, x[0].dims, x[1].dims, x[2].dims, args.attrs);
  setMask(spec, args, 3);
  AttentionPlan(spec).forward({x[0].data, x[1].data, x[2].data}, maskOf(args, 3), args.outputs[0].data,
                              args.outputs[1].data, args.pool);
  return Status::ok();
}

Status Kernel<"fin.attention_grad">::run(const KernelArgs &args) {
  const TensorArg *x = args.inputs.data();
  AttentionSpec spec = AttentionSpec::ofHeads(x[1].dtype, x[1].dims, x[2].dims, x[3].dims, args.attrs);
  setMask(spec, args, 6);
  AttentionPlan(spec).backward(x[0].data, {x[1].data, x[2].data, x[3].data}, x[4].data, x[5].data, maskOf(args, 6),
                               {args.outputs[0].data, args.outputs[1].data, args.outputs[2].data}, args.pool);
  return Status::ok();
}

Status Kernel<"fin.packed_attention">::run(const KernelArgs &args) {
  const TensorArg *x = args.inputs.data();
  AttentionSpec spec = AttentionSpec::ofPacked(x[0].dtype, x[0].dims, args.attrs);
  setMask(spec, args, 1);
  AttentionPlan plan(spec);
  plan.forward(plan.partsOf<const void *>(x[0].data), maskOf(args, 1), args.outputs[0].data, args.outputs[1].data,
               args.pool);
  return Status::ok();
}

Status Kernel<"fin.packed_attention_grad">::run(const KernelArgs &args) {
  const TensorArg *x = args.inputs.data();
  AttentionSpec spec = AttentionSpec::ofPacked(x[1].dtype, x[1].dims, args.attrs);
  setMask(spec, args, 4);
  AttentionPlan plan(spec);
  plan.backward(x[0].data, plan.partsOf<const void *>(x[1].data), x[2].data, x[3].data, maskOf(args, 4),
                plan.partsOf<void *>(args.outputs[0].data), args.pool);
  return Status::ok();
}

} // namespace tinyfin
