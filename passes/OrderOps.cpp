// SPDX-License-Identifier: Apache-2.0
// List scheduling for memory. An op that frees more than it needs runs as soon as it can; all others keep their order.
//   1. what an op waits for: its operands; if it has an effect, the effect before; if its result may take an input's
//      memory (the update of a parameter), the other readers of that input and every op that may fail
//   2. ops that read nothing which changes (fills, what is made of constants) run right before their first reader
//   3. all others run in their order; after each one, those it made ready and those that became the last reader of a value are
//      asked again how many bytes they would free
// Waiting is only ever for ops that stood before, so the given order always remains possible.
#include "llvm/ADT/SmallSet.h"
#include "passes/Failures.h"
#include "passes/Passes.h"
#include "passes/Storage.h"
#include <queue>

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_ORDEROPSPASS
#include "passes/Passes.h.inc"

namespace {

using Earliest = std::priority_queue<unsigned, std::vector<unsigned>, std::greater<unsigned>>;

class Scheduler {
public:
  explicit Scheduler(func::FuncOp function) : block(function.front()), storage(function) {
    for (Operation &op : block.without_terminator()) numbers[&op] = ops.size(), ops.push_back(&op);
    nodes.resize(ops.size());
    classes.resize(storage.all().size());
    for (unsigned i = 0; i < ops.size(); ++i) connect(i);
    // Whatever is returned is read by the terminator too, and lives to the end.
    for (Value value : block.getTerminator()->getOperands()) ++classes[storage.indexOf(value)].unread;
    for (Operation *op : findFailures(block)) failures.push_back(numbers.lookup(op));
    for (unsigned i = 0; i < ops.size(); ++i) holdBack(i);
  }

  void run() {
    for (unsigned i = 0; i < ops.size(); ++i)
      if (!nodes[i].waiting) makeReady(i);
    while (!urgent.empty() || !ready.empty()) {
      Earliest &queue = urgent.empty() ? ready : urgent;
      unsigned next = queue.top();
      queue.pop();
      if (!nodes[next].isDone) execute(next);
    }
  }

  /// Fills stand where they were written or first needed; nothing is lost by making them later.
  void sinkFills() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block.without_terminator()))) {
      bool isFill = llvm::all_of(op.getOperands(), [](Value operand) { return !!operand.getDefiningOp<ConstantOp>(); });
      if (!isFill || isa<ConstantOp>(op) || op.use_empty() || mayFail(&op) || !isMemoryEffectFree(&op)) continue;
      Operation *first = *op.getUsers().begin();
      for (Operation *user : op.getUsers())
        if (user->isBeforeInBlock(first)) first = user;
      op.moveBefore(first);
    }
  }

private:
  struct Node {
    SmallVector<unsigned, 4> held, followers; // storage classes read, without repetition; ops that wait for this one
    unsigned waiting = 0;
    bool isDone = false;
  };
  struct Class {
    SmallVector<unsigned, 4> readers; // ops
    unsigned unread = 0;              // readers to come
  };

  void follow(unsigned before, unsigned after) {
    nodes[before].followers.push_back(after);
    ++nodes[after].waiting;
  }

  void connect(unsigned i) {
    for (Value operand : ops[i]->getOperands()) {
      if (Operation *producer = operand.getDefiningOp()) follow(numbers.lookup(producer), i);
      unsigned index = storage.indexOf(operand);
      if (isView(ops[i]) || llvm::is_contained(nodes[i].held, index)) continue;
      nodes[i].held.push_back(index);
      classes[index].readers.push_back(i);
      ++classes[index].unread;
    }
    if (isMemoryEffectFree(ops[i])) return;
    if (lastEffect >= 0) follow(lastEffect, i);
    lastEffect = i;
  }

  /// An update runs behind all that reads or checks what it overwrites.
  void holdBack(unsigned i) {
    bool writes = false;
    for (OpOperand &operand : ops[i]->getOpOperands()) {
      unsigned index = storage.indexOf(operand.get());
      if (storage.all()[index].place != Place::Input || !mayTake(ops[i], operand)) continue;
      writes = true;
      for (unsigned reader : classes[index].readers)
        if (reader < i) follow(reader, i);
    }
    if (!writes) return;
    for (unsigned failure : failures)
      if (failure < i) follow(failure, i);
  }

  bool mayTake(Operation *op, OpOperand &operand) const {
    if (!readsAtWrittenIndex(op, operand.getOperandNumber())) return false;
    return llvm::any_of(op->getResults(), [&](Value result) {
      return storage.of(result).place == Place::Output && haveSameShape(result.getType(), operand.get().getType());
    });
  }

  /// Bytes of the arena that running the op gives back, less those it takes.
  int64_t freed(unsigned i) const {
    int64_t bytes = 0;
    for (unsigned index : nodes[i].held) {
      const StorageClass &held = storage.all()[index];
      if (held.place == Place::Arena && classes[index].unread == 1) bytes += bytesOf(held.root.getType());
    }
    if (isView(ops[i])) return 0;
    for (Value result : ops[i]->getResults())
      if (storage.of(result).place == Place::Arena) bytes -= bytesOf(result.getType());
    return bytes;
  }

  /// What takes next to nothing runs at once too: an update may wait for a rate that is computed at the end of the step.
  bool isUrgent(unsigned i) const {
    constexpr int64_t kSmall = 128;
    return freed(i) > 0 || (resultBytes(i) <= kSmall && !mayFail(ops[i]) && isMemoryEffectFree(ops[i]));
  }
  int64_t resultBytes(unsigned i) const {
    int64_t bytes = 0;
    for (Value result : ops[i]->getResults()) bytes += bytesOf(result.getType());
    return bytes;
  }

  void makeReady(unsigned i) { (isUrgent(i) ? urgent : ready).push(i); }

  void execute(unsigned i) {
    Node &node = nodes[i];
    node.isDone = true;
    ops[i]->moveBefore(block.getTerminator());
    for (unsigned index : node.held)
      if (--classes[index].unread == 1) promoteLastReader(classes[index]);
    for (unsigned follower : node.followers)
      if (!--nodes[follower].waiting) makeReady(follower);
  }

  void promoteLastReader(Class &read) {
    for (unsigned reader : read.readers)
      if (!nodes[reader].isDone && !nodes[reader].waiting && freed(reader) > 0) return urgent.push(reader);
  }

  Block &block;
  Storage storage;
  std::vector<Operation *> ops;
  llvm::DenseMap<Operation *, unsigned> numbers;
  std::vector<Node> nodes;
  std::vector<Class> classes; // one a storage class
  std::vector<unsigned> failures;
  int lastEffect = -1;
  Earliest urgent, ready; // an op may be in both
};

struct OrderOps : impl::OrderOpsPassBase<OrderOps> {
  void runOnOperation() override {
    if (!isStaticFunction(getOperation())) return;
    Scheduler scheduler(getOperation());
    scheduler.run();
    scheduler.sinkFills();
  }
};

} // namespace
} // namespace tinyfin::fin
