#include "binding/decision.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "api/annotations.h"

namespace berth::binding {
namespace {

constexpr std::array<std::pair<Rule, std::string_view>, 9> kRuleNames{{
    {Rule::pod_subnet, "pod-subnet"},
    {Rule::pod_pool, "pod-pool"},
    {Rule::namespace_subnets, "namespace-subnets"},
    {Rule::claimed, "claimed"},
    {Rule::expected, "expected"},
    {Rule::settling, "settling"},
    {Rule::vpc_default, "vpc-default"},
    {Rule::cluster_default, "default"},
    {Rule::attachment, "attachment"},
}};

// A subnet that a rule proposes; absent: it is named, but not there.
struct Candidate {
  std::string name;
  std::optional<SubnetView> view;
};

// As annotation ip_family says it.
std::string_view to_text(net::Family family) { return family == net::Family::v4 ? "ipv4" : "ipv6"; }

class Decider {
 public:
  Decider(const api::Pod& pod, const NetworkRequest& request, const Knowledge& knowledge)
      : pod_(pod), request_(request), world_(knowledge) {}

  Decision run() {
    if (const auto why = contradicts_reservation())
      return refuse(Rule::pod_subnet, ipam::Denial::AddressConflict, {}, *why);
    if (!request_.is_default()) return attachment();
    if (request_.subnet) return from({named(*request_.subnet)}, Rule::pod_subnet, {});
    if (request_.pool) return by_pool(Rule::pod_pool);
    if (request_.vip) return by_vip();

    const api::Namespace* ns = world_.find_namespace(pod_.meta.ns);
    const WaitKey ns_key{WaitKey::Kind::namespace_, pod_.meta.ns};
    if (ns == nullptr)
      return wait(Rule::settling, {ns_key}, fmt::format("Namespace {}, which is not known yet", pod_.meta.ns));
    note(fmt::format("Namespace/{}", ns->meta.name), ns->meta.generation, "namespace of the pod");

    if (auto decided = by_claims(*ns, ns_key)) return std::move(*decided);
    if (auto decided = by_expectation(*ns, ns_key)) return std::move(*decided);
    return fallback(ns_key);
  }

 private:
  [[nodiscard]] std::optional<Decision> by_claims(const api::Namespace& ns, const WaitKey& ns_key) {
    const bool insist = world_.safeguards().late_binding;
    std::vector<Candidate> candidates;
    for (const std::string& name : user_subnets(ns)) candidates.push_back(named(name));
    Rule rule = Rule::namespace_subnets;
    if (candidates.empty()) {
      rule = Rule::claimed;
      for (SubnetView& view : world_.claimants(ns.meta.name)) candidates.push_back({view.name(), std::move(view)});
    }
    if (candidates.empty()) return std::nullopt;
    Decision decided = from(std::move(candidates), rule, {ns_key});
    if (!insist && decided.wait() != nullptr) return std::nullopt;
    return decided;
  }

  [[nodiscard]] std::optional<Decision> by_expectation(const api::Namespace& ns, const WaitKey& ns_key) {
    if (!world_.safeguards().late_binding) return std::nullopt;
    const Expectation expectation = expectation_of(ns);
    if (expectation == Expectation::any) {
      return wait(
          Rule::expected, {ns_key},
          fmt::format("any Subnet that claims namespace {} ({}: any)", ns.meta.name, api::kExpectsSubnetAnnotation));
    }
    if (const auto text = world_.inferred_expectation(ns.meta.name); text && expectation != Expectation::none) {
      return wait(Rule::expected, {ns_key}, *text);
    }
    if (may_be_claimed_further()) {
      return settling({ns_key}, fmt::format("a Subnet that may still claim namespace {}, which is new", ns.meta.name));
    }
    return std::nullopt;
  }

  // The Namespace is new, or just lost its last claim: what claims it may arrive one by one.
  [[nodiscard]] bool may_be_claimed_further() const {
    const api::Namespace* ns = world_.find_namespace(pod_.meta.ns);
    return world_.safeguards().late_binding && world_.safeguards().settle && ns != nullptr &&
           expectation_of(*ns) != Expectation::none && world_.now() < world_.settled_at(pod_.meta.ns);
  }

  Decision settling(std::set<WaitKey> keys, std::string for_what) {
    Decision out = wait(Rule::settling, std::move(keys), std::move(for_what));
    std::get<Wait>(out.outcome).until = world_.settled_at(pod_.meta.ns);
    return out;
  }

