#include "agent/pod_network.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "api/annotations.h"
#include "api/ip.h"

namespace berth::agent {
namespace {

// Annotations of the kubelet on static pods and their mirrors.
constexpr std::string_view kConfigHash = "kubernetes.io/config.hash";
constexpr std::string_view kConfigMirror = "kubernetes.io/config.mirror";

constexpr std::string_view kDefaultRouteSuffix = "default_route";
constexpr std::string_view kRoutesSuffix = "routes";

using NetworkResult = tl::expected<PodNetwork, Hold>;

tl::unexpected<Hold> hold(Reason reason, std::string text) {
  return tl::unexpected<Hold>(Hold{reason, std::move(text)});
}

// Reads one annotation of the network after the other, remembering the first complaint.
class Reader {
 public:
  Reader(const api::Pod& pod, std::string_view provider) : pod_(pod), provider_(provider) {}

  [[nodiscard]] std::string text(std::string_view suffix) const {
    return pod_.meta.annotation(api::annotation_key(provider_, suffix)).value_or("");
  }

  template <typename T>
  T parsed(std::string_view suffix, Result<T> (*parse)(std::string_view)) {
    auto value = parse(text(suffix));
    if (value) return std::move(*value);
    complain(suffix, value.error().message);
    return T{};
  }

  void complain(std::string_view suffix, std::string_view what) {
    if (!complaint_) complaint_ = fmt::format("annotation {}: {}", api::annotation_key(provider_, suffix), what);
  }

  [[nodiscard]] const std::optional<std::string>& complaint() const { return complaint_; }

