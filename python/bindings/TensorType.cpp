// SPDX-License-Identifier: Apache-2.0
#include "python/bindings/TensorType.h"
#include "python/bindings/Bindings.h"
#include <structmember.h>

namespace tinyfin::python {
namespace {

PyTypeObject *theType = nullptr;

void dealloc(PyObject *self) {
  auto *tensor = reinterpret_cast<PyTensor *>(self);
  PyTypeObject *type = Py_TYPE(self);
  if (tensor->weakrefs) PyObject_ClearWeakRefs(self);
  if (Cell *cell = std::exchange(tensor->cell, nullptr)) {
    if (cell->wrapper == self) cell->wrapper = nullptr;
    if (--cell->references == 0) cell->dispose();
  }
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject *create(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static const char *names[] = {"data", "requires_grad", nullptr};
  PyObject *data = nullptr;
  int requiresGrad = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", const_cast<char **>(names), &data, &requiresGrad)) return nullptr;
  return guarded<PyObject *>(nullptr, [&] {
    Tensor tensor = isTensor(data) ? makeTensor({cellOf(data)->read().value, {}}) : tensorFromData(data, std::nullopt);
    if (requiresGrad) tensor->setRequiresGrad(true);
    return wrap(tensor, type);
  });
}

/// Beside an operator NumPy's arrays are operands too; they are copied.
bool toOperandOrArray(PyObject *object, Operand &operand) {
  if (toOperand(object, operand)) return true;
  if (std::strcmp(Py_TYPE(object)->tp_name, "numpy.ndarray") != 0) return false;
  return operand.tensor = tensorFromData(object, std::nullopt), true;
}

[[noreturn]] void throwNotBool(OpId op, const Operand &operand) {
  std::string found = operand.isNumber() ? "a number" : nameOf(operand.tensor->spec.dtype);
  throw UserError(ErrorKind::Type, std::string("&, |, ^ and ~ are of booleans: found ") + found + "; compare first, or call " + fin::infoOf(op).mnemonic + "()");
}

template <OpId op> PyObject *binarySlot(PyObject *lhs, PyObject *rhs) {
  return guarded<PyObject *>(nullptr, [&]() -> PyObject * {
    Operand a, b;
    if (!toOperandOrArray(lhs, a) || !toOperandOrArray(rhs, b)) Py_RETURN_NOTIMPLEMENTED;
    return wrap(ops::binary(op, a, b));
  });
}
/// &, | and ^ are of booleans: of integers PyTorch's work bit by bit, which there are no ops for.
template <OpId op> PyObject *logicalSlot(PyObject *lhs, PyObject *rhs) {
  return guarded<PyObject *>(nullptr, [&]() -> PyObject * {
    Operand a, b;
    if (!toOperandOrArray(lhs, a) || !toOperandOrArray(rhs, b)) Py_RETURN_NOTIMPLEMENTED;
    for (const Operand *operand : {&a, &b})
      if (operand->isNumber() ? !std::holds_alternative<bool>(operand->number) : operand->tensor->spec.dtype != DType::Bool)
        throwNotBool(op, *operand);
    return wrap(ops::binary(op, a, b));
  });
}
template <OpId op> PyObject *inPlaceSlot(PyObject *self, PyObject *other) {
  return guarded<PyObject *>(nullptr, [&]() -> PyObject * {
    Operand operand;
    if (!toOperandOrArray(other, operand)) Py_RETURN_NOTIMPLEMENTED;
    ops::inPlace(op, cellOf(self), operand);
    return Py_NewRef(self);
  });
}
template <OpId op> PyObject *unarySlot(PyObject *self) {
  return guarded<PyObject *>(nullptr, [&] { return wrap(ops::unary(op, cellOf(self))); });
}
PyObject *invert(PyObject *self) {
  return guarded<PyObject *>(nullptr, [&] {
    Tensor tensor = cellOf(self);
    if (tensor->spec.dtype != DType::Bool) throwNotBool(OpId::LogicalNot, Operand::of(tensor));
    return wrap(ops::unary(OpId::LogicalNot, tensor));
  });
}
PyObject *iterate(PyObject *self) {
  return guarded<PyObject *>(nullptr, [&] {
    if (cellOf(self)->spec.rank() == 0) throw UserError(ErrorKind::Type, "iteration over a 0-d tensor");
    return PySeqIter_New(self);
  });
}
PyObject *positive(PyObject *self) { return Py_NewRef(self); }
PyObject *power(PyObject *lhs, PyObject *rhs, PyObject *) {
  return guarded<PyObject *>(nullptr, [&]() -> PyObject * {
    Operand a, b;
    if (!toOperandOrArray(lhs, a) || !toOperandOrArray(rhs, b)) Py_RETURN_NOTIMPLEMENTED;
    return wrap(ops::power(a, b));
  });
}
PyObject *inPlacePower(PyObject *self, PyObject *other, PyObject *) { return inPlaceSlot<OpId::Pow>(self, other); }
PyObject *matmul(PyObject *lhs, PyObject *rhs) {
  return guarded<PyObject *>(nullptr, [&]() -> PyObject * {
    Operand a, b;
    if (!toOperandOrArray(lhs, a) || !toOperandOrArray(rhs, b) || a.isNumber() || b.isNumber()) Py_RETURN_NOTIMPLEMENTED;
    return wrap(ops::matmul(a.tensor, b.tensor));
  });
}
int truth(PyObject *self) {
  return guarded<int>(-1, [&] { return PyObject_IsTrue(itemOf(cellOf(self)).ptr()); });
}
PyObject *compare(PyObject *self, PyObject *other, int which) {
  constexpr PyObject *(*table[])(PyObject *, PyObject *) = {binarySlot<OpId::Lt>, binarySlot<OpId::Le>,
                                                            binarySlot<OpId::Eq>, binarySlot<OpId::Ne>,
                                                            binarySlot<OpId::Gt>, binarySlot<OpId::Ge>};
  return table[which](self, other);
}
Py_ssize_t length(PyObject *self) {
  return guarded<Py_ssize_t>(-1, [&]() -> Py_ssize_t {
    Tensor tensor = cellOf(self);
    if (tensor->spec.rank() == 0) throw UserError(ErrorKind::Type, "len() of a 0-d tensor");
    return extentOf(tensor->spec.dims[0]);
  });
}
PyObject *getItem(PyObject *self, PyObject *key) {
  return guarded<PyObject *>(nullptr, [&] { return wrap(ops::index(cellOf(self), indexOf(key))); });
}
int setItem(PyObject *self, PyObject *key, PyObject *value) {
  return guarded<int>(-1, [&] {
    if (!value) throw UserError(ErrorKind::Type, "elements of a tensor cannot be deleted");
    ops::assign(cellOf(self), indexOf(key), valueOperand(value));
    return 0;
  });
}
PyObject *sequenceItem(PyObject *self, Py_ssize_t at) {
  return guarded<PyObject *>(nullptr, [&] {
    ops::IndexItem item;
    item.kind = ops::IndexItem::Integer;
    item.integer = at;
    return wrap(ops::index(cellOf(self), {item}));
  });
}
Py_hash_t identityHash(PyObject *self) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4); }

template <class F> PyType_Slot slot(int id, F *function) { return {id, reinterpret_cast<void *>(function)}; }

} // namespace

