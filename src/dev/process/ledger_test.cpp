#include "dev/process/ledger.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dev/process/supervisor.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-ledger-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override { fs::remove_all(base_); }

  // A child that does nothing, as a crashed cluster leaves it: a group leader that nobody awaits but we.
  static pid_t orphan() {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      while (true) ::pause();
    }
    return pid;
  }

  static bool reap(pid_t pid) {
    int status = 0;
    return ::waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

  fs::path base_;
};

TEST_F(LedgerTest, RecordsSurviveTheirWriterAndRemovedOnesDoNot) {
  const std::string dir = base_ / "run";
  {
    auto ledger = Ledger::open(dir);
    ASSERT_TRUE(ledger) << ledger.error().message;
    ASSERT_TRUE(ledger->add({.kind = LedgerRecord::Kind::file, .name = "/nowhere/a"}));
    const auto gone = ledger->add({.kind = LedgerRecord::Kind::namespace_, .name = "berth-test-b"});
    ASSERT_TRUE(gone);
    ASSERT_TRUE(ledger->add({.kind = LedgerRecord::Kind::process, .name = "c", .pid = 77, .start = 1234567890123}));
    ledger->remove(*gone);
  }
  auto again = Ledger::open(dir);
  ASSERT_TRUE(again);
  const auto records = again->records();
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0], (LedgerRecord{.kind = LedgerRecord::Kind::directory, .name = again->dir()}));
  EXPECT_EQ(records[1], (LedgerRecord{.kind = LedgerRecord::Kind::file, .name = "/nowhere/a"}));
  EXPECT_EQ(records[2],
            (LedgerRecord{.kind = LedgerRecord::Kind::process, .name = "c", .pid = 77, .start = 1234567890123}));
}

TEST_F(LedgerTest, TornAndForeignLinesAreIgnored) {
  const fs::path dir = base_ / "run";
  fs::create_directories(dir);
  std::ofstream(dir / "ledger") << "rubbish\n"
                                << R"({"made":1,"kind":"file","name":"/nowhere/kept"})" << '\n'
                                << R"({"made":2,"kind":"process","name":"init","pid":1,"start":1})" << '\n'
                                << R"({"made":3,"kind":"teapot","name":"x"})" << '\n'
                                << R"({"made":4,"kind":"file","na)";
  auto ledger = Ledger::open(dir);
  ASSERT_TRUE(ledger);
  ASSERT_EQ(ledger->records().size(), 1U);
  EXPECT_EQ(ledger->records()[0].name, "/nowhere/kept");
  // What is written after the torn line is read again.
  ASSERT_TRUE(ledger->add({.kind = LedgerRecord::Kind::file, .name = "/nowhere/new"}));
  {
    const auto closed = std::move(*ledger);
  }
  auto again = Ledger::open(dir);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->records().size(), 2U);
  EXPECT_EQ(again->records()[1].name, "/nowhere/new");
}

TEST_F(LedgerTest, TwoDirectoriesHaveTwoIdsAndOneHasOne) {
  auto a = Ledger::open(base_ / "a");
  auto b = Ledger::open(base_ / "b");
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  EXPECT_EQ(a->id().size(), 8U);
  EXPECT_NE(a->id(), b->id());
  const std::string before = a->id();
  {
    const auto closed = std::move(*a);
  }
  EXPECT_EQ(Ledger::open(base_ / "x" / ".." / "a")->id(), before);
}

TEST_F(LedgerTest, ASecondClusterInTheDirectoryIsRefusedByName) {
  auto first = Ledger::open(base_ / "run");
  ASSERT_TRUE(first);
  const auto second = Ledger::open(base_ / "run");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos) << second.error().message;
  EXPECT_EQ(*ledger_holder(base_ / "run"), ::getpid());
}

TEST_F(LedgerTest, CleansUpExactlyWhatIsOnRecord) {
  const fs::path dir = base_ / "run";
  const pid_t ours = orphan();
  const pid_t reused = orphan();
  {
    auto ledger = Ledger::open(dir);
    ASSERT_TRUE(ledger);
    ASSERT_TRUE(ledger->make_tree(dir / "node-1"));
    std::ofstream(dir / "node-1" / "conf.db") << "x";
    ASSERT_TRUE(ledger->add({.kind = LedgerRecord::Kind::file, .name = dir / "kubeconfig"}));
    std::ofstream(dir / "kubeconfig") << "x";
    std::ofstream(dir / "notes-of-a-user") << "x";
    ASSERT_TRUE(
        ledger->add({.kind = LedgerRecord::Kind::process, .name = "ours", .pid = ours, .start = *process_start(ours)}));
    // The same number, but not the process that was recorded: it began at another time.
    ASSERT_TRUE(ledger->add(
        {.kind = LedgerRecord::Kind::process, .name = "gone", .pid = reused, .start = *process_start(reused) - 1}));
  }
  auto again = Ledger::open(dir);
  ASSERT_TRUE(again);
  const auto cleaned = again->clean_up();
  EXPECT_TRUE(cleaned) << cleaned.error().message;
  EXPECT_TRUE(reap(ours));
  EXPECT_FALSE(reap(reused));
  EXPECT_TRUE(process_start(reused));
  EXPECT_FALSE(fs::exists(dir / "node-1"));
  EXPECT_FALSE(fs::exists(dir / "kubeconfig"));
  const auto closed = again->close();
  EXPECT_TRUE(closed) << closed.error().message;
  // The user's file keeps the directory; nothing else of ours is in it.
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir)) left.push_back(entry.path().filename());
  EXPECT_EQ(left, std::vector<std::string>{"notes-of-a-user"});
  ::kill(reused, SIGKILL);
  ::waitpid(reused, nullptr, 0);
}

TEST_F(LedgerTest, TheDirectoryAndItsParentsGoIfTheClusterMadeThem) {
  const fs::path dir = base_ / "a" / "b";
  auto ledger = Ledger::open(dir);
  ASSERT_TRUE(ledger);
  ASSERT_TRUE(ledger->clean_up());
  EXPECT_TRUE(fs::exists(dir));
  ASSERT_TRUE(ledger->close());
  EXPECT_FALSE(fs::exists(base_ / "a"));
  EXPECT_TRUE(fs::exists(base_));
}

TEST_F(LedgerTest, AFullDirectoryIsNotTakenOver) {
  auto ledger = Ledger::open(base_ / "run");
  ASSERT_TRUE(ledger);
  fs::create_directories(base_ / "run" / "ovn" / "precious");
  const auto made = ledger->make_tree(base_ / "run" / "ovn");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::already_exists);
  ASSERT_TRUE(ledger->clean_up());
  EXPECT_TRUE(fs::exists(base_ / "run" / "ovn" / "precious"));
}

TEST_F(LedgerTest, ADirectoryThatCannotBeMadeIsSaid) {
  std::ofstream(base_ / "file") << "x";
  const auto ledger = Ledger::open(base_ / "file" / "run");
  ASSERT_FALSE(ledger);
  EXPECT_NE(ledger.error().message.find("file"), std::string::npos);
}

}  // namespace
}  // namespace berth::dev
