#pragma once

// Where scenarios are played: a Kubernetes API, OVN's northbound database, and berth-controller.

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "dev/cluster/embedded_cluster.h"
#include "http/client.h"
#include "kube/config.h"
#include "scenarios/runner/scenario.h"

namespace berth::scenarios {

// All tables of the northbound database at one moment.
struct Northbound {
  std::map<std::string, std::vector<boost::json::object>, std::less<>> tables;  // rows, with _uuid
  std::map<std::string, const boost::json::object*, std::less<>> by_uuid;       // into tables
};

// All functions may be called from several threads at once, those about the controller excepted.
class Place {
 public:
  // An embedded cluster of its own, without data path.
  [[nodiscard]] static Result<std::unique_ptr<Place>> embedded(bool with_controller);
  // A cluster that runs already, with a controller that is somebody else's. metrics: its URL, may be empty.
  [[nodiscard]] static Result<std::unique_ptr<Place>> remote(const std::string& kubeconfig, std::string northbound,
                                                             std::string metrics);
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // Bodies of answers. Errors: not_found, already_exists, conflict, invalid and others as the API's status says.
  Result<boost::json::object> get(const ObjectName& name);
  Result<std::vector<boost::json::object>> list(std::string_view kind, const std::string& ns);
  Result<boost::json::object> create(const boost::json::object& manifest);
  Result<boost::json::object> merge_patch(const ObjectName& name, const boost::json::object& patch,
                                          const std::string& subresource = {});
  Status remove(const ObjectName& name);

  // As of a moment after the call.
  Result<std::shared_ptr<const Northbound>> northbound();

  // The lines of /metrics that begin with the name.
  Result<std::map<std::string, double>> metrics(const std::string& name);

  // Embedded only.
  [[nodiscard]] bool owns_controller() const { return cluster_ != nullptr; }
  Status start_controller();
  void stop_controller(bool kill);
  [[nodiscard]] std::string controller_log() const;

 private:
  Place() = default;
  Status connect(const kube::Config& config);
  Result<boost::json::value> call(const std::string& method, const std::string& path, std::string body,
                                  const std::string& content_type);
  Result<std::string> fetch(const std::string& url);
  Result<std::shared_ptr<const Northbound>> dump();

  std::unique_ptr<dev::EmbeddedCluster> cluster_;
  std::string folder_;  // of the embedded cluster
  dev::Supervisor programs_{nullptr};
  dev::Supervisor::Id controller_ = 0;
  kube::Config config_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::Client> plain_;
  std::string northbound_;
  std::string metrics_;

  std::mutex dump_mutex_;
  std::chrono::steady_clock::time_point dump_begun_{};
  std::shared_ptr<const Northbound> last_dump_;
};

}  // namespace berth::scenarios
