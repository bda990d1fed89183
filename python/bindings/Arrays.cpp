// SPDX-License-Identifier: Apache-2.0
// NumPy in and out. Import copies unless the caller promises that nobody writes; export is a read-only snapshot that
// shares memory and holds a reference.
#include "frontend/Flush.h"
#include "frontend/Capture.h"
#include "python/bindings/Bindings.h"
#include <pybind11/numpy.h>

namespace tinyfin::python {
namespace {

py::module_ numpy() { return py::module_::import("numpy"); }

std::optional<DType> dtypeOfArray(const py::array &array) {
  char kind = array.dtype().kind();
  size_t size = array.dtype().itemsize();
  if (kind == 'f') return size == 4 ? std::optional(DType::F32) : size == 8 ? std::optional(DType::F64) : size == 2 ? std::optional(DType::F16) : std::nullopt;
  if (kind == 'i') return size == 8 ? std::optional(DType::I64) : size == 4 ? std::optional(DType::I32) : size == 1 ? std::optional(DType::I8) : std::nullopt;
  if (kind == 'u' && size == 1) return DType::U8;
  if (kind == 'b') return DType::Bool;
  return std::nullopt;
}

py::dtype numpyDType(DType dtype) {
  if (dtype == DType::BF16)
    throw UserError(ErrorKind::Type, "NumPy has no bfloat16; cast with .to(tinyfin.float32) first");
  return py::dtype(std::string(nameOf(dtype)));
}

Tensor fromArray(py::array array, bool copy) {
  std::optional<DType> dtype = dtypeOfArray(array);
  if (!dtype) {
    std::string found = py::str(array.dtype());
    throw UserError(ErrorKind::Type, "no tensor dtype for NumPy's " + found);
  }
  if (!array.dtype().attr("isnative").cast<bool>())
    throw UserError(ErrorKind::Type, "the array's bytes are not in native order; use array.astype(array.dtype.newbyteorder('='))");
  TensorSpec spec{*dtype, {}};
  for (py::ssize_t i = 0; i < array.ndim(); ++i) spec.dims.push_back(Dim(array.shape(i)));
  // The array itself when it is row-major already; else NumPy makes a copy that is.
  py::array dense = py::array::ensure(array, py::array::c_style);
  size_t bytes = static_cast<size_t>(dense.nbytes());
  bool aligned = reinterpret_cast<uintptr_t>(dense.data()) % 64 == 0;
  if (!copy && aligned) {
    auto *owner = new py::array(dense);
    return makeTensor({readyValue(spec, Device::cpu().adoptForeign(const_cast<void *>(dense.data()), bytes,
                                                            [owner] {
                                                              py::gil_scoped_acquire lock;
                                                              delete owner;
                                                            })),
                       {}});
  }
  Device &device = flush::device();
  StatusOr<BufferRef> buffer = device.allocate(bytes);
  throwIfError(buffer.status());
  throwIfError(device.copyFromHost(*buffer.value().get(), dense.data(), bytes));
  return makeTensor({readyValue(spec, buffer.value()), {}});
}

/// The value's bytes where NumPy can read them: its own buffer, or a copy from its device.
BufferRef onHost(const Value &value) {
  Device &device = value.buffer->device();
  if (device.isHostAccessible()) return value.buffer;
  StatusOr<BufferRef> copy = Device::cpu().allocate(value.bytes());
  throwIfError(copy.status());
  throwIfError(device.copyToHost(copy.value()->data(), *value.buffer.get(), value.bytes()));
  return copy.value();
}

py::array toArray(const Tensor &tensor) {
  ValueRef value = observed(tensor, "numpy()");
  std::vector<py::ssize_t> shape;
  for (Dim dim : value->spec.dims) shape.push_back(extentOf(dim));
  auto *owner = new BufferRef(onHost(*value));
  py::capsule base(owner, [](void *pointer) { delete static_cast<BufferRef *>(pointer); });
  py::array array(numpyDType(value->spec.dtype), shape, (*owner)->data(), base);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

template <class T> T elementAs(const Value &value) {
  T element;
  throwIfError(value.buffer->device().copyToHost(&element, *value.buffer.get(), sizeof(T)));
  return element;
}

float halfToFloat(uint16_t bits) {
  // Exact in all cases but NaN payloads: scale by powers of two.
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float magnitude = exponent == 31 ? (mantissa ? NAN : INFINITY)
                    : exponent    ? std::ldexp(static_cast<float>(mantissa | 1024), exponent - 25)
                                  : std::ldexp(static_cast<float>(mantissa), -24);
  return bits >> 15 ? -magnitude : magnitude;
}

} // namespace

int64_t extentOf(Dim dim) {
  if (!dim.isConstant())
    throw UserError(ErrorKind::Value, "the extent of the symbolic dim " + dim.str() + " is not known while a graph is exported");
  return dim.constant();
}

ValueRef observed(const Tensor &tensor, const char *reason) {
  ValueRef value = tensor->read().value;
  // Even a value that is there already must not be looked at: the next call may find another.
  if (Capture *capture = Recorder::current().capture; capture && !capture->isExport()) Recorder::current().flush(reason);
  if (value->state != ValueState::Ready) Recorder::materialize(*value, reason);
  return value;
}

py::object itemOf(const Tensor &tensor) {
  std::optional<Dim> count = fin::numElements(tensor->spec.dims);
  if (!count || !count->is(1))
    throw UserError(ErrorKind::Value, "a tensor of " + fin::str(tensor->spec.dims) + " is not one number; item() and bool() want one element");
  ValueRef value = observed(tensor, "item()");
  switch (value->spec.dtype) {
  case DType::F32: return py::float_(elementAs<float>(*value));
  case DType::F64: return py::float_(elementAs<double>(*value));
  case DType::BF16: return py::float_(std::bit_cast<float>(static_cast<uint32_t>(elementAs<uint16_t>(*value)) << 16));
  case DType::F16: return py::float_(halfToFloat(elementAs<uint16_t>(*value)));
  case DType::I64: return py::int_(elementAs<int64_t>(*value));
  case DType::I32: return py::int_(elementAs<int32_t>(*value));
  case DType::I8: return py::int_(elementAs<int8_t>(*value));
  case DType::U8: return py::int_(elementAs<uint8_t>(*value));
  case DType::Bool: return py::bool_(elementAs<uint8_t>(*value) != 0);
  }
  return py::none();
}

Tensor tensorFromData(PyObject *data, std::optional<DType> dtype) {
  if (isTensor(data)) {
    Tensor source = cellOf(data);
    return makeTensor({(dtype ? ops::castTo(source->read(), *dtype) : source->read()).value, {}});
  }
  py::handle object(data);
  bool isArray = py::isinstance<py::array>(object) || std::strncmp(Py_TYPE(data)->tp_name, "numpy.", 6) == 0;
  py::array array;
  try {
    array = numpy().attr("asarray")(object).cast<py::array>();
  } catch (py::error_already_set &error) {
    throw UserError(ErrorKind::Value, std::string("no tensor can be made from this data: ") + std::string(py::str(error.value())));
  }
  if (array.dtype().kind() == 'O' || array.dtype().kind() == 'U')
    throw UserError(ErrorKind::Type, std::string("no tensor can be made from ") + Py_TYPE(data)->tp_name + ": wanted numbers, nested lists or an array");
  // Python's own floats are float32 here, as in PyTorch; an array keeps its dtype.
  if (!isArray && array.dtype().kind() == 'f' && !dtype) array = array.attr("astype")("float32").cast<py::array>();
  if (dtype && *dtype != DType::BF16) array = array.attr("astype")(numpyDType(*dtype)).cast<py::array>();
  Tensor tensor = fromArray(array, /*copy=*/true);
  return dtype == DType::BF16 ? ops::cast(tensor, DType::BF16) : tensor;
}

Operand valueOperand(PyObject *value) {
  Operand operand;
  if (!toOperand(value, operand)) operand.tensor = tensorFromData(value, std::nullopt);
  return operand;
}

void addArrays(py::module_ &module) {
  module.def(
      "tensor",
      [](py::object data, py::object dtype, bool requiresGrad) {
        Tensor tensor = tensorFromData(data.ptr(), dtype.is_none() ? std::nullopt : std::optional(dtypeOfObject(dtype)));
        if (requiresGrad) tensor->setRequiresGrad(true);
        return tensor;
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("requires_grad") = false,
      "A tensor with a copy of `data`: a number, nested lists or a NumPy array. Python floats give float32, ints int64, bools bool.");
  module.def("from_numpy", [](py::array array, bool copy) { return fromArray(array, copy); }, py::arg("array"), py::arg("copy") = true,
             "A tensor of the array's shape and dtype. Copies unless `copy=False` promises that nobody writes to the array.");
  method("numpy", toArray, py::doc("The elements as a read-only NumPy array that shares memory; later in-place writes do not show in it."));
  // NumPy relies on it that copy=True copies and copy=False does not.
  method("__array__", [](const Tensor &tensor, py::object dtype, py::object copy) -> py::array {
    py::array array = toArray(tensor);
    bool converts = !dtype.is_none() && !py::dtype::from_args(dtype).equal(array.dtype());
    if (converts && copy.is(py::bool_(false))) throw UserError(ErrorKind::Value, "another dtype needs a copy, and copy=False was asked for");
    if (converts) return array.attr("astype")(dtype);
    return copy.is(py::bool_(true)) ? array.attr("copy")() : py::object(array);
  }, py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  method("item", itemOf, py::doc("The one element as a Python number."));
  method("__float__", [](const Tensor &tensor) { return py::float_(itemOf(tensor)); });
  method("__int__", [](const Tensor &tensor) { return py::int_(itemOf(tensor)); });
  method("__index__", [](const Tensor &tensor) {
    if (isFloat(tensor->spec.dtype)) throw UserError(ErrorKind::Type, "only integer tensors of one element can be an index");
    return py::int_(itemOf(tensor));
  });
  method("tolist", [](const Tensor &tensor) {
    Tensor source = tensor->spec.dtype == DType::BF16 ? ops::cast(tensor, DType::F32) : tensor;
    return toArray(source).attr("tolist")();
  });
}

} // namespace tinyfin::python
