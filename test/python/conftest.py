# SPDX-License-Identifier: Apache-2.0
"""Every test starts from one seed and leaves the library in deferred mode."""
import sys

import pytest

import tinyfin as fin


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
