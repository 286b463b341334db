#include "scenarios/runner/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "api/json.h"
#include "api/yaml.h"
#include "scenarios/runner/match.h"

namespace berth::scenarios {
namespace {

using Names = std::set<std::string, std::less<>>;

// In functions, because scenarios are read before main() to be registered as tests.
const Names& verbs() {
  static const Names names{"apply", "patch", "delete", "rejected", "see", "stays", "remember", "controller"};
  return names;
}

// What may be expected (`see`, `stays`), with the keys that may stand beside it.
const std::map<std::string, Names, std::less<>>& expectations() {
  static const std::map<std::string, Names, std::less<>> forms{
      {"object", {"metadata", "spec", "status", "data", "annotations", "labels", "conditions"}},
      {"absent", {}},
      {"bound", {"in", "subnet", "count", "network"}},
      {"event", {"reason", "type", "message", "count"}},
      {"no-event", {"reason", "type", "message", "count"}},
      {"row", {"where", "has", "count"}},
      {"no-row", {"where"}},
      {"metric", {"value"}},
      {"differ", {}},
  };
  return forms;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
  });
}

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Result<Scenario> read(const json::value& document) {
    const json::object* object = document.if_object();
    if (object == nullptr) return bad("must be a map with scenario, claim and steps");
    Scenario out;
    out.file = file_;
    out.name = name_ = api::string_at(*object, {"scenario"});
    out.claim = api::string_at(*object, {"claim"});
    out.alone = api::bool_at(*object, {"alone"});
    if (!is_name(out.name)) return bad("`scenario` needs a name of a-z, 0-9 and -");
    if (out.claim.empty() || out.claim.find('\n') != std::string::npos) return bad("`claim` needs one line");
    for (const auto& entry : *object) {
      static const std::set<std::string, std::less<>> kKeys{"scenario", "claim", "alone", "steps"};
      if (!kKeys.contains(entry.key())) return bad(fmt::format("unknown key {}", std::string_view(entry.key())));
    }
    const json::array* steps = api::find_array(*object, {"steps"});
    if (steps == nullptr) return bad("`steps` needs a list");
    bool sees = false;
    for (const json::value& step : *steps) {
      if (auto problem = check_step(step)) return bad(fmt::format("step {}: {}", out.steps.size() + 1, *problem));
      out.steps.push_back(step.get_object());
      sees |= step.get_object().contains("see");
      if (step.get_object().contains("controller") && !out.alone) return bad("`controller` needs `alone: true`");
    }
    if (!sees) return bad("nothing is to be seen (no step `see`)");
    return out;
  }

 private:
  tl::unexpected<Error> bad(const std::string& what) const {
    return fail(ErrorCode::invalid, fmt::format("{}: {}{}{}", file_, name_, name_.empty() ? "" : ": ", what));
  }

  static std::optional<std::string> check_step(const json::value& step) {
    const json::object* object = step.if_object();
    if (object == nullptr) return "must be a map";
    std::string verb;
    for (const auto& entry : *object) {
      const std::string_view key = entry.key();
      if (key == "within") continue;
      if (key == "for" && object->contains("stays")) continue;
      if (key == "message" && object->contains("rejected")) continue;
      if (key == "times" && (object->contains("apply") || object->contains("delete"))) {
        if (!entry.value().is_int64() || entry.value().get_int64() < 1) return "times: needs a number";
        continue;
      }
      if (!verbs().contains(key)) return fmt::format("unknown verb {}", key);
      if (!verb.empty()) return fmt::format("{} and {}: a step has one verb", verb, key);
      verb = key;
    }
    if (verb.empty()) return "has no verb";
    const json::value& content = object->at(verb);
    if (verb == "see" || verb == "stays") return check_expectations(content);
    if (verb == "controller") {
      static const std::set<std::string_view> kOrders{"stop", "start", "kill"};
      if (!content.is_string() || !kOrders.contains(content.get_string())) return "controller: stop, start or kill";
    }
    return std::nullopt;
  }

  static std::optional<std::string> check_expectations(const json::value& content) {
    const json::array* list = content.if_array();
    if (list == nullptr || list->empty()) return "needs a list of what is to be seen";
    for (const json::value& item : *list) {
      const json::object* object = item.if_object();
      if (object == nullptr) return "what is to be seen must be a map";
      std::string_view form;
      for (const auto& entry : *object) {
        if (expectations().contains(entry.key())) form = entry.key();
      }
      if (form.empty()) return fmt::format("unknown expectation {}", json::serialize(item));
      for (const auto& entry : *object) {
        const bool known = entry.key() == form || expectations().find(form)->second.contains(entry.key());
        if (!known) return fmt::format("{}: unknown key {}", form, std::string_view(entry.key()));
      }
      if (auto problem = malformed(item)) return problem;
    }
    return std::nullopt;
  }

  const std::string& file_;
  std::string name_;
};

}  // namespace

