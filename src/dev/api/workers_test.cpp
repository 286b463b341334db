#include "dev/api/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace berth::dev {
namespace {

using namespace std::chrono_literals;

TEST(Workers, RunsJobsNowAndLater) {
  Workers workers(2);
  std::promise<void> now;
  std::promise<void> later;
  const auto begun = std::chrono::steady_clock::now();
  workers.post_after(30ms, [&] { later.set_value(); });
  workers.post([&] { now.set_value(); });
  ASSERT_EQ(now.get_future().wait_for(10s), std::future_status::ready);
  ASSERT_EQ(later.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 30ms);
}

TEST(Workers, LaterJobsFireInOrderOfTheirTime) {
  Workers workers(1);
  std::promise<std::string> done;
  std::string order;
  workers.post_after(40ms, [&] { done.set_value(order + "c"); });
  workers.post_after(20ms, [&] { order += "b"; });
  workers.post_after(0ms, [&] { order += "a"; });
  auto result = done.get_future();
  ASSERT_EQ(result.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(result.get(), "abc");
}

TEST(Workers, StopDropsWhatHasNotBegun) {
  std::atomic<int> ran = 0;
  Workers workers(1);
  std::promise<void> begun;
  std::promise<void> go_on;
  workers.post([&] {
    begun.set_value();
    go_on.get_future().wait();
    ++ran;
  });
  for (int i = 0; i < 100; ++i) workers.post([&] { ++ran; });
  workers.post_after(0ms, [&] { ++ran; });
  begun.get_future().wait();
  auto stopping = std::async(std::launch::async, [&] { workers.stop(); });
  // stop() has taken the queue away before it waits; only then may the running job end.
  EXPECT_EQ(stopping.wait_for(50ms), std::future_status::timeout);
  go_on.set_value();
  stopping.wait();
  workers.post([&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace berth::dev
