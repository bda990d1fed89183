// SPDX-License-Identifier: Apache-2.0
// The backends of this build, one a folder (BackendList.h.inc is written by CMake).
#include "backends/Backend.h"

namespace tinyfin {

#define TINYFIN_BACKEND(Name) std::unique_ptr<Backend> make##Name##Backend();
#include "backends/BackendList.h.inc"

llvm::ArrayRef<Backend *> allBackends() {
  static const std::vector<std::unique_ptr<Backend>> owners = [] {
    std::vector<std::unique_ptr<Backend>> made;
#define TINYFIN_BACKEND(Name) made.push_back(make##Name##Backend());
#include "backends/BackendList.h.inc"
    return made;
  }();
  static const std::vector<Backend *> backends = [] {
    std::vector<Backend *> pointers;
    for (const auto &owner : owners) pointers.push_back(owner.get());
    return pointers;
  }();
  return backends;
}

StatusOr<Backend *> findBackend(llvm::StringRef name) {
  std::string names;
  for (Backend *backend : allBackends()) {
    names += (names.empty() ? "" : ", ") + std::string(backend->name());
    if (name != backend->name()) continue;
    TINYFIN_RETURN_IF_ERROR(backend->probe());
    return backend;
  }
  return Status::error(StatusCode::InvalidArgument, "found backend '" + name.str() + "', wanted one of " + names);
}

} // namespace tinyfin
