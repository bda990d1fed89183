// SPDX-License-Identifier: Apache-2.0
// A captured graph that runs without its Python body: inputs are gathered from arguments and captured cells, state is
// written back, results are new tensors. With gradients wanted outside, forward and backward are two graphs.
#pragma once
#include "frontend/JitBackward.h"
#include "runtime/ExecutionCache.h"
#include <memory>

namespace tinyfin {

/// Which value something is after the call: a graph output, or an input passed on.
struct Place {
  enum Kind : uint8_t { Output, Input, Cell } kind = Output;
  uint32_t index = 0; // output slot, input number; Cell: an argument or outside cell itself is returned
  bool isArg = false;
};

/// What happens to `.grad` of an outside cell or argument.
struct GradEffect {
  uint32_t cell = 0;
  bool isArg = false;
  enum Kind : uint8_t { Clear, Drop, Set } kind = Clear;
  Place value;
};

/// A result that shares its data with a tensor the caller has: another result, an argument or a tensor from outside.
struct ResultView {
  uint32_t result = 0;
  int32_t of = -1; // the other result; -1: what `base` names
  Place base;
  std::vector<ViewStep> steps; // from that tensor on; none: it is the same tensor
  std::vector<TensorSpec> specs;
};

/// What one call gathers. A program keeps those that are not in use: their vectors have the capacity.
struct JitCall {
  std::vector<ValueRef> values, produced;
  std::vector<void *> inputs, outputs;
  std::vector<BufferRef> buffers;
  std::vector<std::pair<uint32_t, BufferRef>> numberBuffers; // of devices that cannot read the host's memory
  std::vector<Var> previous; // of the state cells
  std::vector<uint32_t> versions;
  int64_t random[2];

  void clear() {
    values.clear(), produced.clear(), inputs.clear(), outputs.clear(), buffers.clear(), numberBuffers.clear(), previous.clear(), versions.clear();
  }
};

using JitResults = llvm::SmallVector<Tensor, 4>;

class JitProgram {
public:
  /// From a finished capture whose body returned `results`. Throws UserError where a value escapes. Does not run it.
  JitProgram(Capture &capture, llvm::ArrayRef<Tensor> results, bool withBackward = true);

  /// Why `other`, recorded from the same signature, is not the same program; empty: it is.
  std::string differenceFrom(const JitProgram &other) const;

  /// `again` is the same program: whose `.grad` exists in only one of the recordings may have one or not.
  void acceptGradsOf(const JitProgram &again);

  /// Computes the capture's own values (the first calls of a signature), compiled at once.
  void runCaptured(Capture &capture);
  /// A later call: no Python, no recording.
  JitResults run(llvm::ArrayRef<Tensor> args, llvm::ArrayRef<int64_t> numbers);
  /// Whether `.grad` is where it was when this was recorded, and no argument is a captured cell it was not.
  bool fits(llvm::ArrayRef<Tensor> args) const;

  /// Whether the body reads the tensor of this number other than as an argument.
  bool readsOutside(uint64_t born) const;

  const ExecutableStats *stats() const;
  /// The best times of compiled and interpreted calls, as far as they were compared.
  std::string bestRuns() const { return entry ? entry->trial().describe() : ""; }
  std::string refusal; // why it is interpreted, if it is
  /// Tensors from outside that the body only reads are taken as constants: `run` compiles for the values they have, and
  /// again when one has another.
  bool freezes = false;
  size_t ops() const { return opCount; }
  const Words &traceWords() const { return trace; }
  llvm::ArrayRef<uint32_t> outputSlots() const { return outputs; }

