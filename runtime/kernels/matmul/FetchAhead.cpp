// SPDX-License-Identifier: Apache-2.0
// The switch of what fetches ahead: apart from its users, which libraries compiled ahead of time hold too.
#include "runtime/Config.h"
#include "runtime/kernels/matmul/MatmulTile.h"

bool tinyfin::gemm::fetchesAhead() { return !config::isDisabled("fetch-ahead"); }