  // Rules 7 and 8.
  Decision fallback(const WaitKey& ns_key) {
    if (world_.safeguards().fresh_reads && world_.safeguards().late_binding && !world_.is_fresh_for(pod_)) {
      return wait(Rule::cluster_default, {ns_key, {WaitKey::Kind::fresh_read, pod_.meta.ns}},
                  "a consistent read of Subnets and Vpcs");
    }
    const api::Vpc* vpc = world_.vpc_of(pod_.meta.ns);
    if (vpc == nullptr) return from({named(std::string(api::kDefaultSubnet))}, Rule::cluster_default, {ns_key});
    note(fmt::format("Vpc/{}", vpc->meta.name), vpc->meta.generation, fmt::format("lists namespace {}", pod_.meta.ns));
    const WaitKey vpc_key{WaitKey::Kind::vpc, vpc->meta.name};
    if (!vpc->default_subnet.empty()) return from({named(vpc->default_subnet)}, Rule::vpc_default, {ns_key, vpc_key});
    std::vector<Candidate> candidates;
    for (SubnetView& view : world_.defaults_of(vpc->meta.name)) candidates.push_back({view.name(), std::move(view)});
    if (candidates.empty()) {
      return wait(Rule::vpc_default, {ns_key, vpc_key},
                  fmt::format("a default subnet of Vpc {}, which lists namespace {} and has none", vpc->meta.name,
                              pod_.meta.ns));
    }
    return from(std::move(candidates), Rule::vpc_default, {ns_key, vpc_key});
  }

  Decision attachment() {
    if (request_.subnet) return from({named(*request_.subnet)}, Rule::attachment, {});
    if (request_.pool) return by_pool(Rule::attachment);
    const std::string& provider = request_.subnet_provider;
    std::vector<Candidate> candidates;
    for (SubnetView& view : world_.of_provider(provider)) candidates.push_back({view.name(), std::move(view)});
    const WaitKey any{WaitKey::Kind::subnet, "provider:" + provider};
    if (candidates.empty()) {
      return wait(Rule::attachment, {{WaitKey::Kind::namespace_, pod_.meta.ns}, any},
                  fmt::format("a Subnet of provider {}", provider));
    }
    return from(std::move(candidates), Rule::attachment, {any});
  }

  Decision by_pool(Rule rule) {
    const WaitKey pool_key{WaitKey::Kind::pool, *request_.pool};
    const api::IpPool* pool = world_.find_pool(*request_.pool);
    if (pool == nullptr)
      return wait(rule, {pool_key},
                  fmt::format("IPPool {}, which does not exist yet{}", *request_.pool, named_by(Rule::pod_pool)));
    note(fmt::format("IPPool/{}", pool->meta.name), pool->meta.generation, "named by the pod");
    return from({named(pool->subnet)}, rule, {pool_key});
  }

  Decision by_vip() {
    const WaitKey vip_key{WaitKey::Kind::vip, *request_.vip};
    const api::Vip* vip = world_.find_vip(*request_.vip);
    if (vip == nullptr || !vip->allocated()) return wait(Rule::pod_subnet, {vip_key}, without_vip());
    note(fmt::format("Vip/{}", vip->meta.name), vip->meta.generation, "named by the pod");
    return from({named(vip->held_in())}, Rule::pod_subnet, {vip_key});
  }

  [[nodiscard]] std::string without_vip() const {
    const bool exists = world_.find_vip(*request_.vip) != nullptr;
    return fmt::format("Vip {}, which {} (annotation {} of the pod{})", *request_.vip,
                       exists ? "has no address yet" : "does not exist yet",
                       api::annotation_key(request_.provider, api::suffix::kVip),
                       exists ? "" : "; create it, or remove the annotation");
  }

