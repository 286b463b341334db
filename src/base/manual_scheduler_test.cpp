#include "base/manual_scheduler.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace berth {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct ManualSchedulerTest : ::testing::Test {
  ManualScheduler scheduler;
  std::string trace;

  std::function<void()> note(char c) {
    return [this, c] { trace += c; };
  }
};

TEST_F(ManualSchedulerTest, RunsByTimeThenByInsertion) {
  scheduler.after(seconds(2), note('d'));
  scheduler.after(seconds(1), note('b'));
  scheduler.after(seconds(1), note('c'));
  scheduler.post(note('a'));
  scheduler.advance(seconds(2));
  EXPECT_EQ(trace, "abcd");
  EXPECT_EQ(scheduler.pending(), 0U);
}

TEST_F(ManualSchedulerTest, NothingRunsInsideTheCallThatAsksForIt) {
  scheduler.post(note('a'));
  scheduler.after(Duration::zero(), note('b'));
  EXPECT_EQ(trace, "");
  EXPECT_EQ(scheduler.run_until_idle(), 2U);
  EXPECT_EQ(trace, "ab");
}

TEST_F(ManualSchedulerTest, IdleMeansNothingDueNow) {
  const TimePoint start = scheduler.now();
  scheduler.post([this] {
    trace += 'a';
    scheduler.post(note('b'));
    scheduler.after(milliseconds(1), note('x'));
  });
  EXPECT_EQ(scheduler.run_until_idle(), 2U);
  EXPECT_EQ(trace, "ab");
  EXPECT_EQ(scheduler.now(), start);
  EXPECT_EQ(scheduler.next_due(), start + milliseconds(1));
}

TEST_F(ManualSchedulerTest, EachCallbackSeesItsOwnTime) {
  const TimePoint start = scheduler.now();
  std::vector<Duration> seen;
  std::function<void()> tick = [&] {
    seen.push_back(scheduler.now() - start);
    scheduler.after(seconds(1), tick);
  };
  scheduler.after(seconds(1), tick);
  scheduler.advance(milliseconds(3500));
  EXPECT_EQ(seen, (std::vector<Duration>{seconds(1), seconds(2), seconds(3)}));
  EXPECT_EQ(scheduler.now() - start, milliseconds(3500));
}

TEST_F(ManualSchedulerTest, CancelledTimersDoNotRun) {
  const auto a = scheduler.after(seconds(1), note('a'));
  scheduler.after(seconds(1), note('b'));
  scheduler.cancel(a);
  scheduler.cancel(a);
  scheduler.cancel(0);
  scheduler.advance(seconds(1));
  EXPECT_EQ(trace, "b");
}

TEST_F(ManualSchedulerTest, ATimerMayBeCancelledInTheInstantItIsDue) {
  Scheduler::TimerId victim = 0;
  scheduler.after(seconds(1), [&] { scheduler.cancel(victim); });
  victim = scheduler.after(seconds(1), note('x'));
  scheduler.advance(seconds(1));
  EXPECT_EQ(trace, "");
}

TEST_F(ManualSchedulerTest, WallClockFollowsAndCanBeShifted) {
  const WallTime wall = scheduler.wall_now();
  scheduler.advance(seconds(90));
  EXPECT_EQ(scheduler.wall_now() - wall, seconds(90));
  const TimePoint monotonic = scheduler.now();
  scheduler.shift_wall_clock(-seconds(60));
  EXPECT_EQ(scheduler.wall_now() - wall, seconds(30));
  EXPECT_EQ(scheduler.now(), monotonic);
}

TEST_F(ManualSchedulerTest, RunUntilStopsAtTheConditionOrAtTheLimit) {
  const TimePoint start = scheduler.now();
  scheduler.after(seconds(3), note('a'));
  scheduler.after(seconds(9), note('b'));
  EXPECT_TRUE(scheduler.run_until([&] { return trace == "a"; }, seconds(5)));
  EXPECT_EQ(scheduler.now() - start, seconds(3));
  EXPECT_FALSE(scheduler.run_until([&] { return trace == "ab"; }, seconds(5)));
  EXPECT_EQ(scheduler.now() - start, seconds(8));
  EXPECT_TRUE(scheduler.run_one());
  EXPECT_FALSE(scheduler.run_one());
  EXPECT_EQ(trace, "ab");
}

}  // namespace
}  // namespace berth
