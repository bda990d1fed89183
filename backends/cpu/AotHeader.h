// SPDX-License-Identifier: Apache-2.0
// The C header of a library.
#pragma once
#include "backends/cpu/AotGraph.h"

namespace tinyfin::cpu {

std::string writeHeader(const AotGraph &graph, StringRef name, bool hostOnly);

} // namespace tinyfin::cpu
