// SPDX-License-Identifier: Apache-2.0
// Graph files come back as they were written; damaged, newer, raw or too deep ones are refused with a reason.
#include "ir/Envelope.h"
#include "ir/Version.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin::fin;

namespace {

constexpr const char *kGraph = R"(
func.func @main(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>> {
  %c = fin.constant dense_resource<w> : tensor<4xf32>
  %r = fin.add %x, %c : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4xf32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return %r : tensor<?x4xf32, #fin.tensor<["N", ""]>>
}
{-# dialect_resources: { builtin: { w: "0x400000000000803F000000400000404000008040" } } #-})";

struct GraphFile : testing::Test {
  GraphFile() {
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
      errors += diagnostic.str() + "\n";
      return mlir::success();
    });
  }
  mlir::OwningOpRef<mlir::ModuleOp> read(const std::string &bytes) {
    errors.clear();
    return readGraph(llvm::MemoryBuffer::getMemBufferCopy(bytes, "graph"), context);
  }
  std::string write(mlir::ModuleOp module, GraphForm form) {
    std::string bytes;
    llvm::raw_string_ostream stream(bytes);
    EXPECT_TRUE(mlir::succeeded(writeGraph(module, stream, form)));
    return bytes;
  }
  bool says(const std::string &text) { return errors.find(text) != std::string::npos; }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::string errors;
};

TEST_F(GraphFile, BothFormsComeBackAsTheyWere) {
  auto module = read(kGraph);
  ASSERT_TRUE(module) << errors;
  std::string text = write(*module, GraphForm::Text), bytes = write(*module, GraphForm::Bytecode);
  EXPECT_NE(text.find("fin.version = 1 : i64"), std::string::npos);
  EXPECT_TRUE(isEnvelope(bytes));
  for (const std::string &form : {text, bytes}) {
    mlir::MLIRContext fresh(mlir::MLIRContext::Threading::DISABLED); // where the resource's name is free
    auto back = readGraph(llvm::MemoryBuffer::getMemBufferCopy(form, "graph"), fresh);
    ASSERT_TRUE(back) << errors;
    EXPECT_EQ(write(*back, GraphForm::Text), text);
  }
}

TEST_F(GraphFile, EveryDamagedByteIsFound) {
  auto module = read(kGraph);
  std::string bytes = write(*module, GraphForm::Bytecode);
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 + random() % 255));
    llvm::StringRef payload;
    std::string error;
    EXPECT_FALSE(openEnvelope(damaged, payload, error)) << "byte " << i;
    EXPECT_FALSE(error.empty());
  }
}

TEST_F(GraphFile, CutOrLongerFilesAreRefused) {
  auto module = read(kGraph);
  std::string bytes = write(*module, GraphForm::Bytecode);
  for (size_t length : {size_t(8), size_t(63), size_t(64), bytes.size() - 1}) {
    EXPECT_FALSE(read(bytes.substr(0, length))) << length;
    EXPECT_FALSE(errors.empty()) << length;
  }
  EXPECT_FALSE(read(bytes + "x"));
  EXPECT_TRUE(says("bytes of payload, wanted")) << errors;
}

TEST_F(GraphFile, BytecodeWithoutEnvelopeIsRefused) {
  auto module = read(kGraph);
  std::string raw;
  llvm::raw_string_ostream stream(raw);
  ASSERT_TRUE(mlir::succeeded(mlir::writeBytecodeToFile(*module, stream)));
  EXPECT_FALSE(read(raw));
  EXPECT_TRUE(says("bytecode without tinyfin's checked envelope")) << errors;
}

TEST_F(GraphFile, NewerVersionsAreRefused) {
  EXPECT_FALSE(read("module attributes {fin.version = 2 : i64} {}"));
  EXPECT_TRUE(says("fin dialect version 2, which is newer than this tinyfin reads (1)")) << errors;
  EXPECT_FALSE(read("module attributes {fin.version = 0 : i64} {}"));
  EXPECT_TRUE(says("wanted 1 to 1")) << errors;
  EXPECT_FALSE(read("module attributes {fin.version = \"1\"} {}"));
  EXPECT_TRUE(says("wanted a 64-bit integer")) << errors;
}