  // The first candidate that is ready, contains what was asked for by name, and has room.
  Decision from(std::vector<Candidate> candidates, Rule rule, std::set<WaitKey> keys) {
    std::vector<std::string> waiting_for;
    std::set<WaitKey> wake = keys;
    if (request_.reserved) note("IP/" + request_.reserved->object, 0, "reserves " + reserved_for_it());
    std::vector<std::string> outside;  // ready or not, they do not contain what the pod asks for
    std::vector<std::string> foreign;  // they belong to another network
    prefer_pools(candidates);
    for (Candidate& candidate : candidates) {
      keys.insert({WaitKey::Kind::subnet, candidate.name});
      const std::string object = fmt::format("Subnet/{}", candidate.name);
      if (!candidate.view) {
        note(object, 0, "named, does not exist");
        wake.insert({WaitKey::Kind::subnet, candidate.name});
        waiting_for.push_back(fmt::format("Subnet {}, which does not exist yet{}", candidate.name, named_by(rule)));
        continue;
      }
      const SubnetView& view = *candidate.view;
      const std::int64_t generation = view.object->meta.generation;
      if (auto why = of_another_network(view)) {
        note(object, generation, *why);
        foreign.push_back(std::move(*why));
        continue;
      }
      if (!fits(view)) {
        note(object, generation,
             fmt::format("does not contain {}", request_.reserved ? reserved_for_it() : asked_for()));
        outside.push_back(fmt::format("{} ({})", candidate.name, api::to_string(view.cidrs)));
        continue;
      }
      if (!view.ready) {
        note(object, generation, "not ready: " + view.unready);
        wake.insert({WaitKey::Kind::subnet, candidate.name});
        waiting_for.push_back(fmt::format("Subnet {}, which is not ready: {}", candidate.name, view.unready));
        continue;
      }
      auto narrowed = narrow(view, rule);
      if (narrowed.refuse() != nullptr) {
        std::get<Refuse>(narrowed.outcome).keys.merge(keys);
        return finish(std::move(narrowed));
      }
      if (const Wait* w = narrowed.wait()) {
        note(object, generation, w->for_what);
        wake.insert(w->keys.begin(), w->keys.end());
        wake.insert({WaitKey::Kind::subnet, candidate.name});
        waiting_for.push_back(w->for_what);
        continue;
      }
      note(object, generation, fmt::format("ready, with room: bound by rule {}", to_string(rule)));
      return finish(std::move(narrowed));
    }
    if (!waiting_for.empty()) return wait(rule, std::move(wake), api::join(waiting_for, "; or "));
    if (rule == Rule::claimed && may_be_claimed_further()) {
      return settling(wake, fmt::format("a Subnet that contains {} and may still claim namespace {}, beside {}",
                                        request_.reserved ? reserved_for_it() : asked_for(), pod_.meta.ns,
                                        api::join(outside, ", ")));
    }
    if (outside.empty()) {
      return refuse(rule, ipam::Denial::AddressOutOfRange, std::move(keys),
                    fmt::format("Pod {}: network {}: {}; name a Subnet of this network", pod_.meta.key(),
                                request_.provider, api::join(foreign, "; ")));
    }
    if (request_.reserved) {
      return refuse(
          rule, ipam::Denial::AddressOutOfRange, std::move(keys),
          fmt::format("Pod {}: IP {} reserves {} for it, but rule {} allows only: {}; delete that IP object, or "
                      "let the pod use that Subnet",
                      pod_.meta.key(), request_.reserved->object, reserved_for_it(), to_string(rule),
                      api::join(outside, ", ")));
    }
    return refuse(rule, ipam::Denial::AddressOutOfRange, std::move(keys),
                  request_.addresses.empty()
                      ? fmt::format("Pod {}: annotation {} \"{}\": none of the subnets that rule {} allows has that "
                                    "family: {}; change the annotation or the subnet",
                                    pod_.meta.key(), api::annotation_key(request_.provider, api::suffix::kIpFamily),
                                    to_text(*request_.only), to_string(rule), api::join(outside, ", "))
                      : fmt::format("Pod {}: address {} lies in none of the subnets that rule {} allows: {}; change "
                                    "annotation {} or the subnet",
                                    pod_.meta.key(), asked_for(), to_string(rule), api::join(outside, ", "),
                                    api::annotation_key(request_.provider, api::suffix::kIpAddress)));
  }

  // A namespace with IPPools draws from those alone: its other subnets do not count while it has one.
  void prefer_pools(std::vector<Candidate>& candidates) {
    if (!request_.is_default() || request_.vip || request_.reserved || candidates.size() < 2 || request_.pool ||
        !request_.addresses.empty() || !request_.literal_pool.empty())
      return;
    const auto has_pool = [&](const Candidate& c) { return !world_.pools(pod_.meta.ns, c.name).empty(); };
    if (std::ranges::none_of(candidates, has_pool)) return;
    std::erase_if(candidates, [&](const Candidate& c) {
      if (has_pool(c)) return false;
      note(fmt::format("Subnet/{}", c.name), c.view ? c.view->object->meta.generation : 0,
           fmt::format("passed over: namespace {} has IPPools in another subnet", pod_.meta.ns));
      return true;
    });
  }

