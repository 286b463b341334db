#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "binding/decision.h"
#include "reconcile/announce.h"
#include "reconcile/lease.h"
#include "reconcile/plan.h"
#include "reconcile/pod_condition.h"
#include "reconcile/retention.h"
#include "reconcile/takeover.h"
#include "reconcile/writes.h"

namespace berth::reconcile {
namespace {

using binding::Decision;
using binding::NetworkRequest;

// The agent has claimed it, or the pod shows that it was wired already.
bool is_wired(const api::Pod& pod, const api::Ip& ip) {
  return ip.claimed() || !pod.pod_ips.empty() || pod.container_started;
}

EventNote event_on(const api::Pod& pod, bool warning, std::string reason, std::string message) {
  return {api::Kind::pod, pod.meta.ns, pod.meta.name, pod.meta.uid, warning, std::move(reason), std::move(message)};
}

// A living pod: bring each of its networks to bound, then announce them together.
class LivePod {
 public:
  LivePod(world::World& world, const api::Pod& pod, Random& random) : world_(world), pod_(pod), random_(random) {}

  Plan run() {
    const auto networks = binding::networks_of(pod_, world_);
    if (!networks) {
      refused({ipam::Denial::AddressOutOfRange, {}, networks.error().message}, "ValidatePodNetworkFailed");
      settle_waiting();
      return std::move(plan_);
    }
    std::set<std::string> wanted;
    bool complete = true;
    for (const auto& network : *networks) {
      if (const auto* missing = std::get_if<binding::MissingNetwork>(&network)) {
        if (keep_unexplained(*missing, wanted)) continue;
        const std::string name = missing->ns + "/" + missing->name;
        waiting_.push_back({{{binding::WaitKey::Kind::network, name}},
                            {},
                            fmt::format("NetworkAttachmentDefinition {}, which does not exist yet", name)});
        complete = false;
        continue;
      }
      const auto& request = std::get<NetworkRequest>(network);
      wanted.insert(request.port);
      complete &= bind_network(request);
    }
    for (const std::string& port : leftovers(wanted)) {
      const api::Ip* ip = world_.ips().find(port);
      if (ip != nullptr && !ip->meta.deleting && ip->is_idle()) {
        (void)hold_reserved(world_, *ip, random_, plan_);  // of a network that the pod does not have, or misnamed
      } else {
        complete &= let_go(world_, port, false, plan_);
      }
    }
    settle_waiting();
    if (complete && !grants_.empty() && !plan_.acts()) announce();
    if (grants_.empty() && !plan_.acts()) withdraw();
    return std::move(plan_);
  }

 private:
  // The definition of a network went away: what the pod is wired with stays as it is.
  bool keep_unexplained(const binding::MissingNetwork& missing, std::set<std::string>& wanted) {
    bool any = false;
    for (const std::string& port : world_.ports_of({world::KeyKind::pod, pod_.meta.key()})) {
      const api::Ip* ip = world_.ips().find(port);
      const bool of_it = port == missing.ports || port.starts_with(missing.ports + ".");
      if (!of_it || ip == nullptr || !is_mine(*ip) || !is_wired(pod_, *ip)) continue;
      any = true;
      if (!wanted.insert(port).second) continue;
      const std::string provider = port.substr(api::port_name(pod_.meta.name, pod_.meta.ns, "").size());
      NetworkRequest as_it_was;
      as_it_was.provider = provider;
      as_it_was.port = port;
      (void)keep(as_it_was, *ip);
    }
    return any;
  }

  [[nodiscard]] std::set<std::string> leftovers(const std::set<std::string>& wanted) const {
    std::set<std::string> out;
    for (const std::string& port : world_.ports_of({world::KeyKind::pod, pod_.meta.key()})) {
      if (!wanted.contains(port)) out.insert(port);
    }
    return out;
  }

