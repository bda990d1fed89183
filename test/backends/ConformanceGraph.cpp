// SPDX-License-Identifier: Apache-2.0
#include "test/backends/ConformanceGraph.h"
#include "runtime/ThreadPool.h"
#include <cstring>

namespace tinyfin::conformance {

static const std::vector<Exclusion> exclusions = {};

const char *exclusionOf(llvm::StringRef backend, llvm::StringRef name) {
  for (const Exclusion &exclusion : exclusions)
    if (backend == exclusion.backend && name.starts_with(exclusion.name)) return exclusion.reason;
  return nullptr;
}

TensorType plainType(const TensorSpec &spec) {
  TensorType type{spec.dtype, {}};
  for (fin::Dim dim : spec.dims) type.dims.push_back(dim.constant());
  return type;
}

Array arrayOf(const TensorSpec &spec, llvm::ArrayRef<double> values) {
  Array array = run::makeArray(plainType(spec)).value();
  for (size_t i = 0; i < values.size(); ++i) run::setElement(array, static_cast<int64_t>(i), values[i]);
  return array;
}

uint32_t Graph::input(const TensorSpec &spec, Array data, fin::InputRole role) {
  fin::appendInput(words, spec, role);
  inputs.push_back(std::move(data));
  specs.push_back(spec);
  text += "%" + std::to_string(specs.size() - 1) + ": " + spec.str() + "\n";
  return specs.size() - 1;
}

std::optional<uint32_t> Graph::op(OpId id, llvm::ArrayRef<uint32_t> operands, llvm::ArrayRef<int64_t> attrs) {
  llvm::SmallVector<TensorSpec> given, results;
  std::string error;
  for (uint32_t slot : operands) given.push_back(specs[slot]);
  if (failed(fin::inferResults(id, given, attrs, results, error))) return std::nullopt;
  fin::appendOp(words, id, operands, attrs);
  uint32_t first = specs.size();
  specs.insert(specs.end(), results.begin(), results.end());
  text += "%" + std::to_string(first) + " = " + fin::infoOf(id).name;
  for (uint32_t slot : operands) text += " %" + std::to_string(slot);
  for (int64_t word : attrs) text += " " + std::to_string(word);
  for (const TensorSpec &result : results) text += " -> " + result.str();
  text += "\n";
  return first;
}

std::optional<Graph> graphOf(const fin::test::RuleCase &testCase) {
  Graph graph;
  std::mt19937 random(static_cast<unsigned>(testCase.operands.size() * 131 + static_cast<unsigned>(testCase.op)));
  std::vector<uint32_t> operands;
  for (const fin::test::Sample &sample : testCase.operands) {
    auto role = sample.values.empty() ? fin::InputRole::Tensor : fin::InputRole::Scalar;
    operands.push_back(graph.input(sample.spec, arrayOf(sample.spec, fin::test::draw(random, sample)), role));
  }
  uint32_t inputs = graph.specs.size();
  if (!graph.op(testCase.op, operands, testCase.attrs)) return std::nullopt;
  for (uint32_t slot = inputs; slot < graph.specs.size(); ++slot) graph.outputs.push_back(slot);
  return graph;
}

namespace {

/// Device copies of the inputs, and outputs, which are donated inputs where the executable says so.
struct Launch {
  std::vector<BufferRef> in, out;
  std::vector<void *> inPointers, outPointers;

  Status prepare(Executable &executable, llvm::ArrayRef<Array> inputs) {
    for (const Array &input : inputs) {
      StatusOr<BufferRef> copy = executable.device->allocate(input.type.bytes());
      if (!copy.isOk()) return copy.status();
      TINYFIN_RETURN_IF_ERROR(copyBetween(*input.memory.get(), *copy.value().get(), input.type.bytes()));
      in.push_back(copy.value());
      inPointers.push_back(in.back()->data());
    }
    for (size_t i = 0; i < executable.outputs.size(); ++i) {
      StatusOr<BufferRef> fresh = executable.device->allocate(executable.outputs[i].bytes());
      if (!fresh.isOk()) return fresh.status();
      out.push_back(fresh.value());
      for (Donation donation : executable.donations)
        if (donation.output == i) out.back() = in[donation.input];
      outPointers.push_back(out.back()->data());
    }
    return Status::ok();
  }
};

} // namespace

StatusOr<std::vector<Array>> runDonating(Executable &executable, llvm::ArrayRef<Array> inputs, Threads threads) {
  Launch launch;
  TINYFIN_RETURN_IF_ERROR(launch.prepare(executable, inputs));
  Status status;
  if (threads == Threads::Many)
    status = executable.run(launch.inPointers, launch.outPointers);
  else // what a body of parallelFor calls runs on the body's thread alone
    ThreadPool::process().parallelFor(2, 1, [&](int64_t begin, int64_t) {
      if (begin == 0) status = executable.run(launch.inPointers, launch.outPointers);
    });
  if (!status.isOk()) return status;
  std::vector<Array> results;
  for (size_t i = 0; i < launch.out.size(); ++i) {
    StatusOr<Array> result = run::makeArray(executable.outputs[i]);
    if (!result.isOk()) return result.status();
    TINYFIN_RETURN_IF_ERROR(copyBetween(*launch.out[i].get(), *result->memory.get(), result->type.bytes()));
    results.push_back(std::move(result.value()));
  }
  return results;
}

} // namespace tinyfin::conformance
