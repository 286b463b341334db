#include "dev/process/supervisor.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "dev/process/netns.h"
#include "dev/process/spawn.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class SupervisorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-supervisor-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override { fs::remove_all(base_); }

  static ProcessSpec shell(const std::string& script) {
    return {.name = "script", .argv = {"sh", "-c", script}, .capture = true, .timeout = seconds(20)};
  }

  // Whether the process, which need not be our child, dies within a deadline.
  static bool ends(pid_t pid) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      std::string line;
      std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), line);
      if (line.empty() || line[line.rfind(')') + 2] == 'Z') return true;
      std::this_thread::yield();
    }
    return false;
  }

  // Starts a script and waits for its line "ready" in the log, so that its traps are set.
  Supervisor::Id start_ready(Supervisor& supervisor, const std::string& script, std::promise<ProcessEnd>& end) {
    const std::string fifo = base_ / "ready";
    EXPECT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const auto id = supervisor.start({.name = "script", .argv = {"sh", "-c", script + "\necho x > " + fifo + "\nwait"}},
                                     [&](ProcessEnd e) { end.set_value(std::move(e)); });
    EXPECT_TRUE(id);
    std::string line;
    std::getline(std::ifstream(fifo) >> std::ws, line);
    fs::remove(fifo);
    return *id;
  }

  fs::path base_;
};

TEST_F(SupervisorTest, RunsAProgramWithItsInputOutputAndStatus) {
  Supervisor supervisor(nullptr);
  auto spec = shell("cat; echo bad >&2; exit 3");
  spec.input = "hello";
  const auto end = supervisor.run(spec);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->output, "hello");
  EXPECT_EQ(end->error, "bad\n");
  EXPECT_EQ(end->code, 3);
  EXPECT_EQ(end->describe(), "exit status 3");
}

TEST_F(SupervisorTest, EnvironmentDirectoryAndLogFile) {
  Supervisor supervisor(nullptr);
  const std::string log = base_ / "log";
  ASSERT_TRUE(supervisor.run({.name = "script",
                              .argv = {"sh", "-c", "echo $A-$HOME; pwd"},
                              .env = {"A=1", "PATH=/bin:/usr/bin"},
                              .clean_env = true,
                              .working_dir = "/usr",
                              .log_file = log}));
  std::ostringstream text;
  text << std::ifstream(log).rdbuf();
  EXPECT_EQ(text.str(), "1-\n/usr\n");
}

TEST_F(SupervisorTest, SaysWhyAProgramCannotStart) {
  Supervisor supervisor(nullptr);
  const auto missing = supervisor.run({.name = "ghost", .argv = {"no-such-program-here"}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::invalid);
  EXPECT_NE(missing.error().message.find("no-such-program-here"), std::string::npos);
  const auto folder = supervisor.run({.name = "sh", .argv = {"sh"}, .working_dir = "/no/such/folder"});
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("/no/such/folder"), std::string::npos);
  const auto space = supervisor.run({.name = "sh", .argv = {"sh"}, .netns = "berth-no-such-namespace"});
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code, ErrorCode::not_found);
}

TEST_F(SupervisorTest, KillsTheWholeGroupWhenTheTimeIsOver) {
  Supervisor supervisor(nullptr);
  auto spec = shell("sleep 1000 & echo $!; wait");
  spec.timeout = std::chrono::milliseconds(200);
  const auto end = supervisor.run(spec);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->timed_out);
  EXPECT_EQ(end->describe(), "timed out");
  EXPECT_TRUE(ends(std::stoi(end->output)));
}

TEST_F(SupervisorTest, StopAsksFirstAndKillsAfterTheGrace) {
  Supervisor supervisor(nullptr);
  std::promise<ProcessEnd> polite;
  const auto first = start_ready(supervisor, "trap 'exit 7' TERM; sleep 1000 &", polite);
  supervisor.stop_and_wait({first}, seconds(20));
  EXPECT_EQ(polite.get_future().get().code, 7);

  std::promise<ProcessEnd> stubborn;
  const auto second = start_ready(supervisor, "trap '' TERM; sleep 1000 &", stubborn);
  EXPECT_TRUE(supervisor.running(second));
  supervisor.stop_and_wait({second}, std::chrono::milliseconds(100));
  EXPECT_EQ(stubborn.get_future().get().signal, SIGKILL);
  EXPECT_FALSE(supervisor.running(second));
}

