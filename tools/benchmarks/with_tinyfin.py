# SPDX-License-Identifier: Apache-2.0
"""The workloads in tinyfin: the networks of python/examples."""
import contextlib
import pathlib
import sys
import types

import numpy as np
import workloads as w

import tinyfin as fin

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "examples"))


def network(name):
    if name.startswith("gpt"):
        import gpt_mini
        return gpt_mini.GPT(gpt_mini.Config(**vars(w.config_of(name))))
    if name.startswith("bert"):
        import bert_mini
        return bert_mini.BERT(bert_mini.Config(**vars(w.config_of(name))))
    if name == "resnet18":
        import resnet18
        return resnet18.ResNet18(10, w.RESNET_WIDTHS)
    if name in w.INFERENCE:
        import minilm
        return minilm.MiniLM(minilm.Config(**w.MINILM))
    return w.small_network(fin.nn, name)


def model_of(name):
    """The network with the workload's starting weights."""
    model = network(name)
    model.load_state_dict({**model.state_dict(), **{key: fin.from_numpy(value) for key, value in w.weights_of(name).items()}})
    return model


def precision(dtype):
    return fin.autocast(dtype=fin.bfloat16) if dtype == "bf16" else contextlib.nullcontext()


def build(request, model=None):
    """run() -> loss or embeddings, value(it) -> NumPy, finish(), close() and explain() of a request (see measure.py)."""
    name, mode = request["workload"], request.get("mode", "jit")
    stack = contextlib.ExitStack()
    stack.enter_context(fin.eager_mode("immediate" if mode == "immediate" else "deferred"))
    model = model or model_of(name)
    inputs = [fin.from_numpy(array) for array in w.batch_of(name)]
    if name in w.INFERENCE:
        import minilm
        step = minilm.embedder(model)
    else:
        update = w.optimizer_of(fin.optim, name, model.parameters(), request.get("optimizer"))

        def step(x, y):
            update.zero_grad()
            with precision(request["dtype"]):
                logits = model(x)
                loss = fin.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))
            loss.backward()
            update.step()
            return loss
        step = fin.jit(step) if mode == "jit" else step

    def explain():
        """Records of the step's own graph: the jitted one, or the one that ran most often."""
        return step.explain() if mode == "jit" or name in w.INFERENCE else sorted(fin.explain(), key=lambda g: g["seen"])[-1:]
    finish = fin.sync if name not in w.INFERENCE else lambda: None
    run = (lambda: step(*inputs)) if name not in w.INFERENCE else (lambda: step(*inputs).numpy())
    return types.SimpleNamespace(run=run, value=lambda x: x if isinstance(x, np.ndarray) else x.to(fin.float32).numpy(), finish=finish,
                                 settle=fin._core.wait_for_compiles, close=stack.close, explain=explain, model=model)


def elementwise_op(request):
    """Seconds of one op in a chain of 1,000 on 16 numbers; run() does the whole chain."""
    x = fin.full((16,), 1.0001)

    def run():
        y = x
        for _ in range(1000):
            y = y * x
        return y.numpy()
    return types.SimpleNamespace(run=run, value=lambda y: y[:1], finish=lambda: None, settle=fin._core.wait_for_compiles, close=lambda: None,
                                 explain=list, model=None)
