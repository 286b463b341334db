#pragma once

// A small kubelet: registers its node, follows the pods that are bound to it through the API, and runs a PodWorker for
// each. An honest client: knows the API only through a Transport, addresses only from the PodNetwork, and nothing of
// Berth.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/json/object.hpp>

#include "base/random.h"
#include "base/scheduler.h"
#include "dev/kubelet/container_logs.h"
#include "dev/kubelet/host.h"
#include "dev/kubelet/pod_network.h"
#include "dev/kubelet/pod_worker.h"
#include "kube/reflector.h"
#include "kube/transport.h"

namespace berth::dev {

struct KubeletOptions {
  std::string node;              // "node-1"
  std::string node_address;      // InternalIP
  std::string node_netns;        // for hostNetwork pods; empty: ours
  std::string namespace_prefix;  // of the pods' network namespaces
  std::string log_dir;           // one file for each run of a container goes there; empty: no logs
  PodTimings timings;
  Duration api_retry = std::chrono::seconds(1);  // after a write that failed
};

// All on the Scheduler's thread.
class Kubelet {
 public:
  // References must outlive it. logs may be null.
  Kubelet(Scheduler& scheduler, kube::Transport& transport, Random& random, Host& host, PodNetwork& network,
          ContainerLogs* logs, KubeletOptions options);
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  // Registers the node (until it succeeds), then follows its pods.
  void start();

  [[nodiscard]] bool registered() const { return registered_; }
  [[nodiscard]] std::size_t pods() const { return pods_.size(); }

 private:
  struct Pod {
    std::unique_ptr<PodWorker> worker;
    boost::json::object object;   // as the API has it
    boost::json::object written;  // the status last sent
    bool in_api = true;
    bool writing = false;
    bool dirty = false;                                         // the status may differ from what was written
    bool deleting = false;                                      // it was asked to go; no older copy takes that back
    bool removing = false;                                      // the last DELETE is on its way
    bool ended = false;                                         // the worker has
    std::map<std::string, std::pair<std::string, int>> events;  // by reason and message: name of the Event, count
  };
  using Uid = std::string;

  void register_node();
  void write_node_status();
  void on_pods(kube::ReflectorEvent event);
  void on_pod(const boost::json::object& object);
  void on_pod_gone(const Uid& uid);
  void adopt(const Uid& uid, const boost::json::object& object);
  void write_status(const Uid& uid);
  void finish(const Uid& uid);
  void forget(const Uid& uid);
  void record_event(const Uid& uid, bool warning, const std::string& reason, const std::string& message);
  void annotate(const Uid& uid, const std::string& key, const std::string& value);
  [[nodiscard]] std::string log_file(const PodSpec& pod, const std::string& container, int run);

  void send(api::Request request, std::function<void(Result<boost::json::value>)> done);
  void after(Duration delay, std::function<void()> fn);

  Scheduler& scheduler_;
  kube::Transport& transport_;
  Random& random_;
  Host& host_;
  PodNetwork& network_;
  ContainerLogs* logs_;
  KubeletOptions options_;
  std::unique_ptr<kube::Reflector> reflector_;
  std::map<Uid, Pod> pods_;
  bool registered_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::dev
