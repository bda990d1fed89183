// SPDX-License-Identifier: Apache-2.0
// The Executable that backends for host memory build: a flat list of kernel calls over inputs, outputs, constants and
// one arena. A run allocates at most one block, resolves pointers step by step and stops at the first failure.
#pragma once
#include "runtime/Buffer.h"
#include "runtime/Executable.h"
#include "runtime/kernels/Kernel.h"

namespace tinyfin {

/// Where an argument lies: an input, output or constant by its number, or the arena; plus an offset in bytes.
struct ArgRef {
  enum class Kind : uint8_t { Input, Output, Constant, Arena };
  Kind kind = Kind::Input;
  uint32_t index = 0;
  size_t offset = 0;
  static ArgRef input(uint32_t index, size_t offset = 0) { return {Kind::Input, index, offset}; }
  static ArgRef output(uint32_t index, size_t offset = 0) { return {Kind::Output, index, offset}; }
  static ArgRef constant(uint32_t index, size_t offset = 0) { return {Kind::Constant, index, offset}; }
  static ArgRef arena(size_t offset) { return {Kind::Arena, 0, offset}; }
};

/// What every step has: a name for profiles and listings, and the recorded op it came from (see Status::origin).
struct StepInfo {
  std::string name;
  int64_t origin = -1;
  bool isInterpreted = false; // counted as such: an eager kernel for want of a compiled form
};

/// An eager kernel.
struct EagerStep {
  struct Arg {
    ArgRef at;
    TensorType type;
  };
  StepInfo info;
  KernelFn kernel = nullptr;
  Words attrs;
  std::vector<Arg> inputs, outputs;
};

/// A generated kernel: handles [begin, end) of `count` indices; the pool hands it pieces of `grain`.
using GeneratedFn = void (*)(void *const *args, const int64_t *dims, int64_t begin, int64_t end);
struct GeneratedStep {
  StepInfo info;
  GeneratedFn function = nullptr;
  std::vector<ArgRef> args;
  Words dims;
  int64_t count = 1, grain = 1;
  size_t bytes = 0; // read and written, for profiles
  bool wakes = true; // worth waking threads that sleep
};

/// Anything else, such as a library's primitive: the closure owns what it needs and is not changed by a run.
using CallFn = Status (*)(void *closure, void *const *args, ThreadPool &pool);
struct CallStep {
  StepInfo info;
  CallFn function = nullptr;
  std::shared_ptr<void> closure;
  std::vector<ArgRef> args;
  size_t bytes = 0;
};

class KernelList final : public Executable {
public:
  Status run(std::span<void *const> inputs, std::span<void *const> outputs) override;
  const char *backend() const override { return backendName.c_str(); }
  size_t numSteps() const { return steps.size(); }
  /// One line a step: `fin.add(input 0, input 1, arena + 64)`.
  std::string listing() const;

private:
  friend class KernelListBuilder;
  struct Arg {
    uint32_t base; // index in the run's table of inputs, outputs, constants and the arena
    size_t offset;
  };
  enum class StepKind : uint8_t { Eager, Generated, Call };
  struct Step {
    StepKind kind;
    uint16_t numInputs; // eager only
    uint32_t firstArg, numArgs;
    uint32_t name; // as known to the Profiler
    int64_t origin;
    union {
      KernelFn eager;
      GeneratedFn generated;
      CallFn call;
    };
    void *closure;
    size_t firstWord, numWords; // attributes or dims in `words`
    int64_t count, grain;
    size_t bytes;
    bool wakes;
  };
  /// A run's tables; they live in its arena block or on its stack.
  struct Frame {
    void **bases;       // inputs, outputs, constants, arena
    void **pointers;    // of the current step
    TensorArg *tensors; // of the current step, if eager
    ThreadPool &pool;
  };
  Status runStep(const Step &step, const Frame &frame) const;
  Status runEager(const Step &step, const Frame &frame) const;
  Status runProfiled(const Step &step, const Frame &frame) const;
  bool hasWrittenDonated(std::span<void *const> in, std::span<void *const> out, size_t end) const;
  size_t frameBytes() const;

  std::string backendName;
  std::vector<Step> steps;
  std::vector<Arg> args;
  std::vector<TensorArg> tensors; // beside args, without data; used by eager steps
  Words words;                    // attributes and dims of all steps
  std::vector<Words> dims;        // what the tensors' dims point into
  std::vector<BufferRef> constants;
  std::vector<std::shared_ptr<void>> owned; // closures and code
  size_t arenaBytes = 0;
  uint32_t maxStepArgs = 0;
  bool flushesDenormals = false;
  bool isLong = false; // enough is read and written that all threads will be needed soon
};

/// Builds a KernelList in the order of execution.
///   KernelListBuilder list("cpu");
///   uint32_t x = list.addInput(type), y = list.addOutput(type);
///   list.add(EagerStep{{"fin.relu"}, Kernel<"fin.relu">::run, attrs, {{ArgRef::input(x), type}}, {{ArgRef::output(y),
///   type}}}); StatusOr<std::shared_ptr<Executable>> executable = list.build();
class KernelListBuilder {
public:
  explicit KernelListBuilder(std::string backend);

  uint32_t addInput(TensorType type);
  uint32_t addOutput(TensorType type);
  uint32_t addConstant(BufferRef constant);
  void donate(uint32_t input, uint32_t output);
  /// The arena is 64-byte aligned at every run; what is in it at the start is undefined.
  void setArenaBytes(size_t bytes);
  /// Lives as long as the executable: JIT code, packed weights.
  void keepAlive(std::shared_ptr<void> owner);
  /// Results too small for a normal number become zeros (see FloatMode.h).
  void flushDenormals();

  void add(EagerStep step);
  void add(GeneratedStep step);
  void add(CallStep step);
  /// Copies bytes, for an output that is an input, a constant or another output.
  void addCopy(ArgRef from, ArgRef to, size_t bytes, int64_t origin = -1);

  /// Internal names a step with an argument that does not exist or reaches beyond the arena. The builder is empty
  /// after.
  StatusOr<std::shared_ptr<Executable>> build();
  ExecutableStats &stats() { return list->stats; }

private:
  KernelList::Step &append(KernelList::StepKind kind, const StepInfo &info, std::span<const ArgRef> args,
                           const Words &words);
  void check(const StepInfo &info, const ArgRef &arg, size_t bytes);
  void resolveBases();

  std::shared_ptr<KernelList> list;
  std::vector<ArgRef> refs;                            // of all steps; numbered only when the signature is known
  std::vector<std::pair<std::string, size_t>> reaches; // arena steps to check: name, end
  Status problem;
};

} // namespace tinyfin
