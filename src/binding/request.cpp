#include "binding/request.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "api/annotations.h"
#include "api/ip.h"

namespace berth::binding {
namespace {

class Reader {
 public:
  // provider: of the Subnets; interface: not empty if the network is attached once more, under this name.
  Reader(const api::Pod& pod, const std::string& provider, const std::string& interface, const Knowledge& knowledge)
      : pod_(pod),
        network_(provider),
        provider_(interface.empty() ? provider : provider + "." + interface),
        world_(knowledge) {}

  [[nodiscard]] Result<NetworkRequest> read(const api::NetworkSelection* selection) const {
    NetworkRequest out;
    out.provider = provider_;
    out.subnet_provider = network_;
    out.port = api::port_name(pod_.meta.name, pod_.meta.ns, provider_);
    out.subnet = shared(api::suffix::kLogicalSwitch);
    if (out.subnet && !api::is_object_name(*out.subnet))
      return bad(api::suffix::kLogicalSwitch, *out.subnet, "must be the name of one Subnet");
    if (auto ok = read_addresses(out, selection); !ok) return fail(ok.error());
    if (auto ok = read_mac(out, selection); !ok) return fail(ok.error());
    if (auto ok = read_family(out); !ok) return fail(ok.error());
    if (auto ok = read_pool(out); !ok) return fail(ok.error());
    for (const std::string& item : api::split_list(shared(api::suffix::kPortVips).value_or(""))) {
      const auto address = net::Address::parse(item);
      if (!address) return bad(api::suffix::kPortVips, item, address.error().message);
      out.port_vips.push_back(*address);
    }
    if (out.is_default()) out.vip = value(api::suffix::kVip);
    if (out.vip && !api::is_object_name(*out.vip))
      return bad(api::suffix::kVip, *out.vip, "must be the name of one Vip");
    if (auto kept = world_.reserved_ip(out.port); kept && !kept->subnet.empty()) out.reserved = std::move(*kept);
    if (out.vip && (!out.addresses.empty() || out.pool || !out.literal_pool.empty()))
      return bad(api::suffix::kVip, *out.vip,
                 "gives the pod its address; remove the annotations ip_address and ip_pool");
    return out;
  }

 private:
  [[nodiscard]] std::optional<std::string> value(std::string_view suffix) const {
    auto text = api::user_annotation(pod_.meta, api::annotation_key(provider_, suffix));
    return text && !text->empty() ? text : std::nullopt;
  }

  // Said for this interface, or for all of the network.
  [[nodiscard]] std::optional<std::string> shared(std::string_view suffix) const {
    if (auto own = value(suffix)) return own;
    auto text = api::user_annotation(pod_.meta, api::annotation_key(network_, suffix));
    return text && !text->empty() ? text : std::nullopt;
  }

  // Kube-OVN's form for one interface: "<nad>.<ns>.kubernetes.io/ip_address.<interface>".
  [[nodiscard]] std::optional<std::string> value_of_interface(std::string_view suffix,
                                                              const api::NetworkSelection* selection) const {
    if (auto own = value(suffix)) return own;
    if (selection == nullptr || selection->interface.empty()) return std::nullopt;
    for (const std::string& prefix : {network_, selection->name + "." + selection->ns}) {
      const auto text =
          pod_.meta.annotation(fmt::format("{}.{}", api::annotation_key(prefix, suffix), selection->interface));
      if (text && !text->empty()) return text;
    }
    return std::nullopt;
  }

  // Where the user said it: of this interface, or of all of the network.
  [[nodiscard]] std::string key_of(std::string_view suffix) const {
    const std::string own = api::annotation_key(provider_, suffix), of_all = api::annotation_key(network_, suffix);
    return !pod_.meta.annotation(own) && pod_.meta.annotation(of_all) ? of_all : own;
  }

  [[nodiscard]] tl::unexpected<Error> bad(std::string_view suffix, std::string_view text,
                                          std::string_view remedy) const {
    return fail(ErrorCode::invalid,
                fmt::format("Pod {}: annotation {} \"{}\": {}", pod_.meta.key(), key_of(suffix), text, remedy));
  }