TEST_F(GraphFile, HooksUpgradeStepByStep) {
  auto module = read("module {}");
  static constexpr UpgradeHook hooks[] = {
      [](mlir::Operation *root) {
        root->setAttr("fin.two", mlir::UnitAttr::get(root->getContext()));
        return mlir::success();
      },
      [](mlir::Operation *root) { return mlir::success(root->hasAttr("fin.two")); }};
  VersionTable table{3, hooks};
  (*module)->setAttr(kVersionAttr, mlir::Builder(&context).getI64IntegerAttr(1));
  ASSERT_TRUE(mlir::succeeded(checkVersion(*module, table)));
  EXPECT_TRUE((*module)->hasAttr("fin.two"));
  EXPECT_EQ((*module)->getAttrOfType<mlir::IntegerAttr>(kVersionAttr).getInt(), 3);
  // From 2 only the second hook runs; here it fails.
  (*module)->removeAttr("fin.two");
  EXPECT_TRUE(mlir::failed(upgradeFrom(*module, 2, table)));
  EXPECT_TRUE(says("cannot upgrade the graph from fin dialect version 2 to 3")) << errors;
}

TEST_F(GraphFile, DeepTextIsRefusedBeforeItIsParsed) {
  auto nested = [](size_t depth) {
    return "module attributes {fin.a = " + std::string(depth, '[') + std::string(depth, ']') + "} {}";
  };
  EXPECT_TRUE(read(nested(900))) << errors;
  EXPECT_FALSE(read(nested(200000)));
  EXPECT_TRUE(says("text nests deeper than 1000 levels at byte 1026")) << errors;
  EXPECT_FALSE(read("module attributes {fin.a = " + std::string(100000, '-') + "1} {}"));
  EXPECT_FALSE(read("module attributes {fin.a = affine_map<(d0) -> (d0)>} {}"));
  EXPECT_TRUE(says("affine map")) << errors;
}

// `#a1 = [#a0]`, `#a2 = [#a1]`, ... nests as deep as brackets do, and `[#a0, #a0]` doubles what is printed.
std::string chain(int length, const std::string &first, const std::string &before, const std::string &between, const std::string &after) {
  std::string name = before.substr(0, 1), text = name + "a0 = " + first + "\n";
  for (int i = 1; i < length; ++i) {
    std::string last = name + "a" + std::to_string(i - 1);
    text += name + "a" + std::to_string(i) + " =\n" + before.substr(1) + last + (between.empty() ? "" : between + last) + after + "\n";
  }
  return text + "module attributes {fin.a = " + name + "a" + std::to_string(length - 1) + "} {}";
}

TEST_F(GraphFile, AliasesNestAsWhatTheyStandFor) {
  EXPECT_TRUE(read(chain(900, "1", "#[", "", "]"))) << errors;
  EXPECT_FALSE(read(chain(100000, "1", "#[", "", "]")));
  EXPECT_TRUE(says("text nests deeper than 1000 levels")) << errors;
  EXPECT_FALSE(read(chain(100000, "tensor<1xf32>", "!tuple<", "", ">")));
  EXPECT_TRUE(says("text nests deeper than 1000 levels")) << errors;
  EXPECT_TRUE(read(chain(20, "1", "#[", ", ", "]"))) << errors;
  EXPECT_FALSE(read(chain(60, "1", "#[", ", ", "]")));
  EXPECT_TRUE(says("an alias stands for more than 2**24 others")) << errors;
}

TEST_F(GraphFile, BracketsInStringsAndCommentsDoNotNest) {
  std::string brackets(2000, '[');
  EXPECT_TRUE(read("// " + brackets + "\nmodule attributes {fin.a = \"" + brackets + " \\\" affine_map\"} {}")) << errors;
}

TEST_F(GraphFile, UnknownDialectsAreRefused) {
  EXPECT_FALSE(read("\"other.op\"() : () -> ()"));
  EXPECT_FALSE(errors.empty());
}

TEST_F(GraphFile, FilesAppearWholeOrNotAtAll) {
  auto module = read(kGraph);
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "tinyfin-graph-file-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::string path = (folder / "model.fin").string();
  ASSERT_TRUE(mlir::succeeded(writeGraphFile(*module, path, GraphForm::Bytecode))) << errors;
  mlir::MLIRContext fresh(mlir::MLIRContext::Threading::DISABLED);
  auto back = readGraphFile(path, fresh);
  ASSERT_TRUE(back) << errors;
  EXPECT_EQ(write(*back, GraphForm::Text), write(*module, GraphForm::Text));
  EXPECT_TRUE(mlir::failed(writeGraphFile(*module, (folder / "no" / "model.fin").string(), GraphForm::Text)));
  EXPECT_TRUE(says("cannot write")) << errors;
  EXPECT_FALSE(readGraphFile((folder / "absent").string(), context));
  EXPECT_TRUE(says("cannot read")) << errors;
  // Nothing temporary stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

} // namespace
