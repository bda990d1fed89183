// SPDX-License-Identifier: Apache-2.0
// Tensor's properties, arithmetic methods, reductions and autograd.
#include "frontend/Capture.h"
#include "python/bindings/Bindings.h"
#include <pybind11/stl.h>

namespace tinyfin::python {
namespace {

using Axes = std::optional<llvm::SmallVector<int64_t, 6>>;

/// `dim` or `axis`: None, an int or a sequence of ints.
Axes axesOf(py::object dim, py::object axis) {
  if (!dim.is_none() && !axis.is_none()) throw UserError(ErrorKind::Type, "pass dim or axis, not both");
  py::object given = dim.is_none() ? axis : dim;
  if (given.is_none()) return std::nullopt;
  llvm::SmallVector<int64_t, 6> axes;
  auto add = [&](py::handle item) {
    if (!PyIndex_Check(item.ptr())) throw UserError(ErrorKind::Type, std::string("an axis must be an integer, found ") + Py_TYPE(item.ptr())->tp_name);
    axes.push_back(item.cast<int64_t>());
  };
  if (PySequence_Check(given.ptr()) && !PyUnicode_Check(given.ptr()))
    for (py::handle item : given) add(item);
  else
    add(given);
  return axes;
}
std::optional<int64_t> axisOf(py::object dim, py::object axis) {
  Axes axes = axesOf(dim, axis);
  if (axes && axes->size() != 1) throw UserError(ErrorKind::Type, "wanted one axis");
  return axes ? std::optional((*axes)[0]) : std::nullopt;
}

void addReduction(const char *name, OpId op) {
  method(
      name,
      [op](const Tensor &x, py::object dim, bool keepdim, py::object axis, bool keepdims, py::object dtype) {
        Axes axes = axesOf(dim, axis);
        Tensor source = dtype.is_none() ? x : ops::cast(x, dtypeOfObject(dtype));
        return ops::reduce(op, source, axes ? std::optional<llvm::ArrayRef<int64_t>>(*axes) : std::nullopt, keepdim || keepdims);
      },
      py::arg("dim") = py::none(), py::arg("keepdim") = false, py::kw_only(), py::arg("axis") = py::none(),
      py::arg("keepdims") = false, py::arg("dtype") = py::none(), py::doc(fin::infoOf(op).summary));
}

/// Ordered the other way round. Integers by their complement: the smallest one has no negative, nor have those without sign.
Tensor reversedOrder(const Tensor &x) {
  if (isFloat(x->spec.dtype)) return ops::unary(OpId::Neg, x);
  return ops::binary(OpId::Sub, Operand::of(int64_t(x->spec.dtype == DType::U8 ? 255 : -1)), Operand::of(x));
}

/// max and min: over everything, elementwise with another tensor, or (values, indices) along one axis.
void addExtremum(const char *name, OpId reduceOp, OpId binaryOp) {
  method(
      name,
      [reduceOp, binaryOp](const Tensor &x, py::object dim, bool keepdim, py::object axis) -> py::object {
        if (isTensor(dim.ptr())) return py::cast(ops::binary(binaryOp, Operand::of(x), Operand::of(cellOf(dim.ptr()))));
        std::optional<int64_t> along = axisOf(dim, axis);
        if (!along) return py::cast(ops::reduce(reduceOp, x, std::nullopt, false));
        Tensor searched = reduceOp == OpId::ReduceMin ? reversedOrder(x) : x;
        int64_t wanted = *along;
        return py::make_tuple(ops::reduce(reduceOp, x, llvm::ArrayRef<int64_t>(wanted), keepdim), ops::argmax(searched, wanted, keepdim));
      },
      py::arg("dim") = py::none(), py::arg("keepdim") = false, py::kw_only(), py::arg("axis") = py::none());
}

void addAutograd() {
  property("requires_grad", [](const Tensor &x) {
             x->wasRead = true; // the answer may shape what is recorded
             return x->requiresGrad || bool(x->read().edge);
           },
           [](const Tensor &x, bool wanted) { x->setRequiresGrad(wanted); });
  property("is_leaf", [](const Tensor &x) { return x->isLeaf(); });
  property("grad",
           [](const Tensor &x) -> py::object {
             if (Capture *capture = Recorder::current().capture) capture->noteGrad(*x);
             else if (!x->grad && !x->missingGrad.empty() && PyErr_WarnEx(PyExc_UserWarning, x->missingGrad.c_str(), 1) < 0)
               throw py::error_already_set();
             return x->grad ? py::cast(x->grad) : py::none();
           },
           [](const Tensor &x, py::object grad) {
             if (Capture *capture = Recorder::current().capture) capture->noteGrad(*x);
             x->missingGrad.clear();
             if (grad.is_none()) return void(x->grad = Tensor());
             if (!isTensor(grad.ptr()) || !(cellOf(grad.ptr())->spec == x->spec))
               throw UserError(ErrorKind::Type, "the gradient must be a tensor like " + x->spec.str());
             x->grad = cellOf(grad.ptr());
           });
  property("_has_grad", [](const Tensor &x) {
    if (Capture *capture = Recorder::current().capture) capture->noteGrad(*x);
    return bool(x->grad);
  });
  method("requires_grad_", [](py::object self, bool wanted) {
    cellOf(self.ptr())->setRequiresGrad(wanted);
    return self;
  }, py::arg("requires_grad") = true);
  method("backward", [](const Tensor &x, py::object gradient, std::optional<bool> retain, bool createGraph) {
    Var cotangent;
    if (!gradient.is_none()) cotangent = ops::castTo(operandOf(gradient.ptr()).isNumber() ? ops::asVar(operandOf(gradient.ptr()), x->spec.dtype) : cellOf(gradient.ptr())->read(), x->spec.dtype);
    runBackward({x->read()}, {cotangent}, {}, retain.value_or(createGraph), createGraph);
  }, py::arg("gradient") = py::none(), py::arg("retain_graph") = py::none(), py::arg("create_graph") = false,
     py::doc("Adds the gradients of this tensor to `.grad` of the leaves it was computed from. Without `gradient` it must have one element."));
  property("grad_fn", [](const Tensor &x) -> py::object {
    Var var = x->read();
    if (!var.edge || var.edge.node->sequence == 0) return py::none();
    return py::str(var.edge.node->name());
  });
  method("detach", [](const Tensor &x) { return ops::detach(x); });
  property("data", [](const Tensor &x) { return ops::detach(x); },
           [](const Tensor &x, const Tensor &value) { ops::detach(x)->write(value->read()); });
}

void addInPlace() {
  struct Named { const char *name; OpId op; };
  for (auto [name, op] : {Named{"add_", OpId::Add}, Named{"sub_", OpId::Sub}, Named{"mul_", OpId::Mul}, Named{"div_", OpId::Div},
                          Named{"pow_", OpId::Pow}, Named{"maximum_", OpId::Maximum}, Named{"minimum_", OpId::Minimum}})
    method(name, [op](py::object self, const Operand &other, std::optional<Operand> alpha) {
      Operand scaled = other;
      if (alpha) scaled = Operand::of(ops::binary(OpId::Mul, other, *alpha));
      ops::inPlace(op, cellOf(self.ptr()), scaled);
      return self;
    }, py::arg("other"), py::kw_only(), py::arg("alpha") = py::none());
  for (OpId op : {OpId::Exp, OpId::Log, OpId::Sqrt, OpId::Rsqrt, OpId::Square, OpId::Reciprocal, OpId::Tanh, OpId::Abs, OpId::Neg,
                  OpId::Relu, OpId::Sigmoid, OpId::Sin, OpId::Cos})
    method((std::string(fin::infoOf(op).mnemonic) + "_").c_str(), [op](py::object self) {
      Tensor x = cellOf(self.ptr());
      ops::update(x, [&] { return ops::castTo(ops::unary(op, x)->read(), x->spec.dtype); });
      return self;
    });
  method("copy_", [](py::object self, py::object source) { return ops::copyInto(cellOf(self.ptr()), valueOperand(source.ptr())), self; });
  method("fill_", [](py::object self, const Operand &value) { return ops::copyInto(cellOf(self.ptr()), value), self; });
  method("zero_", [](py::object self) { return ops::copyInto(cellOf(self.ptr()), Operand::of(0.0)), self; });
  method("clamp_", [](py::object self, std::optional<Operand> low, std::optional<Operand> high) {
    Tensor x = cellOf(self.ptr());
    ops::update(x, [&] { return ops::castTo(ops::clamp(x, low, high)->read(), x->spec.dtype); });
    return self;
  }, py::arg("min") = py::none(), py::arg("max") = py::none());
  auto lerp = [](py::object self, const Tensor &end, const Operand &weight) {
    Tensor x = cellOf(self.ptr());
    Tensor step = ops::binary(OpId::Mul, Operand::of(ops::binary(OpId::Sub, Operand::of(end), Operand::of(x))), weight);
    ops::inPlace(OpId::Add, x, Operand::of(step));
    return self;
  };
  method("lerp_", lerp);
  auto fused = [](OpId combine) {
    return [combine](py::object self, const Operand &a, const Operand &b, std::optional<Operand> value) {
      Operand product = Operand::of(ops::binary(combine, a, b));
      if (value) product = Operand::of(ops::binary(OpId::Mul, product, *value));
      ops::inPlace(OpId::Add, cellOf(self.ptr()), product);
      return self;
    };
  };
  method("addcmul_", fused(OpId::Mul), py::arg("tensor1"), py::arg("tensor2"), py::kw_only(), py::arg("value") = py::none());
  method("addcdiv_", fused(OpId::Div), py::arg("tensor1"), py::arg("tensor2"), py::kw_only(), py::arg("value") = py::none());
}

} // namespace

void addMethods(py::module_ &module) {
  property("shape", [](const Tensor &x) {
    py::tuple shape(x->spec.rank());
    for (size_t i = 0; i < x->spec.rank(); ++i)
      shape[i] = x->spec.dims[i].isConstant() ? py::object(py::int_(x->spec.dims[i].constant())) : symbolicDim(x->spec.dims[i]);
    return shape;
  });
  property("ndim", [](const Tensor &x) { return x->spec.rank(); });
  property("dtype", [](const Tensor &x) { return objectOfDType(x->spec.dtype); });
  property("device", [](const Tensor &) { return "cpu"; });
  method("numel", [](const Tensor &x) { return extentOf(fin::numElements(x->spec.dims).value_or(Dim(0))); });
  method("element_size", [](const Tensor &x) { return sizeOf(x->spec.dtype); });
  method("is_floating_point", [](const Tensor &x) { return isFloat(x->spec.dtype); });
  method("_cell_id", [](const Tensor &x) { return reinterpret_cast<uintptr_t>(x.get()); });
  method("_is_view", [](const Tensor &x) { return x->isView(); });

  struct Named { const char *name; OpId op; };
  for (auto [name, op] : {Named{"add", OpId::Add}, Named{"sub", OpId::Sub}, Named{"mul", OpId::Mul}, Named{"div", OpId::Div},
                          Named{"maximum", OpId::Maximum}, Named{"minimum", OpId::Minimum}, Named{"eq", OpId::Eq}, Named{"ne", OpId::Ne},
                          Named{"lt", OpId::Lt}, Named{"le", OpId::Le}, Named{"gt", OpId::Gt}, Named{"ge", OpId::Ge},
                          Named{"logical_and", OpId::LogicalAnd}, Named{"logical_or", OpId::LogicalOr}, Named{"logical_xor", OpId::LogicalXor}})
    method(name, [op](const Tensor &x, const Operand &other) { return ops::binary(op, Operand::of(x), other); },
           py::arg("other"), py::doc(fin::infoOf(op).summary));
  for (OpId op : {OpId::Exp, OpId::Log, OpId::Sqrt, OpId::Rsqrt, OpId::Square, OpId::Reciprocal, OpId::Tanh, OpId::Erf, OpId::Sin,
                  OpId::Cos, OpId::Abs, OpId::Neg, OpId::Sign, OpId::Relu, OpId::Sigmoid, OpId::LogicalNot})
    method(fin::infoOf(op).mnemonic, [op](const Tensor &x) { return ops::unary(op, x); }, py::doc(fin::infoOf(op).summary));
  method("pow", [](const Tensor &x, const Operand &exponent) { return ops::power(Operand::of(x), exponent); });
  method("clamp", [](const Tensor &x, std::optional<Operand> low, std::optional<Operand> high) { return ops::clamp(x, low, high); },
         py::arg("min") = py::none(), py::arg("max") = py::none());
  method("where", [](const Tensor &x, const Tensor &condition, const Operand &other) { return ops::select(condition, Operand::of(x), other); });
  method("matmul", [](const Tensor &x, const Tensor &other) { return ops::matmul(x, other); });
  method("clone", [](const Tensor &x) { return ops::clone(x); });
  method("contiguous", [](py::object self) { return self; });

  addReduction("sum", OpId::Sum);
  addReduction("mean", OpId::Mean);
  addReduction("amax", OpId::ReduceMax);
  addReduction("amin", OpId::ReduceMin);
  addExtremum("max", OpId::ReduceMax, OpId::Maximum);
  addExtremum("min", OpId::ReduceMin, OpId::Minimum);
  method("argmax", [](const Tensor &x, py::object dim, bool keepdim, py::object axis) { return ops::argmax(x, axisOf(dim, axis), keepdim); },
         py::arg("dim") = py::none(), py::arg("keepdim") = false, py::kw_only(), py::arg("axis") = py::none());
  for (auto [name, op] : {Named{"softmax", OpId::Softmax}, Named{"log_softmax", OpId::LogSoftmax}})
    method(name, [op](const Tensor &x, py::object dim, py::object axis) {
      std::optional<int64_t> along = axisOf(dim, axis);
      if (!along) throw UserError(ErrorKind::Type, "softmax wants an axis: pass dim");
      return makeTensor(applyOp(op, {ops::normalizeAxis(*along, x->spec.rank())}, {x->read()})[0]);
    }, py::arg("dim") = py::none(), py::kw_only(), py::arg("axis") = py::none());
  module.def("linear", [](const Tensor &x, const Tensor &weight, const std::optional<Tensor> &bias) {
    return ops::linear(x, weight, bias.value_or(Tensor()));
  }, py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(), "x @ weight.T + bias of x [..., in], weight [out, in], bias [out].");
  addAutograd();
  addInPlace();
}

} // namespace tinyfin::python
