#include "dev/demo/expectation.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "api/json.h"

namespace berth::dev {

namespace {

using api::JsonArray;
using api::JsonObject;
using api::JsonValue;
using Labels = std::map<std::string, std::string>;

struct ClaimingSubnet {
  MeantSubnet meant;
  std::vector<std::string> namespaces;
  std::vector<Labels> selectors;
  bool room = false;
};

ClaimingSubnet read_subnet(const JsonObject& object) {
  ClaimingSubnet subnet;
  subnet.meant.name = api::string_at(object, {"metadata", "name"});
  subnet.meant.prefixes = parse_prefixes(api::string_at(object, {"spec", "cidrBlock"}));
  subnet.meant.gateways = api::split_list(api::string_at(object, {"spec", "gateway"}));
  subnet.namespaces = api::strings_at(object, {"spec", "namespaces"});
  if (const JsonArray* selectors = api::find_array(object, {"spec", "namespaceSelectors"})) {
    for (const JsonValue& selector : *selectors) {
      if (selector.is_object()) subnet.selectors.push_back(api::string_map_at(selector.get_object(), {"matchLabels"}));
    }
  }
  std::vector<std::string> excluded = api::strings_at(object, {"spec", "excludeIps"});
  excluded.insert(excluded.end(), subnet.meant.gateways.begin(), subnet.meant.gateways.end());
  subnet.room = std::ranges::any_of(subnet.meant.prefixes, [&](const Prefix& p) { return has_room(p, excluded); });
  return subnet;
}

bool selects(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

bool claims(const ClaimingSubnet& subnet, const std::string& ns, const Labels& labels) {
  return std::ranges::find(subnet.namespaces, ns) != subnet.namespaces.end() ||
         std::ranges::any_of(subnet.selectors, [&](const Labels& selector) { return selects(selector, labels); });
}

// "… ip route add|replace DESTINATION via GATEWAY …" in a hook's script.
std::optional<MeantRoute> route_in(const std::string& script) {
  std::istringstream words(script);
  std::vector<std::string> last;
  for (std::string word; words >> word; last.push_back(word)) {
    if (last.size() < 5) continue;
    const auto* tail = &last[last.size() - 5];
    const bool adds = tail[2] == "add" || tail[2] == "replace";
    if (tail[0] == "ip" && tail[1] == "route" && adds && tail[4] == "via") return MeantRoute{tail[3], word};
  }
  return std::nullopt;
}

void read_hooks(const JsonObject& pod_spec, MeantPods& pods) {
  const JsonArray* containers = api::find_array(pod_spec, {"containers"});
  if (containers == nullptr) return;
  for (const JsonValue& container : *containers) {
    if (!container.is_object()) continue;
    if (api::find_object(container.get_object(), {"lifecycle", "postStart"}) == nullptr) continue;
    pods.hook = true;
    const auto words = api::strings_at(container.get_object(), {"lifecycle", "postStart", "exec", "command"});
    if (const auto route = route_in(api::join(words, " "))) pods.route = route;
  }
}

class Reader {
 public:
  Result<Expectation> read(const std::vector<JsonValue>& objects) {
    for (const JsonValue& value : objects) {
      if (!value.is_object()) continue;
      const JsonObject& object = value.get_object();
      const std::string kind = api::string_at(object, {"kind"});
      if (kind == "Subnet") subnets_.push_back(read_subnet(object));
      if (kind == "Namespace") {
        const std::string name = api::string_at(object, {"metadata", "name"});
        namespaces_[name] = api::string_map_at(object, {"metadata", "labels"});
        expectation_.namespaces.push_back(name);
      }
    }
    for (const JsonValue& value : objects) {
      if (!value.is_object()) continue;
      if (Status added = add_workload(value.get_object()); !added) return fail(std::move(added.error()));
    }
    return std::move(expectation_);
  }

 private:
  Status add_workload(const JsonObject& object) {
    const std::string kind = api::string_at(object, {"kind"});
    const bool bare = kind == "Pod";
    if (!bare && kind != "Deployment" && kind != "StatefulSet") return {};

    MeantPods pods;
    const std::string name = api::string_at(object, {"metadata", "name"});
    pods.ns = api::string_at(object, {"metadata", "namespace"});
    pods.workload = fmt::format("{}/{}", kind, name);
    if (bare) pods.pod_name = name;
    if (!bare) pods.count = static_cast<std::size_t>(api::int_at(object, {"spec", "replicas"}, 1));
    if (!bare) pods.labels = api::string_map_at(object, {"spec", "selector", "matchLabels"});

    const JsonObject* pod = bare ? &object : api::find_object(object, {"spec", "template"});
    if (pod == nullptr)
      return fail(ErrorCode::invalid, fmt::format("{} in {}: no spec.template", pods.workload, pods.ns));
    if (const JsonObject* spec = api::find_object(*pod, {"spec"})) read_hooks(*spec, pods);

    const Labels annotations = api::string_map_at(*pod, {"metadata", "annotations"});
    if (const auto asked = annotations.find("ovn.kubernetes.io/ip_address"); asked != annotations.end()) {
      pods.address = asked->second;
    }
    Result<MeantSubnet> subnet = subnet_for(pods, annotations);
    if (!subnet) return fail(std::move(subnet.error()));
    pods.subnet = std::move(*subnet);
    expectation_.pods.push_back(std::move(pods));
    return {};
  }

  Result<MeantSubnet> subnet_for(const MeantPods& pods, const Labels& annotations) {
    const auto named = annotations.find("ovn.kubernetes.io/logical_switch");
    std::vector<MeantSubnet> fitting;
    for (const ClaimingSubnet& subnet : subnets_) {
      if (named != annotations.end()) {
        if (subnet.meant.name == named->second) fitting.push_back(subnet.meant);
        continue;
      }
      if (!claims(subnet, pods.ns, namespaces_[pods.ns])) continue;
      if (pods.address ? inside(*pods.address, subnet.meant.prefixes) : subnet.room) fitting.push_back(subnet.meant);
    }
    if (fitting.size() == 1) return fitting.front();
    return fail(ErrorCode::invalid, fmt::format("{} in {}: {} Subnets of the chart could be meant, not one",
                                                pods.workload, pods.ns, fitting.size()));
  }

  Expectation expectation_;
  std::vector<ClaimingSubnet> subnets_;
  std::map<std::string, Labels> namespaces_;
};

}  // namespace

Result<Expectation> expectation_of(const std::vector<JsonValue>& objects) { return Reader().read(objects); }

}  // namespace berth::dev