  // True: its IP object and port are there.
  bool bind_network(const NetworkRequest& request) {
    const Decision decision = binding::decide(pod_, request, world_);
    const api::Ip* ip = world_.ips().find(request.port);
    if (ip != nullptr && is_mine(*ip)) return keep_or_rebind(request, decision, *ip);
    if (ip == nullptr || ip->owner.kind == api::Owner::Kind::none) {
      if (auto running = wired_by_kube_ovn(world_, pod_, request, decision, blank(request)))
        return keep(request, *running);
    }
    const bool idle = ip != nullptr && !ip->meta.deleting && ip->is_idle();
    if (idle && ip->is_request() && !hold_reserved(world_, *ip, random_, plan_)) return false;
    if (ip != nullptr && !idle && !may_take_over(*ip, request, decision)) {
      (void)let_go(world_, request.port, false, plan_);
      return false;
    }
    if (ip == nullptr) {
      if (const auto lost = lost_object(request)) return keep(request, *lost);
    }
    if (const binding::Bind* bind = decision.bind()) return acquire(request, decision, *bind);
    if (decision.refuse() != nullptr) refused(*decision.refuse(), "AcquireAddressFailed");
    note_wait(decision);
    if (idle) {
      (void)hold_reserved(world_, *ip, random_, plan_);  // for later
    } else {
      (void)take_back(world_, request.port, false, plan_);  // a reservation, or a port without its IP object
    }
    return false;
  }

  [[nodiscard]] bool is_mine(const api::Ip& ip) const {
    if (!world_.safeguards().check_pod_uid) return true;
    return ip.owner == owner_of(pod_) && ip.pod_uid == pod_.meta.uid;
  }

  // A wired pod whose IP object was deleted: what it runs with is what it gets again, as its own record says it.
  [[nodiscard]] std::optional<api::Ip> lost_object(const NetworkRequest& request) const {
    const bool claimed = world_.claim_of(pod_.meta.uid, request.port) != nullptr;
    if (pod_.pod_ips.empty() && !pod_.container_started && !claimed) return std::nullopt;
    const auto record = api::own_record(pod_.meta);
    if (!record || !record->networks.contains(request.provider)) return std::nullopt;
    const auto& network = record->networks.at(request.provider);
    const api::Subnet* subnet = world_.subnets().find(network.subnet);
    if (subnet == nullptr || subnet->meta.uid != network.subnet_uid) return std::nullopt;
    const auto said = [&](std::string_view suffix) {
      return pod_.meta.annotation(api::annotation_key(request.provider, suffix)).value_or("");
    };
    api::Ip ip = blank(request);
    ip.subnet = network.subnet;
    ip.subnet_uid = network.subnet_uid;
    ip.rule = network.rule;
    for (const std::string& item : api::split_list(said(api::suffix::kIpAddress))) {
      if (const auto address = net::Address::parse(item)) ip.addresses.push_back(*address);
    }
    const auto mac = net::Mac::parse(said(api::suffix::kMacAddress));
    if (ip.addresses.empty() || (!mac && subnet->is_ovn())) return std::nullopt;
    if (mac) ip.mac = *mac;
    return ip;
  }

  [[nodiscard]] api::Ip blank(const NetworkRequest& request) const {
    api::Ip ip;
    ip.meta.name = request.port;
    ip.pod_name = pod_.meta.name;
    ip.pod_ns = pod_.meta.ns;
    ip.node_name = pod_.node_name;
    ip.owner = owner_of(pod_);
    ip.pod_uid = pod_.meta.uid;
    ip.pod_type = ip.owner.kind == api::Owner::Kind::stateful_set ? "StatefulSet" : "";
    ip.epoch = world_.epoch();
    if (const auto* claim = world_.claim_of(pod_.meta.uid, request.port)) {  // made again under a pod that is wired
      ip.node_name = claim->node_name;
      ip.container_id = claim->container_id;
    }
    return ip;
  }

  // An IP object of an earlier incarnation of this name, whose address fits the decision.
  [[nodiscard]] bool may_take_over(const api::Ip& ip, const NetworkRequest& request, const Decision& decision) const {
    const binding::Bind* bind = decision.bind();
    const bool same_subnet =
        bind != nullptr && ip.subnet == bind->subnet && (ip.is_foreign() || ip.subnet_uid == bind->subnet_uid);
    if (!same_subnet || ip.meta.deleting) return false;
    // What would have to be drawn anew is given back first, step by step.
    const bool drawn = bind->fixed.empty() && bind->alternatives.empty();
    const bool other_pool = drawn && std::ranges::any_of(ip.addresses, [&](const net::Address& a) {
                              return world_.pool_of(ip.subnet, a) != bind->pool;
                            });
    return !other_pool && satisfies(ip, request, *bind);
  }