  // "10.1.0.5 of Subnet web"
  [[nodiscard]] std::string reserved_for_it() const {
    const ReservedIp& kept = *request_.reserved;
    return fmt::format("{} of Subnet {}", kept.addresses.empty() ? "an address" : api::to_string(kept.addresses),
                       kept.subnet);
  }

  // What the pod asks for by name cannot be what is kept for it.
  [[nodiscard]] std::optional<std::string> contradicts_reservation() const {
    if (!request_.reserved) return std::nullopt;
    const ReservedIp& kept = *request_.reserved;
    const auto says = [&](std::string_view suffix, const std::string& value) {
      return fmt::format("Pod {}: annotation {} says {}, but IP {} reserves {} for it; remove one of the two",
                         pod_.meta.key(), api::annotation_key(request_.provider, suffix), value, kept.object,
                         reserved_for_it());
    };
    const auto is_kept = [&](const net::Address& a) {
      return kept.addresses.empty() || std::ranges::find(kept.addresses, a) != kept.addresses.end();
    };
    if (!std::ranges::all_of(request_.addresses, is_kept))
      return says(api::suffix::kIpAddress, api::to_string(request_.addresses));
    if (!request_.mac.is_none() && !kept.mac.is_none() && request_.mac != kept.mac)
      return says(api::suffix::kMacAddress, request_.mac.to_string());
    if (request_.vip) return says(api::suffix::kVip, *request_.vip);
    return std::nullopt;
  }

  // The default network never uses a Subnet of an attachment network. An attachment may name any Subnet, but not one
  // without a logical switch for an interface that needs one, or the other way round.
  [[nodiscard]] std::optional<std::string> of_another_network(const SubnetView& view) const {
    const std::string provider = view.object->effective_provider();
    if (provider == request_.subnet_provider) return std::nullopt;
    if (!request_.is_default() && api::is_ovn_provider(request_.subnet_provider) == view.object->is_ovn())
      return std::nullopt;
    return fmt::format("Subnet {} is of provider {}", view.name(), provider);
  }

  // Addresses, or just a family.
  [[nodiscard]] std::string asked_for() const {
    return request_.addresses.empty() && request_.only ? fmt::format("any {} address", to_text(*request_.only))
                                                       : api::to_string(request_.addresses);
  }

  // Who wrote the name of a thing that is not there, and what to do; nothing where nobody did.
  [[nodiscard]] std::string named_by(Rule rule) const {
    const auto by = [&](std::string_view object, std::string_view suffix, std::string_view what) {
      return fmt::format(" (annotation {} of the {}; create it, or name another {})",
                         api::annotation_key(request_.provider, suffix), object, what);
    };
    switch (rule) {
      case Rule::pod_subnet:
      case Rule::attachment:
        return by("pod", api::suffix::kLogicalSwitch, "Subnet");
      case Rule::pod_pool:
        return by("pod", api::suffix::kIpPool, "IPPool");
      case Rule::namespace_subnets:
        return by("Namespace", api::suffix::kLogicalSwitch, "Subnet");
      default:
        return {};
    }
  }

  // An unready subnet whose CIDR is unknown may still turn out to fit.
  [[nodiscard]] bool fits(const SubnetView& view) const {
    if (request_.reserved && view.name() != request_.reserved->subnet) return false;
    if (view.cidrs.empty()) return !view.ready;
    if (request_.only && std::ranges::find(view.cidrs, *request_.only, &net::Cidr::family) == view.cidrs.end())
      return false;
    return std::ranges::all_of(request_.addresses, [&](const net::Address& a) { return view.contains(a); });
  }

