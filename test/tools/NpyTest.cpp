// SPDX-License-Identifier: Apache-2.0
// .npy files come back as they were written; anything else is refused in one sentence, whatever the bytes.
#include "tools/run/Npy.h"
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::run;

namespace {

Array sample(DType dtype, std::vector<int64_t> dims) {
  Array array = makeArray({dtype, std::move(dims)}).value();
  fillRandom(array, 3);
  return array;
}

std::string file(const std::string &header, const std::string &data, const std::string &version = std::string("\x01\x00", 2)) {
  std::string length{static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return "\x93NUMPY" + version + length + header + data;
}
std::string errorOf(const std::string &bytes) { return parseNpy(bytes).status().message(); }

TEST(Npy, ComesBackAsWritten) {
  for (int code = 0; code < kNumDTypes; ++code)
    for (const std::vector<int64_t> &dims : {std::vector<int64_t>{}, {3}, {2, 5}, {0, 4}, {2, 1, 3}}) {
      Array array = sample(static_cast<DType>(code), dims);
      StatusOr<Array> back = parseNpy(npyBytes(array));
      ASSERT_TRUE(back.isOk()) << back.status().message();
      if (array.type.dtype == DType::BF16) array.type.dtype = DType::F32; // which NumPy has
      ASSERT_EQ(back->type, array.type);
      if (static_cast<DType>(code) != DType::BF16) { EXPECT_EQ(std::memcmp(back->data(), array.data(), array.type.bytes()), 0); }
    }
}

TEST(Npy, HeadersAreAlignedAsNumPyWantsThem) {
  std::string bytes = npyBytes(sample(DType::F32, {2, 3}));
  EXPECT_EQ((bytes.size() - 24) % 64, 0u);
}

TEST(Npy, EveryCutIsRefused) {
  std::string bytes = npyBytes(sample(DType::F32, {2, 3}));
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parseNpy(llvm::StringRef(bytes).take_front(size)).isOk()) << size;
  EXPECT_FALSE(parseNpy(bytes + "x").isOk());
}

TEST(Npy, SaysWhatIsWrong) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", four(4, '\0');
  EXPECT_TRUE(parseNpy(file(good, four)).isOk());
  EXPECT_EQ(errorOf("NUMPY"), "npy: not an .npy file: the magic number is missing");
  EXPECT_EQ(errorOf(file(good, four, std::string("\x04\x00", 2))), "npy: format version is 4, wanted 1 to 3");
  EXPECT_EQ(errorOf(file(good, "xyz")), "npy: file holds 3 bytes of data, wanted 4");
  EXPECT_EQ(errorOf(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", four)),
            "npy: dtype is '>f4', wanted <f4, <f8, <f2, <i8, <i4, |i1, |u1 or |b1");
  EXPECT_EQ(errorOf(file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", four)),
            "npy: dtype is '|O', wanted <f4, <f8, <f2, <i8, <i4, |i1, |u1 or |b1");
  EXPECT_EQ(errorOf(file("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", four)),
            "npy: elements are in column-major order, wanted row-major");
  EXPECT_EQ(errorOf(file("{'descr': '<f4', 'fortran_order': False}", four)), "npy: header lacks one of 'descr', 'fortran_order' and 'shape'");
  EXPECT_EQ(errorOf(file("{'descr': '<f4', 'descr': '<f4'}", four)),
            "npy: header has key 'descr', wanted 'descr', 'fortran_order' and 'shape', each once");
  EXPECT_EQ(errorOf(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", four)), "npy: header has '-1,), }', wanted an extent");
  EXPECT_EQ(errorOf(file("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", "\x02")), "npy: a bool is neither 0 nor 1");
  EXPECT_EQ(errorOf(file("__import__('os')", four)), "npy: header has '__import__('', wanted '{'");
}

TEST(Npy, ShapesThatOverflowAreRefused) {
  for (const char *shape : {"(4611686018427387904, 4)", "(99999999999999999999,)", "(1099511627776,)", "(9223372036854775807, 9223372036854775807)"})
    EXPECT_FALSE(parseNpy(file(std::string("{'descr': '<f8', 'fortran_order': False, 'shape': ") + shape + "}", "")).isOk()) << shape;
}

TEST(Npy, NoBytesCrashTheReader) {
  std::mt19937 random(1);
  const std::string original = npyBytes(sample(DType::I32, {2, 3}));
  size_t read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = original;
    for (unsigned changes = 1 + random() % 3; changes; --changes) {
      size_t at = random() % bytes.size();
      if (random() % 4 == 0) bytes.erase(at, 1 + random() % 4);
      else if (random() % 3 == 0) bytes.insert(at, 1, static_cast<char>(random()));
      else bytes[at] = static_cast<char>(random());
    }
    StatusOr<Array> array = parseNpy(bytes);
    read += array.isOk();
    if (!array.isOk()) { EXPECT_EQ(array.status().message().find('\n'), std::string::npos); }
  }
  EXPECT_GT(read, 0u); // a changed element is no error
  EXPECT_LT(read, 20000u);
}

} // namespace
