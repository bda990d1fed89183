// SPDX-License-Identifier: Apache-2.0
// Damaged graph files, as text and in envelopes: each is refused in one line or runs; none crashes.
//   TINYFIN_FUZZ_GRAPHS=100000 tinyfin_tools_tests --gtest_filter='MutatedGraphs*'
#include "ir/Envelope.h"
#include "tools/run/Graph.h"
#include "tools/run/Run.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::run;

namespace {

const std::string kGraph = R"(func.func @main(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %w: tensor<4x3xf32>, %i: tensor<2xi64>) -> (tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<2x3xf32>) {
  %y = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4x3xf32>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %c = fin.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %z = fin.add %y, %c : (tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<3xf32>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %s = fin.softmax %z {axis = 1 : i64} : (tensor<?x3xf32, #fin.tensor<["N", ""]>>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %g = fin.gather %w, %i {axis = 0 : i64} : (tensor<4x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %t = fin.transpose %g {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %r = fin.reshape %t {shape = [2, 3]} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %m = fin.sum %r {axes = array<i64: 1>, keepdims = true} : (tensor<2x3xf32>) -> tensor<2x1xf32>
  %f = fin.sub %r, %m : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  return %s, %f : tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<2x3xf32>
}
)";
const char *const kPieces[] = {"?", "-1", "0", "9223372036854775807", "4294967296", "f64", "i1", "ui8", "bf16", "i64", "%x", "%w", "%y", "dense<", "array<i64:",
                               "\"N\"", "\"0*N\"", "\"4*N\"", "fin.exp", "fin.concat", "fin.pad", "fin.fusion \"map\"", "fin.alias", "true", "{", "}", "(", ")", ">", "[[", "}}",
                               "module {", "func.func @main", "return", "fin.slice", "fin.full", "axis = -1", "loc(unknown)", "#fin.tensor<[\"N\"]>", "*", "dense_resource<a>"};

std::string mutate(const std::string &text, std::mt19937 &random) {
  std::string changed = text;
  for (unsigned changes = 1 + random() % 3; changes && !changed.empty(); --changes) {
    size_t at = random() % changed.size(), length = 1 + random() % 6;
    switch (random() % 6) {
    case 0: changed.erase(at, length); break;
    case 1: changed[at] = static_cast<char>(random()); break;
    case 2: changed.replace(at, length, kPieces[random() % std::size(kPieces)]); break;
    case 3: changed.insert(at, text.substr(random() % text.size(), random() % 80)); break;
    case 4: if (changed[at] >= '0' && changed[at] <= '9') changed[at] = '0' + random() % 10; break;
    default: if (random() % 8 == 0) changed.resize(at);
    }
  }
  return changed;
}

/// Reads, compiles for sizes of 2 and runs if that is little work. The message of what failed.
std::string tryGraph(llvm::StringRef bytes, Backend &backend) {
  StatusOr<std::unique_ptr<Graph>> graph = Graph::read(bytes, "graph.mlir", backend);
  if (!graph.isOk()) return graph.status().message();
  Sizes sizes;
  for (const std::string &name : graph.value()->symbols()) sizes.emplace_back(name, 2);
  StatusOr<std::shared_ptr<Executable>> executable = graph.value()->compile(sizes);
  if (!executable.isOk()) return executable.status().message();
  size_t bytesNeeded = executable.value()->stats.arenaBytes;
  for (const auto &types : {executable.value()->inputs, executable.value()->outputs})
    for (const TensorType &type : types) bytesNeeded += type.bytes();
  if (bytesNeeded > (1 << 20)) return "";
  std::vector<Array> inputs;
  for (const TensorType &type : executable.value()->inputs) {
    StatusOr<Array> input = makeInput({}, type, inputs.size());
    if (!input.isOk()) return input.status().message();
    inputs.push_back(std::move(input.value()));
  }
  return runOn(*executable.value(), inputs).status().message();
}

int rounds() {
  const char *text = std::getenv("TINYFIN_FUZZ_GRAPHS");
  return text ? std::atoi(text) : 1500;
}

TEST(MutatedGraphs, TheOriginalRuns) {
  EXPECT_EQ(tryGraph(kGraph, *findBackend("interpreter").value()), "");
  EXPECT_EQ(tryGraph(kGraph, *findBackend("null").value()), "");
}

TEST(MutatedGraphs, TextIsRefusedInOneLineOrRuns) {
  Backend &interpreter = *findBackend("interpreter").value();
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < rounds(); ++i) {
    std::string text = mutate(kGraph, random);
    std::string error = tryGraph(text, interpreter);
    refused += !error.empty();
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  EXPECT_GT(refused, rounds() / 2);
  EXPECT_LT(refused, rounds());
}

TEST(MutatedGraphs, EveryCutOfTheTextIsRefused) {
  Backend &interpreter = *findBackend("interpreter").value();
  for (size_t size = 0; size + 2 < kGraph.size(); size += 7)
    EXPECT_NE(tryGraph(llvm::StringRef(kGraph).take_front(size), interpreter), "") << size;
}

TEST(MutatedGraphs, EnvelopesAreRefused) {
  Backend &interpreter = *findBackend("interpreter").value();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = fin::readGraph(llvm::MemoryBuffer::getMemBufferCopy(kGraph, "graph"), context);
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  ASSERT_TRUE(mlir::succeeded(fin::writeGraph(*module, stream, fin::GraphForm::Bytecode)));
  EXPECT_EQ(tryGraph(bytes, interpreter), "");
  std::mt19937 random(11);
  for (int i = 0; i < rounds() / 3; ++i) {
    std::string damaged = mutate(bytes, random);
    if (damaged != bytes) { EXPECT_NE(tryGraph(damaged, interpreter), ""); }
  }
}

TEST(MutatedGraphs, RandomBytesAreRefused) {
  Backend &interpreter = *findBackend("interpreter").value();
  std::mt19937 random(13);
  for (int i = 0; i < rounds() / 3; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char &byte : bytes) byte = static_cast<char>(random());
    EXPECT_NE(tryGraph(bytes, interpreter), "");
  }
}

TEST(MutatedGraphs, DeepNestingIsRefused) {
  Backend &interpreter = *findBackend("interpreter").value();
  for (const char *piece : {"module {", "(", "[", "tensor<", "{a = "}) {
    std::string text;
    for (int i = 0; i < 200000; ++i) text += piece;
    EXPECT_NE(tryGraph(text, interpreter), "") << piece;
    EXPECT_NE(tryGraph("func.func @main() attributes {a = " + text, interpreter), "") << piece;
  }
}

} // namespace
