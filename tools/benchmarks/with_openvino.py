# SPDX-License-Identifier: Apache-2.0
"""The inference workloads in OpenVINO: latency hint, as many threads as ours, arithmetic in the precision that was asked for."""
import types

import numpy as np
import onnx_models
import openvino
import workloads as w


def build(request, model=None):
    core = openvino.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": request["threads"], "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "bf16" if request["dtype"] == "bf16" else "f32"}
    compiled = core.compile_model(core.read_model(onnx_models.model_bytes(request["workload"], False)), "CPU", settings)
    infer, tokens = compiled.create_infer_request(), w.batch_of(request["workload"])[0]
    infer.set_input_tensor(openvino.Tensor(tokens))

    def run():
        infer.infer()
        return infer.get_output_tensor().data
    return types.SimpleNamespace(run=run, value=np.array, finish=lambda: None, settle=lambda: None, close=lambda: None, explain=list, model=None)
