// SPDX-License-Identifier: Apache-2.0
// The named pipelines: optimize -> specialize -> fuse -> plan. Each is a pass list that ends in a checked contract.
#pragma once
#include "mlir/Pass/PassManager.h"
#include <functional>
#include <string>
#include <vector>

namespace tinyfin::fin {

/// What pipelines are told from outside (settings live above this layer).
struct PipelineSettings {
  std::string disabled;              // comma list of stems to skip: "fold-constants,cse"
  std::string dumpFolder;            // gets a numbered file after each pass
  int64_t foldLimitBytes = 1 << 20;  // largest constant that folding may make
  int64_t keepBytes = 16 << 20;      // what may wait for the backward half before cheap values are computed again
  std::vector<std::string> keep = {};     // composites that the backend runs better whole
  std::vector<std::string> dims = {};     // "N=8": sizes of symbolic dims
  bool symbolic = false;                  // dims may stay symbolic to the end
  bool contractions = true;               // products may take what finishes them into one region
  bool channelsLast = false;              // the backend is faster at images with channels last
};

/// Canonical, folded, without common subexpressions, dead code and composites but those to keep.
void buildOptimize(mlir::OpPassManager &pm, const PipelineSettings &settings);
/// Symbolic dims become static.
void buildSpecialize(mlir::OpPassManager &pm, const PipelineSettings &settings);

/// For backends that run op by op: liveness and memory only, no rewriting, as it is on the path of every cache miss.
void buildInterpret(mlir::OpPassManager &pm, const PipelineSettings &settings);
/// Groups of ops become fin.fusion regions that the backend has claimed.
void buildFuse(mlir::OpPassManager &pm, const PipelineSettings &settings);
/// Assigns outputs to inputs and intermediate values to the arena.
void buildPlan(mlir::OpPassManager &pm, const PipelineSettings &settings);

/// Makes `pm` write a file after each pass if the settings name a folder.
void instrument(mlir::PassManager &pm, const PipelineSettings &settings);

/// Writes FOLDER/NNN-NAME; files of all compilations of a process are numbered in one row.
void writeDump(const std::string &folder, llvm::StringRef name, llvm::function_ref<void(llvm::raw_ostream &)> print);

/// Called with each pass' stem and the milliseconds it took.
using PassTimes = std::function<void(llvm::StringRef stem, double milliseconds)>;
void timePasses(mlir::PassManager &pm, PassTimes sink);

/// Registers `--fin-optimize` and the other phases, and all passes, with the textual pipeline parser.
void registerPipelines(const PipelineSettings &settings);

} // namespace tinyfin::fin