PyTypeObject *tensorType() { return theType; }

PyObject *wrap(Tensor tensor, PyTypeObject *type) {
  // One object a cell: `p.grad is p.grad`, and a tensor that a jitted function returns is the one it was given.
  if (auto *known = static_cast<PyObject *>(tensor->wrapper); known && Py_REFCNT(known) > 0) return Py_NewRef(known);
  if (!type) type = theType;
  auto *object = reinterpret_cast<PyTensor *>(type->tp_alloc(type, 0));
  if (!object) throw py::error_already_set();
  object->cell = tensor.get();
  ++object->cell->references;
  object->cell->wrapper = object;
  return reinterpret_cast<PyObject *>(object);
}

void addTensorType(py::module_ &module) {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr}, {}};
  static PyType_Slot slots[] = {slot(Py_tp_dealloc, dealloc),
                                slot(Py_tp_new, create),
                                {Py_tp_members, members},
                                slot(Py_tp_richcompare, compare),
                                slot(Py_tp_hash, identityHash),
                                slot(Py_nb_add, binarySlot<OpId::Add>),
                                slot(Py_nb_subtract, binarySlot<OpId::Sub>),
                                slot(Py_nb_multiply, binarySlot<OpId::Mul>),
                                slot(Py_nb_true_divide, binarySlot<OpId::Div>),
                                slot(Py_nb_and, logicalSlot<OpId::LogicalAnd>),
                                slot(Py_nb_or, logicalSlot<OpId::LogicalOr>),
                                slot(Py_nb_xor, logicalSlot<OpId::LogicalXor>),
                                slot(Py_nb_inplace_add, inPlaceSlot<OpId::Add>),
                                slot(Py_nb_inplace_subtract, inPlaceSlot<OpId::Sub>),
                                slot(Py_nb_inplace_multiply, inPlaceSlot<OpId::Mul>),
                                slot(Py_nb_inplace_true_divide, inPlaceSlot<OpId::Div>),
                                slot(Py_nb_inplace_power, inPlacePower),
                                slot(Py_nb_negative, unarySlot<OpId::Neg>),
                                slot(Py_nb_absolute, unarySlot<OpId::Abs>),
                                slot(Py_nb_invert, invert),
                                slot(Py_nb_positive, positive),
                                slot(Py_nb_power, power),
                                slot(Py_nb_matrix_multiply, matmul),
                                slot(Py_nb_bool, truth),
                                slot(Py_mp_length, length),
                                slot(Py_tp_iter, iterate),
                                slot(Py_mp_subscript, getItem),
                                slot(Py_mp_ass_subscript, setItem),
                                slot(Py_sq_item, sequenceItem),
                                {0, nullptr}};
  static PyType_Spec spec = {"tinyfin.Tensor", sizeof(PyTensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  theType = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&spec));
  if (!theType) throw py::error_already_set();
  module.attr("Tensor") = py::handle(reinterpret_cast<PyObject *>(theType));
}

} // namespace tinyfin::python
