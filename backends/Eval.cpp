// SPDX-License-Identifier: Apache-2.0
// Constant evaluation by the eager kernels.
#include "ir/Eval.h"
#include "backends/Constants.h"
#include "backends/KernelTable.h"
#include "ir/Fin.h"

using namespace mlir;

namespace tinyfin {
namespace {

/// A tensor in memory of its own.
struct HostTensor {
  explicit HostTensor(Type mlirType) : type(tensorTypeOf(mlirType)), memory(new char[type.bytes() + 1]) {}
  TensorArg arg() const { return {memory.get(), type.dtype, type.dims}; }
  TensorType type;
  std::unique_ptr<char[]> memory;
};

class EagerEval : public fin::EvalInterface {
public:
  using EvalInterface::EvalInterface;

  LogicalResult evaluate(Operation *op, ArrayRef<ElementsAttr> operands,
                         SmallVectorImpl<ElementsAttr> &results) const override {
    std::optional<fin::OpId> id = fin::opIdOfOperation(op);
    if (!id) return failure();
    std::vector<HostTensor> tensors;
    for (Type type : llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes()))) {
      if (!cast<ShapedType>(type).hasStaticShape()) return failure();
      tensors.emplace_back(type);
    }
    std::vector<TensorArg> args;
    for (const HostTensor &tensor : tensors) args.push_back(tensor.arg());
    for (auto [elements, arg] : llvm::zip(operands, args))
      if (failed(copyElements(elements, arg.data))) return failure();
    Words words = fin::wordsOf(op);
    std::span<const TensorArg> all(args);
    KernelArgs kernelArgs{AttrReader(words), all.first(operands.size()), all.subspan(operands.size()),
                          ThreadPool::process()};
    if (!kernelOf(*id)(kernelArgs).isOk()) return failure();
    for (auto [i, type] : llvm::enumerate(op->getResultTypes()))
      results.push_back(elementsOf(cast<ShapedType>(type), args[operands.size() + i].data));
    return success();
  }
};

} // namespace

void attachEval(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *, fin::FinDialect *dialect) { dialect->addInterfaces<EagerEval>(); });
}

} // namespace tinyfin