  Decision narrow(const SubnetView& view, Rule rule) const {
    Decision out;
    out.rule = rule;
    const std::string& subnet = view.name();
    Bind bind{subnet, view.object->meta.uid, {}, request_.addresses, {}, {}};
    if (request_.reserved && !request_.reserved->addresses.empty()) {
      bind.fixed.clear();
      for (const net::Address& a : request_.reserved->addresses) {
        if (!request_.only || a.family() == *request_.only) bind.fixed.push_back(a);
      }
      if (!std::ranges::all_of(bind.fixed, [&](const net::Address& a) { return view.contains(a); })) {
        out.outcome = Refuse{
            ipam::Denial::AddressOutOfRange,
            {},
            fmt::format("Pod {}: IP {} reserves {} for it, outside the range of that Subnet ({}); "
                        "delete that IP object and create it again with another address",
                        pod_.meta.key(), request_.reserved->object, reserved_for_it(), api::to_string(view.cidrs))};
        return out;
      }
      out.outcome = std::move(bind);
      return out;
    }
    const auto room_wait = [&](const std::string& what, std::string_view remedy) {
      out.outcome =
          Wait{{{WaitKey::Kind::room, subnet}},
               {},
               fmt::format("an address of {}, which is full; delete a pod that holds one, or {}", what, remedy)};
    };
    if (request_.vip) {
      const WaitKey vip_key{WaitKey::Kind::vip, *request_.vip};
      const api::Vip* vip = world_.find_vip(*request_.vip);
      if (vip == nullptr || !vip->allocated()) {
        out.outcome = Wait{{vip_key}, {}, without_vip()};
        return out;
      }
      if (vip->held_in() != subnet) {
        out.outcome = Refuse{
            ipam::Denial::AddressOutOfRange,
            {vip_key},
            fmt::format(
                "Pod {}: Vip {} belongs to Subnet {}, but the pod is bound to Subnet {}; name a Vip of that subnet",
                pod_.meta.key(), vip->meta.name, vip->held_in(), subnet)};
        return out;
      }
      if (!vip->given_type.empty()) {
        out.outcome = Refuse{
            ipam::Denial::AddressConflict,
            {vip_key},
            fmt::format("Pod {}: Vip {} is of type {}, whose address a port of its own has; name a Vip of empty type",
                        pod_.meta.key(), vip->meta.name, vip->given_type)};
        return out;
      }
      bind.vip = vip->meta.name;
      for (const net::Address& a : vip->given) {
        if (!request_.only || a.family() == *request_.only) bind.fixed.push_back(a);
      }
      if (!std::ranges::all_of(bind.fixed, [&](const net::Address& a) { return view.contains(a); })) {
        out.outcome =
            Refuse{ipam::Denial::AddressOutOfRange,
                   {vip_key},
                   fmt::format("Pod {}: Vip {} has {}, outside Subnet {} ({}); delete the Vip and create it again",
                               pod_.meta.key(), vip->meta.name, api::to_string(bind.fixed), subnet,
                               api::to_string(view.cidrs))};
        return out;
      }
    } else if (!request_.literal_pool.empty()) {
      for (const auto& entry : request_.literal_pool) {
        if (std::ranges::all_of(entry, [&](const net::Address& a) { return view.contains(a); }))
          bind.alternatives.push_back(entry);
      }
      if (bind.alternatives.empty()) {
        out.outcome = Refuse{
            ipam::Denial::AddressOutOfRange,
            {},
            fmt::format("Pod {}: no address of annotation {} lies in Subnet {} ({}); change the list or the subnet",
                        pod_.meta.key(), api::annotation_key(request_.provider, api::suffix::kIpPool), subnet,
                        api::to_string(view.cidrs))};
        return out;
      }
    } else if (request_.pool) {
      const api::IpPool* pool = world_.find_pool(*request_.pool);
      if (pool == nullptr) {
        out.outcome =
            Wait{{{WaitKey::Kind::pool, *request_.pool}},
                 {},
                 fmt::format("IPPool {}, which does not exist yet{}", *request_.pool, named_by(Rule::pod_pool))};
        return out;
      }
      if (pool->subnet != subnet) {
        out.outcome = Refuse{
            ipam::Denial::AddressOutOfRange,
            {{WaitKey::Kind::pool, pool->meta.name}},
            fmt::format(
                "Pod {}: IPPool {} belongs to Subnet {}, but the pod is bound to Subnet {}; name a pool of that subnet",
                pod_.meta.key(), pool->meta.name, pool->subnet, subnet)};
        return out;
      }
      bind.pool = pool->meta.name;
      if (const auto problem = world_.pool_problem(bind.pool)) {
        out.outcome = Wait{{{WaitKey::Kind::pool, bind.pool}, {WaitKey::Kind::room, subnet}},
                           {},
                           fmt::format("IPPool {}, which is not in force: {}", bind.pool, *problem)};
        return out;
      }
      if (!world_.has_room(subnet, request_.port, request_.only, bind.pool)) {
        room_wait("IPPool " + bind.pool, "add to its spec.ips");
        std::get<Wait>(out.outcome).keys.insert({WaitKey::Kind::pool, bind.pool});
        return out;
      }
    } else if (bind.fixed.empty()) {
      std::vector<const api::IpPool*> pools;  // of the namespace: for its default network alone
      if (request_.is_default()) pools = world_.pools(pod_.meta.ns, subnet);
      const auto usable = std::ranges::find_if(pools, [&](const api::IpPool* pool) {
        return !world_.pool_problem(pool->meta.name) &&
               world_.has_room(subnet, request_.port, request_.only, pool->meta.name);
      });
      if (usable != pools.end()) bind.pool = (*usable)->meta.name;
      if (pools.empty() ? !world_.has_room(subnet, request_.port, request_.only, {}) : usable == pools.end()) {
        const auto bad = std::ranges::find_if(
            pools, [&](const api::IpPool* pool) { return world_.pool_problem(pool->meta.name).has_value(); });
        if (bad != pools.end()) {
          out.outcome = Wait{{{WaitKey::Kind::room, subnet}, {WaitKey::Kind::pool, (*bad)->meta.name}},
                             {},
                             fmt::format("the IPPools of namespace {} in Subnet {}, which have no address: {}",
                                         pod_.meta.ns, subnet, *world_.pool_problem((*bad)->meta.name))};
        } else if (pools.empty()) {
          room_wait("Subnet " + subnet, "widen its spec.cidrBlock");
        } else {
          room_wait(fmt::format("the IPPools of namespace {} in Subnet {}", pod_.meta.ns, subnet),
                    "add to their spec.ips");
        }
        return out;
      }
    }
    out.outcome = std::move(bind);
    return out;
  }

