// What the real API server makes of the CRDs' rules and of the webhook.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "admission/review.h"
#include "api/metadata.h"
#include "api/resource.h"
#include "api/yaml.h"
#include "integration/admission/kubernetes.h"
#include "integration/controller/fixture.h"

namespace berth::test {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

std::filesystem::path source() {
  const char* folder = std::getenv("BERTH_SOURCE_DIR");
  return folder == nullptr ? "." : folder;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

constexpr const char* kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

std::string path_of(const std::string& kind, const std::string& name = {}) {
  const auto known = api::kind_of("kubeovn.io/v1", kind);
  EXPECT_TRUE(known) << kind;
  return api::path_of(*known, "", name);
}

json::object object(const std::string& kind, const std::string& name, std::string_view spec) {
  return {{"apiVersion", "kubeovn.io/v1"}, {"kind", kind}, {"metadata", {{"name", name}}}, {"spec", json::parse(spec)}};
}

std::vector<json::object> crds() {
  std::vector<json::object> out;
  for (const auto& entry : std::filesystem::directory_iterator(source() / "charts/berth/crds")) {
    const auto documents = api::parse_yaml(read(entry.path()));
    EXPECT_TRUE(documents) << entry.path();
    out.push_back(documents->front().as_object());
  }
  return out;
}

void strip_rules(json::value& value) {
  if (auto* map = value.if_object()) {
    map->erase("x-kubernetes-validations");
    for (auto& [key, item] : *map) strip_rules(item);
  } else if (auto* list = value.if_array()) {
    for (json::value& item : *list) strip_rules(item);
  }
}

class AdmissionOnKubernetes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Kubernetes::missing().empty()) return;
    cluster_ = std::make_unique<Kubernetes>();
    for (const json::object& crd : crds()) {
      const Answer made = cluster_->call("POST", kCrds, crd);
      EXPECT_EQ(made.status, 201) << made.text;
    }
    for (const char* kind : {"Subnet", "IPPool", "IP", "Vip", "Vpc"}) {
      EXPECT_TRUE(eventually([&] { return cluster_->call("GET", path_of(kind)).ok(); })) << kind;
    }
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override {
    if (const std::string missing = Kubernetes::missing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  static Answer try_create(const json::object& body) {
    return cluster_->call("POST", path_of(std::string(body.at("kind").as_string())) + "?dryRun=All", body);
  }

  static std::unique_ptr<Kubernetes> cluster_;
};

std::unique_ptr<Kubernetes> AdmissionOnKubernetes::cluster_;

struct Bad {
  const char* kind;
  const char* spec;
  const char* says;
};

const Bad kBad[] = {
    {"Subnet", R"({})", "cidrBlock is needed"},
    {"Subnet", R"({"vlan": "v", "gateway": "10.1.0.1"})", "gateway and excludeIps must be empty"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "gateway": "10.2.0.1"})", "gateway must lie in cidrBlock"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24,fd00:1::/64", "gateway": "10.1.0.1,fd00:2::1"})",
     "gateway must lie in cidrBlock"},
    {"Subnet", R"({"cidrBlock": "fd00:1::/64", "mtu": 1200})", "mtu must be at least 1280"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "natOutgoing": true, "externalEgressGateway": "10.9.0.1"})",
     "natOutgoing and externalEgressGateway exclude"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "logicalGateway": true, "u2oInterconnection": true})",
     "logicalGateway and u2oInterconnection exclude"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "u2oFeatures": {"overlayOnlyRouting": true}})",
     "overlayOnlyRouting needs"},
    {"Subnet", R"({"cidrBlock": "FD00:1::/64"})", "cidrBlock must be written in lower case"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/abc"})", "cidrBlock must be one IPv4 CIDR"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24,fd00::/64,10.2.0.0/24"})", "cidrBlock must be one IPv4 CIDR"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24,10.2.0.0/24"})", "two CIDRs of one family"},
    {"Subnet", R"({"cidrBlock": "10.1.0.1/32"})", "more than a single address"},
    {"Subnet", R"({"cidrBlock": "fd00::1/128"})", "more than a single address"},
    {"Subnet", R"({"cidrBlock": "127.7.0.0/24"})", "must not overlap ranges that are reserved"},
    {"Subnet", R"({"cidrBlock": "ff02::/64"})", "must not overlap ranges that are reserved"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "gateway": "first"})", "gateway must be one address"},
    {"Subnet", R"({"cidrBlock": "fd00:1::/64", "gateway": "fd00:1::A"})", "gateway must be written in lower case"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "excludeIps": ["10.1.0.3..x"]})", "excludeIps must hold"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "excludeIps": ["10.1.0.3..10.1.0.4..10.1.0.5"]})",
     "excludeIps must hold"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "allowSubnets": ["10.1.0.3"]})", "allowSubnets must hold"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "vips": ["x"]})", "vips must hold"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "gatewayType": "x"})", "gatewayType must be"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "protocol": "x"})", "protocol must be"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "externalEgressGateway": "x"})", "externalEgressGateway must be"},
    {"Subnet", R"({"cidrBlock": "10.1.0.0/24", "u2oInterconnectionIP": "x"})", "u2oInterconnectionIP must be"},
    {"IPPool", R"({"subnet": "", "ips": ["10.1.0.1"]})", "subnet must not be empty"},
    {"IPPool", R"({"subnet": "a", "ips": ["10.1.0"]})", "ips must hold"},
    {"IPPool", R"({"subnet": "a", "ips": ["10.1.0.1", "fd00::1"], "enableAddressSet": true})",
     "enableAddressSet needs ips of one family"},
    {"Vip", R"({})", "subnet must not be empty"},
    {"Vip", R"({"subnet": "a", "type": "x"})", "type must be empty"},
    {"Vip", R"({"subnet": "a", "v4ip": "fd00::1"})", "v4ip must be an IPv4 address"},
    {"Vip", R"({"subnet": "a", "v6ip": "FD00::1"})", "v6ip must be an IPv6 address"},
    {"Vip", R"({"subnet": "a", "macAddress": "x"})", "macAddress must be six pairs"},
    {"IP", R"({"subnet": "a", "ipAddress": "x"})", "ipAddress must be one address"},
    {"IP", R"({"subnet": "a", "v4IpAddress": "fd00::1"})", "v4IpAddress must be an IPv4 address"},
    {"IP", R"({"subnet": "a", "v6IpAddress": "10.1.0.1"})", "v6IpAddress must be an IPv6 address"},
    {"IP", R"({"subnet": "a", "macAddress": "x"})", "macAddress must be six pairs"},
    {"Vpc", R"({"staticRoutes": [{"policy": "x", "cidr": "10.0.0.0/8", "nextHopIP": "10.1.0.1"}]})", "policy must be"},
    {"Vpc", R"({"staticRoutes": [{"cidr": "x", "nextHopIP": "10.1.0.1"}]})", "cidr must be an address or a CIDR"},
    {"Vpc", R"({"staticRoutes": [{"cidr": "10.0.0.0/8", "nextHopIP": "x"}]})", "nextHopIP must be an address"},
    {"Vpc", R"({"policyRoutes": [{"action": "x", "match": "ip4", "priority": 1}]})", "action must be allow"},
    {"Vpc", R"({"policyRoutes": [{"action": "reroute", "match": "ip4", "priority": 1}]})", "nextHopIP is needed"},
    {"Vpc", R"({"vpcPeerings": [{"remoteVpc": "b", "localConnectIP": "169.254.0.1"}]})", "localConnectIP must be"},
};

