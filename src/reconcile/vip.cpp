#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "reconcile/plan.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

// Reserved in memory -> written into the Vip, with finalizer -> known to OVN. Back: port gone -> Vip gone -> free.
class VipReconciler {
 public:
  VipReconciler(world::World& world, const api::Vip& vip, Random& random)
      : world_(world), vip_(vip), name_(vip.meta.name), random_(random) {}

  Plan run() {
    if (vip_.meta.deleting) return retire();
    if (!vip_.allocated()) {
      allocate();
      return std::move(plan_);
    }
    if (world_.safeguards().vip_keeps_address) world_.hold_vip(vip_);
    follow_port();
    if (plan_.ovn.empty()) settle();
    return std::move(plan_);
  }

 private:
  struct Verdict {
    bool ready = false;
    std::string reason;
    std::string message;
  };

  // What an earlier wish drew, and no write brought home.
  void drop_reservations() {
    const std::string owner = world::vip_lease(name_);
    for (const std::string& subnet : world_.leases_of(owner)) world_.release(subnet, owner);
  }

  void allocate() {
    const auto wanted = api::plan_vip(vip_);
    if (!wanted) {
      drop_reservations();
      return write_verdict({false, "ValidateVipFailed", wanted.error().message});
    }
    const auto view = world_.subnet(vip_.subnet);
    const ipam::Allocator* allocator = world_.allocator(vip_.subnet);
    if (world_.leases_of(world::vip_lease(name_)) != std::vector{vip_.subnet}) drop_reservations();
    if (!view || !view->ready || allocator == nullptr) {
      return write_verdict({false, "WaitingForSubnet",
                            fmt::format("Vip {}: spec.subnet \"{}\": that Subnet {}", name_, vip_.subnet,
                                        !view ? "does not exist yet; create it, or correct the name"
                                              : "is not ready: " + view->unready)});
    }
    const std::string owner = world::vip_lease(name_);
    auto lease = world_.acquire(vip_.subnet, {owner, wanted->wanted, {}, wanted->mac, {}}, random_);
    if (!lease) {
      drop_reservations();
      return write_verdict(
          {false, "AcquireAddressFailed",
           fmt::format("{}: Vip {}: {}", ipam::to_string(lease.error().denial), name_, lease.error().message)});
    }
    if (vip_.type == api::kSwitchLbVip) {  // answered for by the router's port of that subnet
      lease->mac = allocator->config().gateway_mac;
      (void)world_.adopt(vip_.subnet, owner, *lease);
    }
    world_.note_reservation({world::KeyKind::vip, name_}, owner, "");
    write_allocation(*view, *lease);
  }

  void write_allocation(const binding::SubnetView& view, const ipam::Lease& lease) {
    const std::string v4 = lease.v4 ? lease.v4->to_string() : "", v6 = lease.v6 ? lease.v6->to_string() : "";
    const std::string mac = lease.mac.to_string();
    api::JsonObject body;
    if (!vip_.meta.has_finalizer(api::kFinalizer)) add_finalizer(body, vip_.meta);
    api::JsonValue& metadata = body["metadata"];
    if (!metadata.is_object()) metadata.emplace_object();
    metadata.get_object()["labels"] = api::JsonObject{{api::kSubnetLabel, vip_.subnet}, {api::kIpReservedLabel, ""}};
    metadata.get_object()["annotations"] = api::JsonObject{{api::kSubnetUidAnnotation, view.object->meta.uid}};
    body["spec"] = api::JsonObject{{"v4ip", v4}, {"v6ip", v6}, {"macAddress", mac}};
    body["status"] = api::JsonObject{
        {"type", vip_.type}, {"v4ip", v4}, {"v6ip", v6}, {"mac", mac}, {"selector", api::to_json(vip_.selector)}};
    plan_.writes.push_back(patch(api::Kind::vip, vip_.meta, std::move(body), true));
  }

