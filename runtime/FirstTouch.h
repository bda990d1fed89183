// SPDX-License-Identifier: Apache-2.0
// Pages for memory that is new from the system, by all threads and each page by one of them. Left to the kernels that use it
// first, threads that share a tensor meet on its large pages: each clears one, and all but one in vain.
#pragma once
#include "runtime/ThreadPool.h"
#include <span>

namespace tinyfin {

/// For memory that nobody has touched (Buffer::isNew): it stays zeros. Small blocks are left alone.
/// TINYFIN_DISABLE=first-touch: all are.
void touchFirst(std::span<const std::span<std::byte>> blocks, ThreadPool &pool);

} // namespace tinyfin
