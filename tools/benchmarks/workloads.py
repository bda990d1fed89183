# SPDX-License-Identifier: Apache-2.0
"""What is measured: networks, their data and starting weights (NumPy only, so that every library gets the same)."""
import types
import zlib

import numpy as np

RATE, MOMENTUM = 0.01, 0.9          # SGD of the small networks
ADAM_RATE, DECAY = 3e-4, 1e-2       # AdamW of the transformers: betas (0.9, 0.999), eps 1e-8
RESNET_DECAY = 5e-4                 # ResNet-18 adds it to the gradient

MLPS = {"tiny-mlp": ((64, 64, 64, 10), 16), "mlp": ((784, 512, 512, 10), 128)}  # layer sizes, batch
LENET_BATCH = 64
LENET_SHAPES = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 256), (84, 120), (10, 84)]
RESNET_BATCH, RESNET_WIDTHS = 32, (64, 128, 256, 512)
GPT_BATCH, GPT = 8, dict(vocabulary=96, context=256, layers=6, width=384, heads=6)
BERT_BATCH, BERT = 8, dict(vocabulary=30522, context=128, layers=4, width=256, heads=4, hidden=1024)
MINILM = dict(vocabulary=30522, context=512, layers=6, width=384, heads=12, hidden=1536)

SMALL = (*MLPS, "lenet5")
TRAINING = (*SMALL, "resnet18", "gpt-mini", "bert-mini")
INFERENCE = {"minilm-b1s16": (1, 16), "minilm-b1s128": (1, 128), "minilm-b32s128": (32, 128)}


def config_of(name):
    """The sizes of a transformer; gpt-mini-L12 is gpt-mini with 12 layers."""
    base, _, layers = name.partition("-L")
    sizes = dict({"gpt-mini": GPT, "bert-mini": BERT}.get(base, MINILM))
    return types.SimpleNamespace(**{**sizes, **({"layers": int(layers)} if layers else {})})


def checked_steps(name):
    """How many losses are compared with the other libraries'."""
    return 10 if name in SMALL else 4


def batch_of(name):
    """(inputs, labels int64); inputs alone for inference."""
    generator = np.random.default_rng(1)
    if name in INFERENCE:
        return (generator.integers(0, MINILM["vocabulary"], INFERENCE[name]),)
    if name.startswith(("gpt", "bert")):
        config = config_of(name)
        shape = (GPT_BATCH if name.startswith("gpt") else BERT_BATCH, config.context)
        return generator.integers(0, config.vocabulary, shape), generator.integers(0, config.vocabulary, shape)
    shape = {"lenet5": (LENET_BATCH, 1, 28, 28), "resnet18": (RESNET_BATCH, 3, 32, 32)}.get(name) or (MLPS[name][1], MLPS[name][0][0])
    return generator.standard_normal(shape, dtype="float32"), generator.integers(0, 10, shape[0])


def _linear(name, outputs, inputs):
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _embeddings(prefix, config):
    return {f"{prefix}tokens.weight": (config.vocabulary, config.width), f"{prefix}positions.weight": (config.context, config.width)}


def _gpt_shapes(config):
    width, shapes = config.width, _embeddings("", config)
    for i in range(config.layers):
        block = f"blocks.{i}."
        shapes |= _norm(block + "norm1", width) | _norm(block + "norm2", width) | _linear(block + "qkv", 3 * width, width)
        shapes |= _linear(block + "project", width, width) | _linear(block + "grow", 4 * width, width) | _linear(block + "shrink", width, 4 * width)
    return shapes | _norm("norm", width)


def _encoder_shapes(config):
    width, shapes = config.width, _embeddings("encoder.", config) | _norm("encoder.norm", config.width)
    for i in range(config.layers):
        layer = f"encoder.layers.{i}."
        shapes |= _linear(layer + "qkv", 3 * width, width) | _linear(layer + "project", width, width)
        shapes |= _norm(layer + "norm1", width) | _norm(layer + "norm2", width)
        shapes |= _linear(layer + "grow", config.hidden, width) | _linear(layer + "shrink", width, config.hidden)
    return shapes


def _resnet_shapes():
    shapes = {"conv1.weight": (RESNET_WIDTHS[0], 3, 3, 3)} | _norm("bn1", RESNET_WIDTHS[0])
    inputs = RESNET_WIDTHS[0]
    for stage, outputs in enumerate(RESNET_WIDTHS):
        for i in range(2):
            block = f"stages.{stage}.{i}."
            shapes |= {block + "conv1.weight": (outputs, inputs, 3, 3)} | _norm(block + "bn1", outputs)
            shapes |= {block + "conv2.weight": (outputs, outputs, 3, 3)} | _norm(block + "bn2", outputs)
            if inputs != outputs:
                shapes |= {block + "downsample.0.weight": (outputs, inputs, 1, 1)} | _norm(block + "downsample.1", outputs)
            inputs = outputs
    return shapes | _linear("fc", 10, inputs)


def shapes_of(name):
    """Parameter name -> shape, as in the state dicts (the small networks are Sequentials: names are their positions)."""
    if name.startswith("gpt"):
        return _gpt_shapes(config_of(name))
    if name.startswith("bert"):
        config = config_of(name)
        head = _linear("transform", config.width, config.width) | _norm("norm", config.width) | {"bias": (config.vocabulary,)}
        return _encoder_shapes(config) | head
    if name in INFERENCE:
        return _encoder_shapes(config_of(name))
    if name == "resnet18":
        return _resnet_shapes()
    places = [0, 3, 7, 9, 11] if name == "lenet5" else range(0, 99, 2)
    shapes = LENET_SHAPES if name == "lenet5" else [(o, i) for i, o in zip(MLPS[name][0], MLPS[name][0][1:])]
    return {f"{place}.{kind}": shape if kind == "weight" else shape[:1] for place, shape in zip(places, shapes) for kind in ("weight", "bias")}


def weights_of(name):
    """Parameter name -> array: ones and zeros for norms, 0.02 for embeddings and transformers, 1 / sqrt(fan in) for the others."""
    result = {}
    for key, shape in shapes_of(name).items():
        generator = np.random.default_rng([2, zlib.crc32(key.encode())])
        if len(shape) == 1:
            result[key] = np.full(shape, 1.0 if key.endswith("weight") else 0.0, "float32")
        else:
            scale = 1 / np.sqrt(np.prod(shape[1:])) if name in SMALL or name == "resnet18" else 0.02
            result[key] = generator.standard_normal(shape, dtype="float32") * np.float32(scale)
    return result


def small_network(nn, name):
    """A small network, from tinyfin's nn or PyTorch's."""
    if name == "lenet5":
        return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    layers = []
    for i, o in zip(MLPS[name][0], MLPS[name][0][1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def optimizer_of(optim, name, parameters, which=None, **options):
    """The optimizer a workload trains with (`which`: sgd or adamw instead), from tinyfin's optim or PyTorch's."""
    if which == "adamw" or (which is None and name.startswith(("gpt", "bert"))):
        return optim.AdamW(parameters, lr=ADAM_RATE, weight_decay=DECAY, **options)
    return optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, weight_decay=RESNET_DECAY if name == "resnet18" else 0.0, **options)