  // Who holds the address instead of the Vip; empty: nobody.
  [[nodiscard]] std::string taker_of(const net::Address& address) const {
    const ipam::Allocator* allocator = world_.allocator(vip_.held_in());
    if (allocator == nullptr) return {};
    const auto holder = allocator->holder_of(address);
    return holder && *holder != world::vip_lease(name_) ? std::string(*holder) : std::string();
  }

  // Who holds any of them; empty: nobody.
  [[nodiscard]] std::string taker() const {
    for (const net::Address& a : vip_.given) {
      if (std::string holder = taker_of(a); !holder.empty()) return holder;
    }
    return {};
  }

  // A port that took the address over because its pod names the Vip.
  [[nodiscard]] bool is_user(const std::string& port) const {
    const api::Ip* ip = world_.ips().find(port);
    return ip != nullptr && world_.may_use_vip(*ip, name_);
  }

  [[nodiscard]] bool names_me(const api::Pod& pod, std::string_view suffix) const {
    const auto text = pod.meta.annotation(api::annotation_key(api::kDefaultProvider, suffix));
    if (!text) return false;
    const auto names = api::split_list(*text);
    return std::ranges::find(names, name_) != names.end();
  }

  // Ports of the pods that may answer for the address.
  [[nodiscard]] std::vector<std::string> parents(const std::string& provider) const {
    std::vector<std::string> out;
    for (const std::string& key : world_.pods_in(vip_.ns)) {
      const api::Pod* pod = world_.pods().find(key);
      if (pod->finished() || !(names_me(*pod, api::suffix::kAaps) || vip_.selects(pod->meta.labels))) continue;
      const std::string port = api::port_name(pod->meta.name, vip_.ns, provider);
      const api::Ip* ip = world_.ips().find(port);
      if (ip != nullptr && !ip->meta.deleting && ip->subnet == vip_.held_in()) out.push_back(port);
    }
    return out;
  }

  // A virtual port answers for one address, so that a pair of two families has two: "<vip>", and "<vip>/v6", which no
  // object can be called. What a pod has taken over is on the pod's own port.
  [[nodiscard]] std::vector<world::LogicalPort> wanted_ports() const {
    const auto view = world_.subnet(vip_.held_in());
    if (!view || !view->object->is_ovn() || !world_.switches().contains(vip_.held_in())) return {};
    const std::string provider = view->object->effective_provider();
    world::LogicalPort port;
    port.switch_name = vip_.held_in();
    port.external_ids = {{world::kVipId, name_}};
    std::vector<world::LogicalPort> out;
    if (!vip_.given_type.empty()) {
      if (!taker().empty()) return {};
      port.name = api::port_name(name_, vip_.ns, provider);
      port.mac = vip_.given_mac;
      port.addresses = vip_.given;
      if (vip_.given_type == api::kSwitchLbVip) port.options = {{"arp_proxy", "true"}};
      out.push_back(std::move(port));
      return out;
    }
    port.type = world::kVirtualPort;
    if (const auto all = parents(provider); !all.empty()) port.options["virtual-parents"] = api::join(all, ",");
    for (const net::Address& address : vip_.given) {
      if (!taker_of(address).empty()) continue;
      port.name = address == vip_.given.front() ? name_ : name_ + "/v6";
      port.options["virtual-ip"] = address.to_string();
      out.push_back(port);
    }
    return out;
  }

  void follow_port() {
    const auto wanted = wanted_ports();
    for (const std::string& port : world_.ports_of({world::KeyKind::vip, name_})) {
      if (world_.ports().contains(port) && std::ranges::find(wanted, port, &world::LogicalPort::name) == wanted.end())
        plan_.ovn.emplace_back(world::RemovePort{port});
    }
    for (const world::LogicalPort& port : wanted) {
      if (name_is_taken(port.name)) continue;
      const auto observed = world_.ports().find(port.name);
      if (observed == world_.ports().end() || !(observed->second == port)) plan_.ovn.emplace_back(world::PutPort{port});
    }
  }

