#include "controller/write_counter.h"

#include <gtest/gtest.h>

#include "base/manual_scheduler.h"
#include "kube/testing/fake_transport.h"

namespace berth::controller {
namespace {

api::Request request(api::Verb verb) {
  api::Request out;
  out.verb = verb;
  out.kind = api::Kind::pod;
  out.ns = "web";
  out.name = "a";
  return out;
}

class WriteCounterTest : public testing::Test {
 protected:
  void send(api::Verb verb) {
    counter_.send(request(verb), [this](const Result<boost::json::value>&) { ++answers_; });
  }
  void answer() {
    fake_.answer(boost::json::value());
    scheduler_.run_until_idle();
  }

  ManualScheduler scheduler_;
  kube::testing::FakeTransport fake_{scheduler_};
  WriteCounter counter_{fake_};
  int answers_ = 0;
  int idle_ = 0;
};

TEST_F(WriteCounterTest, WaitsForWritesOnly) {
  send(api::Verb::get);
  send(api::Verb::list);
  counter_.when_idle([this] { ++idle_; });
  EXPECT_EQ(idle_, 1);
  answer();
  answer();
  EXPECT_EQ(answers_, 2);
  EXPECT_EQ(idle_, 1);
}

TEST_F(WriteCounterTest, WaitsForEveryWriteAndThenOnce) {
  send(api::Verb::update);
  send(api::Verb::create);
  counter_.when_idle([this] { ++idle_; });
  answer();
  EXPECT_EQ(idle_, 0);
  fake_.answer(fail(ErrorCode::unavailable, "gone"));
  scheduler_.run_until_idle();
  EXPECT_EQ(idle_, 1) << "an error is an answer too";
  EXPECT_EQ(answers_, 2);
  send(api::Verb::remove);
  answer();
  EXPECT_EQ(idle_, 1);
}

TEST_F(WriteCounterTest, AnAnswerMayBeFollowedByAnotherWrite) {
  counter_.send(request(api::Verb::create), [this](const Result<boost::json::value>&) { send(api::Verb::update); });
  counter_.when_idle([this] { ++idle_; });
  answer();
  EXPECT_EQ(idle_, 0);
  answer();
  EXPECT_EQ(idle_, 1);
}

}  // namespace
}  // namespace berth::controller
