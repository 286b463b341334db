#include "dev/kubelet/container_logs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace berth::dev {
namespace {

namespace fs = std::filesystem;

class ContainerLogsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "berth-logs-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    pod_.ns = "ns";
    pod_.name = "p";
    pod_.uid = "u1";
    pod_.init_containers.resize(1);
    pod_.init_containers[0].name = "init";
    pod_.containers.resize(2);
    pod_.containers[0].name = "main";
    pod_.containers[1].name = "side";
  }
  void TearDown() override { fs::remove_all(base_); }

  void run(const std::string& container, int run, const std::string& text) {
    const std::string file = base_ / (container + "." + std::to_string(run));
    std::ofstream(file) << text;
    logs_.begin(pod_, container, run, file);
  }

  [[nodiscard]] Result<LogChunk> read(const std::string& container, bool previous = false,
                                      std::uint64_t offset = 0) const {
    return logs_.read({.ns = "ns", .pod = "p", .container = container, .previous = previous}, offset);
  }

  fs::path base_;
  PodSpec pod_;
  ContainerLogs logs_;
};

TEST_F(ContainerLogsTest, TellsTheLastRunAndTheOneBefore) {
  run("main", 0, "first\n");
  EXPECT_FALSE(read("main", true));
  run("main", 1, "second\n");
  run("init", 0, "prepared\n");
  EXPECT_EQ(read("main")->text, "second\n");
  EXPECT_FALSE(read("main")->ended);
  EXPECT_EQ(read("main", true)->text, "first\n");
  EXPECT_TRUE(read("main", true)->ended);
  EXPECT_EQ(read("init")->text, "prepared\n");
  EXPECT_EQ(read("")->text, "second\n");  // the first that is no init container
  EXPECT_EQ(read("main", false, 3)->text, "ond\n");
  EXPECT_EQ(read("main", false, 100)->text, "");
}

TEST_F(ContainerLogsTest, SaysWhatIsNotThere) {
  EXPECT_EQ(read("main").error().code, ErrorCode::invalid);
  run("main", 0, "x");
  EXPECT_EQ(read("side").error().code, ErrorCode::invalid);
  EXPECT_EQ(read("ghost").error().code, ErrorCode::not_found);
}

TEST_F(ContainerLogsTest, EndsWithThePodAndIsForgottenWithIt) {
  run("main", 0, "x");
  logs_.end(pod_);
  EXPECT_TRUE(read("main")->ended);
  PodSpec other = pod_;
  other.uid = "u2";
  logs_.forget(other);  // another incarnation
  EXPECT_TRUE(read("main"));
  logs_.forget(pod_);
  EXPECT_FALSE(read("main"));
}

TEST_F(ContainerLogsTest, AnotherIncarnationBeginsAfresh) {
  run("main", 0, "old");
  run("main", 1, "older");
  pod_.uid = "u2";
  run("main", 0, "new");
  EXPECT_EQ(read("main")->text, "new");
  EXPECT_FALSE(read("main", true));
}

}  // namespace
}  // namespace berth::dev