TEST_F(AdmissionOnKubernetes, EachRuleRefusesWithItsMessage) {
  for (const Bad& bad : kBad) {
    const Answer answer = try_create(object(bad.kind, "bad", bad.spec));
    EXPECT_EQ(answer.status, 422) << bad.kind << " " << bad.spec << "\n" << answer.text;
    EXPECT_THAT(answer.text, HasSubstr(bad.says)) << bad.spec;
    EXPECT_EQ(answer.text.find("evaluation error"), std::string::npos) << answer.text;
  }
}

TEST_F(AdmissionOnKubernetes, AnIpStaysInItsNamespace) {
  ASSERT_EQ(
      cluster_->call("POST", path_of("IP"), object("IP", "p.web", R"({"subnet": "a", "namespace": "web"})")).status,
      201);
  const Answer moved = cluster_->merge_patch(path_of("IP", "p.web"), R"({"spec": {"namespace": "other"}})");
  EXPECT_EQ(moved.status, 422);
  EXPECT_THAT(moved.text, HasSubstr("namespace cannot change"));
  EXPECT_EQ(cluster_->merge_patch(path_of("IP", "p.web"), R"({"spec": {"nodeName": "node-1"}})").status, 200);
  EXPECT_EQ(cluster_->call("DELETE", path_of("IP", "p.web")).status, 200);
}

// Whether the reconcilers' own check takes it.
bool is_right(const std::string& kind, const json::object& body) {
  admission::Review asked;
  asked.operation = admission::Operation::create;
  asked.group = "kubeovn.io";
  asked.kind = kind;
  asked.object = body;
  return admission::review(asked, nullptr).allowed();
}

