// SPDX-License-Identifier: Apache-2.0
// Records nodes and walks them. The rules of ir/derivatives build through GraphBuilder over Vars.
#include "frontend/Tape.h"
#include "frontend/Capture.h"
#include "frontend/Scalars.h"
#include "ir/GraphBuilder.h"
#include <deque>
#include <map>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace tinyfin {
namespace {

thread_local bool gradEnabled = true;
uint64_t sequenceNumber = 0; // of the process: a graph may be built by several threads

/// GraphBuilder over Vars: what a rule emits is recorded, and taped when a graph of the gradient is wanted.
class VarBuilder final : public fin::GraphBuilder {
public:
  fin::Refs emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<fin::Ref> operands) override {
    Vars vars;
    for (fin::Ref operand : operands) vars.push_back(get(operand));
    fin::Refs refs;
    for (Var &result : applyOp(op, attrs, vars)) refs.push_back(put(std::move(result)));
    return refs;
  }
  const TensorSpec &specOf(fin::Ref ref) override { return get(ref).spec(); }
  fin::Ref scalar(double value, DType dtype) override;
  fin::Ref indexVector(llvm::ArrayRef<int64_t> values) {
    return put({Recorder::current().starts(values), {}});
  }

  fin::Ref put(Var var) { return var ? fin::Ref{&vars.emplace_back(std::move(var))} : fin::Ref(); }
  static const Var &get(fin::Ref ref) { return *static_cast<const Var *>(ref.handle); }

private:
  std::deque<Var> vars; // stable addresses
};

fin::Ref VarBuilder::scalar(double value, DType dtype) { return put({ruleConstant(value, dtype), {}}); }

} // namespace

bool isGradEnabled() { return gradEnabled; }
bool setGradEnabled(bool enabled) { return std::exchange(gradEnabled, enabled); }
uint64_t nextSequence() { return ++sequenceNumber; }

void Node::dispose() {
  // A chain of a hundred thousand nodes must not unwind by recursion.
  static thread_local std::vector<Node *> *pending = nullptr;
  if (pending) return pending->push_back(this);
  std::vector<Node *> work{this};
  pending = &work;
  while (!work.empty()) {
    Node *node = work.back();
    work.pop_back();
    delete node;
  }
  pending = nullptr;
}

static Vars tape(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Var> operands, llvm::ArrayRef<ValueRef> results) {
  Vars vars;
  for (const ValueRef &result : results) vars.push_back({result, {}});
  const fin::OpInfo &info = fin::infoOf(op);
  bool flows = llvm::any_of(operands, [](const Var &operand) { return bool(operand.edge); });
  if (!flows || !gradEnabled || !info.vjp) return vars;

  auto *node = new OpNode;
  Ref<Node> owner(node);
  node->op = op;
  node->sequence = nextSequence();
  node->attrs.assign(attrs.begin(), attrs.end());
  for (auto [i, operand] : llvm::enumerate(operands)) {
    node->next.push_back(operand.edge);
    node->operandSpecs.push_back(operand.spec());
    node->savedOperands.push_back(info.savedOperands >> std::min<size_t>(i, 63) & 1 ? operand.value : ValueRef());
  }
  for (auto [i, var] : llvm::enumerate(vars)) {
    node->resultSpecs.push_back(var.spec());
    node->savedResults.push_back(info.savedResults >> i & 1 ? var.value : ValueRef());
    if (isFloat(var.spec().dtype)) var.edge = {owner, static_cast<uint32_t>(i)};
  }
  return vars;
}

Vars applyOp(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Var> operands) {
  llvm::SmallVector<Value *, 4> values;
  for (const Var &operand : operands) values.push_back(operand.value.get());
  return tape(op, attrs, operands, Recorder::current().record(op, attrs, values));
}