TEST_F(SupervisorTest, LeavesNothingRunningAndNothingOnRecord) {
  auto ledger = Ledger::open(base_ / "run");
  ASSERT_TRUE(ledger);
  const auto before = ledger->records().size();
  pid_t pid = 0;
  {
    Supervisor supervisor(&*ledger);
    const auto id = supervisor.start({.name = "sleeper", .argv = {"sleep", "1000"}}, {});
    ASSERT_TRUE(id);
    pid = supervisor.pid_of(*id);
    const auto records = ledger->records();
    ASSERT_EQ(records.size(), before + 1);
    EXPECT_EQ(records.back().pid, pid);
    EXPECT_EQ(records.back().start, *process_start(pid));
    EXPECT_FALSE(supervisor.run({.name = "ghost", .argv = {"/no/such/program"}}));
    EXPECT_EQ(ledger->records().size(), before + 1);
  }
  EXPECT_EQ(ledger->records().size(), before);
  EXPECT_FALSE(process_start(pid));
}

TEST_F(SupervisorTest, ChildrenDieWithACrash) {
  // A process that starts a child through a supervisor, tells us its pid and is killed.
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto child = spawn({.name = "sleeper", .argv = {"sleep", "1000"}}, {});
    const pid_t pid = child ? child->pid : 0;
    (void)::write(pipe[1], &pid, sizeof pid);
    while (true) ::pause();
  }
  pid_t child = 0;
  ASSERT_EQ(::read(pipe[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  ASSERT_GT(child, 1);
  const auto start = process_start(child);
  ASSERT_TRUE(start);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(ends(child));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(SupervisorTest, ACommandThatFailsIsQuotedWithItsWords) {
  Supervisor supervisor(nullptr);
  const auto good = run_command(supervisor, shell("echo fine"));
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, "fine\n");
  const auto bad = run_command(supervisor, shell("echo no such bridge >&2; exit 1"));
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("exit status 1: no such bridge"), std::string::npos) << bad.error().message;
}

TEST_F(SupervisorTest, AProcessRunsInsideItsNamespaceAndDiesWithIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "making network namespaces needs root";
  auto ledger = Ledger::open(base_ / "run");
  ASSERT_TRUE(ledger);
  const std::string name = "berth-" + ledger->id() + "-test";
  ASSERT_TRUE(ledger->add({.kind = LedgerRecord::Kind::namespace_, .name = name}));
  const auto made = netns::create(name);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(netns::create(name).error().code, ErrorCode::already_exists);
  EXPECT_EQ(netns::list("berth-" + ledger->id()), std::vector<std::string>{name});

  Supervisor supervisor(nullptr);
  const auto links =
      run_command(supervisor, {.name = "ip", .argv = {"ip", "-br", "link"}, .netns = name, .timeout = seconds(20)});
  ASSERT_TRUE(links) << links.error().message;
  EXPECT_TRUE(links->starts_with("lo ")) << *links;
  EXPECT_NE(links->find("LOOPBACK,UP"), std::string::npos) << *links;
  EXPECT_EQ(std::ranges::count(*links, '\n'), 1);
  const auto host =
      run_command(supervisor, {.name = "uname", .argv = {"uname", "-n"}, .hostname = "pod-7", .timeout = seconds(20)});
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_EQ(*host, "pod-7\n");

  std::promise<ProcessEnd> end;
  const auto id = supervisor.start({.name = "sleeper", .argv = {"sleep", "1000"}, .netns = name},
                                   [&](ProcessEnd e) { end.set_value(std::move(e)); });
  ASSERT_TRUE(id);
  EXPECT_EQ(netns::members(name), std::vector<pid_t>{supervisor.pid_of(*id)});
  const auto cleaned = ledger->clean_up();
  EXPECT_TRUE(cleaned) << cleaned.error().message;
  EXPECT_EQ(end.get_future().get().signal, SIGKILL);
  EXPECT_FALSE(netns::exists(name));
}

}  // namespace
}  // namespace berth::dev
