// SPDX-License-Identifier: Apache-2.0
// The choices of Autotune.h kept across processes: one text file a machine and build, in the folder that TINYFIN_TUNE_CACHE
// names. Whatever is wrong with a file (cut short, damaged, of another machine, not readable, not writable) costs a line in
// the log and the trials, never more.
//   tinyfin autotune 1                       the format
//   IDENTITY                                 processor, its instructions, the library's build
//   KEY<tab>CHOICE<tab>NOTE                  a line a choice; KEY: words in hex with commas
//   end COUNT CHECKSUM                       of all before
#pragma once
#include "runtime/kernels/Autotune.h"

namespace tinyfin {

class AutotuneFile {
public:
  /// `identity` is one line. Empty arguments: nothing is kept.
  AutotuneFile(std::string path, std::string identity) : path(std::move(path)), identity(std::move(identity)) {}
  /// Where the settings want it, for this machine and build.
  static AutotuneFile process();

  using Choices = std::map<Words, Autotune::Choice>;
  /// Nothing if there is no file or not a good one.
  Choices read() const;
  /// Puts `choices` and what others have written meanwhile in the place of the file at once; what fails is not tried again.
  void write(Choices choices);

  bool keepsNothing() const { return path.empty() || identity.empty(); }
  const std::string &where() const { return path; }

private:
  /// Why the file, its text, is none of these, or empty.
  std::string load(Choices &choices) const;
  std::string parse(std::string_view text, Choices &choices) const;
  std::string path, identity;
};

} // namespace tinyfin
