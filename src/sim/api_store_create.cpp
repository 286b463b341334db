#include <arpa/inet.h>
#include <fmt/core.h>

#include <array>
#include <charconv>
#include <set>

#include "sim/api/crd.h"
#include "sim/api/defaults.h"
#include "sim/api/schema.h"
#include "sim/api/validate.h"
#include "sim/api_store.h"
#include "sim/api_store_table.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

constexpr std::size_t kGeneratedPrefixMax = 58;  // 63 less the suffix
constexpr int kGenerateAttempts = 8;
constexpr std::int64_t kFirstNodePort = 30000;
constexpr std::int64_t kLastNodePort = 32767;

ApiResult<void> check_kind(const ResourceType& type, json::object& body) {
  const std::string_view kind = string_at(body, {"kind"});
  const std::string_view version = string_at(body, {"apiVersion"});
  if (type.custom && !kind.empty() && kind != type.kind && version == type.api_version()) {
    return tl::unexpected(
        invalid(type, name_of(body), {invalid_value("kind", json::string(kind), "must be " + type.kind)}));
  }
  if (type.custom && (kind.empty() || version.empty())) {
    return tl::unexpected(
        bad_request(fmt::format("the object provided is unrecognized (must be of type {}): Object '{}' is missing",
                                type.kind, kind.empty() ? "Kind" : "apiVersion")));
  }
  if ((!kind.empty() && kind != type.kind) || (!version.empty() && version != type.api_version())) {
    return tl::unexpected(
        bad_request(fmt::format("{} in version \"{}\" cannot be handled as a {}: the resource takes {} {}", kind,
                                version, type.kind, type.api_version(), type.kind)));
  }
  body["kind"] = type.kind;
  body["apiVersion"] = type.api_version();
  if (const json::value* meta = body.if_contains("metadata"); meta && !meta->is_object() && !meta->is_null()) {
    return tl::unexpected(bad_request(fmt::format(
        "{} in version \"{}\" cannot be handled as a {}: metadata must be an object", kind, version, type.kind)));
  }
  return decode_object(type, body);
}

struct Ipv4Range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

Ipv4Range parse_range(const std::string& cidr) {
  const std::size_t slash = cidr.find('/');
  in_addr address{};
  int bits = 32;
  if (slash == std::string::npos || inet_pton(AF_INET, cidr.substr(0, slash).c_str(), &address) != 1) return {};
  std::from_chars(cidr.data() + slash + 1, cidr.data() + cidr.size(), bits);
  const std::uint32_t host_mask = bits >= 32 ? 0 : 0xffffffffU >> bits;
  const std::uint32_t network = ntohl(address.s_addr) & ~host_mask;
  return {network + 1, network + host_mask - 1};
}

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

}  // namespace

std::string ApiStore::new_uid() {
  const std::uint64_t high = random_();
  const std::uint64_t low = random_();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xfff,
                     ((low >> 48) & 0x3fff) | 0x8000, low & 0xffffffffffff);
}

std::string ApiStore::random_suffix() {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix += kAlphabet[random_() % kAlphabet.size()];
  return suffix;
}