 private:
  const api::Pod& pod_;
  std::string_view provider_;
  std::optional<std::string> complaint_;
};

// "v4", "v6" or "v4,v6" in either order; IPv4 comes first in the result.
Result<std::vector<net::Address>> parse_addresses(std::string_view text) {
  std::vector<net::Address> out;
  for (const auto& item : api::split_list(text)) {
    auto address = net::Address::parse(item);
    if (!address) return fail(address.error());
    out.push_back(*address);
  }
  if (out.empty()) return fail(ErrorCode::invalid, "is empty");
  std::sort(out.begin(), out.end());
  if (out.size() > 2 || (out.size() == 2 && out[0].family() == out[1].family()))
    return fail(ErrorCode::invalid, fmt::format("\"{}\" has more than one address of a family", text));
  return out;
}

// [{"dst":"1.1.1.0/24","gw":"10.1.0.1"}]; dst may be one address.
Result<std::vector<Route>> parse_routes(std::string_view text) {
  std::vector<Route> out;
  if (text.empty()) return out;
  const auto value = api::parse_json(text);
  if (!value || !value->is_array()) return fail(ErrorCode::invalid, "must be a JSON list of {\"dst\":…,\"gw\":…}");
  for (const auto& item : value->get_array()) {
    if (!item.is_object()) return fail(ErrorCode::invalid, "must be a JSON list of {\"dst\":…,\"gw\":…}");
    const auto destination = api::string_at(item.get_object(), {"dst"});
    auto gateway = net::Address::parse(api::string_at(item.get_object(), {"gw"}));
    if (!gateway) return fail(gateway.error().with_context("gw"));
    auto cidr =
        net::Cidr::parse(destination.contains('/') ? destination : destination + (gateway->is_v4() ? "/32" : "/128"));
    if (!cidr) return fail(cidr.error().with_context("dst"));
    if (cidr->family() != gateway->family())
      return fail(ErrorCode::invalid,
                  fmt::format("dst {} and gw {} are of different families", cidr->to_string(), gateway->to_string()));
    out.push_back({*cidr, *gateway});
  }
  return out;
}

std::optional<InterfaceAddress> within(const net::Address& address, const std::vector<net::Cidr>& cidrs) {
  for (const auto& cidr : cidrs) {
    if (cidr.contains(address)) return InterfaceAddress{address, cidr};
  }
  return std::nullopt;
}

// The record must be of this pod and tell the same story as the annotations.
std::optional<Hold> check_record(const api::Pod& pod, std::string_view provider, PodNetwork& network) {
  const auto record = api::own_record(pod.meta);
  if (!record) {
    return Hold{Reason::void_record, fmt::format("pod {} has addresses but no {} of its own UID {}", pod.meta.key(),
                                                 api::kBindingAnnotation, pod.meta.uid)};
  }
  const auto entry = record->networks.find(std::string(provider));
  if (entry == record->networks.end() || entry->second.subnet != network.subnet || entry->second.subnet_uid.empty()) {
    return Hold{Reason::void_record, fmt::format("{} of pod {} does not bind network {} to subnet {}",
                                                 api::kBindingAnnotation, pod.meta.key(), provider, network.subnet)};
  }
  network.subnet_uid = entry->second.subnet_uid;
  return std::nullopt;
}

}  // namespace

Result<PodRef> parse_cni_args(std::string_view args) {
  PodRef ref;
  for (const auto& pair : api::split_list(args, ';')) {
    const auto eq = pair.find('=');
    if (eq == std::string::npos) continue;
    const auto key = std::string_view(pair).substr(0, eq);
    const auto value = pair.substr(eq + 1);
    if (key == "K8S_POD_NAMESPACE") ref.ns = value;
    if (key == "K8S_POD_NAME") ref.name = value;
    if (key == "K8S_POD_UID") ref.uid = value;
  }
  for (const auto& [name, value] : {std::pair<const char*, const std::string&>{"K8S_POD_NAMESPACE", ref.ns},
                                    {"K8S_POD_NAME", ref.name},
                                    {"K8S_POD_UID", ref.uid}}) {
    if (value.empty() || value.size() > 253)
      return fail(ErrorCode::invalid, fmt::format("CNI_ARGS: {} is missing or too long", name));
  }
  return ref;
}

bool is_pod(const api::Pod& pod, std::string_view uid) {
  if (pod.meta.uid == uid) return true;
  return pod.meta.annotation(kConfigMirror).has_value() && pod.meta.annotation(kConfigHash) == std::string(uid);
}

std::vector<Route> PodNetwork::all_routes() const {
  std::vector<Route> out;
  if (default_route) {
    for (const auto& gateway : gateways) out.push_back({net::Cidr(net::Address(gateway.family(), 0), 0), gateway});
  }
  out.insert(out.end(), routes.begin(), routes.end());
  return out;
}

std::string provider_of_interface(const api::Pod& pod, const std::string& provider, std::string_view ifname) {
  std::string own = fmt::format("{}.{}", provider, ifname);
  return pod.meta.annotation(api::annotation_key(own, api::suffix::kAllocated)) == "true" ? own : provider;
}

NetworkResult read_pod_network(const api::Pod& pod, std::string_view provider, std::string_view ifname,
                               bool with_record) {
  Reader reader(pod, provider);
  if (reader.text(api::suffix::kAllocated) != "true" || reader.text(api::suffix::kRouted) != "true") {
    return hold(Reason::not_bound,
                fmt::format("pod {} has no address for network {} yet; its events, and berth why, say "
                            "what it waits for",
                            pod.meta.key(), provider));
  }
  PodNetwork network;
  network.port = api::port_name(pod.meta.name, pod.meta.ns, provider);
  network.subnet = reader.text(api::suffix::kLogicalSwitch);
  if (network.subnet.empty()) reader.complain(api::suffix::kLogicalSwitch, "is empty");
  network.mac = reader.parsed(api::suffix::kMacAddress, &net::Mac::parse);
  const auto cidrs = reader.parsed(api::suffix::kCidr, &net::Cidr::parse_list);
  const auto addresses = reader.parsed(api::suffix::kIpAddress, &parse_addresses);
  network.gateways = reader.parsed(api::suffix::kGateway, &parse_addresses);
  network.routes = reader.parsed(kRoutesSuffix, &parse_routes);
  for (const auto& address : addresses) {
    const auto placed = within(address, cidrs);
    if (placed) network.addresses.push_back(*placed);
    if (!placed) reader.complain(api::suffix::kIpAddress, address.to_string() + " lies outside annotation cidr");
  }
  std::erase_if(network.gateways, [&](const net::Address& gateway) {
    return std::none_of(addresses.begin(), addresses.end(),
                        [&](const auto& a) { return a.family() == gateway.family(); });
  });
  const auto default_route = reader.text(kDefaultRouteSuffix);
  network.default_route = default_route.empty() ? ifname == "eth0" : default_route == "true";
  if (reader.complaint())
    return hold(Reason::bad_annotation, fmt::format("pod {}: {}", pod.meta.key(), *reader.complaint()));
  if (with_record) {
    if (auto wrong = check_record(pod, provider, network)) return tl::unexpected<Hold>(std::move(*wrong));
  }
  return network;
}

}  // namespace berth::agent
