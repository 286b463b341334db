#pragma once

// The API server under test, and how the suite speaks with it.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "http/client.h"
#include "kube/config.h"

namespace berth::conformance {

namespace json = boost::json;

// How long to wait for what should happen soon; tests do not wait for what should not happen.
inline constexpr std::chrono::seconds kSoon{20};

struct Reply {
  int status = 0;
  json::value body;  // null if it is no JSON
  std::string text;

  // A member of the body by JSON pointer ("/metadata/name"); null if absent.
  [[nodiscard]] const json::value& at(std::string_view pointer) const;
  [[nodiscard]] std::string string(std::string_view pointer) const;  // "" if absent or no string
  [[nodiscard]] std::string version() const { return string("/metadata/resourceVersion"); }
};

[[nodiscard]] const json::value& at(const json::value& value, std::string_view pointer);
[[nodiscard]] std::string string_at(const json::value& value, std::string_view pointer);

// JSON written in a test. A mistake in it is a mistake of the test.
[[nodiscard]] json::value parse(std::string_view text);

// A watch that runs until it is destroyed.
class Watch {
 public:
  Watch(http::Client& client, http::ClientRequest request);
  ~Watch();

  // The next event, or nothing if the stream ended or stayed silent for kSoon.
  [[nodiscard]] std::optional<json::value> next();
  // The same without bookmarks, as "ADDED name".
  [[nodiscard]] std::string next_text();
  [[nodiscard]] bool ended();  // waits for the end; false after kSoon, and if there are events left
  [[nodiscard]] int status();  // of the answer; waits for it

 private:
  struct Shared;
  http::Client& client_;
  http::Client::Id id_ = 0;
  std::shared_ptr<Shared> shared_;
};

class Cluster {
 public:
  // The same for all tests of the process. Ends the process if it cannot be reached.
  static Cluster& instance();

  Reply call(const std::string& method, const std::string& path, std::string body = {},
             const std::string& content_type = "application/json", const std::string& accept = "application/json");
  Reply get(const std::string& path) { return call("GET", path); }
  Reply get_table(const std::string& path);
  Reply post(const std::string& path, const json::value& body);
  Reply put(const std::string& path, const json::value& body);
  Reply merge_patch(const std::string& path, std::string_view patch);
  Reply json_patch(const std::string& path, std::string_view patch);
  Reply strategic_patch(const std::string& path, std::string_view patch);
  Reply remove(const std::string& path, std::string_view options = {});
  [[nodiscard]] std::unique_ptr<Watch> watch(const std::string& path_and_query,
                                             const std::string& accept = "application/json");

  // Without any credentials.
  Reply call_anonymous(const std::string& path);

  // Repeats a GET until the condition holds, or kSoon has passed. The last reply.
  template <typename Condition>
  Reply get_until(const std::string& path, Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kSoon;
    Reply reply = get(path);
    while (!condition(reply) && std::chrono::steady_clock::now() < deadline) {
      pause();
      reply = get(path);
    }
    return reply;
  }

  // Watches from version 1 on must end with 410 from now on. The embedded server is told to forget; a real one, not
  // freshly started, does not know that far back.
  void forget_history();

  // Whether garbage collection and namespace deletion are at work, as they are with the embedded server. Found out
  // once, by trying.
  [[nodiscard]] bool has_controllers();

  // A name that no other test, and no earlier run, has used: "conf-<prefix>-<random>".
  [[nodiscard]] std::string fresh(std::string_view prefix);

 private:
  Cluster();
  ~Cluster();
  static void pause();
  Reply send(http::Client& client, http::ClientRequest request);

  struct Embedded;

  std::unique_ptr<Embedded> embedded_;
  kube::Config config_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::Client> anonymous_;
  std::optional<bool> has_controllers_;
  std::string run_;
  int next_ = 0;
};

// A test with a namespace of its own.
class ConformanceTest : public testing::Test {
 protected:
  ConformanceTest();
  ~ConformanceTest() override;

  // ".../configmaps", "/configmaps/<name>" in the test's namespace.
  [[nodiscard]] std::string config_maps(std::string_view name = {}) const { return core("configmaps", name); }
  [[nodiscard]] std::string pods(std::string_view name = {}) const { return core("pods", name); }
  [[nodiscard]] std::string deployments(std::string_view name = {}) const;
  [[nodiscard]] std::string core(std::string_view plural, std::string_view name) const;

  // Creates and expects 201.
  Reply make_config_map(std::string_view name, std::string_view extra_metadata = {},
                        std::string_view data = R"({"a":"1"})");
  Reply make_pod(std::string_view name, std::string_view extra_spec = {}, std::string_view extra_metadata = {});
  Reply make_deployment(std::string_view name, std::string_view extra_metadata = {});

  Cluster& api = Cluster::instance();
  const std::string ns;
};

// Checks a Status of failure.
void expect_failure(const Reply& reply, int code, std::string_view reason);

}  // namespace berth::conformance
