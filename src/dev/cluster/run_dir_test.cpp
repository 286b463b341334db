#include "dev/cluster/run_dir.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace berth::dev {
namespace {

namespace fs = std::filesystem;

class RunDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-rundir-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = fs::canonical(pattern);
    fs::create_directory(base_ / "links");
  }
  void TearDown() override { fs::remove_all(base_); }

  fs::path base_;
};

TEST_F(RunDirTest, ALongDirectoryHasAShortWayThatGoesWithIt) {
  const std::string dir = base_ / std::string(80, 'x');
  auto ledger = Ledger::open(dir);
  ASSERT_TRUE(ledger);
  const auto run = RunDir::make(*ledger, {}, base_ / "links");
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->root(), (base_ / "links" / ("berth-" + ledger->id())).string());
  EXPECT_TRUE(fs::equivalent(run->root(), dir));
  EXPECT_EQ(run->log_of("a"), run->root() + "/logs/a.log");
  EXPECT_TRUE(fs::is_directory(run->path("ovn")));
  EXPECT_EQ(run->namespace_of("node-1"), "berth-" + ledger->id() + "-node-1");
  ASSERT_TRUE(ledger->clean_up());
  ASSERT_TRUE(ledger->close());
  EXPECT_TRUE(fs::is_empty(base_ / "links"));
  EXPECT_FALSE(fs::exists(dir));
}

TEST_F(RunDirTest, WhatIsInTheWayIsLeftAlone) {
  const std::string dir = base_ / std::string(80, 'x');
  auto ledger = Ledger::open(dir);
  ASSERT_TRUE(ledger);
  const fs::path link = base_ / "links" / ("berth-" + ledger->id());
  fs::create_directory(base_ / "precious");
  fs::create_directory_symlink(base_ / "precious", link);
  const auto run = RunDir::make(*ledger, {}, base_ / "links");
  ASSERT_FALSE(run);
  EXPECT_NE(run.error().message.find(link.string()), std::string::npos);
  ASSERT_TRUE(ledger->clean_up());
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST_F(RunDirTest, LogsMayLieElsewhereAndStay) {
  auto ledger = Ledger::open(base_ / "run");
  ASSERT_TRUE(ledger);
  const auto run = RunDir::make(*ledger, base_ / "kept" / "logs", base_ / "links");
  ASSERT_TRUE(run);
  EXPECT_EQ(run->log_of("a"), (base_ / "kept" / "logs" / "a.log").string());
  EXPECT_FALSE(fs::exists(base_ / "run" / "logs"));
  ASSERT_TRUE(ledger->clean_up());
  ASSERT_TRUE(ledger->close());
  EXPECT_TRUE(fs::is_directory(base_ / "kept" / "logs"));
}

}  // namespace
}  // namespace berth::dev
