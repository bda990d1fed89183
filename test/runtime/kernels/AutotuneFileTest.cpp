// SPDX-License-Identifier: Apache-2.0
// Choices that outlive their process: read where all is well, else tried again with one line in the log.
#include "runtime/kernels/AutotuneFile.h"
#include "gtest/gtest.h"
#include "runtime/Log.h"
#include "runtime/kernels/Tune.h"
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace tinyfin;
namespace fs = std::filesystem;

namespace {

const Words kKey{'m', -3, 1 << 20};

class AutotuneFiles : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("tinyfin-autotune-" + std::to_string(getpid()));
    fs::remove_all(folder);
    path = folder / "below" / "choices.txt";
    ASSERT_TRUE(Config::process().set("LOG", "compile").isOk());
    setLogSink([](void *lines, LogChannel, std::string_view text) { static_cast<std::vector<std::string> *>(lines)->emplace_back(text); }, &lines);
  }
  void TearDown() override {
    setLogSink(nullptr, nullptr);
    ASSERT_TRUE(Config::process().set("LOG", "").isOk());
    fs::permissions(folder, fs::perms::owner_all, ignored);
    fs::remove_all(folder);
  }

  /// What a process chooses between a rule and a faster way, and whether it had to try.
  struct Chosen {
    size_t index;
    bool isTried;
    std::string note;
  };
  Chosen choose(const Words &key = kKey, const std::string &identity = "this machine") {
    lines.clear();
    double now = 0;
    bool isTried = false;
    Autotune table([&] { return now; }, std::make_shared<AutotuneFile>(path, identity));
    auto taking = [&](const char *name, double seconds) {
      return TuneCandidate{name, [&now, &isTried, seconds] { return isTried = true, now += seconds, Status::ok(); }};
    };
    auto choice = table.choose("x", key, [&] { return std::vector{taking("rule", 2e-3), taking("fast", 1e-3)}; });
    return {choice.index, isTried, choice.note};
  }
  std::string text() const {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void replaceText(const std::string &text) { std::ofstream(path, std::ios::binary | std::ios::trunc) << text; }
  size_t linesAbout(const std::string &what) const {
    return std::count_if(lines.begin(), lines.end(), [&](const std::string &line) { return line.find(what) != line.npos; });
  }
  size_t filesInFolder() const { return std::distance(fs::directory_iterator(path.parent_path()), fs::directory_iterator()); }

  fs::path folder, path;
  std::vector<std::string> lines;
  std::error_code ignored;
};

TEST_F(AutotuneFiles, AnotherProcessNeedNotTry) {
  Chosen first = choose();
  EXPECT_TRUE(first.isTried);
  EXPECT_EQ(first.index, 1u);
  Chosen second = choose();
  EXPECT_FALSE(second.isTried);
  EXPECT_EQ(second.index, 1u);
  EXPECT_EQ(second.note, first.note + ", found earlier");
  EXPECT_EQ(linesAbout("1 choices from"), 1u);
  EXPECT_TRUE(choose({'m', 4}).isTried) << "another key";
  EXPECT_FALSE(choose({'m', 4}).isTried);
  EXPECT_FALSE(choose().isTried) << "what others kept stays";
  EXPECT_EQ(filesInFolder(), 1u) << "no draft is left";
}

TEST_F(AutotuneFiles, FilesCutShortAreIgnored) {
  choose(), choose({'c', 5});
  const std::string whole = text();
  for (size_t length : {size_t(0), size_t(1), whole.size() / 2, whole.size() - 20, whole.size() - 1}) {
    replaceText(whole.substr(0, length));
    Chosen found = choose();
    EXPECT_TRUE(found.isTried) << length;
    EXPECT_EQ(found.index, 1u);
    EXPECT_EQ(linesAbout("ignored"), 1u) << length;
    EXPECT_FALSE(choose().isTried) << "a good file was put in its place";
  }
}

TEST_F(AutotuneFiles, DamagedFilesAreIgnored) {
  choose();
  const std::string whole = text();
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string damaged = whole;
    damaged[at] ^= 1;
    replaceText(damaged);
    Chosen found = choose();
    EXPECT_TRUE(found.isTried) << "byte " << at;
    EXPECT_EQ(found.index, 1u);
    EXPECT_EQ(linesAbout("ignored"), 1u);
  }
  replaceText(std::string(100, '\0') + "\nend x y\n");
  EXPECT_TRUE(choose().isTried);
}

TEST_F(AutotuneFiles, ChoicesOfAnotherMachineOrBuildAreIgnored) {
  choose();
  EXPECT_TRUE(choose(kKey, "another machine").isTried);
  EXPECT_EQ(linesAbout("of another machine or build"), 1u);
  EXPECT_FALSE(choose(kKey, "another machine").isTried);
  EXPECT_TRUE(choose().isTried);
}

TEST_F(AutotuneFiles, WhereNothingCanBeWrittenTrialsGoOn) {
  fs::create_directories(folder);
  std::ofstream(folder / "below") << "a file where the folder should be";
  for (int i = 0; i < 2; ++i) {
    Chosen found = choose();
    EXPECT_TRUE(found.isTried);
    EXPECT_EQ(found.index, 1u);
    EXPECT_EQ(linesAbout("choices are not kept"), 1u);
  }
  fs::remove(folder / "below");
  fs::create_directories(path); // a folder where the file should be
  EXPECT_TRUE(choose().isTried);
  EXPECT_EQ(linesAbout("it cannot be read"), 1u);
  EXPECT_EQ(linesAbout("choices are not kept"), 1u);
}

TEST_F(AutotuneFiles, OneFailureToWriteIsTheLast) {
  fs::create_directories(folder);
  std::ofstream(folder / "below") << "a file where the folder should be";
  AutotuneFile file(path, "this machine");
  file.write({{kKey, {1, "x"}}});
  EXPECT_TRUE(file.keepsNothing());
  file.write({{kKey, {1, "x"}}});
  EXPECT_EQ(linesAbout("choices are not kept"), 1u);
}

TEST_F(AutotuneFiles, SettingsThatChangeTheCandidatesAreInTheKey) {
  choose();
  ASSERT_TRUE(Config::process().set("DISABLE", "winograd").isOk());
  EXPECT_TRUE(choose().isTried);
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
  EXPECT_FALSE(choose().isTried);
}

TEST_F(AutotuneFiles, TheSettingNamesTheFolder) {
  auto where = [](const char *setting) {
    EXPECT_TRUE(Config::process().set("TUNE_CACHE", setting).isOk());
    return AutotuneFile::process().where();
  };
  const std::string before = config::tuneCache();
  EXPECT_EQ(where("0"), "");
  EXPECT_TRUE(where("/some/folder").starts_with("/some/folder/autotune-")) << where("/some/folder");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_TRUE(where("auto").starts_with("/cache/tinyfin/autotune-"));
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/x", 1);
  EXPECT_TRUE(where("auto").starts_with("/home/x/.cache/tinyfin/autotune-"));
  unsetenv("HOME");
  EXPECT_EQ(where("auto"), "");
  where(before.c_str());
}

} // namespace
