#include "dev/cluster/kept_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <thread>

#include "base/event_loop.h"

namespace berth::dev {
namespace {

using std::chrono::seconds;

class KeptProcessTest : public ::testing::Test {
 protected:
  ~KeptProcessTest() override {
    loop_.stop();
    thread_.join();
  }

  EventLoop loop_;
  std::thread thread_{[this] { loop_.run(); }};
  Supervisor supervisor_{nullptr};
};

TEST_F(KeptProcessTest, IsStartedAgainAfterACrashButNotAfterStop) {
  KeptProcess kept(loop_, supervisor_, {.name = "sleeper", .argv = {"sleep", "1000"}});
  ASSERT_TRUE(kept.start());
  const auto first = kept.id();
  const auto crashed = kept.crash();
  ASSERT_TRUE(crashed) << crashed.error().message;
  EXPECT_NE(kept.id(), first);
  EXPECT_FALSE(supervisor_.running(first));
  EXPECT_TRUE(supervisor_.running(kept.id()));
  EXPECT_EQ(kept.starts(), 2);
  kept.stop(seconds(10));
  EXPECT_FALSE(supervisor_.running(kept.id()));

  // What its end has posted runs before this; no restart is planned.
  std::promise<void> turned;
  loop_.post([&] { loop_.after(seconds(0), [&] { turned.set_value(); }); });
  turned.get_future().wait();
  EXPECT_EQ(kept.starts(), 2);
}

TEST_F(KeptProcessTest, AProgramThatIsNotThereIsAnErrorAtOnce) {
  KeptProcess kept(loop_, supervisor_, {.name = "ghost", .argv = {"/no/such/program"}});
  const auto started = kept.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::invalid);
  EXPECT_EQ(kept.starts(), 0);
}

}  // namespace
}  // namespace berth::dev