  [[nodiscard]] static bool satisfies(const api::Ip& ip, const NetworkRequest& request, const binding::Bind& bind) {
    if (!request.mac.is_none() && request.mac != ip.mac) return false;
    return std::ranges::all_of(
        bind.fixed, [&](const net::Address& a) { return std::ranges::find(ip.addresses, a) != ip.addresses.end(); });
  }

  bool keep_or_rebind(const NetworkRequest& request, const Decision& decision, const api::Ip& ip) {
    const binding::Bind* bind = decision.bind();
    const bool same =
        bind != nullptr && bind->subnet == ip.subnet && bind->subnet_uid == ip.subnet_uid && lies_in_force(ip);
    const bool wired = is_wired(pod_, ip);
    if (same || wired || !world_.safeguards().confirm) {
      if (same) world_.set_displaced(pod_.meta.key(), "");
      if (!same && wired) report_displaced(ip, decision);
      return keep(request, ip);
    }
    if (bind == nullptr && !outranked(ip, decision)) {
      note_wait(decision);
      (void)keep(request, ip);  // not announced, or announced and not confirmed, until it can be had again
      return false;
    }
    ++world_.counters.wrong_subnet_prevented;
    if (bind != nullptr) {
      ++world_.counters.rebound;
      return acquire(request, decision, *bind);
    }
    note_wait(decision);
    if (decision.refuse() != nullptr) refused(*decision.refuse(), "AcquireAddressFailed");
    (void)let_go(world_, request.port, true, plan_);
    return false;
  }

  // After an edit of the CIDR that won, addresses of the old range are only good for pods that use them already.
  [[nodiscard]] bool lies_in_force(const api::Ip& ip) const {
    const auto view = world_.subnet(ip.subnet);
    return !view || view->cidrs.empty() ||
           std::ranges::all_of(ip.addresses, [&](const net::Address& a) { return view->contains(a); });
  }

  // Whether a binding that the pod does not use yet must be taken away although nothing can replace it: its subnet is
  // going or gone, or does not contain it any more, or a rule of higher rank now speaks. A subnet that is merely
  // unready for a while keeps its pods.
  [[nodiscard]] bool outranked(const api::Ip& ip, const Decision& decision) const {
    const api::Subnet* subnet = world_.subnets().find(ip.subnet);
    if (subnet == nullptr || subnet->meta.deleting || subnet->meta.uid != ip.subnet_uid) return true;
    if (!lies_in_force(ip)) return true;
    const auto rule = binding::rule_from(ip.rule);
    return decision.refuse() != nullptr || (rule && decision.rule < *rule && decision.rule != binding::Rule::settling);
  }

  bool keep(const NetworkRequest& request, const api::Ip& ip) {
    const ipam::Allocator* allocator = world_.allocator(ip.subnet);
    if (allocator != nullptr && !allocator->holds(request.port) &&
        !world_.adopt(ip.subnet, request.port, lease_of(ip))) {
      ++world_.counters.quarantined;
      if (!is_wired(pod_, ip)) {  // somebody else holds the address: this pod gets another one
        (void)let_go(world_, request.port, true, plan_);
        return false;
      }
    }
    return grant(request, ip);
  }

