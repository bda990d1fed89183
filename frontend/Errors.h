// SPDX-License-Identifier: Apache-2.0
// The exception that reaches the user: what kind of mistake, in one sentence. python/bindings translates it.
#pragma once
#include "runtime/Status.h"
#include <stdexcept>

namespace tinyfin {

enum class ErrorKind { Value, Type, Index, Runtime, Assertion, Memory, NotImplemented, Interrupted };

class UserError : public std::runtime_error {
public:
  UserError(ErrorKind kind, const std::string &message) : std::runtime_error(message), kind(kind) {}
  ErrorKind kind;
};

inline ErrorKind kindOf(StatusCode code) {
  switch (code) {
  case StatusCode::InvalidArgument: return ErrorKind::Value;
  case StatusCode::OutOfRange: return ErrorKind::Index;
  case StatusCode::AssertFailed: return ErrorKind::Assertion;
  case StatusCode::OutOfMemory: return ErrorKind::Memory;
  case StatusCode::Unsupported: return ErrorKind::NotImplemented;
  case StatusCode::Interrupted: return ErrorKind::Interrupted;
  default: return ErrorKind::Runtime;
  }
}
inline void throwIfError(const Status &status) {
  if (!status.isOk()) throw UserError(kindOf(status.code()), status.message());
}

} // namespace tinyfin
