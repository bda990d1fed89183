// SPDX-License-Identifier: Apache-2.0
// Keeps locks of process-wide objects usable after fork(): a lock that another thread held would stay held in the
// child.
#pragma once
#include <mutex>

namespace tinyfin {

/// fork() takes `mutex` before and gives it back after, in parent and child. The mutex must live as long as the
/// process, and its holder must not wait for another mutex that is held across forks.
void holdAcrossFork(std::mutex &mutex);

} // namespace tinyfin
