#include "dev/demo/story.h"

#include <gtest/gtest.h>
#include <stdio.h>

#include <cstdlib>

#include <boost/json/parse.hpp>

#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

using namespace std::chrono_literals;

Objects chart() {
  return {boost::json::parse(R"({"kind": "Namespace", "metadata": {"name": "a"}})"),
          boost::json::parse(R"({"kind": "Subnet", "metadata": {"name": "s"}})")};
}

boost::json::value list_of(std::string_view items) {
  return boost::json::object{{"metadata", {{"resourceVersion", "1"}}}, {"items", boost::json::parse(items)}};
}

// An API with one ready pod of Namespace a, one of another Namespace, and two Subnets of which one is the chart's.
std::unique_ptr<kube::Transport> small_world(Scheduler& scheduler) {
  auto transport = std::make_unique<kube::testing::FakeTransport>(scheduler);
  transport->responder = [](const api::Request& request) -> Result<boost::json::value> {
    if (request.kind == api::Kind::pod) {
      return list_of(R"([{"metadata": {"namespace": "a", "name": "p", "uid": "u1"}, "spec": {"nodeName": "n1"},
                          "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
                         {"metadata": {"namespace": "b", "name": "other", "uid": "u2"}}])");
    }
    if (request.kind == api::Kind::subnet) {
      return list_of(
          R"([{"metadata": {"name": "s", "uid": "u3"}}, {"metadata": {"name": "ovn-default", "uid": "u4"}}])");
    }
    return list_of("[]");
  };
  return transport;
}

Expectation pods_expected(std::size_t count) {
  Expectation expectation;
  MeantPods& meant = expectation.pods.emplace_back();
  meant.ns = "a";
  meant.pod_name = "p";
  meant.count = count;
  return expectation;
}

struct Shown {
  char* data = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&data, &size);
  ~Shown() {
    std::fclose(out);
    std::free(data);
  }
  std::string text() {
    ::flockfile(out);  // the story prints from another thread
    std::fflush(out);
    std::string copy(data, size);
    ::funlockfile(out);
    return copy;
  }
};

TEST(DemoStory, ShowsAndAwaitsWhatBelongsToTheChart) {
  Shown shown;
  Screen screen(shown.out, false);
  Story story(screen, chart(), {});
  story.begin();
  EXPECT_FALSE(story.await_first_pod(story.elapsed() + 1ms));
  Api api(small_world);
  story.follow(api);
  ASSERT_TRUE(story.await_first_pod(story.elapsed() + 10s));
  EXPECT_TRUE(story.await_all_ready(pods_expected(1), story.elapsed() + 10s));
  EXPECT_FALSE(story.await_all_ready(pods_expected(2), story.elapsed() + 1ms));
  EXPECT_EQ(story.pods().size(), 1U);
  EXPECT_EQ(story.pods().at("u1").name, "p");
  EXPECT_LE(story.first_pod(), story.elapsed());

  // The Subnet's line may still be on its way.
  while (shown.text().find("Subnet s") == std::string::npos && story.elapsed() < 10s)
    story.await_time(story.elapsed() + 5ms);
  EXPECT_NE(shown.text().find("pod a/p is there"), std::string::npos) << shown.text();
  EXPECT_NE(shown.text().find("Subnet s is there"), std::string::npos) << shown.text();
  EXPECT_EQ(shown.text().find("other"), std::string::npos) << shown.text();
  EXPECT_EQ(shown.text().find("ovn-default"), std::string::npos) << shown.text();

  story.begin();
  EXPECT_TRUE(story.pods().empty());
  EXPECT_FALSE(story.await_first_pod(story.elapsed() + 1ms));
}

TEST(DemoStory, NothingIsAwaitedOnceTheDemoIsToStop) {
  Shown shown;
  Screen screen(shown.out, false);
  std::stop_source stop;
  Story story(screen, chart(), stop.get_token());
  stop.request_stop();
  EXPECT_FALSE(story.await_first_pod(story.elapsed() + 1h));
}

}  // namespace
}  // namespace berth::dev
