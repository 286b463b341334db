#include "dev/demo/api.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include <boost/json/parse.hpp>

#include "api/json.h"
#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

using kube::testing::FakeTransport;
using namespace std::chrono_literals;

boost::json::value pods(std::string_view names) {
  boost::json::array items;
  for (const std::string& name : api::split_list(names)) {
    items.push_back(boost::json::object{{"metadata", {{"name", name}, {"uid", "uid-" + name}}}});
  }
  return boost::json::object{{"metadata", {{"resourceVersion", "7"}}}, {"items", items}};
}

TEST(DemoApi, ACallWaitsForItsAnswer) {
  Api api([](Scheduler& scheduler) {
    auto transport = std::make_unique<FakeTransport>(scheduler);
    transport->responder = [](const api::Request& request) -> Result<boost::json::value> {
      if (request.verb == api::Verb::list) return pods("a,b");
      return fail(ErrorCode::not_found, "no " + request.name);
    };
    return transport;
  });
  const auto listed = api.list(api::Kind::pod);
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_EQ(listed->size(), 2U);
  api::Request request;
  request.name = "x";
  const auto missing = api.call(request);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), (Error{ErrorCode::not_found, "no x"}));
}

TEST(DemoApi, FollowingTellsOfObjectsThatANewListMisses) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> told;
  int lists = 0;
  FakeTransport* fake = nullptr;
  Scheduler* loop = nullptr;
  Api api([&](Scheduler& scheduler) {
    auto transport = std::make_unique<FakeTransport>(scheduler);
    fake = transport.get();
    loop = &scheduler;
    fake->responder = [&](const api::Request&) -> Result<boost::json::value> {
      return pods(lists++ == 0 ? "a,b" : "b,c");
    };
    return transport;
  });
  api.follow(api::Kind::pod, [&](const boost::json::object& object, bool deleted) {
    const std::scoped_lock lock(mutex);
    told.push_back((deleted ? "-" : "+") + api::string_at(object, {"metadata", "name"}));
    changed.notify_all();
  });
  const auto wait_for = [&](const std::vector<std::string>& expected) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, 10s, [&] { return told.size() >= expected.size(); });
    EXPECT_EQ(told, expected);
    told.clear();
  };
  wait_for({"+a", "+b"});
  loop->post([&] { fake->end(Error{ErrorCode::gone, "too old"}); });  // the watch was opened in the turn of the list
  wait_for({"+b", "+c", "-a"});
}

}  // namespace
}  // namespace berth::dev
