#include "sim/oracle.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "api/ip.h"
#include "api/subnet.h"

namespace berth::sim {
namespace {

const std::set<std::string>& permanent() {
  static const std::set<std::string> names{std::string(api::kDefaultSubnet), std::string(api::kJoinSubnet),
                                           std::string(api::kDefaultVpc)};
  return names;
}

}  // namespace

Oracle::Oracle(Scheduler& scheduler, ApiStore& store, ovsdb::MemoryStore& ovn, Duration settle)
    : scheduler_(scheduler), store_(store), ovn_(ovn), settle_(settle) {
  observer_ = store_.observe([this](const ResourceType& type, const Change& change) { on_change(type, change); });
}

Oracle::~Oracle() { store_.stop_observing(observer_); }

void Oracle::on_change(const ResourceType& type, const Change& change) {
  const std::string name(name_of(*change.object));
  const bool gone = change.type == Change::Type::deleted;
  pools.on_change(type, change);
  if (type.kind == "Pod" && change.type == Change::Type::added) {
    const auto meta = api::ObjectMeta::parse(*change.object);
    pod_created_[meta.uid] = change.version;
    const auto named = meta.annotation(api::annotation_key(api::kDefaultProvider, api::suffix::kLogicalSwitch));
    if (meta.annotation(api::annotation_key(api::kDefaultProvider, api::suffix::kIpAddress)) &&
        !meta.annotation(api::kBindingAnnotation))
      pods_with_address_.insert(meta.uid);
    if (named && !meta.annotation(api::kBindingAnnotation)) pod_names_[meta.uid] = *named;
  }
  if (type.kind == "IP") note_ip(change);
  if (type.kind == "Namespace") {
    if (gone) {
      live_namespaces_.erase(name);
      namespaces_.erase(name);
    } else {
      live_namespaces_[name] = change.object;
      NamespaceTruth& truth = namespaces_[name];
      const auto meta = api::ObjectMeta::parse(*change.object);
      const auto expects = meta.annotation(api::kExpectsSubnetAnnotation);
      const bool expected = expects && *expects != "none" && !expects->empty();
      if (change.type == Change::Type::added) {
        truth = {};
        truth.created = scheduler_.now();
        truth.always_expected = expected;
      }
      truth.always_expected = truth.always_expected && expected;
      if (expected) {
        for (const std::string& s : api::split_list(*expects)) truth.named.insert(s);
      }
    }
    reclaim();
  }
  if (type.kind == "Subnet") {
    if (gone) {
      live_subnets_.erase(name);
    } else {
      live_subnets_[name] = change.object;
      SubnetTruth& truth = subnets_[std::string(uid_of(*change.object))];
      truth.uid = uid_of(*change.object);
      truth.name = name;
      truth.deleting = is_terminating(*change.object);
      const std::string cidr(string_at(*change.object, {"spec", "cidrBlock"}));
      truth.cidrs.insert(cidr);
      truth.roomy = cidr.find("/28") == std::string::npos && cidr.find("/29") == std::string::npos;
      const auto conditions = api::parse_conditions(*change.object);
      const bool ready = !truth.deleting && std::ranges::any_of(conditions, [](const api::Condition& c) {
        return c.type == "Ready" && c.status == "True";
      });
      if (!ready) truth.ready_since.reset();
      if (ready && !truth.ready_since) truth.ready_since = change.version;
    }
    reclaim();
  }
}

// One leader never gives one address to two.
void Oracle::note_ip(const Change& change) {
  const api::Ip ip = api::Ip::parse(*change.object);
  for (auto& [address, holders] : ip_holders_) holders.erase(ip.meta.name);
  if (change.type == Change::Type::deleted || ip.meta.deleting) return;
  for (const net::Address& a : ip.addresses) {
    auto& holders = ip_holders_[ip.subnet + " " + a.to_string()];
    for (const auto& [other, epoch] : holders) {
      if (epoch == ip.epoch)
        fail(fmt::format("the leader of epoch {} wrote {} of Subnet {} into the IP objects {} and {}", epoch,
                         a.to_string(), ip.subnet, other, ip.meta.name));
    }
    holders[ip.meta.name] = ip.epoch;
  }
}

void Oracle::reclaim() {
  for (auto& [uid, truth] : subnets_) {
    const auto live = live_subnets_.find(truth.name);
    if (live == live_subnets_.end() || uid_of(*live->second) != uid) {
      truth.claims.clear();
      truth.deleting = true;
      continue;
    }
    const api::Subnet subnet = api::Subnet::parse(*live->second);
    for (const auto& [ns, object] : live_namespaces_) {
      if (subnet.claims(ns, api::ObjectMeta::parse(*object).labels)) {
        truth.claims.try_emplace(ns, Claim{store_.version(), scheduler_.now()});
        truth.ever_claimed.insert(ns);
      } else {
        truth.claims.erase(ns);
      }
    }
    std::erase_if(truth.claims, [&](const auto& entry) { return !live_namespaces_.contains(entry.first); });
  }
}

void Oracle::on_wired(const WiredPod& wired, const std::map<std::string, WiredPod>& all) {
  const std::string who =
      fmt::format("pod {} wired with {} of Subnet {}", wired.pod, api::to_string(wired.addresses), wired.subnet);
  for (const auto& [uid, other] : all) {
    if (uid == wired.pod_uid || other.subnet != wired.subnet) continue;
    for (const net::Address& a : wired.addresses) {
      if (std::ranges::find(other.addresses, a) != other.addresses.end())
        fail(fmt::format("{}: {} is held by pod {} too", who, a.to_string(), other.pod));
    }
  }
  const auto it = subnets_.find(wired.subnet_uid);
  if (it == subnets_.end() || !live_subnets_.contains(wired.subnet) ||
      uid_of(*live_subnets_.at(wired.subnet)) != wired.subnet_uid) {
    return fail(who + ": that Subnet does not exist (any more)");
  }
  const SubnetTruth& truth = it->second;
  const api::Subnet subnet = api::Subnet::parse(*live_subnets_.at(wired.subnet));
  const auto plan = api::plan_subnet(subnet);
  for (const net::Address& a : wired.addresses) {
    const bool inside = std::ranges::any_of(truth.cidrs, [&](const std::string& text) {
      const auto cidrs = net::Cidr::parse_list(text);
      return cidrs && std::ranges::any_of(*cidrs, [&](const net::Cidr& c) { return c.contains(a); });
    });
    if (!inside) fail(fmt::format("{}: {} is outside the Subnet", who, a.to_string()));
    if (plan && std::ranges::find(plan->gateways, a) != plan->gateways.end())
      fail(fmt::format("{}: {} is the gateway", who, a.to_string()));
    for (const net::Cidr& c : plan ? plan->cidrs : std::vector<net::Cidr>{}) {
      if (a == c.network() || (a.is_v4() && a == c.last())) fail(fmt::format("{}: {} is reserved", who, a.to_string()));
    }
  }
  if (pools.on_wired(wired)) return;
  const bool has_static = pods_with_address_.contains(wired.pod_uid);
  if (const auto named = pod_names_.find(wired.pod_uid); named != pod_names_.end()) {
    if (named->second != wired.subnet) fail(fmt::format("{}: the user named Subnet {}", who, named->second));
    return;
  }
  const std::string ns = wired.pod.substr(0, wired.pod.find('/'));
  const auto ns_truth = namespaces_.find(ns);
  if (ns_truth == namespaces_.end()) return;
  const bool by_claim = truth.ever_claimed.contains(ns);
  if (calm_ && by_claim && !pools.has_pool(ns) && ns_truth->second.named.empty() && !has_static) {
    for (const auto& [uid, other] : subnets_) {
      const auto claim = other.claims.find(ns);
      const std::uint64_t created = pod_created_[wired.pod_uid];
      const bool there = !other.deleting && other.roomy && claim != other.claims.end() &&
                         claim->second.version < created && other.ready_since && *other.ready_since < created;
      if (!there || other.name == wired.subnet || !live_subnets_.contains(other.name)) continue;
      const auto older = api::ObjectMeta::parse(*live_subnets_.at(other.name));
      if (older.older_than(api::ObjectMeta::parse(*live_subnets_.at(wired.subnet))))
        fail(fmt::format("{}: Subnet {} claims the namespace too, was ready, and is older", who, other.name));
    }
  }
  if (by_claim || ns_truth->second.named.contains(wired.subnet)) return;
  // A default then: was it right to take it?
  if (ns_truth->second.always_expected)
    fail(fmt::format("{}: namespace {} has expected another subnet since it was created", who, ns));
  if (wired.at < ns_truth->second.created + settle_) fail(fmt::format("{}: namespace {} has not settled yet", who, ns));
  for (const auto& [uid, other] : subnets_) {
    const auto claim = other.claims.find(ns);
    if (other.deleting || claim == other.claims.end()) continue;
    const std::string late = fmt::format("{}: Subnet {} claims the namespace since", who, other.name);
    if (claim->second.version < pod_created_[wired.pod_uid]) fail(late + " before the pod was created");
    if (claim->second.at < ns_truth->second.created + settle_) fail(late + " before the namespace was settled");
  }
}

void Oracle::check_ovn() {
  if (ovn_.transactions() == seen_transactions_) return;
  seen_transactions_ = ovn_.transactions();
  check_ranges();
  const auto ports = ovn_.rows("Logical_Switch_Port");
  std::map<std::string, std::string> names;  // "switch address" -> port
  for (const auto& [switch_uuid, row] : ovn_.rows("Logical_Switch")) {
    std::map<std::string, std::string> holders;
    const boost::json::value* set = row.if_contains("ports");
    if (set == nullptr || !set->is_array()) continue;
    const auto& array = set->get_array();
    std::vector<std::string> uuids;
    if (array.size() == 2 && array[0] == "set") {
      for (const auto& item : array[1].as_array()) uuids.emplace_back(item.as_array()[1].as_string());
    } else if (array.size() == 2 && array[0] == "uuid") {
      uuids.emplace_back(array[1].as_string());
    }
    for (const std::string& uuid : uuids) {
      const auto port = ports.find(uuid);
      if (port == ports.end()) continue;
      const std::string port_name(port->second.at("name").as_string());
      const std::string text = boost::json::serialize(port->second.at("addresses"));
      if (text.find("router") != std::string::npos) continue;
      for (std::string item : api::split_list(text, ' ')) {
        std::erase_if(item, [](char c) { return c == '"' || c == ']' || c == '['; });
        const auto address = net::Address::parse(item);
        if (!address) continue;
        const auto [it, fresh] = holders.emplace(address->to_string(), port_name);
        if (!fresh)
          fail(fmt::format("OVN switch {}: ports {} and {} both have {}", boost::json::serialize(row.at("name")),
                           it->second, port_name, item));
      }
    }
  }
}

// Switches on one router never share addresses.
void Oracle::check_ranges() {
  std::map<std::string, net::Cidr> by_switch;
  for (const auto& [uuid, row] : ovn_.rows("Logical_Router_Port")) {
    const std::string name(row.at("name").as_string());
    const std::string router = name.starts_with("tenant-") ? "tenant-" : "ovn-cluster-";
    std::string text = boost::json::serialize(row.at("networks"));
    for (char& c : text) {
      if (c == '"' || c == '[' || c == ']') c = ' ';
    }
    for (const std::string& item : api::split_list(text)) {
      const auto cidr = net::Cidr::parse(item);
      if (!cidr) continue;
      for (const auto& [other, taken] : by_switch) {
        if (other.starts_with(router) && other.substr(0, other.find(' ')) != name && taken.overlaps(*cidr)) {
          fail(fmt::format("OVN router ports {} and {} overlap: {} and {}", other, name, taken.to_string(),
                           cidr->to_string()));
        }
      }
      by_switch[name + " " + item] = *cidr;
    }
  }
}

void Oracle::check_wired(const std::map<std::string, WiredPod>& all) {
  const auto ports = ovn_.rows("Logical_Switch_Port");
  for (const auto& [uid, wired] : all) {
    const auto slash = wired.pod.find('/');
    const std::string port =
        api::port_name(wired.pod.substr(slash + 1), wired.pod.substr(0, slash), api::kDefaultProvider);
    const std::string who =
        fmt::format("pod {} runs with {} of Subnet {}", wired.pod, api::to_string(wired.addresses), wired.subnet);
    const auto object = store_.get(*store_.types().find("kubeovn.io", "v1", "ips"), "", port);
    if (!object) {
      fail(who + ", but its IP object is gone");
      continue;
    }
    const api::Ip ip = api::Ip::parse(**object);
    if (ip.addresses != wired.addresses || ip.subnet != wired.subnet)
      fail(fmt::format("{}, but its IP object says {} of Subnet {}", who, api::to_string(ip.addresses), ip.subnet));
    const bool there = std::ranges::any_of(ports, [&](const auto& entry) {
      return entry.second.at("name").as_string() == port &&
             boost::json::serialize(entry.second.at("addresses")).find(wired.addresses.front().to_string()) !=
                 std::string::npos;
    });
    if (!there) fail(who + ", but OVN has no such port");
  }
}

// At rest OVN has the rows that an accepted Subnet asks for: no rule, no option and no virtual port more or less.
void Oracle::check_rows(const std::string& name, const boost::json::object& object) {
  const auto conditions = api::parse_conditions(object);
  const bool accepted = std::ranges::any_of(
      conditions, [](const api::Condition& c) { return c.type == "Accepted" && c.status == "True"; });
  if (!accepted) return;
  const auto count = [&](const char* table, const std::string& id) {
    return std::ranges::count_if(ovn_.rows(table), [&](const auto& entry) {
      return boost::json::serialize(entry.second.at("external_ids")).find(fmt::format(R"(["{}","{}"])", id, name)) !=
             std::string::npos;
    });
  };
  const auto flag = [&](const char* field) {
    const auto* spec = object.at("spec").get_object().if_contains(field);
    return spec != nullptr && spec->is_bool() && spec->get_bool();
  };
  const auto size = [&](const char* field) -> std::int64_t {
    const auto* list = object.at("spec").get_object().if_contains(field);
    return list != nullptr && list->is_array() ? static_cast<std::int64_t>(list->get_array().size()) : 0;
  };
  const bool dual = string_at(object, {"spec", "cidrBlock"}).find(',') != std::string::npos;
  const auto acls = count("ACL", "parent");
  if (!flag("private") && acls != size("acls"))
    fail(fmt::format("Subnet {}: OVN has {} rules, but {} are asked for", name, acls, size("acls")));
  if (flag("private") && acls < size("acls") + (dual ? 4 : 3))
    fail(fmt::format("private Subnet {}: OVN has only {} rules", name, acls));
  const auto options = count("DHCP_Options", "ls");
  if (options != (flag("enableDHCP") ? (dual ? 2 : 1) : 0))
    fail(fmt::format("Subnet {}: OVN has {} rows of DHCP options", name, options));
  const auto virtual_ports = std::ranges::count_if(ovn_.rows("Logical_Switch_Port"), [&](const auto& entry) {
    return std::string(entry.second.at("name").as_string()).starts_with(name + "-vip-");
  });
  if (virtual_ports != size("vips"))
    fail(fmt::format("Subnet {}: OVN has {} virtual ports, but {} are asked for", name, virtual_ports, size("vips")));
}

void Oracle::check_published() {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> held;  // subnet -> leases by family
  std::set<std::string> addresses;
  std::vector<api::Ip> all;
  std::map<std::string, std::vector<net::Cidr>> in_force;
  const auto ips = store_.list(*store_.types().find("kubeovn.io", "v1", "ips"), "");
  for (const Object& object : ips->items) {
    const api::Ip ip = api::Ip::parse(*object);
    all.push_back(ip);
    for (const net::Address& a : ip.addresses) {
      const auto live = live_subnets_.find(ip.subnet);
      const auto cidrs = live == live_subnets_.end()
                             ? Result<std::vector<net::Cidr>>(berth::fail(ErrorCode::not_found, ""))
                             : net::Cidr::parse_list(string_at(*live->second, {"spec", "cidrBlock"}));
      // Addresses of a range that an edit gave up are held, but no longer part of the subnet's count.
      const bool counts = cidrs && std::ranges::any_of(*cidrs, [&](const net::Cidr& c) { return c.contains(a); });
      if (counts) ++(a.is_v4() ? held[ip.subnet].first : held[ip.subnet].second);
      if (!addresses.insert(ip.subnet + " " + a.to_string()).second)
        fail(fmt::format("two IP objects hold {} of Subnet {}", a.to_string(), ip.subnet));
    }
  }
  for (const auto& [subnet, more] : pools.held_by_vips(all)) {
    const auto live = live_subnets_.find(subnet);
    if (live == live_subnets_.end()) continue;
    const auto cidrs = net::Cidr::parse_list(string_at(*live->second, {"spec", "cidrBlock"}));
    for (const net::Address& a : more) {
      const bool counts = cidrs && std::ranges::any_of(*cidrs, [&](const net::Cidr& c) { return c.contains(a); });
      if (counts) ++(a.is_v4() ? held[subnet].first : held[subnet].second);
    }
  }
  for (const auto& [name, object] : live_subnets_) {
    const api::Subnet subnet = api::Subnet::parse(*object);
    const auto plan = api::plan_subnet(subnet);
    const bool ready = std::ranges::any_of(
        subnet.conditions, [](const api::Condition& c) { return c.type == "Ready" && c.status == "True"; });
    if (!plan || !ready) continue;
    check_rows(name, *object);
    if (!subnet.meta.annotation(api::kCidrInForceAnnotation)) in_force[name] = plan->cidrs;
    for (const net::Cidr& cidr : plan->cidrs) {
      const std::string prefix = cidr.family() == net::Family::v4 ? "v4" : "v6";
      const std::int64_t wanted = cidr.family() == net::Family::v4 ? held[name].first : held[name].second;
      const std::int64_t said = int_at(*object, {"status", prefix + "usingIPs"}, -1);
      if (said != wanted)
        fail(fmt::format("Subnet {}: status.{}usingIPs is {}, but {} addresses are held", name, prefix, said, wanted));
      const auto ranges = api::split_list(string_at(*object, {"status", prefix + "usingIPrange"}));
      if (ranges.empty() != (wanted == 0))
        fail(fmt::format("Subnet {}: status.{}usingIPrange is \"{}\", but {} addresses are held", name, prefix,
                         string_at(*object, {"status", prefix + "usingIPrange"}), wanted));
    }
  }
  pools.check_published(in_force, all);
}

void Oracle::check_empty() {
  for (const char* plural : {"ips", "subnets", "vpcs", "ippools", "vips"}) {
    const auto all = store_.list(*store_.types().find("kubeovn.io", "v1", plural), "");
    for (const Object& object : all->items) {
      const std::string name(name_of(*object));
      if (!permanent().contains(name) && !name.starts_with("node-"))
        fail(fmt::format("left behind: {}/{}", plural, name));
    }
  }
  for (const auto& [table, id] : {std::pair("ACL", "parent"), {"DHCP_Options", "ls"}, {"Port_Group", "subnet"}}) {
    for (const auto& [uuid, row] : ovn_.rows(table)) {
      const std::string ids = boost::json::serialize(row.at("external_ids"));
      const bool belongs = std::ranges::any_of(permanent(), [&](const std::string& name) {
        return ids.find(fmt::format(R"(["{}","{}"])", id, name)) != std::string::npos;
      });
      if (!belongs) fail(fmt::format("left behind in OVN: {} {}", table, ids));
    }
  }
  for (const char* table :
       {"Logical_Switch", "Logical_Router", "Logical_Switch_Port", "Logical_Router_Port", "Address_Set"}) {
    for (const auto& [uuid, row] : ovn_.rows(table)) {
      const std::string name(row.at("name").as_string());
      const bool belongs =
          permanent().contains(name) || name.starts_with("node-") || name.find("ovn-cluster") != std::string::npos;
      if (!belongs) fail(fmt::format("left behind in OVN: {} {}", table, name));
    }
  }
}

}  // namespace berth::sim
