# SPDX-License-Identifier: Apache-2.0
"""The networks and optimizers in plain JAX. Parameters are a dict with the names of PyTorch's state dicts.

`dtype` is what matrix products and convolutions compute in; norms, softmax and losses are float32. Images are NHWC inside, which is
what XLA is fastest with on CPUs.
"""
import jax
import jax.numpy as jnp
import workloads as w


def linear(p, name, x, dtype):
    return x.astype(dtype) @ p[name + ".weight"].astype(dtype).T + p[name + ".bias"].astype(dtype)


def layer_norm(p, name, x):
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    var = jnp.square(wide - mean).mean(-1, keepdims=True)
    return ((wide - mean) * jax.lax.rsqrt(var + 1e-5) * p[name + ".weight"] + p[name + ".bias"])


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


def attention(q, k, v, causal):
    """Of [B, S, H, D]."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k).astype(jnp.float32) * (q.shape[-1] ** -0.5)
    if causal:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -1e30)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1).astype(q.dtype), v)


def mlp(p, prefix, x, dtype):
    return linear(p, prefix + "shrink", gelu(linear(p, prefix + "grow", x, dtype)), dtype)


def gpt(p, tokens, config, dtype):
    batch, length = tokens.shape
    x = p["tokens.weight"][tokens] + p["positions.weight"][:length]
    for i in range(config.layers):
        block = f"blocks.{i}."
        qkv = linear(p, block + "qkv", layer_norm(p, block + "norm1", x), dtype)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, length, 3, config.heads, -1), 2, 0)
        x = x + linear(p, block + "project", attention(q, k, v, True).reshape(batch, length, -1), dtype)
        x = x + mlp(p, block, layer_norm(p, block + "norm2", x), dtype)
    return layer_norm(p, "norm", x).astype(dtype) @ p["tokens.weight"].astype(dtype).T


def encoder(p, tokens, config, dtype):
    batch, length = tokens.shape
    x = layer_norm(p, "encoder.norm", p["encoder.tokens.weight"][tokens] + p["encoder.positions.weight"][:length])
    for i in range(config.layers):
        layer = f"encoder.layers.{i}."
        q, k, v = jnp.moveaxis(linear(p, layer + "qkv", x, dtype).reshape(batch, length, 3, config.heads, -1), 2, 0)
        x = layer_norm(p, layer + "norm1", x + linear(p, layer + "project", attention(q, k, v, False).reshape(batch, length, -1), dtype))
        x = layer_norm(p, layer + "norm2", x + mlp(p, layer, x, dtype))
    return x


def bert(p, tokens, config, dtype):
    x = layer_norm(p, "norm", gelu(linear(p, "transform", encoder(p, tokens, config, dtype), dtype)))
    return x.astype(dtype) @ p["encoder.tokens.weight"].astype(dtype).T + p["bias"].astype(dtype)


def minilm(p, tokens, config, dtype):
    pooled = encoder(p, tokens, config, dtype).mean(1)
    return pooled / jnp.maximum(jnp.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def conv(p, name, x, stride, dtype, padding):
    return jax.lax.conv_general_dilated(x.astype(dtype), p[name].astype(dtype), (stride, stride), padding, dimension_numbers=("NHWC", "OIHW", "NHWC"))


def batch_norm(p, name, x):
    wide = x.astype(jnp.float32)
    mean = wide.mean((0, 1, 2))
    var = jnp.square(wide).mean((0, 1, 2)) - jnp.square(mean)
    y = (wide - mean) * (jax.lax.rsqrt(var + 1e-5) * p[name + ".weight"]) + p[name + ".bias"]
    return y.astype(x.dtype), (mean, var * (wide[..., 0].size / (wide[..., 0].size - 1)))


def resnet18(p, images, dtype):
    """(logits, statistics): the batch's mean and unbiased variance of every norm, for the running ones."""
    statistics = {}

    def unit(x, convolution, norm, stride, size):
        y = conv(p, convolution + ".weight", x, stride, dtype, [(size // 2, size // 2)] * 2)
        y, statistics[norm] = batch_norm(p, norm, y)
        return y
    x = jax.nn.relu(unit(images.transpose(0, 2, 3, 1), "conv1", "bn1", 1, 3))
    for stage in range(len(w.RESNET_WIDTHS)):
        for i in range(2):
            block, stride = f"stages.{stage}.{i}.", 2 if stage and not i else 1
            y = jax.nn.relu(unit(x, block + "conv1", block + "bn1", stride, 3))
            y = unit(y, block + "conv2", block + "bn2", 1, 3)
            x = unit(x, block + "downsample.0", block + "downsample.1", stride, 1) if stride == 2 else x
            x = jax.nn.relu(y + x)
    return linear(p, "fc", x.mean((1, 2)), dtype), statistics


def small(p, name, x, dtype):
    places = sorted({int(key.split(".")[0]) for key in p})
    if name == "lenet5":
        x = x.transpose(0, 2, 3, 1)
        for place in places[:2]:
            x = jax.nn.relu(conv(p, f"{place}.weight", x, 1, dtype, "VALID") + p[f"{place}.bias"])
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x, places = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1), places[2:]
    for place in places:
        x = linear(p, str(place), x, dtype)
        x = jax.nn.relu(x) if place != places[-1] else x
    return x


def loss_of(p, name, x, y, dtype):
    statistics = {}
    if name.startswith("gpt"):
        logits = gpt(p, x, w.config_of(name), dtype)
    elif name.startswith("bert"):
        logits = bert(p, x, w.config_of(name), dtype)
    elif name == "resnet18":
        logits, statistics = resnet18(p, x, dtype)
    else:
        logits = small(p, name, x, dtype)
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits.astype(jnp.float32)), y[..., None], -1)
    return -picked.mean(), statistics


def sgd(name, params, velocity, grads):
    decay = w.RESNET_DECAY if name == "resnet18" else 0.0
    velocity = jax.tree.map(lambda v, g, p: w.MOMENTUM * v + (g + decay * p if decay else g), velocity, grads, params)
    return jax.tree.map(lambda p, v: p - w.RATE * v, params, velocity), velocity


def adamw(params, state, grads):
    first, second, step = state
    step = step + 1
    first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    size, root = w.ADAM_RATE / (1 - 0.9**step), jnp.sqrt(1 - 0.999**step)
    params = jax.tree.map(lambda p, m, v: p * (1 - w.ADAM_RATE * w.DECAY) - size * m / (jnp.sqrt(v) / root + 1e-8), params, first, second)
    return params, (first, second, step)


def optimizer_of(name, which):
    """(state of parameters, update(parameters, state, gradients))."""
    zeros = lambda params: jax.tree.map(jnp.zeros_like, params)  # noqa: E731
    if which == "adamw" or (which is None and name.startswith(("gpt", "bert"))):
        return lambda params: (zeros(params), zeros(params), jnp.zeros((), jnp.float32)), adamw
    return zeros, lambda params, state, grads: sgd(name, params, state, grads)
