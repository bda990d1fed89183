// SPDX-License-Identifier: Apache-2.0
// What every use of oneDNN shares: the engine, the thread's stream, one OpenMP thread while a primitive is made or run,
// errors as Status, and a bounded cache of what was made.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include <dnnl.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace tinyfin::onednn {

const dnnl::engine &engine();
/// The calling thread's stream.
dnnl::stream &stream();

/// Limits oneDNN to the calling thread (its OpenMP team would spin beside our pool) and puts the old limit back.
class SingleThread {
public:
  SingleThread();
  ~SingleThread();
  SingleThread(const SingleThread &) = delete;

private:
  int before;
};

inline dnnl::memory::data_type typeOf(DType dtype) {
  return dtype == DType::BF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// Calls `work` with oneDNN limited to this thread; what it throws becomes a Status.
template <class F> Status guarded(const char *what, F &&work) {
  SingleThread limit;
  try {
    work();
    return Status::ok();
  } catch (const dnnl::error &error) {
    StatusCode code = error.status == dnnl_unimplemented   ? StatusCode::Unsupported
                      : error.status == dnnl_out_of_memory ? StatusCode::OutOfMemory
                                                           : StatusCode::Internal;
    return Status::error(code, std::string(what) + ": " + error.what());
  } catch (const std::exception &error) {
    return Status::error(StatusCode::Internal, std::string(what) + ": " + error.what());
  }
}

/// Made-once objects by the words that describe them. At the bound the oldest entry goes; its users keep it alive.
class MadeOnce {
public:
  explicit MadeOnce(size_t bound) : bound(bound) {}
  using Object = std::shared_ptr<const void>;
  StatusOr<Object> get(std::span<const int64_t> key, const std::function<StatusOr<Object>()> &make);
  size_t size();

private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::span<const int64_t> key) const;
  };
  struct Same {
    using is_transparent = void;
    bool operator()(std::span<const int64_t> a, std::span<const int64_t> b) const;
  };
  Object find(std::span<const int64_t> key);
  size_t bound;
  std::mutex mutex;
  std::unordered_map<std::vector<int64_t>, Object, Hash, Same> objects;
  std::vector<const std::vector<int64_t> *> order; // a ring, oldest at `oldest` once full
  size_t oldest = 0;
};

} // namespace tinyfin::onednn
