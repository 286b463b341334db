#pragma once

// berth-controller as a process, between an embedded API server and an OVN northbound database that are both really
// there, or not yet.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "dev/api/api_server.h"
#include "dev/process/supervisor.h"
#include "dev/process/unique_fd.h"
#include "integration/ovsdb/servers.h"

namespace berth::test {

// Whether the condition comes true within that time.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              std::chrono::milliseconds within = std::chrono::seconds(30));

[[nodiscard]] std::string controller_program();

// An API server with Berth's CRDs. Its port is fixed from the start, but refuses connections until open().
class Api {
 public:
  explicit Api(const TempFolder& folder);

  void open();
  [[nodiscard]] const std::string& kubeconfig() const { return kubeconfig_; }  // a file

  // By the plural: "pods", "subnets". A failure is a test failure.
  void create(std::string_view plural, std::string_view manifest);
  void remove(std::string_view plural, const std::string& ns, const std::string& name);
  void patch(std::string_view plural, const std::string& ns, const std::string& name, std::string_view merge_patch);

  // Empty if it does not exist.
  [[nodiscard]] boost::json::object get(std::string_view plural, const std::string& ns, const std::string& name);
  [[nodiscard]] std::vector<boost::json::object> list(std::string_view plural, const std::string& ns);

 private:
  std::unique_ptr<dev::ApiServer> server_;
  dev::UniqueFd listener_;
  std::string kubeconfig_;
};

class Program {
 public:
  Program(dev::Supervisor& supervisor, const TempFolder& folder, std::string name);

  void start(std::vector<std::string> flags);  // again after it ended
  void signal(int number) { supervisor_.signal(id_, number); }
  [[nodiscard]] bool running() const { return supervisor_.running(id_); }

  [[nodiscard]] pid_t pid() const { return supervisor_.pid_of(id_); }

  // As the shell says it (128 + signal); waits.
  [[nodiscard]] int exit_status();

  [[nodiscard]] std::string log() const;  // of all its runs
  [[nodiscard]] bool logged(std::string_view text) const { return log().find(text) != std::string::npos; }
  [[nodiscard]] int count_logged(std::string_view text) const;

 private:
  dev::Supervisor& supervisor_;
  std::string name_;
  std::string log_file_;
  dev::Supervisor::Id id_ = 0;
  std::future<int> ended_;
};

class ControllerTest : public testing::Test {
 protected:
  void SetUp() override;

  // The least that it needs; identity: of the process in the Lease.
  [[nodiscard]] std::vector<std::string> flags(const std::string& identity, std::vector<std::string> more = {}) const;
  void start_northbound();

  std::string nbctl(const std::vector<std::string>& words);           // standard output, without the last newline
  [[nodiscard]] std::string port_addresses(const std::string& port);  // empty: there is no such port
  [[nodiscard]] std::string stored_epoch();

  [[nodiscard]] bool subnet_is_ready(const std::string& name);
  [[nodiscard]] std::string annotation(const std::string& ns, const std::string& pod, std::string_view key);
  // Annotated allocated and routed, with the address that its port in OVN has; gives the address, else empty.
  [[nodiscard]] std::string bound_address(const std::string& ns, const std::string& pod);
  [[nodiscard]] std::string await_bound(const std::string& ns, const std::string& pod);
  [[nodiscard]] bool waits_for_subnet(const std::string& ns, const std::string& pod);  // an Event says so

  void make_namespace(const std::string& name, std::string_view annotations = "{}");
  void make_pod(const std::string& ns, const std::string& name);
  void make_subnet(const std::string& name, const std::string& cidr, const std::string& ns);

  TempFolder folder_;
  std::string remotes_;  // of the northbound database
  dev::Supervisor supervisor_{nullptr};
  std::optional<Server> northbound_;
  std::optional<Api> api_;
  std::optional<Program> controller_;
};

}  // namespace berth::test
