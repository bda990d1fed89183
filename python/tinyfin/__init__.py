# SPDX-License-Identifier: Apache-2.0
"""tinyfin: eager, PyTorch-like Python that runs as compiled graphs."""
from . import _core
from ._core import (Tensor, arange, bfloat16, bool_, cache_info, eager_mode, empty, enable_grad, explain, float16, float32,
                    float64, from_dlpack, from_numpy, full, full_like, get_rng_state, grad, int8, int32, int64, is_grad_enabled,
                    manual_seed, mark_step, no_grad, ones, ones_like, ops, rand, randint, randn, set_rng_state, settings, sync,
                    tensor, uint8, zeros, zeros_like)
from . import data, functions, io, nn, optim
from .functions import *  # noqa: F403
from .io import CheckpointError, load, save
from .version import __version__