  [[nodiscard]] bool name_is_taken(const std::string& port) const {
    const auto observed = world_.ports().find(port);
    const world::Key key{world::KeyKind::vip, name_};
    return world_.ips().find(port) != nullptr ||
           (observed != world_.ports().end() && world::key_of(observed->second) != key);
  }

  void settle() {
    const std::string user = taker();
    if (const std::string edit = api::frozen_edit(vip_); !edit.empty())
      return write_verdict({false, "ValidateVipFailed", edit}, user);
    if (!user.empty() && !is_user(user)) {
      return write_verdict(
          {false, "AddressConflict",
           fmt::format("Vip {}: {} is held by {} too; delete one of them", name_, api::to_string(vip_.given), user)},
          "");
    }
    for (const world::LogicalPort& port : wanted_ports()) {
      if (!name_is_taken(port.name)) continue;
      return write_verdict(
          {false, "PortConflict",
           fmt::format("Vip {}: its port would be called {}, as that of a pod; create it under another "
                       "name",
                       name_, port.name)},
          user);
    }
    write_verdict({true, "AllocateVipSucceeded", ""}, user);
  }

  // Conditions, and what follows the text after allocation too. Vips have no status subresource, so that each write is
  // a new generation: none is observed.
  void write_verdict(const Verdict& verdict, const std::optional<std::string>& user = {}) {
    std::vector<api::Condition> conditions = vip_.conditions;
    const WallTime now = world_.wall_now();
    const bool waits = verdict.reason == "WaitingForSubnet";
    bool news = api::set_condition(conditions, "Ready", verdict.ready, verdict.reason, verdict.message, now);
    news |= api::set_condition(conditions, "Error", !verdict.ready && !waits, verdict.reason, verdict.message, now);
    api::JsonObject status, body;
    if (news) status["conditions"] = api::to_json(conditions);
    if (vip_.allocated() && api::strings_at(vip_.status, {"selector"}) != vip_.selector)
      status["selector"] = api::to_json(vip_.selector);
    if (!status.empty()) body["status"] = std::move(status);
    const auto label = vip_.meta.labels.find(std::string(api::kIpReservedLabel));
    if (user && (label == vip_.meta.labels.end() || label->second != *user))
      body["metadata"] = api::JsonObject{{"labels", api::JsonObject{{api::kIpReservedLabel, *user}}}};
    if (body.empty()) return;
    if (news && !verdict.ready)
      plan_.events.push_back({api::Kind::vip, "", name_, vip_.meta.uid, !waits, verdict.reason, verdict.message});
    plan_.writes.push_back(patch(api::Kind::vip, vip_.meta, std::move(body), true));
  }

  // A pod that uses it keeps the address as its own.
  Plan retire() {
    for (const std::string& port : world_.ports_of({world::KeyKind::vip, name_})) {
      if (world_.ports().contains(port)) plan_.ovn.emplace_back(world::RemovePort{port});
    }
    if (plan_.ovn.empty() && is_finalized(vip_.meta))
      plan_.writes.push_back(patch_finalizer(api::Kind::vip, vip_.meta, false));
    return std::move(plan_);
  }

  world::World& world_;
  const api::Vip& vip_;
  const std::string& name_;
  Random& random_;
  Plan plan_;
};

Plan forget(world::World& world, const std::string& name) {
  Plan plan;
  for (const std::string& port : world.ports_of({world::KeyKind::vip, name})) {
    if (world.ports().contains(port)) plan.ovn.emplace_back(world::RemovePort{port});
  }
  if (!plan.ovn.empty()) return plan;
  const std::string owner = world::vip_lease(name);
  for (const std::string& subnet : world.leases_of(owner)) world.release(subnet, owner);
  return plan;
}

}  // namespace

Plan reconcile_vip(world::World& world, const std::string& name, Random& random) {
  if (const api::Vip* vip = world.vips().find(name)) return VipReconciler(world, *vip, random).run();
  return forget(world, name);
}

}  // namespace berth::reconcile
