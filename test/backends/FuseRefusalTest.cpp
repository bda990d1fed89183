// SPDX-License-Identifier: Apache-2.0
// What becomes of regions that a backend refuses: taken apart, offered again op by op, and left with the reason.
#include "ir/Claim.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/Region.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tinyfin::fin;

namespace {

/// Takes maps without fin.exp, nothing else.
class PickyClaim : public ClaimInterface {
public:
  using ClaimInterface::ClaimInterface;
  std::optional<std::string> refuse(Operation *op) const override {
    auto fusion = cast<FusionOp>(op);
    if (fusion.getKind() != "map") return "no " + fusion.getKind().str() + "s here";
    bool hasExp = !fusion.getBody().front().getOps<ExpOp>().empty();
    return hasExp ? std::optional<std::string>("no fin.exp here") : std::nullopt;
  }
};

TEST(FuseRefusal, RegionsAreTakenApart) {
  DialectRegistry registry;
  registry.insert<FinDialect, func::FuncDialect>();
  registry.addExtension(+[](MLIRContext *, FinDialect *dialect) { dialect->addInterfaces<PickyClaim>(); });
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @main(%x: tensor<32x8xf32>) -> tensor<32x8xf32> {
      %0 = fin.exp %x : (tensor<32x8xf32>) -> tensor<32x8xf32>
      %a = fin.neg %0 : (tensor<32x8xf32>) -> tensor<32x8xf32>
      %1 = fin.relu %a : (tensor<32x8xf32>) -> tensor<32x8xf32>
      %2 = fin.sum %1 {axes = array<i64: 1>, keepdims = true} : (tensor<32x8xf32>) -> tensor<32x1xf32>
      %3 = fin.add %x, %2 : (tensor<32x8xf32>, tensor<32x1xf32>) -> tensor<32x8xf32>
      %4 = fin.relu %3 : (tensor<32x8xf32>) -> tensor<32x8xf32>
      return %4 : tensor<32x8xf32>
    })", &context);
  ASSERT_TRUE(module);
  PassManager pm(&context);
  pm.addNestedPass<func::FuncOp>(createFuseRegionsPass());
  ASSERT_TRUE(succeeded(pm.run(*module)));
  ASSERT_TRUE(succeeded(verify(*module)));
  auto main = *module->getOps<func::FuncOp>().begin();
  std::vector<std::string> found;
  for (Operation &op : main.front().without_terminator()) {
    auto reason = op.getAttrOfType<StringAttr>(kRefusalAttr);
    found.push_back(op.getName().stripDialect().str() + (reason ? ": " + reason.getValue().str() : ""));
    if (auto fusion = dyn_cast<FusionOp>(op))
      found.back() += " of " + std::to_string(fusion.getBody().front().getOperations().size() - 1);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"exp: no fin.exp here", "fusion of 1", "fusion of 1", "sum: no reductions here", "fusion of 2"}));
}

} // namespace
