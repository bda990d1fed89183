# SPDX-License-Identifier: Apache-2.0
"""Every test starts from one seed and leaves the library in deferred mode."""
import os
import sys

import pytest

os.environ.setdefault("TINYFIN_TUNE_CACHE", "0")  # what another run of the tests chose is not looked for

import tinyfin as fin  # noqa: E402


@pytest.fixture(autouse=True)
def one_seed():
    fin.manual_seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    yield


@pytest.fixture(params=["immediate", "deferred"])
def mode(request):
    with fin.eager_mode(request.param):
        yield request.param