  bool acquire(const NetworkRequest& request, const Decision& decision, const binding::Bind& bind) {
    const ipam::Allocator* allocator = world_.allocator(bind.subnet);
    if (allocator == nullptr) return false;
    const auto held = allocator->find(request.port);
    const bool drawn = bind.fixed.empty() && bind.alternatives.empty();
    if (held && drawn && world_.ports().contains(request.port) &&
        std::ranges::any_of(held->addresses(),
                            [&](const net::Address& a) { return world_.pool_of(bind.subnet, a) != bind.pool; })) {
      (void)let_go(world_, request.port, true, plan_);  // the draw would free at once what OVN still has
      return false;
    }
    if (held && is_of_earlier_pod(request, *held)) world_.renew_mac(bind.subnet, request.port, random_);
    auto lease = draw(*allocator, request, bind);
    if (!lease) {
      const ipam::Refusal& refusal = lease.error();
      waiting_.push_back({{{binding::WaitKey::Kind::room, bind.subnet},
                           {binding::WaitKey::Kind::subnet, bind.subnet},
                           {binding::WaitKey::Kind::namespace_, pod_.meta.ns}},
                          {},
                          refusal.message});
      failure_ = fmt::format("{}: {}{}", ipam::to_string(refusal.denial), who_asks(request, bind, refusal.message),
                             refusal.message);
      drop_unwritten(request.port);
      return false;
    }
    world_.note_reservation({world::KeyKind::pod, pod_.meta.key()}, request.port, pod_.meta.uid);
    if (!world_.safeguards().reserve_in_same_turn) world_.release(bind.subnet, request.port);
    api::Ip wanted = blank(request);
    wanted.subnet = bind.subnet;
    wanted.subnet_uid = bind.subnet_uid;
    wanted.addresses = lease->addresses();
    const api::Subnet* subnet = world_.subnets().find(bind.subnet);
    if (subnet == nullptr || subnet->is_ovn()) wanted.mac = lease->mac;  // elsewhere the MAC is not Berth's to give
    wanted.rule = binding::to_string(decision.rule);
    return grant(request, wanted);
  }

  // "Pod shop/a: annotation ovn.kubernetes.io/ip_address "10.66.0.1": ", with what of the pod's own words was refused.
  [[nodiscard]] std::string who_asks(const NetworkRequest& request, const binding::Bind& bind,
                                     const std::string& refusal) const {
    const std::string pod = fmt::format("Pod {}: ", pod_.meta.key());
    if (refusal.starts_with(pod)) return {};
    std::string_view suffix;
    if (!request.addresses.empty()) suffix = api::suffix::kIpAddress;
    if (!bind.alternatives.empty() || !bind.pool.empty()) suffix = api::suffix::kIpPool;
    if (!request.mac.is_none() && refusal.find(request.mac.to_string()) != std::string::npos)
      suffix = api::suffix::kMacAddress;
    const std::string key = api::annotation_key(request.provider, suffix);
    const auto text = pod_.meta.annotation(key);
    return text && !suffix.empty() ? fmt::format("{}annotation {} \"{}\": ", pod, key, *text) : pod;
  }

  // What the port holds was given to an earlier pod of that name, which nobody means to follow.
  [[nodiscard]] bool is_of_earlier_pod(const NetworkRequest& request, const ipam::Lease& held) const {
    const api::Ip* ip = world_.ips().find(request.port);
    if (ip == nullptr || ip->is_reserved() || !request.mac.is_none() || held.mac != ip->mac) return false;
    if (owner_of(pod_).kind != api::Owner::Kind::pod || ip->pod_uid == pod_.meta.uid) return false;
    const auto said = pod_.meta.annotation(api::annotation_key(request.provider, api::suffix::kMacAddress));
    return !(ip->is_foreign() && said == ip->mac.to_string());
  }

  // What an earlier decision drew, and neither IP object nor port says.
  void drop_unwritten(const std::string& port) {
    const api::Ip* ip = world_.ips().find(port);
    if (ip == nullptr) return void(take_back(world_, port, false, plan_));
    const auto observed = world_.ports().find(port);
    for (const std::string& subnet : world_.leases_of(port)) {
      const bool at_port = observed != world_.ports().end() && observed->second.switch_name == subnet;
      if (subnet != ip->subnet && !at_port) world_.release(subnet, port);
    }
  }

  [[nodiscard]] tl::expected<ipam::Lease, ipam::Refusal> draw(const ipam::Allocator& allocator,
                                                              const NetworkRequest& request,
                                                              const binding::Bind& bind) {
    if (!bind.vip.empty()) return take_vip(allocator, request, bind);
    ipam::Ask ask{request.port, bind.fixed, request.only, request.mac, bind.pool};
    if (bind.alternatives.empty()) return world_.acquire(bind.subnet, ask, random_);
    const api::Owner owner = owner_of(pod_);
    const bool by_ordinal = owner.kind == api::Owner::Kind::stateful_set;
    tl::expected<ipam::Lease, ipam::Refusal> last = tl::unexpected(
        ipam::Refusal{ipam::Denial::NoAvailableAddress,
                      fmt::format("Subnet {}: the list of annotation {} has no entry for {}; add one", bind.subnet,
                                  api::annotation_key(request.provider, api::suffix::kIpPool), pod_.meta.key())});
    for (std::size_t i = 0; i < bind.alternatives.size(); ++i) {
      if (by_ordinal && static_cast<std::int64_t>(i) != owner.ordinal) continue;
      ask.wanted = bind.alternatives[i];
      last = world_.acquire(bind.subnet, ask, random_);
      if (last) return last;
    }
    if (!by_ordinal) last.error().denial = ipam::Denial::NoAvailableAddress;
    return last;
  }

