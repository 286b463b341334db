#include "base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>
#include <string>

namespace berth {
namespace {

using std::chrono::milliseconds;

class LineWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe2(ends_, O_CLOEXEC), 0);
    ASSERT_GE(::fcntl(ends_[1], F_SETPIPE_SZ, 4096), 4096);
  }
  void TearDown() override {
    if (ends_[1] >= 0) ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }

  // Everything that is in the pipe now.
  std::string drain() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer, sizeof buffer)) > 0;)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LineWriterTest, WritesInOrder) {
  LineWriter writer(ends_[1], {});
  writer.write("one\n");
  writer.write("two\n");
  ASSERT_TRUE(writer.flush(milliseconds(10'000)));
  EXPECT_EQ(drain(), "one\ntwo\n");
}

TEST_F(LineWriterTest, AReaderThatStandsStillDelaysNobodyAndLearnsWhatItMissed) {
  LineWriter writer(ends_[1],
                    {.limit = 10, .lost = [](std::uint64_t n) { return "lost " + std::to_string(n) + "\n"; }});
  const std::string line = std::string(1023, 'x') + "\n";
  for (int i = 0; i < 1000; ++i) writer.write(line);  // far more than pipe and queue hold
  EXPECT_FALSE(writer.flush(milliseconds(20)));

  std::string seen;
  while (!writer.flush(milliseconds(5))) seen += drain();
  seen += drain();  // what went out last may fill the pipe
  writer.write("again\n");
  ASSERT_TRUE(writer.flush(milliseconds(10'000)));
  seen += drain();

  // The thread may take lines while they are written, so that they are lost in several places.
  unsigned long written = 0;
  unsigned long lost = 0;
  std::string last;
  std::istringstream lines(seen);
  for (std::string each; std::getline(lines, each); last = each) {
    if (each.starts_with('x')) ++written;
    if (each.starts_with("lost ")) lost += std::stoul(each.substr(5));
  }
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(written + lost, 1000U);
  EXPECT_EQ(last, "again");
}

TEST_F(LineWriterTest, DestroyedWhileStuckItDoesNotHang) {
  const auto begun = std::chrono::steady_clock::now();
  {
    LineWriter writer(ends_[1], {.limit = 100, .lost = {}});
    for (int i = 0; i < 100; ++i) writer.write(std::string(1023, 'x') + "\n");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  ends_[1] = -1;  // left open: the thread is still in write()
}

}  // namespace
}  // namespace berth