  [[nodiscard]] Candidate named(const std::string& name) const { return {name, world_.subnet(name)}; }

  void note(std::string object, std::int64_t generation, std::string text) {
    chain_.push_back({std::move(object), generation, std::move(text)});
  }

  Decision wait(Rule rule, std::set<WaitKey> keys, std::string for_what) {
    return finish({rule, Wait{std::move(keys), {}, std::move(for_what)}, {}});
  }

  Decision refuse(Rule rule, ipam::Denial denial, std::set<WaitKey> keys, std::string why) {
    return finish({rule, Refuse{denial, std::move(keys), std::move(why)}, {}});
  }

  Decision finish(Decision decision) {
    decision.chain = std::move(chain_);
    return decision;
  }

  const api::Pod& pod_;
  const NetworkRequest& request_;
  const Knowledge& world_;
  std::vector<Because> chain_;
};

}  // namespace

std::string_view to_string(Rule rule) {
  return std::ranges::find(kRuleNames, rule, &std::pair<Rule, std::string_view>::first)->second;
}

std::optional<Rule> rule_from(std::string_view text) {
  const auto it = std::ranges::find(kRuleNames, text, &std::pair<Rule, std::string_view>::second);
  return it == kRuleNames.end() ? std::nullopt : std::optional(it->first);
}

std::string to_string(const WaitKey& key) {
  switch (key.kind) {
    case WaitKey::Kind::subnet:
      return "subnet/" + key.name;
    case WaitKey::Kind::room:
      return "room/" + key.name;
    case WaitKey::Kind::pool:
      return "ippool/" + key.name;
    case WaitKey::Kind::network:
      return "network/" + key.name;
    case WaitKey::Kind::vpc:
      return "vpc/" + key.name;
    case WaitKey::Kind::namespace_:
      return "namespace/" + key.name;
    case WaitKey::Kind::vip:
      return "vip/" + key.name;
    case WaitKey::Kind::fresh_read:
      return "fresh-read/" + key.name;
  }
  return key.name;
}

Decision decide(const api::Pod& pod, const NetworkRequest& request, const Knowledge& knowledge) {
  Decision decision = Decider(pod, request, knowledge).run();
  // Whatever else is waited for: what the Namespace says, or who claims it, may have the last word.
  const WaitKey namespace_key{WaitKey::Kind::namespace_, pod.meta.ns};
  if (auto* wait = std::get_if<Wait>(&decision.outcome)) wait->keys.insert(namespace_key);
  if (auto* refuse = std::get_if<Refuse>(&decision.outcome)) refuse->keys.insert(namespace_key);
  return decision;
}

}  // namespace berth::binding
