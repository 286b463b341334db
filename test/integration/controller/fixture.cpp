#include "integration/controller/fixture.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <boost/json/parse.hpp>

#include "sim/crds.h"

namespace berth::test {
namespace {

boost::json::object parse(std::string_view text) { return boost::json::parse(text).as_object(); }

sim::TypePtr type_of(const sim::ApiStore& store, std::string_view plural) {
  for (const auto* group : {"", "kubeovn.io", "coordination.k8s.io", "admissionregistration.k8s.io"}) {
    if (auto type = store.types().find_stored(group, plural)) return type;
  }
  ADD_FAILURE() << "no such resource: " << plural;
  std::abort();
}

}  // namespace

std::string controller_program() {
  const char* folder = std::getenv("BERTH_BIN_DIR");
  return std::string(folder == nullptr ? "build/bin" : folder) + "/berth-controller";
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds within) {
  const auto limit = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// ---- Api

Api::Api(const TempFolder& folder) : kubeconfig_(folder / "kubeconfig") {
  auto server = dev::ApiServer::start({});
  if (!server) {
    ADD_FAILURE() << server.error().message;
    std::abort();
  }
  server_ = std::move(*server);
  server_->with_store([](sim::ApiStore& store) { sim::install_crds(store); });

  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);

  std::string text = server_->kubeconfig();
  const std::string url = server_->url();
  text.replace(text.find(url), url.size(), fmt::format("https://127.0.0.1:{}", ntohs(address.sin_port)));
  std::ofstream(kubeconfig_) << text;
}

void Api::open() {
  ASSERT_EQ(::listen(listener_.get(), 64), 0);
  const auto status = server_->listen_also(listener_.release());
  ASSERT_TRUE(status) << status.error().message;
}

void Api::create(std::string_view plural, std::string_view manifest) {
  auto object = parse(manifest);
  const std::string ns(sim::namespace_of(object));
  server_->with_store([&](sim::ApiStore& store) {
    const auto created = store.create(*type_of(store, plural), ns, std::move(object));
    EXPECT_TRUE(created) << created.error().message;
  });
}

void Api::remove(std::string_view plural, const std::string& ns, const std::string& name) {
  server_->with_store([&](sim::ApiStore& store) {
    sim::DeleteOptions now;
    now.grace_period_seconds = 0;
    const auto removed = store.remove(*type_of(store, plural), ns, name, now);
    EXPECT_TRUE(removed) << removed.error().message;
  });
}

void Api::patch(std::string_view plural, const std::string& ns, const std::string& name, std::string_view merge_patch) {
  server_->with_store([&](sim::ApiStore& store) {
    const auto patched =
        store.patch(*type_of(store, plural), ns, name, sim::PatchType::merge, boost::json::parse(merge_patch));
    EXPECT_TRUE(patched) << patched.error().message;
  });
}

boost::json::object Api::get(std::string_view plural, const std::string& ns, const std::string& name) {
  return server_->with_store([&](sim::ApiStore& store) {
    const auto object = store.get(*type_of(store, plural), ns, name);
    return object ? **object : boost::json::object();
  });
}

std::vector<boost::json::object> Api::list(std::string_view plural, const std::string& ns) {
  return server_->with_store([&](sim::ApiStore& store) {
    std::vector<boost::json::object> out;
    const auto found = store.list(*type_of(store, plural), ns);
    if (found) {
      for (const auto& item : found->items) out.push_back(*item);
    }
    return out;
  });
}

// ---- Program

Program::Program(dev::Supervisor& supervisor, const TempFolder& folder, std::string name)
    : supervisor_(supervisor), name_(std::move(name)), log_file_(folder / (name_ + ".log")) {}

void Program::start(std::vector<std::string> flags) {
  flags.insert(flags.begin(), controller_program());
  auto promise = std::make_shared<std::promise<int>>();
  ended_ = promise->get_future();
  const auto id = supervisor_.start({.name = name_, .argv = std::move(flags), .log_file = log_file_},
                                    [promise](const dev::ProcessEnd& end) { promise->set_value(end.shell_status()); });
  ASSERT_TRUE(id) << id.error().message;
  id_ = *id;
}

int Program::exit_status() {
  if (ended_.wait_for(std::chrono::seconds(40)) != std::future_status::ready) {
    ADD_FAILURE() << name_ << " does not end:\n" << log();
    return -1;
  }
  return ended_.get();
}

std::string Program::log() const {
  std::ifstream in(log_file_);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int Program::count_logged(std::string_view text) const {
  const std::string all = log();
  int count = 0;
  for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
  return count;
}

// ---- ControllerTest

void ControllerTest::SetUp() {
  if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
  ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "nb.db", kNorthboundSchema}));
  northbound_.emplace(folder_, "nb");
  remotes_ = northbound_->remote();
  api_.emplace(folder_);
  controller_.emplace(supervisor_, folder_, "controller");
}

