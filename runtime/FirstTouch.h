// SPDX-License-Identifier: Apache-2.0
// Pages for memory that is new from the system, by all threads and each page by one of them. Left to the kernels that use it
// first, threads that share a tensor meet on its large pages: each clears one, and all but one in vain.
#pragma once
#include "runtime/ThreadPool.h"
#include <cstddef>
#include <span>

namespace tinyfin {

/// For memory that nobody has touched (Buffer::isNew) and that begins a page: it stays zeros. What is used a little later needs
/// no page then. TINYFIN_DISABLE=first-touch: does nothing.
void touchFirst(std::span<std::byte> memory, ThreadPool &pool);

} // namespace tinyfin
