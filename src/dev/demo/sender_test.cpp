#include "dev/demo/sender.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

#include "api/json.h"
#include "api/yaml.h"
#include "kube/testing/fake_transport.h"

namespace berth::dev {
namespace {

std::string chart_folder() {
  const char* root = std::getenv("BERTH_SOURCE_DIR");
  return fmt::format("{}/examples/tenant", root == nullptr ? "." : root);
}

// An API that notes what it is asked for and answers as `answer` says.
struct NotingApi {
  std::mutex mutex;
  std::vector<std::string> asked;  // "create Secret sh.helm…"
  std::function<Result<boost::json::value>(const api::Request&)> answer = [](const api::Request& request) {
    return Result<boost::json::value>(request.body);
  };
  Api api{[this](Scheduler& scheduler) {
    auto transport = std::make_unique<kube::testing::FakeTransport>(scheduler);
    transport->responder = [this](const api::Request& request) {
      const std::scoped_lock lock(mutex);
      const std::string name =
          request.name.empty() ? api::string_at(request.body.get_object(), {"metadata", "name"}) : request.name;
      const char* verb = request.verb == api::Verb::create   ? "create"
                         : request.verb == api::Verb::update ? "update"
                                                             : "remove";
      asked.push_back(fmt::format("{} {} {}", verb, api::resource_of(request.kind).name, name));
      return answer(request);
    };
    return transport;
  }};

  std::vector<std::string> take() {
    const std::scoped_lock lock(mutex);
    return std::exchange(asked, {});
  }
};

TEST(DemoSender, SendsTheReleaseSecretFirstAndCustomResourcesLast) {
  NotingApi noting;
  const auto sender = api_sender(noting.api, {.chart = chart_folder()});
  ASSERT_TRUE(sender) << sender.error().message;
  ASSERT_TRUE((*sender)->install(Release{}));
  EXPECT_EQ(
      noting.take(),
      (std::vector<std::string>{
          "create Secret sh.helm.release.v1.tenant.v1", "create Namespace tenant-web", "create Namespace tenant-data",
          "create Pod routed", "create Pod fixed", "create Deployment web", "create StatefulSet store",
          "create NetworkAttachmentDefinition storage", "create Subnet tenant-web", "create Subnet tenant-web-static",
          "create Subnet tenant-data", "create Vpc tenant", "update Secret sh.helm.release.v1.tenant.v1"}));
  ASSERT_TRUE((*sender)->uninstall());
  EXPECT_EQ(noting.take(),
            (std::vector<std::string>{"remove StatefulSet store", "remove Deployment web", "remove Pod routed",
                                      "remove Pod fixed", "remove Namespace tenant-web", "remove Namespace tenant-data",
                                      "remove NetworkAttachmentDefinition storage", "remove Subnet tenant-web",
                                      "remove Subnet tenant-web-static", "remove Subnet tenant-data",
                                      "remove Vpc tenant", "remove Secret sh.helm.release.v1.tenant.v1"}));
}

TEST(DemoSender, WhatAReleaseLeavesOutIsNotSent) {
  NotingApi noting;
  const auto sender = api_sender(noting.api, {.chart = chart_folder()});
  ASSERT_TRUE(sender) << sender.error().message;
  ASSERT_TRUE((*sender)->install({.subnets = false, .vpc = false, .expects_subnet = ""}));
  for (const std::string& asked : noting.take()) {
    EXPECT_EQ(asked.find(" Subnet "), std::string::npos) << asked;
    EXPECT_EQ(asked.find(" Vpc "), std::string::npos) << asked;
  }
}

TEST(DemoSender, WhatIsThereAlreadyIsNoErrorAndWhatIsGoneNeither) {
  NotingApi noting;
  const auto sender = api_sender(noting.api, {.chart = chart_folder()});
  ASSERT_TRUE(sender) << sender.error().message;
  noting.answer = [](const api::Request& request) -> Result<boost::json::value> {
    if (request.kind == api::Kind::secret) return request.body;
    return fail(request.verb == api::Verb::create ? ErrorCode::already_exists : ErrorCode::not_found, "as told");
  };
  EXPECT_TRUE((*sender)->upgrade(Release{}));
  EXPECT_TRUE((*sender)->uninstall());
  noting.answer = [](const api::Request&) -> Result<boost::json::value> { return fail(ErrorCode::forbidden, "no"); };
  EXPECT_FALSE((*sender)->install(Release{}));
}

TEST(DemoSender, AChartThatIsNotThereIsAnError) {
  NotingApi noting;
  const auto sender = api_sender(noting.api, {.chart = "/nonexistent"});
  ASSERT_FALSE(sender);
  EXPECT_EQ(sender.error().code, ErrorCode::not_found);
}

TEST(DemoSender, TheRenderedChartIsWhatHelmRenders) {
  const char* named = std::getenv("BERTH_HELM");
  const std::string helm = named == nullptr ? "helm" : named;
  Supervisor supervisor(nullptr);
  const auto run = [&](std::vector<std::string> words) {
    ProcessSpec spec;
    spec.name = "helm";
    spec.argv = {helm};
    spec.argv.insert(spec.argv.end(), words.begin(), words.end());
    spec.timeout = std::chrono::seconds(30);
    return run_command(supervisor, spec);
  };
  if (!run({"version"})) GTEST_SKIP() << "there is no helm on this machine";

  for (const Play& play : demo_plays()) {
    for (const Step& step : play.steps) {
      std::vector<std::string> words{"template", "tenant", chart_folder()};
      for (const std::string& word : helm_values(step.release)) words.push_back(word);
      const auto printed = run(words);
      ASSERT_TRUE(printed) << printed.error().message;
      const auto by_helm = api::parse_yaml(*printed);
      ASSERT_TRUE(by_helm) << by_helm.error().message;
      const auto rendered = rendered_objects(chart_folder(), step.release);
      ASSERT_TRUE(rendered) << rendered.error().message;
      EXPECT_EQ(*rendered, *by_helm) << play.title << ": scripts/render-example renews the rendered chart";
    }
  }
}

}  // namespace
}  // namespace berth::dev