std::vector<std::string> ControllerTest::flags(const std::string& identity, std::vector<std::string> more) const {
  std::vector<std::string> out{"--kubeconfig", api_->kubeconfig(), "--ovn-nb",       remotes_,
                               "--identity",   identity,           "--metrics-addr", "127.0.0.1:0"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

void ControllerTest::start_northbound() { northbound_->start(); }

std::string ControllerTest::nbctl(const std::vector<std::string>& words) {
  std::vector<std::string> argv{"ovn-nbctl", "--db=" + remotes_, "--timeout=10"};
  argv.insert(argv.end(), words.begin(), words.end());
  auto end = supervisor_.run({.name = "ovn-nbctl", .argv = argv, .capture = true, .timeout = std::chrono::seconds(15)});
  EXPECT_TRUE(end && end->ok()) << (end ? end->error : end.error().message);
  if (!end) return {};
  while (end->output.ends_with('\n')) end->output.pop_back();
  return end->output;
}

std::string ControllerTest::port_addresses(const std::string& port) {
  return nbctl({"--bare", "--columns=addresses", "find", "Logical_Switch_Port", "name=\"" + port + "\""});
}

std::string ControllerTest::stored_epoch() {
  return nbctl({"--if-exists", "get", "NB_Global", ".", "external_ids:berth-epoch"});
}

bool ControllerTest::subnet_is_ready(const std::string& name) {
  const auto subnet = api_->get("subnets", "", name);
  const auto* conditions = sim::array_at(subnet, {"status", "conditions"});
  if (conditions == nullptr) return false;
  for (const auto& condition : *conditions) {
    const auto& fields = condition.as_object();
    if (sim::string_at(fields, {"type"}) == "Ready") return sim::string_at(fields, {"status"}) == "True";
  }
  return false;
}

std::string ControllerTest::annotation(const std::string& ns, const std::string& pod, std::string_view key) {
  return std::string(sim::string_at(api_->get("pods", ns, pod), {"metadata", "annotations", key}));
}

std::string ControllerTest::bound_address(const std::string& ns, const std::string& pod) {
  const auto of = [&](std::string_view suffix) {
    return annotation(ns, pod, "ovn.kubernetes.io/" + std::string(suffix));
  };
  if (of("allocated") != "true" || of("routed") != "true") return {};
  const std::string address = of("ip_address");
  EXPECT_EQ(port_addresses(pod + "." + ns), of("mac_address") + " " + address);
  return address;
}

std::string ControllerTest::await_bound(const std::string& ns, const std::string& pod) {
  std::string address;
  EXPECT_TRUE(eventually([&] { return !(address = bound_address(ns, pod)).empty(); }))
      << ns << "/" << pod << " is not bound:\n"
      << controller_->log();
  return address;
}

bool ControllerTest::waits_for_subnet(const std::string& ns, const std::string& pod) {
  for (const auto& event : api_->list("events", ns)) {
    if (sim::string_at(event, {"reason"}) == "WaitingForSubnet" &&
        sim::string_at(event, {"involvedObject", "name"}) == pod) {
      return true;
    }
  }
  return false;
}

void ControllerTest::make_namespace(const std::string& name, std::string_view annotations) {
  api_->create("namespaces", fmt::format(R"({{"metadata": {{"name": "{}", "annotations": {}}}}})", name, annotations));
}

void ControllerTest::make_pod(const std::string& ns, const std::string& name) {
  api_->create("pods", fmt::format(R"({{"metadata": {{"name": "{}", "namespace": "{}"}},
      "spec": {{"nodeName": "node-1", "containers": [{{"name": "c", "image": "i:1"}}]}}}})",
                                   name, ns));
}

void ControllerTest::make_subnet(const std::string& name, const std::string& cidr, const std::string& ns) {
  api_->create("subnets",
               fmt::format(R"({{"apiVersion": "kubeovn.io/v1", "kind": "Subnet", "metadata": {{"name": "{}"}},
      "spec": {{"cidrBlock": "{}", "namespaces": ["{}"]}}}})",
                           name, cidr, ns));
}

}  // namespace berth::test
