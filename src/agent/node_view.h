#pragma once

// What the agent knows of the cluster: the pods of its node, all Subnets, and its Node. Fed by three reflectors.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "api/subnet.h"
#include "api/workload.h"
#include "kube/reflector.h"

namespace berth::agent {

class NodeView {
 public:
  struct Observer {
    std::function<void(const std::string& key)> on_pod;      // "ns/name" was added, changed or removed
    std::function<void(const std::string& name)> on_subnet;  // the same of a Subnet
    std::function<void()> on_synced;                         // all three kinds have been listed once
  };

  void observe(Observer observer) { observer_ = std::move(observer); }

  void on_pods(kube::ReflectorEvent event);
  void on_subnets(kube::ReflectorEvent event);
  void on_nodes(kube::ReflectorEvent event);

  [[nodiscard]] const api::Pod* pod(const std::string& key) const;         // null: not known on this node
  [[nodiscard]] const api::Subnet* subnet(const std::string& name) const;  // null: not known
  [[nodiscard]] bool has_node() const { return !nodes_.empty(); }

  // What is still to come: "pods", "subnets" or "node"; none if everything has been listed once.
  [[nodiscard]] std::optional<std::string> missing() const;

 private:
  template <typename Object>
  void apply(kube::ReflectorEvent event, std::map<std::string, Object>& objects, bool& listed,
             const std::function<void(const std::string&)>& changed);

  Observer observer_;
  std::map<std::string, api::Pod> pods_;
  std::map<std::string, api::Subnet> subnets_;
  std::map<std::string, api::Node> nodes_;
  bool pods_listed_ = false;
  bool subnets_listed_ = false;
  bool nodes_listed_ = false;
};

}  // namespace berth::agent