  // The pod takes over what a Vip holds, or holds it already.
  [[nodiscard]] tl::expected<ipam::Lease, ipam::Refusal> take_vip(const ipam::Allocator& allocator,
                                                                  const NetworkRequest& request,
                                                                  const binding::Bind& bind) {
    const api::Vip& vip = *world_.find_vip(bind.vip);
    ipam::Lease lease;
    lease.mac = vip.given_mac;
    for (const net::Address& a : bind.fixed) {
      (a.is_v4() ? lease.v4 : lease.v6) = a;
      const auto holder = allocator.holder_of(a);
      if (!holder || *holder == request.port || *holder == world::vip_lease(bind.vip)) continue;
      return tl::unexpected(
          ipam::Refusal{ipam::Denial::AddressConflict,
                        fmt::format("Pod {}: {} of Vip {} is used by {}; delete that pod first, or name another Vip",
                                    pod_.meta.key(), a.to_string(), bind.vip, *holder)});
    }
    if (allocator.find(request.port) == lease || world_.hand_over_vip(vip, request.port, lease)) return lease;
    return tl::unexpected(ipam::Refusal{ipam::Denial::AddressConflict,
                                        fmt::format("Pod {}: Vip {} cannot be taken over", pod_.meta.key(), bind.vip)});
  }

  // Of the port.
  [[nodiscard]] std::map<std::string, std::string> external_ids(const NetworkRequest& request,
                                                                const api::Ip& ip) const {
    std::map<std::string, std::string> out{
        {"pod", pod_.meta.key()}, {"berth-owner", ip.owner.to_string()}, {"pod_uid", pod_.meta.uid}};
    if (!request.port_vips.empty()) out["vips"] = api::to_string(request.port_vips);
    return out;
  }

  bool grant(const NetworkRequest& request, const api::Ip& ip) {
    const bool done = give(world_, {ip, external_ids(request, ip)}, plan_);
    grants_.push_back({request.provider, ip});
    return done;
  }

  void announce() {
    const auto ended = world_.clear_waiting(pod_.meta.key());
    if (has_addressed_condition(pod_)) note_condition(true, "Bound", "");
    api::JsonObject annotations = announcement(world_, pod_, grants_);
    if (annotations.empty()) return;
    plan_.writes.push_back(patch_annotations(api::Kind::pod, pod_.meta, std::move(annotations)));
    ++world_.counters.bound;
    if (!ended) return;
    std::vector<std::string> bound;
    for (const auto& [provider, ip] : grants_)
      bound.push_back(fmt::format("Subnet {} by rule {}: {}", ip.subnet, ip.rule, api::to_string(ip.addresses)));
    plan_.events.push_back(event_on(pod_, false, "BoundToSubnet",
                                    fmt::format("{}, after waiting {} for {}", api::join(bound, "; "),
                                                api::format_duration(world_.now() - ended->since), ended->for_what)));
  }

  // Nothing is bound any more, or yet: what an earlier binding announced must not be believed.
  void withdraw() {
    api::JsonObject annotations = withdrawal(pod_);
    if (!annotations.empty())
      plan_.writes.push_back(patch_annotations(api::Kind::pod, pod_.meta, std::move(annotations)));
  }

  void note_wait(const Decision& decision) {
    const binding::Wait* wait = decision.wait();
    if (wait == nullptr) return;
    waiting_.push_back(*wait);
    for (const binding::WaitKey& key : wait->keys) {
      if (key.kind == binding::WaitKey::Kind::fresh_read) plan_.fresh_read = key.name;
      if (key.kind == binding::WaitKey::Kind::room)
        failure_ = fmt::format("{}: Pod {} waits for {}", ipam::to_string(ipam::Denial::NoAvailableAddress),
                               pod_.meta.key(), wait->for_what);
    }
    if (wait->until) plan_.wake_no_later_than(*wait->until);
  }

