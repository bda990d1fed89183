# SPDX-License-Identifier: Apache-2.0
"""The workloads in JAX: one jitted step that owns (donates) its state."""
import types

import jax
import jax.numpy as jnp
import jax_models
import numpy as np
import workloads as w


def build(request, model=None):
    name, dtype = request["workload"], jnp.bfloat16 if request["dtype"] == "bf16" else jnp.float32
    params = {key: jnp.asarray(value) for key, value in w.weights_of(name).items()}
    inputs = [jnp.asarray(array) for array in w.batch_of(name)]
    if name in w.INFERENCE:
        embed = jax.jit(lambda tokens: jax_models.minilm(params, tokens, w.config_of(name), dtype))  # weights are constants
        run, finish = (lambda: np.asarray(embed(*inputs))), lambda: None
    else:
        run, finish = build_training(request, params, inputs, dtype)
    return types.SimpleNamespace(run=run, value=np.asarray, finish=finish, settle=lambda: None, close=lambda: None, explain=list, model=None)


def build_training(request, params, inputs, dtype):
    name = request["workload"]
    start, update = jax_models.optimizer_of(name, request.get("optimizer"))

    def step(params, state, running, x, y):
        (loss, statistics), grads = jax.value_and_grad(jax_models.loss_of, has_aux=True)(params, name, x, y, dtype)
        running = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, statistics)
        return *update(params, state, grads), running, loss
    norms = {key.removesuffix(".weight"): len(value) for key, value in params.items() if name == "resnet18" and value.ndim == 1 and key.endswith(".weight")}
    running = {key: (jnp.zeros(size), jnp.ones(size)) for key, size in norms.items()}
    step = jax.jit(step, donate_argnums=(0, 1, 2))
    held = [params, start(params), running]

    def run():
        *held[:], loss = step(*held, *inputs)
        return loss
    return run, lambda: jax.block_until_ready(held)
