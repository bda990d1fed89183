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

/// Takes every region; products of bfloat16 are to stand alone.
class ProudClaim : public ClaimInterface {
public:
  using ClaimInterface::ClaimInterface;
  std::optional<std::string> refuse(Operation *) const override { return std::nullopt; }
  bool finishes(Operation *product) const override { return cast<RankedTensorType>(product->getResult(0).getType()).getElementType().isF32(); }
};

/// The kinds of the regions that are made of a bias and an activation of a product, read by a sum too.
std::vector<std::string> kindsFor(const std::string &dtype) {
  DialectRegistry registry;
  registry.insert<FinDialect, func::FuncDialect>();
  registry.addExtension(+[](MLIRContext *, FinDialect *dialect) { dialect->addInterfaces<ProudClaim>(); });
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string matrix = "tensor<32x32x" + dtype + ">", vector = "tensor<32x" + dtype + ">";
  auto module = parseSourceString<ModuleOp>("func.func @main(%x: " + matrix + ", %b: " + vector + ") -> (" + matrix + ", " + vector + R"() {
      %0 = fin.matmul %x, %x {transpose_lhs = false, transpose_rhs = false} : ()" + matrix + ", " + matrix + ") -> " + matrix + R"(
      %1 = fin.add %0, %b : ()" + matrix + ", " + vector + ") -> " + matrix + R"(
      %2 = fin.relu %1 : ()" + matrix + ") -> " + matrix + R"(
      %3 = fin.sum %2 {axes = array<i64: 0>, keepdims = false} : ()" + matrix + ") -> " + vector + R"(
      return %2, %3 : )" + matrix + ", " + vector + "}", &context);
  PassManager pm(&context);
  pm.addNestedPass<func::FuncOp>(createFuseRegionsPass());
  if (!module || failed(pm.run(*module))) return {"failed"};
  std::vector<std::string> kinds;
  for (FusionOp fusion : (*module->getOps<func::FuncOp>().begin()).front().getOps<FusionOp>()) kinds.push_back(fusion.getKind().str());
  return kinds;
}

TEST(FuseRefusal, ProductsThatFinishNothingLeaveItToOthers) {
  EXPECT_EQ(kindsFor("f32"), (std::vector<std::string>{"contraction", "reduction"}));
  EXPECT_EQ(kindsFor("bf16"), (std::vector<std::string>{"reduction"}));
}

} // namespace
