# SPDX-License-Identifier: Apache-2.0
"""What each figure must be and what it aims at.

A row is a dict: section, name, value, unit, must, aim, higher (whether more is better), met, aimed, note, and where it applies
`results` (library -> seconds and setting). Rows without a must are for information."""

BEST = "best peer"
# workload, dtype -> [(against whom, must, aim)]: how many times as fast
STEPS = {
    ("tiny-mlp", "f32"): [("torch", 5, 20), ("jax", 2, 5)],
    ("mlp", "f32"): [(BEST, 1.2, 1.6)], ("mlp", "bf16"): [(BEST, 1.5, 3)],
    ("lenet5", "f32"): [(BEST, 1.3, 2)],
    ("resnet18", "f32"): [(BEST, 1.0, 1.3)], ("resnet18", "bf16"): [(BEST, 1.0, 1.3)],
    ("gpt-mini", "f32"): [(BEST, 1.1, 1.6)], ("gpt-mini", "bf16"): [(BEST, 1.1, 1.5)],
    ("bert-mini", "f32"): [(BEST, 1.1, 1.6)], ("bert-mini", "bf16"): [(BEST, 1.1, 1.5)],
    ("minilm-b1s16", "f32"): [(BEST, 1.0, 1.3)], ("minilm-b1s128", "f32"): [(BEST, 1.0, 1.3)], ("minilm-b32s128", "f32"): [(BEST, 1.0, 1.3)],
}
DEFERRED = (1.0, 1.0)  # the small networks without jit, against eager PyTorch
EAGER_OP = 1.2e-6      # seconds
COLD_COMPILE = {"mlp": (0.4, 0.15), "resnet18": (1.2, 0.5), "gpt-mini": (1.0, 0.4)}  # seconds
LAYERS = (1.5, 1.1)    # compile time of 24 layers to that of 6
MEMORY = (0.8, 0.45)   # bytes of a step to those of eager PyTorch
STOLEN = (1.5, 1.34)   # step with one core busy to a step on a quiet machine
TRIAD_SHARE = (0.80, 0.95)
GEMM_SHARE = {"f32": (0.85, 0.95), "bf16": (0.50, 0.80)}


def row(section, name, value, unit, bar=None, higher=False, note="", results=None):
    """A row with its marks; value None means that it could not be measured, which meets no must."""
    must, aim = bar or (None, None)

    def reached(limit):
        if limit is None:
            return None
        return value is not None and (value >= limit if higher else value <= limit)
    return {"section": section, "name": name, "value": value, "unit": unit, "must": must, "aim": aim, "higher": higher,
            "met": reached(must), "aimed": reached(aim), "note": note, "results": results or {}}


def marks(r):
    """("must ok", "aim -") in words; empty where there is no bar."""
    if r["must"] is None:
        return "", ""
    return "ok" if r["met"] else "BELOW", "ok" if r["aimed"] else "-"
