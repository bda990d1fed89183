// SPDX-License-Identifier: Apache-2.0
// Reads the host's feature bits and describes the x86-64 levels.
#include "backends/cpu/Machine.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

namespace tinyfin::cpu {

static Machine makeHost() {
  Machine machine;
  machine.triple = llvm::sys::getProcessTriple();
  machine.cpu = "x86-64";
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  // Sorted, so that equal machines have equal names.
  std::vector<std::string> names;
  for (const auto &feature : features) names.push_back((feature.second ? "+" : "-") + feature.first().str());
  std::sort(names.begin(), names.end());
  for (const std::string &name : names) machine.features += (machine.features.empty() ? "" : ",") + name;
  bool wide = features.lookup("avx512f") && features.lookup("avx512bw") && features.lookup("avx512vl") &&
              features.lookup("avx512dq");
  machine.lanes = wide ? 16 : features.lookup("avx2") ? 8 : 4;
  machine.hasF16c = features.lookup("f16c");
  machine.hasFma = features.lookup("fma");
  machine.hasBf16 = wide && features.lookup("avx512bf16");
  return machine;
}

const Machine &Machine::host() {
  static const Machine machine = makeHost();
  return machine;
}

Machine Machine::level(const std::string &cpu) {
  if (cpu == "host") return host();
  Machine machine;
  machine.triple = llvm::sys::getProcessTriple();
  machine.cpu = cpu;
  machine.lanes = cpu == "x86-64-v4" ? 16 : cpu == "x86-64-v3" ? 8 : 4;
  machine.hasF16c = machine.hasFma = machine.lanes > 4;
  return machine;
}

std::string Machine::name() const {
  return triple.substr(0, triple.find('-')) + "-" + std::to_string(lanes * 32) + "bit" + (hasFma ? "-fma" : "") +
         (hasF16c ? "-f16c" : "") + (hasBf16 ? "-bf16" : "") + (features.empty() ? "-" + cpu : "");
}

} // namespace tinyfin::cpu
