// SPDX-License-Identifier: Apache-2.0
#include "runtime/FreedMemory.h"
#include "runtime/Config.h"
#include "runtime/Log.h"
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

bool tinyfin::returnFreedMemory(size_t least) {
#ifdef __GLIBC__
  if (config::isDisabled("return-freed")) return false;
  size_t kept = mallinfo2().fordblks;
  if (kept < least) return false;
  malloc_trim(0);
  if (isLogOn(LogChannel::Memory)) logLine(LogChannel::Memory, "returned freed memory: " + std::to_string(kept) + " bytes lay unused");
  return true;
#else
  return false;
#endif
}
