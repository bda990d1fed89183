# SPDX-License-Identifier: Apache-2.0
"""tinyfin: eager, PyTorch-like Python that runs as compiled graphs."""
import os as _os

from . import _core

_core._set_package_folder(_os.path.dirname(__file__) + _os.sep)  # so that errors name the user's line, not ours

from ._core import (Tensor, __version__, arange, bfloat16, bool_, cache_clear, cache_info, dtype, empty, explain, float16,  # noqa: E402
                    float32, float64, from_numpy, full, full_like, get_autocast_dtype, get_rng_state, grad, int8, int32, int64,
                    is_autocast_enabled, is_grad_enabled,
                    manual_seed, mark_step, ones, ones_like, ops, rand, randint, randn, set_grad_enabled, set_rng_state,
                    settings, sync, tensor, uint8, zeros, zeros_like)
from .tensor_methods import from_dlpack  # noqa: E402
from .jit import jit  # noqa: E402
from .export import export  # noqa: E402
from .profiler import profile  # noqa: E402
from .modes import autocast, eager_mode, enable_grad, no_grad  # noqa: E402
from . import data, functions, io, modes, nn, optim  # noqa: E402
from ._frames import wrap_package as _wrap_package  # noqa: E402

_wrap_package(modes, functions, nn.functional, nn, nn.utils, nn.init, optim, optim.lr_scheduler, data, io)
jit, export, from_dlpack = _core.user_facing(jit), _core.user_facing(export), _core.user_facing(from_dlpack)
from .functions import *  # noqa: E402, F403
from .io import CheckpointError, load, save  # noqa: E402

for _warning in _core.config_warnings():
    import warnings as _warnings

    _warnings.warn(_warning, stacklevel=2)