// All objects of our kinds that a text holds, wherever in it.
void collect(const json::value& value, std::vector<json::object>& out) {
  if (const auto* list = value.if_array()) {
    for (const json::value& item : *list) collect(item, out);
  }
  const auto* map = value.if_object();
  if (map == nullptr) return;
  const std::string kind = api::string_at(*map, {"kind"});
  if (api::kind_of("kubeovn.io/v1", kind) && !api::string_at(*map, {"metadata", "name"}).empty() &&
      api::find_object(*map, {"spec"}) != nullptr) {
    out.push_back(*map);
  }
  for (const auto& [key, item] : *map) collect(item, out);
}

std::string filled_in(std::string text) {
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"<id>", "s1"}, {"<net6>", "fd00:77"}, {"<net>", "10.77"}}) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  return text;
}

TEST_F(AdmissionOnKubernetes, WhateverTheReconcilersTakeIsTaken) {
  std::size_t taken = 0;
  std::size_t refused_by_both = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source() / "test/scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto documents = api::parse_yaml(filled_in(read(entry.path())));
    ASSERT_TRUE(documents) << entry.path() << ": " << documents.error().message;
    std::vector<json::object> objects;
    for (const json::value& document : *documents) collect(document, objects);
    for (json::object& body : objects) {
      const std::string kind = api::string_at(body, {"kind"});
      body["apiVersion"] = "kubeovn.io/v1";
      if (!api::is_object_name(api::string_at(body, {"metadata", "name"}))) continue;
      body["metadata"] = {{"name", api::string_at(body, {"metadata", "name"})}};
      const Answer answer = try_create(body);
      if (is_right(kind, body)) {
        EXPECT_EQ(answer.status, 201) << entry.path() << "\n" << json::serialize(body) << "\n" << answer.text;
        ++taken;
      } else {
        refused_by_both += !answer.ok();
      }
    }
  }
  EXPECT_GT(taken, 50U);
  EXPECT_GT(refused_by_both, 20U);
}

TEST_F(AdmissionOnKubernetes, WhatKubeOvnTakesIsTaken) {
  for (const auto& [kind, spec] : std::vector<std::pair<std::string, std::string>>{
           {"Subnet", R"({"vlan": "v"})"},
           {"Subnet", R"({"cidrBlock": "10.1.0.9/24"})"},
           {"Subnet", R"({"cidrBlock": "fd00:1::/64,10.1.0.0/24", "gateway": "fd00:1::1,10.1.0.1"})"},
           {"Subnet", R"({"cidrBlock": "10.1.0.0/31"})"},
           {"Subnet",
            R"({"cidrBlock": "10.1.0.0/24", "gateway": "", "excludeIps": [], "vlan": "", "provider": "n.s"})"},
           {"IPPool", R"({"subnet": "a", "ips": []})"},
           {"IPPool", R"({"subnet": "a", "ips": ["10.1.0.1", "fd00::1..fd00::9", "10.1.0.32/28"]})"},
           {"IP", R"({"subnet": "a", "podName": "", "v4IpAddress": "", "macAddress": ""})"},
           {"Vip", R"({"subnet": "a", "v4ip": "", "v6ip": "", "type": ""})"},
           {"Vpc", R"({})"},
           {"Vpc", R"({"policyRoutes": [{"action": "allow", "match": "ip4", "priority": 1, "nextHopIP": ""}]})"}}) {
    const Answer answer = try_create(object(kind, "good", spec));
    EXPECT_EQ(answer.status, 201) << spec << "\n" << answer.text;
  }
}

TEST_F(AdmissionOnKubernetes, WhatWasStoredBeforeTheRulesCanBeLetGo) {
  const std::string crd_path = std::string(kCrds) + "/subnets.kubeovn.io";
  const auto put_crd = [&](bool with_rules) {
    for (json::object crd : crds()) {
      if (api::string_at(crd, {"metadata", "name"}) != "subnets.kubeovn.io") continue;
      const Answer now = cluster_->call("GET", crd_path);
      crd["metadata"].as_object()["resourceVersion"] =
          api::string_at(now.body.as_object(), {"metadata", "resourceVersion"});
      json::value body = crd;
      if (!with_rules) strip_rules(body);
      const Answer put = cluster_->call("PUT", crd_path, body);
      EXPECT_EQ(put.status, 200) << put.text;
    }
  };
  json::object bad = object("Subnet", "old", R"({"cidrBlock": "10.1.0.0/99", "gateway": "x", "protocol": "y"})");
  bad["metadata"].as_object()["finalizers"] = json::array{"kubeovn.io/kube-ovn-controller"};
  put_crd(false);
  ASSERT_TRUE(eventually([&] { return cluster_->call("POST", path_of("Subnet"), bad).status == 201; }));
  put_crd(true);
  ASSERT_TRUE(eventually([&] { return try_create(object("Subnet", "new", R"({"cidrBlock": "x"})")).status == 422; }));

  const std::string path = path_of("Subnet", "old");
  Answer answer = cluster_->merge_patch(path, R"({"metadata": {"labels": {"a": "b"}}})");
  EXPECT_EQ(answer.status, 200) << answer.text;
  answer = cluster_->merge_patch(path + "/status", R"({"status": {"activateGateway": "node-1"}})");
  EXPECT_EQ(answer.status, 200) << answer.text;
  answer = cluster_->merge_patch(path, R"({"spec": {"private": true}})");
  EXPECT_EQ(answer.status, 200) << "fields that stay as they are are left alone: " << answer.text;
  answer = cluster_->call("DELETE", path);
  EXPECT_EQ(answer.status, 200) << answer.text;
  answer = cluster_->merge_patch(path, R"({"metadata": {"finalizers": null}})");
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(cluster_->call("GET", path).status, 404);
}

