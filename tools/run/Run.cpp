// SPDX-License-Identifier: Apache-2.0
#include "tools/run/Run.h"
#include "llvm/Support/Format.h"
#include "tools/run/Graph.h"
#include "tools/run/Npy.h"
#include <chrono>

namespace tinyfin::run {
namespace {

constexpr int64_t kTriedSizes[] = {1, 3, 8};

Status refuse(const llvm::Twine &message) { return Status::error(StatusCode::InvalidArgument, message.str()); }

/// The file and what the command line says, for each backend anew: compiling changes a graph.
struct Source {
  const Options &options;
  std::string bytes;

  StatusOr<std::unique_ptr<Graph>> read(Backend &backend) const {
    return Graph::read(bytes, options.graph == "-" ? "<stdin>" : options.graph, backend);
  }
};

StatusOr<std::vector<Array>> makeInputs(const Options &options, const Executable &executable) {
  if (options.inputs.size() > executable.inputs.size())
    return refuse("found " + llvm::Twine(options.inputs.size()) + " inputs, wanted at most " + llvm::Twine(executable.inputs.size()));
  std::vector<Array> arrays;
  for (size_t i = 0; i < executable.inputs.size(); ++i) {
    InputSpec spec;
    spec.seed = i;
    if (i < options.inputs.size()) spec = options.inputs[i];
    StatusOr<Array> array = makeInput(spec, executable.inputs[i], i);
    if (!array.isOk()) return array.status();
    arrays.push_back(std::move(array.value()));
  }
  return arrays;
}

/// Runs `options.repeat` times and says how long the runs took, if there is more than one.
StatusOr<std::vector<Array>> runRepeatedly(Executable &executable, llvm::ArrayRef<Array> inputs, uint32_t repeat,
                                           llvm::raw_ostream &out) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  std::vector<Array> outputs;
  for (uint32_t i = 0; i < repeat; ++i) {
    auto start = Clock::now();
    StatusOr<std::vector<Array>> results = runOn(executable, inputs);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    if (!results.isOk()) return results.status();
    outputs = std::move(results.value());
  }
  llvm::sort(times);
  if (repeat > 1)
    out << llvm::format("%u runs: fastest %.3f ms, median %.3f ms (compiled in %.1f ms)\n", repeat, times.front(),
                        times[times.size() / 2], executable.stats.compileMilliseconds);
  return outputs;
}

Status runOnce(const Source &source, llvm::raw_ostream &out) {
  const Options &options = source.options;
  StatusOr<Backend *> backend = findBackend(options.backend.empty() ? "interpreter" : options.backend);
  if (!backend.isOk()) return backend.status();
  StatusOr<std::unique_ptr<Graph>> graph = source.read(*backend.value());
  if (!graph.isOk()) return graph.status();
  StatusOr<std::shared_ptr<Executable>> executable = graph.value()->compile(options.dims);
  if (!executable.isOk()) return executable.status();
  for (const auto &[number, path] : options.outputs)
    if (number >= executable.value()->outputs.size())
      return refuse("found --output=" + llvm::Twine(number) + ", the graph has " + llvm::Twine(executable.value()->outputs.size()) + " outputs");
  StatusOr<std::vector<Array>> inputs = makeInputs(options, *executable.value());
  if (!inputs.isOk()) return inputs.status();
  StatusOr<std::vector<Array>> outputs = runRepeatedly(*executable.value(), inputs.value(), options.repeat, out);
  if (!outputs.isOk()) return outputs.status();
  for (size_t i = 0; i < outputs.value().size(); ++i) {
    auto file = llvm::find_if(options.outputs, [&](const auto &output) { return output.first == i; });
    if (file == options.outputs.end())
      out << "output " << i << ": " << summaryOf(outputs.value()[i]) << '\n';
    else
      TINYFIN_RETURN_IF_ERROR(writeNpy(outputs.value()[i], file->second));
  }
  return Status::ok();
}

/// Compiles and runs for one backend; inputs are made by the first one.
StatusOr<std::vector<Array>> outputsOn(const Source &source, Backend &backend, const Sizes &sizes, std::vector<Array> &inputs) {
  StatusOr<std::unique_ptr<Graph>> graph = source.read(backend);
  if (!graph.isOk()) return graph.status();
  StatusOr<std::shared_ptr<Executable>> executable = graph.value()->compile(sizes);
  if (!executable.isOk()) return executable.status();
  if (inputs.empty()) {
    StatusOr<std::vector<Array>> made = makeInputs(source.options, *executable.value());
    if (!made.isOk()) return made.status();
    inputs = std::move(made.value());
  }
  return runOn(*executable.value(), inputs);
}

/// "cpu: max error 3.1e-07, ok"
bool report(llvm::StringRef name, llvm::ArrayRef<Array> found, llvm::ArrayRef<Array> wanted, llvm::raw_ostream &out) {
  double maxError = 0;
  std::string problem;
  if (found.size() != wanted.size()) problem = "another number of outputs";
  for (size_t i = 0; i < found.size() && problem.empty(); ++i) {
    Difference difference = compare(found[i], wanted[i], toleranceOf(wanted[i].type.dtype));
    maxError = std::max(maxError, difference.maxError);
    if (!difference.isOk) problem = "output " + std::to_string(i) + ": " + difference.text;
  }
  out << name << llvm::format(": max error %.2g, ", maxError) << (problem.empty() ? "ok" : "differs: " + problem) << '\n';
  return problem.empty();
}

Status verifyAt(const Source &source, const Sizes &sizes, llvm::raw_ostream &out) {
  for (const auto &[name, size] : sizes) out << name << "=" << size << (name == sizes.back().first ? ":\n" : ", ");
  std::vector<Array> inputs;
  StatusOr<std::vector<Array>> wanted = outputsOn(source, *findBackend("interpreter").value(), sizes, inputs);
  if (!wanted.isOk()) return wanted.status();
  std::string wrong;
  for (Backend *backend : allBackends()) {
    llvm::StringRef name = backend->name();
    if (name == "interpreter" || (!source.options.backend.empty() && source.options.backend != name)) continue;
    if (Status status = backend->probe(); !status.isOk()) {
      out << name << ": skipped: " << status.message() << '\n';
      continue;
    }
    StatusOr<std::vector<Array>> found = outputsOn(source, *backend, sizes, inputs);
    bool isOk = found.isOk() && report(name, found.value(), wanted.value(), out);
    if (!found.isOk()) out << name << ": failed: " << found.status().message() << '\n';
    if (!isOk) wrong += (wrong.empty() ? "" : ", ") + name.str();
  }
  return wrong.empty() ? Status::ok() : refuse("not as the interpreter: " + wrong);
}

Status verify(const Source &source, llvm::raw_ostream &out) {
  if (!source.options.backend.empty()) TINYFIN_RETURN_IF_ERROR(findBackend(source.options.backend).status());
  StatusOr<std::unique_ptr<Graph>> graph = source.read(*findBackend("interpreter").value());
  if (!graph.isOk()) return graph.status();
  std::vector<std::string> open;
  for (const std::string &name : graph.value()->symbols())
    if (llvm::none_of(source.options.dims, [&](const auto &dim) { return dim.first == name; })) open.push_back(name);
  if (open.empty()) return verifyAt(source, source.options.dims, out);
  for (int64_t size : kTriedSizes) {
    Sizes sizes = source.options.dims;
    for (const std::string &name : open) sizes.emplace_back(name, size);
    TINYFIN_RETURN_IF_ERROR(verifyAt(source, sizes, out));
  }
  return Status::ok();
}

StatusOr<Array> fromFile(const std::string &path, const TensorType &type, size_t number) {
  StatusOr<Array> read = readNpy(path);
  if (!read.isOk()) return read.status();
  TensorType inFile = type;
  if (type.dtype == DType::BF16) inFile.dtype = DType::F32; // which NumPy has
  if (!(read->type == inFile))
    return refuse("input " + llvm::Twine(number) + ": " + path + " holds " + textOf(read->type) + ", wanted " + textOf(inFile));
  if (inFile == type) return read;
  StatusOr<Array> narrow = makeArray(type);
  if (!narrow.isOk()) return narrow.status();
  for (int64_t i = 0; i < type.numElements(); ++i) setElement(narrow.value(), i, elementOf(read.value(), i));
  return narrow;
}

} // namespace

StatusOr<Array> makeInput(const InputSpec &spec, const TensorType &type, size_t number) {
  if (spec.dtype && !(TensorType{*spec.dtype, spec.dims} == type))
    return refuse("input " + llvm::Twine(number) + ": found " + textOf({*spec.dtype, spec.dims}) + ", wanted " + textOf(type));
  if (spec.kind == InputSpec::Kind::File) return fromFile(spec.path, type, number);
  StatusOr<Array> array = makeArray(type);
  if (!array.isOk()) return array.status();
  if (spec.kind == InputSpec::Kind::Fill)
    fill(array.value(), spec.number);
  else
    fillRandom(array.value(), spec.seed);
  return array;
}

Status runGraph(const Options &options, llvm::raw_ostream &out) {
  StatusOr<std::string> bytes = readFile(options.graph);
  if (!bytes.isOk()) return bytes.status();
  Source source{options, std::move(bytes.value())};
  return options.verify ? verify(source, out) : runOnce(source, out);
}

} // namespace tinyfin::run
