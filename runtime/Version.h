// SPDX-License-Identifier: Apache-2.0
// The version of this build, as Python and the tools report it.
#pragma once
namespace tinyfin {
const char *version(); // "0.1.0"
} // namespace tinyfin
