// The chart sent by Helm and sent by ourselves into the embedded API: the same objects, in the same order.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "dev/api/api_server.h"
#include "dev/demo/sender.h"
#include "sim/crds.h"

namespace berth::dev {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::array kKinds = {
    api::Kind::namespace_,
    api::Kind::pod,
    api::Kind::deployment,
    api::Kind::stateful_set,
    api::Kind::network_attachment_definition,
    api::Kind::subnet,
    api::Kind::vpc,
    api::Kind::secret,
};

fs::path source() {
  const char* root = std::getenv("BERTH_SOURCE_DIR");
  return root == nullptr ? "." : root;
}

// JSON with sorted keys: Helm's YAML reader does not keep their order.
std::string canonical(const boost::json::value& value) {
  if (const auto* array = value.if_array()) {
    std::string text;
    for (const auto& item : *array) text += canonical(item) + ",";
    return "[" + text + "]";
  }
  const auto* object = value.if_object();
  if (object == nullptr) return boost::json::serialize(value);
  std::map<std::string, std::string> members;
  for (const auto& [key, member] : *object) members[key] = canonical(member);
  std::string text;
  for (const auto& [key, member] : members) text += key + ":" + member + ",";
  return "{" + text + "}";
}

// An API of its own, with the custom resources that the chart needs.
class World {
 public:
  World() {
    std::string pattern = (fs::temp_directory_path() / "berth-sending-XXXXXX").string();
    base_ = ::mkdtemp(pattern.data());
    auto server = ApiServer::start({});
    if (!server) throw std::runtime_error(server.error().message);
    server_ = std::move(*server);
    std::ofstream(kubeconfig()) << server_->kubeconfig();
    auto transport = Api::over_https(kubeconfig());
    if (!transport) throw std::runtime_error(transport.error().message);
    api_ = std::make_unique<Api>(*transport);
    chart_.chart = source() / "examples" / "tenant";
    server_->with_store([](sim::ApiStore& store) { sim::install_crds(store); });
    before_ = all();
  }

  ~World() {
    api_.reset();
    server_.reset();
    fs::remove_all(base_);
  }

  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Result<std::unique_ptr<Sender>> helm() {
    const char* named = std::getenv("BERTH_HELM");
    return helm_sender(supervisor_, {named == nullptr ? "helm" : named, kubeconfig(), base_ / "helm"}, chart_);
  }

  Result<std::unique_ptr<Sender>> ourselves() { return api_sender(*api_, chart_); }

  // What was not there at first, in order of creation: "Kind ns/name spec".
  std::vector<std::string> sent() {
    std::vector<std::pair<long, std::string>> found;
    for (const auto& [name, version] : all()) {
      if (!before_.contains(name)) found.emplace_back(std::stol(version), name);
    }
    std::ranges::sort(found);
    std::vector<std::string> names;
    for (auto& [version, name] : found) names.push_back(std::move(name));
    return names;
  }

 private:
  std::string kubeconfig() const { return base_ / "kubeconfig"; }

  // What kubectl create does, for a custom resource definition.
  // "Kind ns/name spec" and the resourceVersion.
  std::map<std::string, std::string> all() {
    std::map<std::string, std::string> found;
    for (const api::Kind kind : kKinds) {
      const auto objects = api_->list(kind);
      EXPECT_TRUE(objects) << objects.error().message;
      if (!objects) continue;
      for (const boost::json::object& object : *objects) {
        const boost::json::value* spec = kind == api::Kind::secret ? nullptr : api::find(object, {"spec"});
        found[fmt::format("{} {}/{} {}", api::resource_of(kind).name, api::string_at(object, {"metadata", "namespace"}),
                          api::string_at(object, {"metadata", "name"}), spec ? canonical(*spec) : "")] =
            api::string_at(object, {"metadata", "resourceVersion"});
      }
    }
    return found;
  }

  fs::path base_;
  Supervisor supervisor_{nullptr};
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<Api> api_;
  ChartOptions chart_;
  std::map<std::string, std::string> before_;
};

// Helm sends objects of one kind side by side, so within a kind there is no order; secrets are rewritten.
std::vector<std::string> kinds_in_order(const std::vector<std::string>& names) {
  std::vector<std::string> kinds;
  for (const std::string& name : names) {
    std::string kind = name.substr(0, name.find(' '));
    if (kind != "Secret" && (kinds.empty() || kinds.back() != kind)) kinds.push_back(std::move(kind));
  }
  return kinds;
}

void expect_ok(const Status& status) { EXPECT_TRUE(status) << status.error().message; }

TEST(Sending, HelmAndWeSendTheSame) {
  World with_helm;
  World without;
  const auto by_helm = with_helm.helm();
  if (!by_helm) GTEST_SKIP() << "there is no helm on this machine";
  const auto by_us = without.ourselves();
  ASSERT_TRUE(by_us) << by_us.error().message;

  expect_ok((*by_us)->install(Release{}));
  expect_ok((*by_helm)->install(Release{}));
  std::vector<std::string> ours = without.sent();
  std::vector<std::string> helms = with_helm.sent();
  EXPECT_EQ(ours.size(), 12U);
  EXPECT_EQ(kinds_in_order(ours), kinds_in_order(helms));
  std::ranges::sort(ours);
  std::ranges::sort(helms);
  EXPECT_EQ(ours, helms);
}

TEST(Sending, TheNextStepsOfAReleaseAddWhatWasLeftOut) {
  World with_helm;
  World without;
  const auto by_helm = with_helm.helm();
  const auto by_us = without.ourselves();
  for (const auto* sender : {&by_helm, &by_us}) {
    if (!*sender && sender == &by_helm) continue;
    ASSERT_TRUE(*sender) << sender->error().message;
    World& world = sender == &by_helm ? with_helm : without;
    std::vector<std::size_t> sizes;
    expect_ok((**sender)->install({.subnets = false, .vpc = false, .expects_subnet = "any"}));
    sizes.push_back(world.sent().size());
    expect_ok((**sender)->upgrade({.subnets = true, .vpc = false, .expects_subnet = "any"}));
    sizes.push_back(world.sent().size());
    expect_ok((**sender)->upgrade({.subnets = true, .vpc = true, .expects_subnet = "any"}));
    sizes.push_back(world.sent().size());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{8, 12, 14}));  // each step adds a Secret of its own

    // Namespaces wait for their controller, and what is inside them for the Namespaces; all else is gone.
    expect_ok((**sender)->uninstall());
    EXPECT_EQ(kinds_in_order(world.sent()), (std::vector<std::string>{"Namespace"}));
  }
  if (!by_helm) GTEST_SKIP() << "there is no helm on this machine";
}

}  // namespace
}  // namespace berth::dev
