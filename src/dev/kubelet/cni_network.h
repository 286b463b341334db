#pragma once

// The CNI protocol, from the runtime's side: executes plugins and believes their results only. Knows no plugin by name.
//
// The default network is eth0. The networks that a pod asks for by k8s.v1.cni.cncf.io/networks are attached after it as
// net1, net2, … (or by the names asked for), each from the spec.config of its NetworkAttachmentDefinition, as Multus
// does.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "dev/kubelet/host.h"
#include "dev/kubelet/pod_network.h"
#include "kube/transport.h"

namespace berth::dev {

struct CniOptions {
  std::vector<std::string> plugin_dirs;  // where the programs are: CNI_PATH
  std::string conf_dir;                  // with the default network's configuration, which somebody else installs
  std::string node_netns;                // plugins run in the node's namespace
  std::string run_dir;                   // what plugins see as /run
  Duration timeout = std::chrono::seconds(150);  // of one plugin
};

class CniNetwork final : public PodNetwork {
 public:
  // References must outlive it.
  CniNetwork(Scheduler& scheduler, Host& host, kube::Transport& transport, CniOptions options);
  ~CniNetwork() override;

  void attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) override;
  void cancel(const Sandbox& sandbox) override;
  void detach(const Sandbox& sandbox, std::function<void(Status)> done) override;
  void pod_changed(const boost::json::object&) override {}
  void pod_gone(const std::string&) override {}

 private:
  // One interface of one sandbox: a list of plugins, and what they said.
  struct Interface {
    std::string name;
    std::string network;         // "ns/name"; empty: the default network
    boost::json::object config;  // a network list
    boost::json::object args;    // merged into each plugin's "args": {"cni": …}, as Multus passes ips and mac
    boost::json::object result;  // of the last ADD
  };

  // What was begun for a sandbox, so that it can be undone.
  struct State {
    Sandbox sandbox;
    std::vector<Interface> interfaces;
    std::size_t next = 0;  // interface under way
    std::function<void(Result<PodAddresses>)> done;
    Host::Id running = 0;  // the plugin that runs
    bool cancelled = false;
  };
  using Shared = std::shared_ptr<State>;

  void fetch_networks(const Shared& state);
  void fetch_network(const Shared& state, std::size_t index);
  void add_next(const Shared& state);
  void add_plugin(const Shared& state, std::size_t plugin);
  void finish(const Shared& state, Result<PodAddresses> result);
  void delete_next(const Shared& state, std::function<void(Status)> done);
  void delete_plugin(const Shared& state, std::size_t plugins_left, std::function<void(Status)> done);

  // Executes one plugin; done gets its standard output, or the error it printed.
  void execute(const Shared& state, const Interface& interface, const std::string& command, std::size_t plugin,
               std::function<void(Result<std::string>)> done);

  Scheduler& scheduler_;
  Host& host_;
  kube::Transport& transport_;
  CniOptions options_;
  std::map<std::string, Shared> states_;  // by Sandbox::id
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The default network: the first configuration by name in the folder, as runtimes choose it. not_found if there is none
// yet.
[[nodiscard]] Result<boost::json::object> read_network(const std::string& conf_dir);

// The plugin configurations of a network: "plugins" of a list, or the one configuration itself.
[[nodiscard]] std::vector<boost::json::object> plugins_of(const boost::json::object& config);

// The addresses in an ADD result, without prefix lengths.
[[nodiscard]] std::vector<std::string> addresses_of(const boost::json::object& result);

}  // namespace berth::dev
