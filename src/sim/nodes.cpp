#include "sim/nodes.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/ip.h"
#include "api/subnet.h"
#include "api/workload.h"

namespace berth::sim {

SimNodes::SimNodes(Scheduler& scheduler, ApiStore& store, Faults& faults, Random& random,
                   std::vector<std::string> nodes, bool confirm, Hooks hooks)
    : scheduler_(scheduler),
      store_(store),
      faults_(faults),
      random_(random),
      nodes_(std::move(nodes)),
      confirm_(confirm),
      hooks_(std::move(hooks)) {
  observer_ = store_.observe([this](const ResourceType& type, const Change& change) { on_change(type, change); });
}

SimNodes::~SimNodes() {
  *alive_ = false;
  store_.stop_observing(observer_);
}

void SimNodes::later(Duration delay, std::function<void()> fn) {
  scheduler_.after(delay, [alive = alive_, fn = std::move(fn)] {
    if (*alive) fn();
  });
}

Object SimNodes::get(const char* group, const char* version, const char* plural, std::string_view ns,
                     std::string_view name) const {
  const TypePtr type = store_.types().find(group, version, plural);
  const auto found = store_.get(*type, ns, name);
  return found ? *found : nullptr;
}

void SimNodes::on_change(const ResourceType& type, const Change& change) {
  if (type.kind != "Pod") return;
  const std::string key = std::string(namespace_of(*change.object)) + "/" + std::string(name_of(*change.object));
  if (change.type == Change::Type::deleted) {
    wired_.erase(std::string(uid_of(*change.object)));
    return;
  }
  later(faults_.delay(), [this, key] { look(key); });
}

void SimNodes::look(const std::string& key) {
  const auto slash = key.find('/');
  const Object object = get("", "v1", "pods", key.substr(0, slash), key.substr(slash + 1));
  if (!object) return;
  const api::Pod pod = api::Pod::parse(*object);
  if (busy_.contains(pod.meta.uid)) return;
  if (pod.meta.deleting) {
    busy_.insert(pod.meta.uid);
    later(faults_.delay() * 4, [this, key, uid = pod.meta.uid] { tear_down(key, uid); });
  } else if (pod.node_name.empty()) {
    busy_.insert(pod.meta.uid);
    later(faults_.delay() * 2, [this, key, uid = pod.meta.uid] {
      busy_.erase(uid);
      schedule(key);
    });
  } else if (!wired_.contains(pod.meta.uid)) {
    attempt(key, pod.meta.uid);
  }
}

void SimNodes::schedule(const std::string& key) {
  const auto slash = key.find('/');
  const std::string ns = key.substr(0, slash), name = key.substr(slash + 1);
  const Object object = get("", "v1", "pods", ns, name);
  if (!object) return;
  if (!string_at(*object, {"spec", "nodeName"}).empty()) return look(key);  // by the scheduler's turn for its namesake
  const boost::json::object binding{{"apiVersion", "v1"},
                                    {"kind", "Binding"},
                                    {"metadata", {{"name", name}}},
                                    {"target", {{"kind", "Node"}, {"name", nodes_[random_() % nodes_.size()]}}}};
  (void)store_.create_subresource(*store_.types().find("", "v1", "pods"), ns, name, "binding", binding);
}

// What the agent does at CNI ADD: believe the annotations only with a record of this very pod, confirm, claim, wire.
void SimNodes::attempt(const std::string& key, const std::string& uid) {
  const auto slash = key.find('/');
  const std::string ns = key.substr(0, slash), name = key.substr(slash + 1);
  const Object object = get("", "v1", "pods", ns, name);
  if (!object || uid_of(*object) != uid) return;
  const api::Pod pod = api::Pod::parse(*object);
  const auto note = [&](std::string_view suffix) {
    return pod.meta.annotation(api::annotation_key(api::kDefaultProvider, suffix)).value_or("");
  };
  if (note(api::suffix::kAllocated) != "true" || note(api::suffix::kRouted) != "true") return;
  const auto record = confirm_ ? api::own_record(pod.meta) : api::BindingRecord::of(pod.meta);
  if (!record || !record->networks.contains(std::string(api::kDefaultProvider))) return;
  WiredPod wanted;
  wanted.pod = key;
  wanted.pod_uid = uid;
  wanted.subnet = record->networks.at(std::string(api::kDefaultProvider)).subnet;
  wanted.subnet_uid = record->networks.at(std::string(api::kDefaultProvider)).subnet_uid;
  for (const std::string& item : api::split_list(note(api::suffix::kIpAddress)))
    wanted.addresses.push_back(*net::Address::parse(item));
  busy_.insert(uid);
  later(faults_.delay() * 3, [this, key, uid, ns, name, wanted] {
    const Object ip = get("kubeovn.io", "v1", "ips", "", api::port_name(name, ns, api::kDefaultProvider));
    // The object is read now, and claimed later: what happens in between is what the precondition is for.
    later(faults_.delay() * 2, [this, key, uid, wanted, ip] { claim(key, uid, wanted, ip); });
  });
}

void SimNodes::claim(const std::string& key, const std::string& uid, const WiredPod& wanted, const Object& object) {
  busy_.erase(uid);
  const auto again = [&] { later(std::chrono::milliseconds(200), [this, key] { look(key); }); };
  const auto slash = key.find('/');
  const Object pod = get("", "v1", "pods", key.substr(0, slash), key.substr(slash + 1));
  if (!pod || uid_of(*pod) != uid || is_terminating(*pod)) return again();
  if (!object) {
    faults_.count("agent refused: no IP object");
    return again();
  }
  const api::Ip ip = api::Ip::parse(*object);
  const Object subnet = get("kubeovn.io", "v1", "subnets", "", wanted.subnet);
  if (confirm_) {
    const bool fits = subnet && std::ranges::all_of(wanted.addresses, [&](const net::Address& a) {
                        const auto cidrs = net::Cidr::parse_list(api::Subnet::parse(*subnet).cidr_in_force());
                        return cidrs && std::ranges::any_of(*cidrs, [&](const net::Cidr& c) { return c.contains(a); });
                      });
    const bool same = ip.pod_uid == uid && !ip.meta.deleting && ip.addresses == wanted.addresses &&
                      ip.subnet == wanted.subnet && ip.subnet_uid == wanted.subnet_uid;
    if (!same || !fits || uid_of(*subnet) != wanted.subnet_uid || is_terminating(*subnet)) {
      faults_.count("agent refused: not true any more");
      return again();
    }
  }
  boost::json::object metadata;
  if (confirm_) metadata["resourceVersion"] = ip.meta.resource_version;
  const std::string node(string_at(*pod, {"spec", "nodeName"}));
  const boost::json::value body{
      {"metadata", metadata},
      {"spec", {{"nodeName", node}, {"containerID", fmt::format("container-{}", next_container_++)}}}};
  const auto claimed =
      store_.patch(*store_.types().find("kubeovn.io", "v1", "ips"), "", ip.meta.name, PatchType::merge, body);
  if (!claimed) {
    faults_.count("agent lost the race for an IP object");
    return again();
  }
  WiredPod wired = wanted;
  wired.at = scheduler_.now();
  wired_[uid] = wired;
  if (hooks_.on_wired) hooks_.on_wired(wired);
  later(faults_.delay() * 2, [this, key, uid, wired, node, slash] {
    const Object now = get("", "v1", "pods", key.substr(0, slash), key.substr(slash + 1));
    if (!now || uid_of(*now) != uid) return;
    boost::json::array ips;
    for (const net::Address& a : wired.addresses) ips.emplace_back(boost::json::object{{"ip", a.to_string()}});
    const boost::json::value status{
        {"status", {{"phase", "Running"}, {"podIP", wired.addresses.front().to_string()}, {"podIPs", std::move(ips)}}}};
    (void)store_.patch(*store_.types().find("", "v1", "pods"), key.substr(0, slash), key.substr(slash + 1),
                       PatchType::merge, status, "status");
  });
}

void SimNodes::tear_down(const std::string& key, const std::string& uid) {
  busy_.erase(uid);
  const auto slash = key.find('/');
  wired_.erase(uid);
  DeleteOptions options;
  options.uid = uid;
  options.grace_period_seconds = 0;
  (void)store_.remove(*store_.types().find("", "v1", "pods"), key.substr(0, slash), key.substr(slash + 1), options);
}

}  // namespace berth::sim
