// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files (versions 1 to 3), strictly: row-major, little endian, plain numbers, exactly as many bytes as the
// header says.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "tools/run/Array.h"

namespace tinyfin::run {

StatusOr<Array> parseNpy(llvm::StringRef bytes);
StatusOr<Array> readNpy(const std::string &path);
/// NumPy has no bfloat16: such a tensor is written as float32.
std::string npyBytes(const Array &array);
Status writeNpy(const Array &array, const std::string &path);

/// The bytes of a regular file or pipe; the error names the path.
StatusOr<std::string> readFile(const std::string &path);

} // namespace tinyfin::run
