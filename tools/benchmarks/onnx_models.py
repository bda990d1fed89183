# SPDX-License-Identifier: Apache-2.0
"""The inference workloads as ONNX graphs with constant weights.

Plain: standard ops, for compilers that find attention by themselves. Fused: onnxruntime's own attention, residual norm and gelu ops."""
import math

import numpy as np
import workloads as w
from onnx import TensorProto, checker, helper, numpy_helper

FUSED = "com.microsoft"


class Graph:
    """Nodes and constants; each method returns the name of a value."""

    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, name, array):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind, *inputs, domain="", **attributes):
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], domain=domain, **attributes))
        return result

    def shape(self, *sizes):
        return self.constant("shape" + "_".join(map(str, sizes)), np.array(sizes, "int64"))


class Encoder:
    def __init__(self, name, fused):
        self.config, self.weights, self.fused, self.graph = w.config_of(name), w.weights_of(name), fused, Graph()
        for key in [key for key in self.weights if ".qkv." in key]:
            parts = zip(("query", "key", "value"), np.split(self.weights[key], 3))
            self.weights |= {key.replace("qkv", part): array for part, array in parts}
        self.batch, self.length = w.INFERENCE[name]

    def weight(self, name, transposed=False):
        array = self.weights[name]
        return self.graph.constant(name + (".T" if transposed else ""), array.T if transposed else array)

    def product(self, name, x):
        return self.graph.op("MatMul", x, self.weight(name + ".weight", True))

    def linear(self, name, x):
        return self.graph.op("Add", self.product(name, x), self.weight(name + ".bias"))

    def norm(self, name, x):
        return self.graph.op("LayerNormalization", x, self.weight(name + ".weight"), self.weight(name + ".bias"), axis=-1, epsilon=1e-5)

    def residual_norm(self, name, x, linear, y):
        """norm(x + y @ weight + bias)."""
        if not self.fused:
            return self.norm(name, self.graph.op("Add", x, self.linear(linear, y)))
        return self.graph.op("SkipLayerNormalization", self.product(linear, y), x, self.weight(name + ".weight"), self.weight(name + ".bias"),
                             self.weight(linear + ".bias"), domain=FUSED, epsilon=1e-5)

    def heads(self, name, x, order):
        config = self.config
        split = self.graph.op("Reshape", self.linear(name, x), self.graph.shape(self.batch, self.length, config.heads, config.width // config.heads))
        return self.graph.op("Transpose", split, perm=order)

    def attention(self, layer, x):
        graph, config = self.graph, self.config
        names = [layer + n for n in ("query", "key", "value")]
        if self.fused:
            return graph.op("Attention", x, self.weight(layer + "qkv.weight", True), self.weight(layer + "qkv.bias"), domain=FUSED, num_heads=config.heads)
        q, k, v = (self.heads(n, x, order) for n, order in zip(names, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])))
        scale = graph.constant("scale", np.float32(1 / math.sqrt(config.width // config.heads)))
        weights = graph.op("Softmax", graph.op("Mul", graph.op("MatMul", q, k), scale), axis=-1)
        mixed = graph.op("Transpose", graph.op("MatMul", weights, v), perm=[0, 2, 1, 3])
        return graph.op("Reshape", mixed, graph.shape(self.batch, self.length, config.width))

    def mlp(self, layer, x):
        if self.fused:
            return self.graph.op("BiasGelu", self.product(layer + "grow", x), self.weight(layer + "grow.bias"), domain=FUSED)
        return self.graph.op("Gelu", self.linear(layer + "grow", x))

    def build(self):
        graph = self.graph
        words = graph.op("Gather", self.weight("encoder.tokens.weight"), "tokens", axis=0)
        places = graph.constant("places", self.weights["encoder.positions.weight"][: self.length])
        x = self.norm("encoder.norm", graph.op("Add", words, places))
        for i in range(self.config.layers):
            layer = f"encoder.layers.{i}."
            x = self.residual_norm(layer + "norm1", x, layer + "project", self.attention(layer, x))
            x = self.residual_norm(layer + "norm2", x, layer + "shrink", self.mlp(layer, x))
        pooled = graph.op("ReduceMean", x, graph.shape(1), keepdims=0)
        length = graph.op("Max", graph.op("ReduceL2", pooled, graph.shape(1), keepdims=1), graph.constant("small", np.float32(1e-12)))
        graph.op("Div", pooled, length)
        graph.nodes[-1].output[0] = "embeddings"


def model_bytes(name, fused):
    encoder = Encoder(name, fused)
    encoder.build()
    graph = encoder.graph
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, [encoder.batch, encoder.length])
    result = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [encoder.batch, encoder.config.width])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(FUSED, 1)]
    model = helper.make_model(helper.make_graph(graph.nodes, name, [tokens], [result], list(graph.constants.values())), opset_imports=opsets, ir_version=9)
    if not fused:
        checker.check_model(model)
    return model.SerializeToString()