Vars applyRandomOp(OpId op, Words attrs, llvm::ArrayRef<Var> operands) {
  llvm::SmallVector<Value *, 4> values;
  for (const Var &operand : operands) values.push_back(operand.value.get());
  Vars withState(operands.begin(), operands.end());
  Recorder::RandomResult drawn = Recorder::current().recordRandom(op, attrs, values);
  withState.push_back({drawn.state, {}});
  attrs.push_back(drawn.offset);
  return tape(op, attrs, withState, drawn.results);
}

Var identity(Var var) {
  if (!var.edge || !gradEnabled) return var;
  // A reshape to the same shape, without an op: the value is the same.
  auto *node = new OpNode;
  Edge edge{Ref<Node>(node), 0};
  node->op = OpId::Reshape;
  node->sequence = nextSequence();
  node->attrs = shapeAttr(var.spec().dims);
  node->next.push_back(var.edge);
  node->operandSpecs.push_back(var.spec());
  node->resultSpecs.push_back(var.spec());
  node->savedOperands.resize(1);
  node->savedResults.resize(1);
  return {std::move(var.value), std::move(edge)};
}

void OpNode::free() {
  freed = true;
  savedOperands.clear();
  savedResults.clear();
}

Vars OpNode::apply(llvm::ArrayRef<Var> cotangents, bool createGraph) {
  if (freed)
    throw UserError(ErrorKind::Runtime, std::string("backward through ") + name() +
                                            " a second time: what it saved was freed; pass retain_graph=True the first time");
  GradMode mode(createGraph);
  VarBuilder builder;
  fin::Refs operands, results, grads;
  for (size_t i = 0; i < next.size(); ++i) operands.push_back(builder.put({savedOperands[i], next[i]}));
  for (size_t i = 0; i < resultSpecs.size(); ++i)
    results.push_back(builder.put({savedResults[i], {Ref<Node>(this), static_cast<uint32_t>(i)}}));
  for (const Var &cotangent : cotangents) grads.push_back(builder.put(cotangent));
  uint64_t needed = 0;
  for (size_t i = 0; i < next.size(); ++i)
    if (next[i]) needed |= uint64_t(1) << std::min<size_t>(i, 63);
  fin::RuleContext context{builder,      AttrReader(attrs), operands, results, grads,
                           operandSpecs, resultSpecs,       needed,   {}};
  context.outputs.resize(next.size());
  fin::infoOf(op).vjp(context);
  Vars out;
  for (fin::Ref ref : context.outputs) out.push_back(ref ? VarBuilder::get(ref) : Var());
  return out;
}

Vars LeafNode::apply(llvm::ArrayRef<Var> cotangents, bool createGraph) {
  if (!cell) return {};
  Var grad = createGraph ? cotangents[0] : Var{cotangents[0].value, {}};
  if (Capture *capture = Recorder::current().capture) capture->noteGrad(*cell);
  if (!cell->grad) {
    cell->grad = makeTensor(grad);
    cell->missingGrad.clear();
    Recorder::current().noteNewGrad(*cell);
  } else {
    GradMode mode(createGraph);
    for (bool isDone = false; !isDone;) { // another thread may add to it too
      Tensor sum = cell->grad;
      uint32_t version = sum->root().version;
      Var value = applyOp(OpId::Add, {}, {sum->read(), grad})[0];
      isDone = cell->grad == sum && sum->root().version == version && sum->tryRebind(value);
    }
  }
  return {};
}

namespace {

/// The walk: nodes by falling sequence number; a node runs when all later nodes have.
class Walk {
public:
  Walk(llvm::ArrayRef<Edge> inputs, bool retainGraph, bool createGraph)
      : inputs(inputs), retainGraph(retainGraph), createGraph(createGraph) {
    found.resize(inputs.size());
    for (auto [i, input] : llvm::enumerate(inputs)) {
      wanted.emplace(std::pair(input.node.get(), input.index), i);
      targets.insert(input.node.get());
    }
  }