ApiResult<void> ApiStore::check_namespace(const ResourceType& type, std::string_view ns,
                                          const json::object& body) const {
  if (!type.namespaced) return {};
  const TypePtr namespaces = registry_.find("", "v1", "namespaces");
  const Object found = find(*namespaces, "", ns);
  if (!found) return tl::unexpected(not_found(*namespaces, ns));
  if (!is_terminating(*found)) return {};
  ApiError error =
      forbidden(type, name_of(body),
                fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
  error.details["causes"] = json::array{json::object{{"reason", "NamespaceTerminating"},
                                                     {"message", fmt::format("namespace {} is being terminated", ns)},
                                                     {"field", "metadata.namespace"}}};
  return tl::unexpected(std::move(error));
}

// Metadata that only the server writes, and the name.
ApiResult<void> ApiStore::complete_new(const ResourceType& type, std::string_view ns, json::object& body) {
  json::object& meta = metadata_of(body);
  const std::string_view body_ns = string_at(meta, {"namespace"});
  if (type.namespaced) {
    if (!body_ns.empty() && body_ns != ns) {
      return tl::unexpected(
          bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    meta["namespace"] = ns;
  } else {
    meta.erase("namespace");
  }
  if (const std::string_view version = string_at(meta, {"resourceVersion"}); !version.empty() && version != "0") {
    return tl::unexpected(internal("resourceVersion should not be set on objects to be created"));
  }
  const std::string prefix(string_at(meta, {"generateName"}));
  if (name_of(body).empty() && !prefix.empty()) {
    for (int attempt = 0; attempt < kGenerateAttempts; ++attempt) {
      meta["name"] = prefix.substr(0, kGeneratedPrefixMax) + random_suffix();
      if (!find(type, ns, name_of(body))) break;
    }
  }
  for (const char* key :
       {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "generation"}) {
    meta.erase(key);
  }
  meta["uid"] = new_uid();
  meta["creationTimestamp"] = format_time(now_());
  if (type.tracks_generation) meta["generation"] = 1;
  return {};
}

// clusterIP and node ports: kept from the old object, else the lowest free ones.
ApiResult<void> ApiStore::assign_service_addresses(json::object& service, const json::object* old) const {
  json::object& spec = ensure_object(service, "spec");
  const TypePtr services = registry_.find("", "v1", "services");
  std::set<std::string> used_addresses;
  std::set<std::int64_t> used_ports;
  for (const auto& [key, other] : table_of(*services)->objects) {
    if (old && uid_of(*other) == uid_of(*old)) continue;
    used_addresses.emplace(string_at(*other, {"spec", "clusterIP"}));
    if (const json::array* ports = array_at(*other, {"spec", "ports"})) {
      for (const json::value& p : *ports) used_ports.insert(int_at(p.as_object(), {"nodePort"}));
    }
  }
  const std::string_view kind = string_at(spec, {"type"});
  if (kind == "ExternalName") return {};
  if (string_at(spec, {"clusterIP"}).empty() && old) spec["clusterIP"] = string_at(*old, {"spec", "clusterIP"});
  if (string_at(spec, {"clusterIP"}).empty()) {
    const Ipv4Range range = parse_range(options_.service_cidr);
    for (std::uint64_t a = range.first; a <= range.last; ++a) {
      std::string address = format_ipv4(static_cast<std::uint32_t>(a));
      if (used_addresses.contains(address)) continue;
      spec["clusterIP"] = std::move(address);
      break;
    }
    if (string_at(spec, {"clusterIP"}).empty()) {
      return tl::unexpected(ApiError{500, "InternalError", "failed to allocate a serviceIP: range is full", {}});
    }
  } else if (string_at(spec, {"clusterIP"}) != "None" &&
             used_addresses.contains(std::string(string_at(spec, {"clusterIP"})))) {
    return tl::unexpected(invalid(*services, name_of(service),
                                  {invalid_value("spec.clusterIPs", json::array{spec["clusterIP"]},
                                                 "failed to allocate IP: provided IP is already allocated")}));
  }
  spec["clusterIPs"] = json::array{spec["clusterIP"]};
  if (kind != "NodePort" && kind != "LoadBalancer") return {};
  if (json::value* ports = spec.if_contains("ports"); ports && ports->is_array()) {
    for (json::value& p : ports->get_array()) {
      if (!p.is_object() || int_at(p.get_object(), {"nodePort"}) != 0) continue;
      for (std::int64_t port = kFirstNodePort; port <= kLastNodePort; ++port) {
        if (!used_ports.insert(port).second) continue;
        p.get_object()["nodePort"] = port;
        break;
      }
    }
  }
  return {};
}

ApiResult<Object> ApiStore::create(const ResourceType& type, std::string_view ns, json::object body,
                                   const WriteOptions& options) {
  if (!table_of(type)) return tl::unexpected(no_such_resource());
  if (auto ok = check_kind(type, body); !ok) return tl::unexpected(ok.error());
  if (auto ok = check_namespace(type, ns, body); !ok) return tl::unexpected(ok.error());
  if (type.custom) {
    const Object crd =
        find(*registry_.find_stored("apiextensions.k8s.io", "customresourcedefinitions"), "", type.group_resource());
    if (crd && is_terminating(*crd)) {
      return tl::unexpected(method_not_allowed("create not allowed while custom resource definition is terminating"));
    }
  }
  if (auto ok = complete_new(type, ns, body); !ok) return tl::unexpected(ok.error());

  if (type.custom) {
    if (type.has_status) body.erase("status");
    if (type.schema) {
      type.schema->prune(body);
      type.schema->apply_defaults(body);
    }
  } else {
    if (type.plural != "controllerrevisions") drop_nulls(body);  // its data is raw JSON
    prepare_new(type, body, now_());
    apply_defaults(type, body);
  }
  if (is_crd(type)) default_crd(body);

  Causes causes = validate_metadata(type, body);
  Causes more = type.custom ? (type.schema ? type.schema->validate(body) : Causes{}) : validate_new(type, body);
  causes.insert(causes.end(), more.begin(), more.end());
  if (!causes.empty()) return tl::unexpected(invalid(type, name_of(body), causes));
  if (find(type, ns, name_of(body))) return tl::unexpected(already_exists(type, name_of(body)));
  if (is_type(type, "", "services")) {
    if (auto ok = assign_service_addresses(body, nullptr); !ok) return tl::unexpected(ok.error());
  }
  if (is_crd(type)) establish_crd(body, now_());
  if (options.dry_run) return std::make_shared<const json::object>(std::move(body));
  return present(type, store(type, std::move(body), nullptr));
}

}  // namespace berth::sim
