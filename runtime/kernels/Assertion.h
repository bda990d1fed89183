// SPDX-License-Identifier: Apache-2.0
// What fin.assert does, for its eager kernel and for compiled graphs.
#pragma once
#include "runtime/Status.h"
#include <string_view>

namespace tinyfin {

/// Fails with `message` unless each of `count` conditions holds.
Status checkAll(const bool *conditions, int64_t count, std::string_view message);

} // namespace tinyfin