TEST_F(AdmissionOnKubernetes, TheWebhookDeniesWarnsAndFailsOpen) {
  if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
  TempFolder folder;
  dev::Supervisor supervisor{nullptr};
  ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder / "nb.db", kNorthboundSchema}));
  Server northbound(folder, "nb");
  northbound.start();
  Program controller(supervisor, folder, "controller");
  const std::string at = fmt::format("127.0.0.1:{}", free_port());
  controller.start({"--kubeconfig", cluster_->kubeconfig(), "--ovn-nb", northbound.remote(), "--identity", "a",
                    "--webhook-addr", at, "--webhook-url", "https://" + at + "/validate"});
  ASSERT_TRUE(eventually([&] { return controller.logged("the API server was told of the webhook"); }))
      << controller.log();

  // Reversed: CEL cannot say it.
  const auto bad = object("Subnet", "bad", R"({"cidrBlock": "10.1.0.0/24", "excludeIps": ["10.1.0.9..10.1.0.5"]})");
  Answer answer;
  ASSERT_TRUE(eventually([&] {
    answer = try_create(bad);
    return answer.status == 422;
  })) << answer.text
      << controller.log();
  EXPECT_THAT(answer.text, HasSubstr("Subnet bad: spec.excludeIps"));
  EXPECT_THAT(answer.text, HasSubstr("reversed"));
  EXPECT_THAT(answer.text, HasSubstr(R"("field":"spec.excludeIps")"));

  ASSERT_TRUE(eventually([&] { return controller.logged("in sync with the API server"); })) << controller.log();
  const auto early = object("Subnet", "app-a", R"({"cidrBlock": "10.2.0.0/24", "vpc": "x"})");
  ASSERT_TRUE(eventually([&] {
    answer = try_create(early);
    return answer.warnings.find("does not exist yet") != std::string::npos;
  })) << answer.text
      << controller.log();
  EXPECT_EQ(answer.status, 201) << "what may still come is no reason to refuse";

  ASSERT_TRUE(eventually([&] {  // the default subnet is programmed
    answer = try_create(object("Subnet", "b", R"({"cidrBlock": "10.16.4.0/24"})"));
    return answer.status == 422;
  })) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("overlaps Subnet ovn-default"));

  const auto pod = [](std::string_view annotations, bool host) {
    return json::object{
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", "p"}, {"namespace", "default"}, {"annotations", json::parse(annotations)}}},
        {"spec", {{"hostNetwork", host}, {"containers", {json::object{{"name", "c"}, {"image", "i"}}}}}}};
  };
  const std::string pods = "/api/v1/namespaces/default/pods?dryRun=All";
  const std::string wrong = R"({"ovn.kubernetes.io/ip_address": "10.1.0.x"})";
  answer = cluster_->call("POST", pods, pod(wrong, false));
  EXPECT_FALSE(answer.ok());
  EXPECT_THAT(answer.text, HasSubstr("annotation ovn.kubernetes.io/ip_address"));
  EXPECT_EQ(cluster_->call("POST", pods, pod(wrong, true)).status, 201) << "a pod in the host's network";
  EXPECT_EQ(cluster_->call("POST", pods, pod("{}", false)).status, 201);
  EXPECT_EQ(cluster_
                ->call("POST", "/api/v1/namespaces/kube-system/pods?dryRun=All",
                       [&] {
                         auto out = pod(wrong, false);
                         out["metadata"].as_object()["namespace"] = "kube-system";
                         return out;
                       }())
                .status,
            201);

  controller.signal(SIGKILL);
  (void)controller.exit_status();
  answer = try_create(bad);
  EXPECT_EQ(answer.status, 201) << "fails open: " << answer.text;
  EXPECT_EQ(cluster_->call("POST", pods, pod(wrong, false)).status, 201);
}

}  // namespace
}  // namespace berth::test
