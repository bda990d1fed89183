// SPDX-License-Identifier: Apache-2.0
// Immutable tensors: the result of one recorded op, computed or still pending. Cells (Tensor.h) point to them.
// Reference counts are plain integers: everything in frontend/ runs under one lock (Python's GIL).
#pragma once
#include "ir/Dim.h"
#include "runtime/Buffer.h"
#include <memory>
#include <string>
#include <utility>

namespace tinyfin {

using fin::Dim;
using fin::Dims;
using fin::TensorSpec;

class Recorder;

/// Intrusive reference counting for the frontend's objects; T has `void dispose()` called at the last release.
template <class T> class Ref {
public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T *object) : object(object) { if (object) ++object->references; }
  Ref(const Ref &other) : Ref(other.object) {}
  Ref(Ref &&other) noexcept : object(std::exchange(other.object, nullptr)) {}
  Ref &operator=(Ref other) noexcept { return std::swap(object, other.object), *this; }
  ~Ref() { if (object && --object->references == 0) object->dispose(); }
  T *get() const { return object; }
  T *operator->() const { return object; }
  T &operator*() const { return *object; }
  explicit operator bool() const { return object; }
  bool operator==(const Ref &other) const { return object == other.object; }

private:
  T *object = nullptr;
};

enum class ValueState : uint8_t {
  Pending,     // recorded, not yet computed
  Running,     // its flush is in progress on some thread
  Ready,       // in `buffer`
  Failed,      // `error` says why
  Placeholder, // stands for an argument of an exported graph; never has data
};

class Value {
public:
  Value(TensorSpec spec, ValueState state) : spec(std::move(spec)), state(state) {}
  void dispose();

  const TensorSpec spec;
  ValueState state;
  uint32_t references = 0;
  // Where the value stands in the trace that is being recorded: valid while `traceId` equals the recorder's.
  uint64_t traceId = 0;
  uint32_t slot = 0;
  Recorder *recorder = nullptr; // whose trace a Pending value belongs to
  BufferRef buffer;             // Ready
  std::shared_ptr<const std::string> error; // Failed

  size_t bytes() const; // of a static shape
};
using ValueRef = Ref<Value>;

/// A value over existing memory.
ValueRef readyValue(TensorSpec spec, BufferRef buffer);

} // namespace tinyfin
