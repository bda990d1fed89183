// SPDX-License-Identifier: Apache-2.0
#include "runtime/Version.h"

const char *tinyfin::version() { return TINYFIN_VERSION; }
