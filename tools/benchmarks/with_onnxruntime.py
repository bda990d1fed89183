# SPDX-License-Identifier: Apache-2.0
"""The inference workloads in onnxruntime: all graph optimizations, as many threads as ours; modes plain and fused (its own ops)."""
import types

import numpy as np
import onnx_models
import onnxruntime
import workloads as w


def build(request, model=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = request["threads"], 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    graph = onnx_models.model_bytes(request["workload"], request.get("mode") == "fused")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feed = {"tokens": w.batch_of(request["workload"])[0]}
    return types.SimpleNamespace(run=lambda: session.run(None, feed)[0], value=np.asarray, finish=lambda: None, settle=lambda: None,
                                 close=lambda: None, explain=list, model=None)
