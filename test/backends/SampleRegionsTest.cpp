// SPDX-License-Identifier: Apache-2.0
// A backend that compiles early is asked about the beginning of a long block before all of it is grouped, and gets the same regions.
#include "ir/Claim.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include <gtest/gtest.h>
#include <set>

using namespace mlir;
using namespace tinyfin::fin;

namespace {

std::string textOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

/// Takes every region and keeps what it was asked about.
class KeenClaim : public ClaimInterface {
public:
  using ClaimInterface::ClaimInterface;
  std::optional<std::string> refuse(Operation *op) const override {
    std::string body = textOf(op);
    asked.push_back(body.substr(body.find('{'))); // operands have other names each time
    return std::nullopt;
  }
  bool compilesEarly() const override { return isEarly; }

  mutable std::vector<std::string> asked;
  mutable bool isEarly = false;
};

struct Fused {
  std::string text;
  std::vector<std::string> asked;
  size_t regions = 0;
};

/// A chain of normalized rows, four ops each.
Fused fuse(int layers, bool isEarly, bool samples = true) {
  DialectRegistry registry;
  registry.insert<FinDialect, func::FuncDialect>();
  registry.addExtension(+[](MLIRContext *, FinDialect *dialect) { dialect->addInterfaces<KeenClaim>(); });
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string source = "func.func @main(%x0: tensor<32x8xf32>) -> tensor<32x8xf32> {\n";
  for (int i = 0; i < layers; ++i) {
    std::string n = std::to_string(i), whole = "tensor<32x8xf32>", row = "tensor<32x1xf32>";
    source += "%e" + n + " = fin.exp %x" + n + " : (" + whole + ") -> " + whole + "\n";
    source += "%s" + n + " = fin.sum %e" + n + " {axes = array<i64: 1>, keepdims = true} : (" + whole + ") -> " + row + "\n";
    source += "%d" + n + " = fin.div %e" + n + ", %s" + n + " : (" + whole + ", " + row + ") -> " + whole + "\n";
    source += "%x" + std::to_string(i + 1) + " = fin.transpose %d" + n + " {permutation = array<i64: 0, 1>} : (" + whole + ") -> " + whole + "\n";
  }
  source += "return %x" + std::to_string(layers) + " : tensor<32x8xf32>\n}";
  auto module = parseSourceString<ModuleOp>(source, &context);
  if (!module) return {};
  auto *claim = static_cast<const KeenClaim *>(context.getLoadedDialect<FinDialect>()->getRegisteredInterface<ClaimInterface>());
  claim->isEarly = isEarly;
  PassManager pm(&context);
  FuseRegionsPassOptions options;
  options.samples = samples;
  pm.addNestedPass<func::FuncOp>(createFuseRegionsPass(options));
  if (failed(pm.run(*module))) return {};
  Fused result{textOf(*module), claim->asked, 0};
  module->walk([&](FusionOp) { ++result.regions; });
  return result;
}

constexpr int kLong = 600, kShort = 100; // of four ops each: more and fewer than 2048

TEST(SampleRegions, TheBeginningOfALongBlockIsShownFirst) {
  Fused usual = fuse(kLong, false), early = fuse(kLong, true);
  ASSERT_GT(usual.regions, 500u);
  EXPECT_EQ(usual.asked.size(), usual.regions);
  ASSERT_GT(early.asked.size(), early.regions);
  size_t shown = early.asked.size() - early.regions;
  EXPECT_LT(shown, 100u);
  std::set<std::string> wanted(usual.asked.begin(), usual.asked.end());
  for (size_t i = 0; i < shown; ++i) EXPECT_TRUE(wanted.count(early.asked[i])) << early.asked[i];
  EXPECT_EQ(early.text, usual.text);
}

TEST(SampleRegions, NotInAShortBlockAndNotWhereItIsSwitchedOff) {
  Fused brief = fuse(kShort, true), off = fuse(kLong, true, /*samples=*/false);
  ASSERT_GT(brief.regions, 0u);
  EXPECT_EQ(brief.asked.size(), brief.regions);
  EXPECT_EQ(off.asked.size(), off.regions);
}

} // namespace
