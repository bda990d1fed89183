// SPDX-License-Identifier: Apache-2.0
// The struct's fields are 8 bytes each, in the order the host function reads them: size, dims, inputs, outputs.
#include "backends/cpu/AotHeader.h"
#include "llvm/Support/raw_ostream.h"

namespace tinyfin::cpu {
namespace {

const char *cTypeOf(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "float";
  case DType::F64:
    return "double";
  case DType::BF16:
  case DType::F16:
    return "uint16_t";
  case DType::I64:
    return "int64_t";
  case DType::I32:
    return "int32_t";
  case DType::I8:
    return "int8_t";
  case DType::U8:
  case DType::Bool:
    return "uint8_t";
  }
  llvm_unreachable("no other dtypes");
}

const char *noteOf(DType dtype) {
  switch (dtype) {
  case DType::BF16:
  case DType::F16:
    return ", as bits";
  case DType::Bool:
    return ", 0 or 1";
  default:
    return "";
  }
}

void writeField(llvm::raw_ostream &os, const AotParameter &parameter, bool isInput, StringRef remark) {
  os << "  " << (isInput ? "const " : "") << cTypeOf(parameter.type.dtype) << " *" << parameter.name << "; /* "
     << (isInput ? "in: " : "out: ") << parameter.type.str() << noteOf(parameter.type.dtype) << remark << " */\n";
}

void writeArgs(llvm::raw_ostream &os, const AotGraph &graph, StringRef name) {
  os << "/* What a call reads and writes. Tensors are dense and row-major. Outputs overlap nothing else, but for those "
        "that\n"
        " * say which input they may be. */\n"
     << "typedef struct " << name << "_args {\n"
     << "  size_t size; /* sizeof(" << name << "_args) */\n";
  for (const std::string &symbol : graph.symbols) os << "  int64_t " << symbol << "; /* at least 1 */\n";
  for (const AotParameter &input : graph.inputs) writeField(os, input, true, "");
  for (const AotParameter &output : graph.outputs)
    writeField(os, output, false,
               output.into < 0 ? "" : "; may be the same memory as " + graph.inputs[output.into].name);
  os << "} " << name << "_args;\n\n";
}

void writeFunctions(llvm::raw_ostream &os, StringRef name) {
  os << "/* Null without memory, or on a processor the library was not compiled for. */\n"
     << name << " *" << name << "_create(void);\n"
     << "/* Null is allowed. */\nvoid " << name << "_destroy(" << name << " *self);\n"
     << "/* Computes the outputs and returns when they are written. After an error outputs hold anything. */\n"
     << name << "_status " << name << "_run(" << name << " *self, const " << name << "_args *args);\n"
     << "/* What the last call that failed found and wanted; valid until the next call. Of null: why create() returned "
        "it. */\n"
     << "const char *" << name << "_error(const " << name << " *self);\n"
     << "/* Threads that run() computes with, the caller included: 1 to 64, and 1 from the start. */\n"
     << name << "_status " << name << "_set_threads(" << name << " *self, int32_t threads);\n";
}

} // namespace

std::string writeHeader(const AotGraph &graph, StringRef name, bool hostOnly) {
  std::string text, guard = name.upper() + "_H";
  llvm::raw_string_ostream os(text);
  os << "/* Written by tinyfin-compile. Needs libc, libm and libpthread"
     << (hostOnly ? "; only for machines like the one it was compiled on" : "")
     << ".\n *\n * One object may be used by one thread at a time, several objects by several threads. run() allocates "
        "memory only\n"
        " * when its dims need more than any call before. */\n"
     << "#ifndef " << guard << "\n#define " << guard << "\n#include <stddef.h>\n#include <stdint.h>\n"
     << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "typedef struct " << name << " " << name << ";\n\n"
     << "typedef int32_t " << name << "_status;\nenum {\n";
  std::string prefix = name.upper();
  const char *codes[] = {"OK", "INVALID_ARGUMENT", "OUT_OF_RANGE", "OUT_OF_MEMORY", "ASSERT_FAILED"};
  for (auto [code, label] : llvm::enumerate(codes)) os << "  " << prefix << "_" << label << " = " << code << ",\n";
  os << "};\n\n";
  writeArgs(os, graph, name);
  writeFunctions(os, name);
  os << "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return text;
}

} // namespace tinyfin::cpu
