// SPDX-License-Identifier: Apache-2.0
// Records ops as trace words (ir/Trace.h) and runs what is pending when a value is needed. One a thread.
#pragma once
#include "frontend/Errors.h"
#include "frontend/Host.h"
#include "frontend/Modes.h"
#include "frontend/Tape.h"
#include "llvm/ADT/ArrayRef.h"
#include "runtime/Attrs.h"
#include <vector>

namespace tinyfin {
namespace fin {
enum class InputRole : int64_t;
}

class Capture;

/// Where the data of a trace input comes from at the flush.
struct TraceInput {
  ValueRef value; // a tensor, or null: a scalar
  uint32_t slot = 0;
  uint32_t scalarAt = 0, scalarBytes = 0; // its data: first word in the scalar pool, size
  uint32_t op = 0;                        // how many ops stood before it
};

namespace flush {
class Run;
}

/// What is recorded and not yet run. A flush takes it out of its recorder whole, so that threads may go on recording.
struct PendingTrace {
  PendingTrace();
  PendingTrace(PendingTrace &&) noexcept;
  PendingTrace &operator=(PendingTrace &&) noexcept;
  ~PendingTrace();

  uint64_t id = 0;
  Words words;
  size_t prefixWords = 0;
  std::vector<Value *> slots; // weak; null when dead or an input
  std::vector<TraceInput> inputs;
  Words scalarPool;
  std::vector<SourceRef> sources; // one an op
  struct Rebind {
    Ref<Cell> cell;
    Var previous;
  };
  std::vector<Rebind> rebinds;
  std::vector<Ref<Cell>> newGrads; // cells whose `.grad` this trace made
  size_t inputBytes = 0;
  bool hasEffects = false;

  void clear(); // keeps the vectors' memory
};

class Recorder : private PendingTrace {
public:
  Recorder();
  ~Recorder();
  /// The recorder of this thread: a capture's while a jitted body is recorded.
  static Recorder &current();
  /// Makes `recorder` this thread's (null: its own again); returns what was set before.
  static Recorder *setCurrent(Recorder *recorder);

  /// Appends an op; results are Pending values (or run at once in immediate mode). Throws UserError with the shape
  /// rule's sentence. Random ops get their state and offset here: see recordRandom.
  llvm::SmallVector<ValueRef, 2> record(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Value *> operands);
  /// A random op with its state operand appended and its offset set to the numbers drawn so far.
  struct RandomResult {
    llvm::SmallVector<ValueRef, 2> results;
    ValueRef state;
    int64_t offset;
  };
  RandomResult recordRandom(OpId op, Words attrs, llvm::ArrayRef<Value *> operands);
  /// A runtime scalar: its value is data, never part of the key. `dims` is [] or [n] (slice starts).
  ValueRef scalar(const TensorSpec &spec, const void *data, size_t bytes);
  /// Where a slice starts: a runtime scalar too, but part of the key while a jitted body is recorded.
  ValueRef starts(llvm::ArrayRef<int64_t> values);
  /// A number of a derivative rule or decomposition, likewise. `bits` hold the value's bytes.
  ValueRef constant(DType dtype, int64_t bits);

  /// Computes everything pending that is still referenced. Throws UserError on failure, with the line.
  void flush(const char *reason);
  /// Makes `value` Ready (flushing the recorder it is pending in) or throws what made it fail.
  static void materialize(Value &value, const char *reason);
  /// A cut is due before the next op: liveness is sampled then, so that gradients can be dropped first.
  void requestCut();
  /// End of the outermost Module call: a cut when much is pending.
  void softCut();

  /// A cell is about to be rebound: remembers what to go back to if this trace fails.
  void noteRebind(Cell &cell);
  /// `.grad` of the cell was made: it is dropped again if this trace fails.
  void noteNewGrad(Cell &cell);
  void forget(Value &value); // its last reference went

  /// A place in the trace that it can be cut back to; what was recorded behind it must be dead by then.
  struct Mark {
    size_t words, scalarWords, inputs, ops;
    uint32_t slots;
  };
  Mark mark() const;
  void truncate(const Mark &mark);
  /// The type of every slot, by the shape rules.
  std::vector<TensorSpec> slotSpecs() const;
  /// The slot of an operand; makes it an input where it is not in the trace yet.
  uint32_t slotOf(Value &value);

  uint64_t traceId() const { return id; }
  size_t ops() const { return sources.size(); }
  /// The key: a prefix (target, modes), then the trace.
  std::span<const int64_t> key() const { return words; }
  std::span<const int64_t> trace() const { return std::span(words).subspan(prefixWords); }
  std::string lineOf(size_t op) const { return describeSource(sources[op]); }
  Capture *capture = nullptr; // set while this recorder records a jitted body
  /// How what is recorded is compiled: part of the key.
  void setModes(const Modes &wanted);

private:
  ValueRef scalarAs(fin::InputRole role, const TensorSpec &spec, const void *data, size_t bytes);
  friend class Capture;
  friend class JitProgram;
  friend class BackwardProgram;
  friend class flush::Run;
  static bool isForeign(const Value &value, uint64_t id);
  void afterOp();
  bool pinsTooMuch();
  void dropUnobserved(); // cells that only the trace holds: nobody can see what becomes of them
  void putPrefix();
  Modes modes;
  PendingTrace take();   // hands the trace to a flush and starts a new one
  void giveBack(PendingTrace used) { spare = std::move(used); } // its memory serves the next trace but one
  static void restoreCells(PendingTrace &failed); // back to the values from before the trace
  void restoreCells() { restoreCells(*this); }
  void reset();

  PendingTrace spare;
  size_t pinCheckBytes = 0; // the inputs are counted again when they are more
  struct {
    ValueRef state;
    uint64_t trace = 0;
    int64_t seed = 0, base = 0, drawn = 0;
  } random;
  bool cutRequested = false;
};

} // namespace tinyfin
