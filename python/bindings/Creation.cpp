// SPDX-License-Identifier: Apache-2.0
// Tensors from shapes, numbers and the random generator.
#include "frontend/Random.h"
#include "python/bindings/Bindings.h"
#include <cmath>
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

Dims dimsOf(py::handle shape) {
  Dims dims;
  auto add = [&](py::handle item) {
    int64_t word = dimOfObject(item);
    if (word == -1) throw UserError(ErrorKind::Value, "an extent must not be negative, found -1");
    dims.push_back(Dim::fromWord(word));
  };
  if (PySequence_Check(shape.ptr()))
    for (py::handle item : shape) add(item);
  else
    add(shape);
  return dims;
}
/// zeros(2, 3) or zeros((2, 3))
Dims dimsOfArgs(const py::args &args) {
  return args.size() == 1 ? dimsOf(args[0]) : dimsOf(args);
}

Tensor finished(Var var, bool requiresGrad) {
  Tensor tensor = makeTensor(std::move(var));
  if (requiresGrad) tensor->setRequiresGrad(true);
  return tensor;
}
DType dtypeOr(py::object dtype, DType fallback) { return dtype.is_none() ? fallback : dtypeOfObject(dtype); }

Tensor filledWith(const Operand &value, const Dims &dims, DType dtype, bool requiresGrad) {
  return finished(filled(ops::asVar(value, dtype).value, dims), requiresGrad);
}

DType typeOfNumber(const Operand &value) {
  return value.number.index() == 0 ? DType::Bool : value.number.index() == 1 ? DType::I64 : DType::F32;
}

Tensor arange(const Operand &first, std::optional<Operand> last, std::optional<Operand> step, py::object dtype) {
  auto real = [](const Operand &operand) { return std::visit([](auto value) { return static_cast<double>(value); }, operand.number); };
  Operand start = last ? first : Operand::of(int64_t(0)), stop = last ? *last : first;
  Operand by = step.value_or(Operand::of(int64_t(1)));
  if (real(by) == 0) throw UserError(ErrorKind::Value, "arange: the step must not be 0");
  double count = std::ceil((real(stop) - real(start)) / real(by));
  if (!(count < 9e15)) throw UserError(ErrorKind::Value, "arange: too many elements");
  bool integral = typeOfNumber(start) != DType::F32 && typeOfNumber(stop) != DType::F32 && typeOfNumber(by) != DType::F32;
  DType type = dtypeOr(dtype, integral ? DType::I64 : DType::F32);
  Words attrs = shapeAttr({Dim(static_cast<int64_t>(std::max(count, 0.0)))});
  attrs.push_back(0);
  attrs.push_back(static_cast<int64_t>(type));
  Tensor result = makeTensor(applyOp(OpId::Iota, attrs, {})[0]);
  if (real(by) != 1) result = ops::binary(OpId::Mul, Operand::of(result), by);
  if (real(start) != 0) result = ops::binary(OpId::Add, Operand::of(result), start);
  return ops::cast(result, type);
}

Tensor random(OpId op, const Dims &dims, DType dtype, bool requiresGrad) {
  Words attrs = shapeAttr(dims);
  attrs.push_back(static_cast<int64_t>(dtype));
  return finished(applyRandomOp(op, attrs, {})[0], requiresGrad);
}

Tensor randint(int64_t low, int64_t high, const Dims &dims, DType dtype) {
  if (low >= high) throw UserError(ErrorKind::Value, "randint: low must be below high, found " + std::to_string(low) + " and " + std::to_string(high));
  // 24 bits of a uniform number; enough for ranges far below 2**24, which is what this is documented for.
  if (high - low > (1 << 24)) throw UserError(ErrorKind::Value, "randint: the range must not exceed 2**24");
  Tensor uniform = random(OpId::Uniform, dims, DType::F32, false);
  Tensor scaled = ops::binary(OpId::Mul, Operand::of(uniform), Operand::of(static_cast<double>(high - low)));
  return ops::cast(ops::binary(OpId::Add, Operand::of(ops::cast(scaled, DType::I64)), Operand::of(low)), dtype);
}

} // namespace

void addCreation(py::module_ &module) {
  struct Filled { const char *name; double value; };
  for (auto [name, value] : {Filled{"zeros", 0}, Filled{"ones", 1}, Filled{"empty", 0}}) {
    module.def(name, [value](py::args shape, py::object dtype, bool grad) { return filledWith(Operand::of(value), dimsOfArgs(shape), dtypeOr(dtype, DType::F32), grad); },
               py::kw_only(), py::arg("dtype") = py::none(), py::arg("requires_grad") = false);
    module.def((std::string(name) + "_like").c_str(), [value](const Tensor &x, py::object dtype, bool grad) { return filledWith(Operand::of(value), x->spec.dims, dtypeOr(dtype, x->spec.dtype), grad); },
               py::arg("input"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("requires_grad") = false);
  }
  module.def("full", [](py::object shape, const Operand &value, py::object dtype, bool grad) {
    return filledWith(value, dimsOf(shape), dtypeOr(dtype, value.isNumber() ? typeOfNumber(value) : value.tensor->spec.dtype), grad);
  }, py::arg("size"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("requires_grad") = false);
  module.def("full_like", [](const Tensor &x, const Operand &value, py::object dtype) { return filledWith(value, x->spec.dims, dtypeOr(dtype, x->spec.dtype), false); },
             py::arg("input"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none());
  module.def("arange", arange, py::arg("start"), py::arg("end") = py::none(), py::arg("step") = py::none(), py::kw_only(), py::arg("dtype") = py::none());

  struct Drawn { const char *name; OpId op; };
  for (auto [name, op] : {Drawn{"rand", OpId::Uniform}, Drawn{"randn", OpId::Normal}}) {
    module.def(name, [op](py::args shape, py::object dtype, bool grad) { return random(op, dimsOfArgs(shape), dtypeOr(dtype, DType::F32), grad); },
               py::kw_only(), py::arg("dtype") = py::none(), py::arg("requires_grad") = false);
    module.def((std::string(name) + "_like").c_str(), [op](const Tensor &x) { return random(op, x->spec.dims, x->spec.dtype, false); });
  }
  module.def("randint", [](int64_t low, py::object high, py::object size, py::object dtype) {
    // randint(high, size) or randint(low, high, size)
    if (size.is_none()) return randint(0, low, dimsOf(high), dtypeOr(dtype, DType::I64));
    return randint(low, high.cast<int64_t>(), dimsOf(size), dtypeOr(dtype, DType::I64));
  }, py::arg("low"), py::arg("high"), py::arg("size") = py::none(), py::kw_only(), py::arg("dtype") = py::none());

  module.def("manual_seed", [](py::handle seed) {
    if (!PyIndex_Check(seed.ptr()))
      throw UserError(ErrorKind::Type, std::string("manual_seed: wanted an integer, found ") + Py_TYPE(seed.ptr())->tp_name);
    int64_t bits = PyLong_AsLongLong(seed.ptr());
    if (bits == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      throw UserError(ErrorKind::Value, "manual_seed: found " + std::string(py::str(seed)) + ", wanted a number of 64 bits with sign");
    }
    Generator::process() = {bits, 0};
  }, py::arg("seed"));
  module.def("get_rng_state", [] { return py::make_tuple(Generator::process().seed, Generator::process().counter); });
  module.def("set_rng_state", [](std::pair<int64_t, int64_t> state) { Generator::process() = {state.first, state.second}; }, py::arg("state"));
}

} // namespace tinyfin::python
