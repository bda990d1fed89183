// SPDX-License-Identifier: Apache-2.0
// Success, or a code and one sentence that says what was found and what was wanted.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace tinyfin {

enum class StatusCode : int32_t {
  Ok = 0,
  InvalidArgument, // what the user passed is wrong
  OutOfRange,      // an index found at run time is
  AssertFailed,    // a recorded assert
  OutOfMemory,
  Unavailable, // a device or library that is not there
  Interrupted, // Ctrl-C
  Unsupported, // refused, with the reason
  Internal,    // our fault
};

class [[nodiscard]] Status {
public:
  Status() = default;
  static Status ok() { return {}; }
  static Status error(StatusCode code, std::string message) {
    Status status;
    status.failure = std::make_unique<Failure>(Failure{code, std::move(message), -1});
    return status;
  }
  Status(const Status &other) : failure(other.failure ? std::make_unique<Failure>(*other.failure) : nullptr) {}
  Status(Status &&) = default;
  Status &operator=(Status other) { return failure = std::move(other.failure), *this; }

  bool isOk() const { return !failure; }
  StatusCode code() const { return failure ? failure->code : StatusCode::Ok; }
  const std::string &message() const {
    static const std::string none;
    return failure ? failure->message : none;
  }
  /// The recorded op that failed, by its place in the graph; -1 when it is not known or nothing failed.
  int64_t origin() const { return failure ? failure->origin : -1; }
  void setOrigin(int64_t op) {
    if (failure && failure->origin < 0) failure->origin = op;
  }

private:
  struct Failure {
    StatusCode code;
    std::string message;
    int64_t origin = -1;
  };
  std::unique_ptr<Failure> failure;
};

/// A value or why there is none.
template <class T> class [[nodiscard]] StatusOr {
public:
  StatusOr(T value) : item(std::move(value)) {}
  StatusOr(Status status) : state(std::move(status)) {}
  bool isOk() const { return state.isOk(); }
  const Status &status() const { return state; }
  T &value() { return item; }
  T *operator->() { return &item; }

private:
  Status state;
  T item{};
};

#define TINYFIN_RETURN_IF_ERROR(expr)                                                                                  \
  do {                                                                                                                 \
    if (::tinyfin::Status status_ = (expr); !status_.isOk()) return status_;                                           \
  } while (0)

} // namespace tinyfin