  // What an exporter needs to know.
  const Source &inputAt(size_t index) const { return inputs[index]; }
  llvm::ArrayRef<Place> resultPlaces() const { return results; }
  ValueRef outsideValue(uint32_t index, llvm::ArrayRef<Tensor> args) const { return cellAt(index, false, args).current(); }
  bool isState(uint32_t outsideCell) const;
  bool writes(const Cell &arg) const;
  size_t outputIndex(uint32_t slot) const;
  template <class F> void forEachState(F &&f) const {
    for (const State &state : states)
      if (!state.isArg) f(state.cell, state.value);
  }

private:
  struct State { // a cell that the body rebound
    uint32_t cell;
    bool isArg;
    bool keepsEdge; // only its data was written
    Place value;
  };
  void classifyInputs(Capture &capture);
  Place placeOf(Capture &capture, Value &value);
  void collectState(Capture &capture);
  void collectGrads(Capture &capture);
  void collectViews(Capture &capture, llvm::ArrayRef<Tensor> returned);
  void makeViews(JitResults &returned, llvm::ArrayRef<Tensor> args) const;
  std::string lineOf(const Source &source) const;
  void describeLines(const Recorder &recorder);
  void compile();
  void freeze(const JitCall &call);
  bool isFrozen(const JitCall &call) const;
  void planOutputs();
  void planDonations();
  CacheEntry::Choice chooseOnTrial();
  void offerInterpreted();
  bool isSameCell(uint32_t index, const JitProgram &other, uint32_t otherIndex) const;
  Cell &cellAt(uint32_t index, bool isArg, llvm::ArrayRef<Tensor> args) const;
  bool gatherValues(JitCall &call, llvm::ArrayRef<Tensor> args) const;
  void gather(JitCall &call, llvm::ArrayRef<Tensor> args, llvm::ArrayRef<int64_t> numbers) const;
  void copyNumbers(JitCall &call, Device &device) const;
  BufferRef numberBuffer(const JitCall &call, uint32_t input) const;
  void allocateOutputs(JitCall &call, bool mayDonate) const;
  void bindState(JitCall &call, llvm::ArrayRef<Tensor> args) const;
  [[noreturn]] void fail(JitCall &call, llvm::ArrayRef<Tensor> args, const Status &status) const;
  std::vector<ValueRef> savedValues(const JitCall &call) const;
  void planBackward(Capture &capture, llvm::ArrayRef<Tensor> returned);
  void attachBackward(llvm::MutableArrayRef<Tensor> returned, llvm::MutableArrayRef<Edge> edges, std::vector<ValueRef> saved) const;

  Modes modes;
  Words key, trace;
  std::vector<Source> inputs;
  std::vector<OutsideCell> outside;
  llvm::SmallVector<Tensor> writtenArgs;
  llvm::SmallVector<Place> results;
  llvm::SmallVector<TensorSpec> resultSpecs;
  std::vector<ResultView> views; // each after the one it is a view of
  llvm::SmallVector<std::optional<bool>> argHadGrad; // none: it makes no difference
  std::vector<State> states;
  std::vector<GradEffect> grads;
  llvm::SmallVector<uint32_t> outputs; // slots, ascending once complete
  llvm::DenseMap<Cell *, uint32_t> outsideIndex;
  std::vector<std::string> opLines; // of each op of the trace
  int64_t randomDrawn = 0;
  size_t opCount = 0;
  std::shared_ptr<CacheEntry> entry;
  std::shared_ptr<BackwardProgram> backward; // null: no gradient flows out
  std::vector<Place> savedPlaces;

  /// An output of the executable.
  struct OutputPlan {
    TensorSpec spec;
    size_t bytes = 0;
    int32_t place = -1; // among `outputs`, or nobody wants it
    int32_t donor = -1; // the input whose memory it may take
  };
  std::shared_ptr<Executable> executable;
  std::vector<ValueRef> frozen; // by input; null: not frozen. While held, nobody writes into their memory
  bool isOnTrial = true; // until compiled code has proved the faster one, or lost
  std::vector<OutputPlan> outputPlans;
  std::vector<Place> statePlan, resultPlan, gradPlan; // with numbers among `outputs` for slots
  llvm::SmallVector<std::unique_ptr<JitCall>, 2> idle;
};

} // namespace tinyfin