  // "a" or "a/prefix"
  [[nodiscard]] static Result<net::Address> address(const std::string& item) {
    return net::Address::parse(item.substr(0, item.find('/')));
  }

  [[nodiscard]] Status read_addresses(NetworkRequest& out, const api::NetworkSelection* selection) const {
    std::vector<std::string> items;
    const auto text = value_of_interface(api::suffix::kIpAddress, selection);
    if (text) {
      items = api::split_list(*text);
    } else if (selection != nullptr) {
      items = selection->ips;
    }
    for (const std::string& item : items) {
      const auto parsed = address(item);
      if (!parsed) return bad(api::suffix::kIpAddress, item, parsed.error().message);
      out.addresses.push_back(*parsed);
    }
    std::ranges::sort(out.addresses);
    const auto same = std::ranges::adjacent_find(out.addresses, {}, &net::Address::family);
    if (same != out.addresses.end())
      return bad(api::suffix::kIpAddress, text.value_or(""), "at most one address of each family; remove the others");
    return {};
  }

  [[nodiscard]] Status read_mac(NetworkRequest& out, const api::NetworkSelection* selection) const {
    auto text = value_of_interface(api::suffix::kMacAddress, selection);
    if (!text && selection != nullptr && !selection->mac.empty()) text = selection->mac;
    if (!text) return {};
    const auto mac = net::Mac::parse(*text);
    if (!mac) return bad(api::suffix::kMacAddress, *text, mac.error().message);
    if (mac->is_none() || mac->is_multicast())
      return bad(api::suffix::kMacAddress, *text, "must be a unicast address, such as 00:00:00:53:6b:b6");
    out.mac = *mac;
    return {};
  }

  [[nodiscard]] Status read_family(NetworkRequest& out) const {
    const auto text = shared(api::suffix::kIpFamily);
    if (!text) return {};
    if (*text != "ipv4" && *text != "ipv6") return bad(api::suffix::kIpFamily, *text, "must be ipv4 or ipv6");
    out.only = *text == "ipv4" ? net::Family::v4 : net::Family::v6;
    for (const net::Address& a : out.addresses) {
      if (a.family() != *out.only)
        return bad(api::suffix::kIpFamily, *text, fmt::format("contradicts the address {}; remove one", a.to_string()));
    }
    return {};
  }

  // One name; or a list of addresses: "a,b" one each, "v4,v6" one pair, "v4,v6;v4,v6" one pair each.
  [[nodiscard]] Status read_pool(NetworkRequest& out) const {
    const auto text = shared(api::suffix::kIpPool);
    if (!text) return {};
    const bool list = text->find_first_of(",;") != std::string::npos;
    if (!list && !net::Address::parse(*text)) {
      if (!api::is_object_name(*text))
        return bad(api::suffix::kIpPool, *text,
                   "must be the name of one IPPool, or addresses with commas between them");
      out.pool = *text;
      return {};
    }
    std::vector<std::vector<std::string>> entries;
    if (text->find(';') != std::string::npos) {
      for (const std::string& group : api::split_list(*text, ';')) entries.push_back(api::split_list(group));
    } else {
      for (const std::string& item : api::split_list(*text)) entries.push_back({item});
    }
    for (const auto& entry : entries) {
      std::vector<net::Address> addresses;
      for (const std::string& item : entry) {
        const auto parsed = net::Address::parse(item);
        if (!parsed) return bad(api::suffix::kIpPool, item, parsed.error().message);
        addresses.push_back(*parsed);
      }
      std::ranges::sort(addresses);
      out.literal_pool.push_back(std::move(addresses));
    }
    auto& pool = out.literal_pool;
    if (pool.size() == 2 && text->find(';') == std::string::npos && pool[0][0].family() != pool[1][0].family()) {
      pool[0].push_back(pool[1][0]);
      std::ranges::sort(pool[0]);
      pool.pop_back();
    }
    return {};
  }