  void add(const Edge &edge, Var cotangent) {
    Vars &grads = pending[edge.node.get()];
    if (grads.empty()) {
      grads.resize(edge.node->resultSpecs.size());
      queue.push({edge.node->sequence, edge.node});
    }
    Var &slot = grads[edge.index];
    GradMode mode(createGraph);
    slot = slot ? applyOp(OpId::Add, {}, {slot, cotangent})[0] : std::move(cotangent);
  }

  void run() {
    while (!queue.empty()) {
      Ref<Node> node = queue.top().second;
      queue.pop();
      auto entry = pending.extract(node.get());
      visit(*node, entry.mapped());
    }
  }
  Vars found;

private:
  void visit(Node &node, Vars &grads) {
    for (size_t i = 0; i < grads.size(); ++i)
      for (auto [it, end] = wanted.equal_range({&node, static_cast<uint32_t>(i)}); it != end; ++it)
        found[it->second] = grads[i];
    // With inputs given, what leads to none of them is neither computed nor freed.
    if (!inputs.empty() && (node.isBoundary() || !leadsToTarget(node))) return;
    Vars operands = node.apply(grads, createGraph);
    for (auto [edge, grad] : llvm::zip(node.next, operands))
      if (edge && grad) add(edge, std::move(grad));
    if (!retainGraph) node.free();
  }

  /// Whether a target lies below the node. A walk without recursion: graphs are deep.
  bool leadsToTarget(Node &start) {
    std::vector<std::pair<Node *, size_t>> path; // node, next operand to look at
    if (leads.try_emplace(&start, false).second) path.push_back({&start, 0});
    while (!path.empty()) {
      auto &[node, operand] = path.back();
      if (operand == node->next.size()) {
        bool found = leads[node];
        path.pop_back();
        if (found && !path.empty()) leads[path.back().first] = true;
        continue;
      }
      Node *below = node->next[operand++].node.get();
      if (!below) continue;
      auto [known, isNew] = leads.try_emplace(below, false);
      if (targets.contains(below) || known->second) leads[node] = true;
      if (isNew && !below->isBoundary()) path.push_back({below, 0});
    }
    return leads[&start];
  }

  llvm::ArrayRef<Edge> inputs;
  bool retainGraph, createGraph;
  struct Later {
    bool operator()(const std::pair<uint64_t, Ref<Node>> &a, const std::pair<uint64_t, Ref<Node>> &b) const {
      return a.first < b.first;
    }
  };
  std::priority_queue<std::pair<uint64_t, Ref<Node>>, std::vector<std::pair<uint64_t, Ref<Node>>>, Later> queue;
  std::unordered_map<Node *, Vars> pending;
  std::multimap<std::pair<Node *, uint32_t>, size_t> wanted;
  std::unordered_set<Node *> targets;
  std::unordered_map<Node *, bool> leads;
};

} // namespace

Vars runBackward(llvm::ArrayRef<Var> roots, llvm::ArrayRef<Var> cotangents, llvm::ArrayRef<Edge> inputs,
                 bool retainGraph, bool createGraph) {
  Walk walk(inputs, retainGraph || createGraph, createGraph);
  for (auto [root, cotangent] : llvm::zip_equal(roots, cotangents)) {
    if (!root.edge)
      throw UserError(ErrorKind::Runtime, "backward from a tensor that does not require grad and was not computed from one that does");
    if (cotangent && cotangent.spec().dims != root.spec().dims)
      throw UserError(ErrorKind::Value, "the gradient's shape is " + fin::str(cotangent.spec().dims) + ", wanted " + fin::str(root.spec().dims));
    if (!cotangent && !fin::numElements(root.spec().dims)->is(1))
      throw UserError(ErrorKind::Runtime, "backward() without a gradient needs a result of one element, found " + root.spec().str());
    walk.add(root.edge, cotangent ? cotangent : onesLike(root.spec()));
  }
  walk.run();
  return std::move(walk.found);
}

} // namespace tinyfin
