# SPDX-License-Identifier: Apache-2.0
"""The workloads in PyTorch. Modes: eager, compile, compile max-autotune; `fused` optimizers; `channels_last` for images."""
import contextlib
import types

import numpy as np
import torch
import torch_models
import workloads as w


def network(name):
    if name.startswith("gpt"):
        return torch_models.GPT(w.config_of(name))
    if name.startswith("bert"):
        return torch_models.BERT(w.config_of(name))
    if name == "resnet18":
        return torch_models.ResNet18(10, w.RESNET_WIDTHS)
    return torch_models.MiniLM(w.config_of(name)) if name in w.INFERENCE else w.small_network(torch.nn, name)


def model_of(name):
    model = network(name)
    model.load_state_dict({**model.state_dict(), **{key: torch.from_numpy(value) for key, value in w.weights_of(name).items()}})
    return model


def precision(dtype):
    return torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext()


def compiled(function, request):
    mode = request.get("mode", "eager")
    if "compile" not in mode:
        return function
    return torch.compile(function, mode="max-autotune-no-cudagraphs" if "max-autotune" in mode else None)


def build_training(request, model, inputs):
    name, fused = request["workload"], {"fused": True} if request.get("fused") else {}
    update = w.optimizer_of(torch.optim, name, model.parameters(), request.get("optimizer"), **fused)
    x, y = inputs

    def forward(x, y):
        with precision(request["dtype"]):
            logits = model(x)
            return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))

    def step_of(loss_of):
        def step():
            update.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            update.step()
            return loss
        return step
    if name in w.SMALL:  # small networks gain from a compiled optimizer too
        return compiled(step_of(forward), request)
    return step_of(compiled(forward, request))


def build(request, model=None):
    torch.set_num_threads(request["threads"])
    name = request["workload"]
    model = model or model_of(name)
    inputs = [torch.from_numpy(array) for array in w.batch_of(name)]
    if request.get("channels_last"):
        model, inputs[0] = model.to(memory_format=torch.channels_last), inputs[0].contiguous(memory_format=torch.channels_last)
    if name in w.INFERENCE:
        forward = compiled(model.eval(), request)

        def run():
            with torch.inference_mode():
                return forward(inputs[0]).numpy()
    else:
        run = build_training(request, model, inputs)
    return types.SimpleNamespace(run=run, value=lambda x: x if isinstance(x, np.ndarray) else x.detach().float().numpy(), finish=lambda: None,
                                 settle=lambda: None, close=lambda: None, explain=list, model=model)


def elementwise_op(request):
    torch.set_num_threads(request["threads"])
    x = torch.full((16,), 1.0001)

    def run():
        y = x
        with torch.no_grad():
            for _ in range(1000):
                y = y * x
        return y.numpy()
    return types.SimpleNamespace(run=run, value=lambda y: y[:1], finish=lambda: None, settle=lambda: None, close=lambda: None, explain=list, model=None)