  void refused(const binding::Refuse& refuse, std::string_view reason) {
    std::set<binding::WaitKey> keys = refuse.keys;
    keys.insert({binding::WaitKey::Kind::namespace_, pod_.meta.ns});
    waiting_.push_back({std::move(keys), {}, refuse.why});
    failure_ = reason == "AcquireAddressFailed" ? fmt::format("{}: {}", ipam::to_string(refuse.denial), refuse.why)
                                                : refuse.why;
    failure_reason_ = reason;
  }

  // One record and one event for all that the pod waits for.
  void settle_waiting() {
    if (waiting_.empty()) return;
    binding::Wait all;
    std::vector<std::string> texts;
    for (const binding::Wait& wait : waiting_) {
      all.keys.insert(wait.keys.begin(), wait.keys.end());
      if (wait.until) all.until = all.until ? std::min(*all.until, *wait.until) : wait.until;
      texts.push_back(wait.for_what);
    }
    all.for_what = api::join(texts, "; and ");
    const bool news = world_.set_waiting(pod_.meta.key(), all);
    const world::Waiting* record = world_.waiting().find(pod_.meta.key());
    if (plan_.fresh_read) return;
    if (!failure_.empty()) note_condition(false, failure_reason_, failure_);
    if (!news || record == nullptr) return;
    if (!failure_.empty()) {
      plan_.events.push_back(event_on(pod_, true, failure_reason_, failure_));
    } else {
      EventNote note = event_on(
          pod_, false, "WaitingForSubnet",
          fmt::format("waiting for {} ({} so far)", all.for_what, api::format_duration(world_.now() - record->since)));
      note.topic = all.for_what;
      plan_.events.push_back(std::move(note));
    }
  }

  // What stands in the way of an address is a condition of the pod too; one that never met anything has none.
  void note_condition(bool status, const std::string& reason, const std::string& message) {
    if (auto write = addressed_condition(pod_, status, reason, message, world_.wall_now()))
      plan_.writes.push_back(std::move(*write));
  }

  // Wired under a default that a later Subnet overruled: misplaced. Overtaken by a later edit: outdated. The correction
  // policy (reconcile/correction) is what will repair them; until it exists they are counted and shown.
  void report_displaced(const api::Ip& ip, const Decision& decision) {
    const binding::Bind* bind = decision.bind();
    const bool moved = bind != nullptr && (bind->subnet != ip.subnet || bind->subnet_uid != ip.subnet_uid);
    if (!moved && lies_in_force(ip)) return;
    const auto rule = binding::rule_from(ip.rule);
    const bool misplaced = moved && rule && binding::is_fallback(*rule) && decision.rule < *rule;
    std::string text =
        !moved ? fmt::format(
                     "runs with {}, outside the range of Subnet {} since that was changed; delete the pod to move it",
                     api::to_string(ip.addresses), ip.subnet)
               : fmt::format(
                     "runs with {} of Subnet {} (rule {}), but is now bound to Subnet {} by rule {}; delete the pod to "
                     "move it",
                     api::to_string(ip.addresses), ip.subnet, ip.rule, bind->subnet, binding::to_string(decision.rule));
    if (!world_.set_displaced(pod_.meta.key(), text)) return;
    plan_.events.push_back(event_on(pod_, true, misplaced ? "Misplaced" : "Outdated", std::move(text)));
    if (misplaced) ++world_.counters.misplaced;
  }

  world::World& world_;
  const api::Pod& pod_;
  Random& random_;
  Plan plan_;
  std::vector<Granted> grants_;
  std::vector<binding::Wait> waiting_;
  std::string failure_;
  std::string failure_reason_ = "AcquireAddressFailed";
};

}  // namespace

Plan reconcile_pod(world::World& world, const std::string& key, Random& random) {
  const api::Pod* pod = world.pods().find(key);
  if (pod == nullptr || pod->finished() || pod->host_network) return release_pod(world, key, pod, random);
  return LivePod(world, *pod, random).run();
}

}  // namespace berth::reconcile
