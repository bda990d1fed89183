// SPDX-License-Identifier: Apache-2.0
// A graph builder for tests that runs every op at once by its eager kernel.
#pragma once
#include "runtime/Status.h"
#include "test/ir/SpecBuilder.h"
#include <map>

namespace tinyfin::fin::test {

class EagerBuilder : public SpecBuilder {
public:
  Ref leaf(const TensorSpec &spec, llvm::ArrayRef<double> values) override;
  /// The elements as f64.
  std::vector<double> valuesOf(Ref value);
  /// The first error of a kernel, with the op's name.
  Status status;

protected:
  void compute(const Step &step) override;

private:
  std::map<const void *, std::vector<std::byte>> memory;
};

} // namespace tinyfin::fin::test