Result<std::vector<Scenario>> parse_scenarios(std::string_view text, const std::string& file) {
  const auto documents = api::parse_yaml(text);
  if (!documents) return fail(documents.error().with_context(file));
  std::vector<Scenario> out;
  for (const json::value& document : *documents) {
    auto scenario = Reader(file).read(document);
    if (!scenario) return fail(scenario.error());
    out.push_back(std::move(*scenario));
  }
  return out;
}

Result<std::vector<Scenario>> load_scenarios(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Scenario> out;
  std::map<std::string, std::string> where;
  for (const auto& file : files) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    auto some = parse_scenarios(text.str(), file.filename());
    if (!some) return fail(some.error());
    for (Scenario& scenario : *some) {
      const auto [it, fresh] = where.emplace(scenario.name, scenario.file);
      if (!fresh)
        return fail(ErrorCode::invalid,
                    fmt::format("scenario {} is in {} and in {}", scenario.name, it->second, scenario.file));
      out.push_back(std::move(scenario));
    }
  }
  if (out.empty()) return fail(ErrorCode::not_found, fmt::format("no scenario in {}", folder));
  return out;
}

Result<ObjectName> parse_object_name(std::string_view text) {
  const auto parts = api::split_list(text, '/');
  const KindInfo* kind = parts.empty() ? nullptr : find_kind(parts[0]);
  if (kind == nullptr) return fail(ErrorCode::invalid, fmt::format("\"{}\": unknown kind", text));
  if (parts.size() != (kind->namespaced ? 3U : 2U)) {
    return fail(ErrorCode::invalid,
                fmt::format("\"{}\": write {}/{}name", text, kind->kind, kind->namespaced ? "namespace/" : ""));
  }
  return ObjectName{parts[0], kind->namespaced ? parts[1] : "", parts.back()};
}

const KindInfo* find_kind(std::string_view kind) {
  static const std::array<KindInfo, 21> kKinds{{
      {"Namespace", "v1", "namespaces", false},
      {"Node", "v1", "nodes", false},
      {"Pod", "v1", "pods", true},
      {"ConfigMap", "v1", "configmaps", true},
      {"Secret", "v1", "secrets", true},
      {"Service", "v1", "services", true},
      {"Event", "v1", "events", true},
      {"Deployment", "apps/v1", "deployments", true},
      {"ReplicaSet", "apps/v1", "replicasets", true},
      {"StatefulSet", "apps/v1", "statefulsets", true},
      {"DaemonSet", "apps/v1", "daemonsets", true},
      {"Job", "batch/v1", "jobs", true},
      {"Lease", "coordination.k8s.io/v1", "leases", true},
      {"NetworkAttachmentDefinition", "k8s.cni.cncf.io/v1", "network-attachment-definitions", true},
      {"Subnet", "kubeovn.io/v1", "subnets", false},
      {"IP", "kubeovn.io/v1", "ips", false},
      {"IPPool", "kubeovn.io/v1", "ippools", false},
      {"Vpc", "kubeovn.io/v1", "vpcs", false},
      {"Vip", "kubeovn.io/v1", "vips", false},
      {"VirtualMachine", "kubevirt.io/v1", "virtualmachines", true},
      {"VirtualMachineInstance", "kubevirt.io/v1", "virtualmachineinstances", true},
  }};
  const auto it = std::ranges::find(kKinds, kind, &KindInfo::kind);
  return it == kKinds.end() ? nullptr : &*it;
}

}  // namespace berth::scenarios
