// SPDX-License-Identifier: Apache-2.0
#include "runtime/Config.h"
#include "runtime/Log.h"
#include <cstdlib>
#include <gtest/gtest.h>

using namespace tinyfin;

namespace {

TEST(Config, DefaultsParse) {
  for (const SettingInfo &info : Config::table()) {
    Config config;
    std::string text = config.text(info.id);
    EXPECT_TRUE(config.set(info.name, text).isOk()) << info.name;
    EXPECT_EQ(config.text(info.id), text) << info.name;
    EXPECT_FALSE(info.sentence.empty());
  }
}

TEST(Config, ValuesByType) {
  Config config;
  EXPECT_EQ(config.number(Setting::maxPendingOps), 2000);
  EXPECT_EQ(config.number(Setting::cacheBytes), int64_t{1} << 30);
  ASSERT_TRUE(config.set("POOL_BYTES", "64M").isOk());
  EXPECT_EQ(config.number(Setting::poolBytes), int64_t{64} << 20);
  ASSERT_TRUE(config.set("tinyfin_pool_bytes", "auto").isOk());
  EXPECT_EQ(config.number(Setting::poolBytes), -1);
  ASSERT_TRUE(config.set("EAGER", "immediate").isOk());
  EXPECT_EQ(config.number(Setting::eager), 1);
  ASSERT_TRUE(config.set("DETERMINISTIC", "1").isOk());
  EXPECT_EQ(config.number(Setting::deterministic), 1);
  EXPECT_TRUE(config.isSet(Setting::deterministic));
  ASSERT_TRUE(config.set("DETERMINISTIC", "0").isOk());
  EXPECT_EQ(config.number(Setting::deterministic), 0);
  ASSERT_TRUE(config.set("DISABLE", "fuse-elementwise, licm").isOk());
  EXPECT_TRUE(listContains(config.text(Setting::disable), "licm"));
  EXPECT_FALSE(listContains(config.text(Setting::disable), "lic"));
  ASSERT_TRUE(config.set("DUMP", "0").isOk());
  EXPECT_EQ(config.text(Setting::dump), "");
}

TEST(Config, RefusedValuesChangeNothing) {
  Config config;
  for (auto [name, text] : {std::pair{"MAX_PENDING_OPS", "many"},
                            {"MAX_PENDING_OPS", "-1"},
                            {"MAX_PENDING_OPS", ""},
                            {"CACHE_BYTES", "1X"},
                            {"CACHE_BYTES", "9999999999G"},
                            {"EAGER", "sometimes"},
                            {"DETERMINISTIC", "2"},
                            {"LOG", "cache,fusoin"}}) {
    const SettingInfo *info = Config::find(name);
    ASSERT_NE(info, nullptr);
    std::string before = config.text(info->id);
    Status status = config.set(name, text);
    EXPECT_EQ(status.code(), StatusCode::InvalidArgument) << name << '=' << text;
    EXPECT_EQ(config.text(info->id), before);
  }
  EXPECT_EQ(config.set("EAGER", "sometimes").message(), "TINYFIN_EAGER is 'sometimes', wanted deferred or immediate");
  EXPECT_EQ(config.set("NUM_THREAD", "1").message(),
            "TINYFIN_NUM_THREAD is no setting, did you mean TINYFIN_NUM_THREADS?");
}

TEST(Config, WarnsAboutTheEnvironment) {
  setenv("TINYFIN_MAX_PENDING_OP", "5", 1);
  setenv("TINYFIN_FOLD_LIMIT_BYTES", "lots", 1);
  setenv("TINYFIN_HARD_PENDING_OPS", "77", 1);
  Config config;
  unsetenv("TINYFIN_MAX_PENDING_OP");
  unsetenv("TINYFIN_FOLD_LIMIT_BYTES");
  unsetenv("TINYFIN_HARD_PENDING_OPS");
  EXPECT_EQ(config.number(Setting::hardPendingOps), 77);
  EXPECT_EQ(config.number(Setting::foldLimitBytes), 1 << 20);
  std::vector<std::string> warnings = config.warnings();
  auto contains = [&](const char *text) { return std::count(warnings.begin(), warnings.end(), text) == 1; };
  EXPECT_TRUE(contains("TINYFIN_MAX_PENDING_OP is no setting, did you mean TINYFIN_MAX_PENDING_OPS?"));
  EXPECT_TRUE(contains("TINYFIN_FOLD_LIMIT_BYTES is 'lots', wanted bytes such as 1048576, 64M, 2G or auto"));
  config.reset();
  EXPECT_EQ(config.number(Setting::hardPendingOps), 16384);
}

TEST(Log, SinkGetsOnlyChannelsThatAreOn) {
  std::vector<std::string> lines;
  setLogSink(
      [](void *to, LogChannel, std::string_view text) { static_cast<decltype(lines) *>(to)->emplace_back(text); },
      &lines);
  ASSERT_TRUE(Config::process().set("LOG", "cache,jit").isOk());
  EXPECT_TRUE(isLogOn(LogChannel::Cache));
  EXPECT_FALSE(isLogOn(LogChannel::Fusion));
  logLine(LogChannel::Cache, "one");
  logLine(LogChannel::Fusion, "two");
  logLine(LogChannel::Jit, "three");
  ASSERT_TRUE(Config::process().set("LOG", "all").isOk());
  logLine(LogChannel::Runtime, "four");
  ASSERT_TRUE(Config::process().set("LOG", "0").isOk());
  logLine(LogChannel::Cache, "five");
  setLogSink(nullptr, nullptr);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "three", "four"}));
}

} // namespace
