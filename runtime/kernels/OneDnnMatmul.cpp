// SPDX-License-Identifier: Apache-2.0
// Makes and runs oneDNN matmul primitives in the calling thread.
#include "runtime/kernels/OneDnnMatmul.h"
#include "runtime/kernels/OneDnnSupport.h"
#include "runtime/kernels/Scratch.h"

namespace tinyfin {
namespace {

using dnnl::memory;

class Primitive final : public MatmulPrimitive {
public:
  explicit Primitive(const MatmulPrimitiveSpec &spec) {
    auto type = onednn::typeOf(spec.dtype);
    memory::desc a({spec.m, spec.k}, type, memory::dims{spec.aRow, spec.aCol});
    memory::desc b({spec.k, spec.n}, type, memory::dims{spec.bRow, spec.bCol});
    memory::desc c({spec.m, spec.n}, type, memory::dims{spec.ldc, 1});
    dnnl::post_ops after;
    if (spec.epilogue.accumulate) after.append_sum();
    if (spec.epilogue.relu) after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(after);
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    memory::desc bias({1, spec.n}, type, memory::dims{spec.n, 1});
    auto operation = spec.epilogue.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
    dnnl::matmul::primitive_desc description(operation, attributes, onednn::engine());
    aDesc = a, bDesc = b, cDesc = c, biasDesc = bias;
    scratchDesc = description.scratchpad_desc();
    hasBias = spec.epilogue.bias;
    primitive = dnnl::matmul(description);
  }

  Status execute(const void *a, const void *b, void *c, const void *bias) const override {
    return onednn::guarded("matmul", [&] {
      const dnnl::engine &engine = onednn::engine();
      memory source(aDesc, engine, const_cast<void *>(a)), weights(bDesc, engine, const_cast<void *>(b));
      memory result(cDesc, engine, c), columns;
      memory scratchpad(scratchDesc, engine, scratchBytes(ScratchUse::Library, scratchDesc.get_size()));
      dnnl_exec_arg_t args[5] = {{DNNL_ARG_SRC, source.get()},
                                 {DNNL_ARG_WEIGHTS, weights.get()},
                                 {DNNL_ARG_DST, result.get()},
                                 {DNNL_ARG_SCRATCHPAD, scratchpad.get()}};
      if (hasBias) {
        columns = memory(biasDesc, engine, const_cast<void *>(bias));
        args[4] = {DNNL_ARG_BIAS, columns.get()};
      }
      dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive.get(), onednn::stream().get(), 4 + hasBias, args),
                              "could not execute");
    });
  }

private:
  memory::desc aDesc, bDesc, cDesc, biasDesc, scratchDesc;
  dnnl::primitive primitive;
  bool hasBias;
};

} // namespace

StatusOr<std::shared_ptr<const MatmulPrimitive>> MatmulPrimitive::cached(const MatmulPrimitiveSpec &spec) {
  static onednn::MadeOnce made(1024);
  const int64_t key[] = {static_cast<int64_t>(spec.dtype),
                         spec.m,
                         spec.n,
                         spec.k,
                         spec.aRow,
                         spec.aCol,
                         spec.bRow,
                         spec.bCol,
                         spec.ldc,
                         spec.epilogue.bias + 2 * spec.epilogue.accumulate + 4 * spec.epilogue.relu};
  auto object = made.get(key, [&]() -> StatusOr<onednn::MadeOnce::Object> {
    std::shared_ptr<const Primitive> primitive;
    TINYFIN_RETURN_IF_ERROR(onednn::guarded("matmul", [&] { primitive = std::make_shared<const Primitive>(spec); }));
    return onednn::MadeOnce::Object(primitive, static_cast<const MatmulPrimitive *>(primitive.get()));
  });
  if (!object.isOk()) return object.status();
  return std::static_pointer_cast<const MatmulPrimitive>(object.value());
}

} // namespace tinyfin
