// SPDX-License-Identifier: Apache-2.0
// fin.embedding: rows of a table by index.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"

namespace tinyfin {
namespace {

template <class Index> Status gatherRows(const KernelArgs &args) {
  const TensorArg &weight = args.inputs[0], &indices = args.inputs[1];
  const Index *index = indices.as<const Index>();
  int64_t rows = weight.dims[0], count = indices.numElements();
  for (int64_t i = 0; i < count; ++i)
    if (index[i] < 0 || index[i] >= rows)
      return Status::error(StatusCode::OutOfRange, "index " + std::to_string(index[i]) + " is out of range for " +
                                                       std::to_string(rows) + " rows");
  size_t rowBytes = weight.dims[1] * sizeOf(weight.dtype);
  const char *from = weight.as<const char>();
  char *to = args.outputs[0].as<char>();
  args.pool.parallelFor(count, rowsPerChunk(weight.dims[1]), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::memcpy(to + i * rowBytes, from + index[i] * rowBytes, rowBytes);
  });
  return Status::ok();
}

} // namespace

Status Kernel<"fin.embedding">::run(const KernelArgs &args) {
  return args.inputs[1].dtype == DType::I32 ? gatherRows<int32_t>(args) : gatherRows<int64_t>(args);
}

} // namespace tinyfin