  const api::Pod& pod_;
  const std::string& network_;
  const std::string provider_;
  const Knowledge& world_;
};

}  // namespace

bool NetworkRequest::is_default() const { return provider == api::kDefaultProvider; }

namespace {

using Selections = std::vector<api::NetworkSelection>;

Result<Selections> selections_of(const api::Pod& pod, std::string_view annotation) {
  const auto text = pod.meta.annotation(annotation);
  if (!text) return Selections();
  auto selections = api::parse_network_selections(*text, pod.meta.ns);
  if (!selections) return fail(selections.error().with_context("Pod " + pod.meta.key()));
  return selections;
}

// As Kube-OVN tells the interfaces of one network apart: where it is attached more than once, those that are named have
// their name in the provider. Without a name the first is the network's own, and others have the name that Multus will
// give them.
std::vector<std::string> interfaces_of(const Selections& selections) {
  std::map<std::string, int> times, unnamed;
  for (const api::NetworkSelection& s : selections) ++times[s.ns + "/" + s.name];
  std::vector<std::string> out;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const api::NetworkSelection& s = selections[i];
    const std::string network = s.ns + "/" + s.name;
    if (times[network] < 2) {
      out.emplace_back();
    } else if (!s.interface.empty()) {
      out.push_back(s.interface);
    } else {
      out.push_back(unnamed[network]++ == 0 ? "" : fmt::format("net{}", i + 1));
    }
  }
  return out;
}

// Of every network, also of those that are not Berth's.
Status check_rates(const api::Pod& pod) {
  namespace suffix = api::suffix;
  constexpr std::array kRates{suffix::kIngressRate, suffix::kIngressBurst, suffix::kEgressRate, suffix::kEgressBurst};
  for (const auto& [key, text] : pod.meta.annotations) {
    const auto slash = key.find(".kubernetes.io/");
    if (slash == std::string::npos) continue;
    const std::string_view name = std::string_view(key).substr(key.find('/') + 1);
    if (std::ranges::find(kRates, name) == kRates.end() || text.empty()) continue;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) continue;
    return fail(ErrorCode::invalid,
                fmt::format("Pod {}: annotation {} \"{}\": must be a number of {} from 0 on, without a sign or unit, "
                            "such as 100",
                            pod.meta.key(), key, text, name.ends_with("rate") ? "Mbit/s" : "Mbit"));
  }
  return {};
}

}  // namespace

Result<PodNetworks> networks_of(const api::Pod& pod, const Knowledge& knowledge) {
  if (auto ok = check_rates(pod); !ok) return fail(ok.error());
  PodNetworks out;
  const auto attach = [&](const Selections& selections) -> Status {
    const auto interfaces = interfaces_of(selections);
    for (std::size_t i = 0; i < selections.size(); ++i) {
      const api::NetworkSelection& s = selections[i];
      const api::NetworkAttachmentDefinition* network = knowledge.find_network(s.ns, s.name);
      if (network == nullptr) {
        out.emplace_back(MissingNetwork{s.ns, s.name, api::port_name(pod.meta.name, pod.meta.ns, s.name + "." + s.ns)});
      } else if (!network->provider.empty()) {
        auto request = Reader(pod, network->provider, interfaces[i], knowledge).read(&s);
        if (!request) return fail(request.error());
        out.emplace_back(std::move(*request));
      }
    }
    return {};
  };
  const auto instead = selections_of(pod, api::kDefaultNetworkAnnotation);
  if (!instead) return fail(instead.error());
  const auto others = selections_of(pod, api::kNetworksAnnotation);
  if (!others) return fail(others.error());
  if (instead->empty()) {
    auto first = Reader(pod, std::string(api::kDefaultProvider), "", knowledge).read(nullptr);
    if (!first) return fail(first.error());
    out.emplace_back(std::move(*first));
  }
  if (auto ok = attach(*instead); !ok) return fail(ok.error());
  if (auto ok = attach(*others); !ok) return fail(ok.error());
  return out;
}

}  // namespace berth::binding
