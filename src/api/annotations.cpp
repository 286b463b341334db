#include "api/annotations.h"

#include <fmt/core.h>

namespace berth::api {

std::string annotation_key(std::string_view provider, std::string_view suffix) {
  return fmt::format("{}.kubernetes.io/{}", provider, suffix);
}

std::optional<BindingRecord> BindingRecord::parse(std::string_view text) {
  const auto value = parse_json(text);
  if (!value || !value->is_object()) return std::nullopt;
  const JsonObject& object = value->get_object();
  BindingRecord record;
  record.pod_uid = string_at(object, {"podUID"});
  record.wrote = string_map_at(object, {"wrote"});
  record.user = string_map_at(object, {"user"});
  if (const JsonObject* networks = find_object(object, {"networks"})) {
    for (const auto& [provider, entry] : *networks) {
      const JsonObject* network = entry.if_object();
      if (network == nullptr) continue;
      record.networks[provider] = {string_at(*network, {"rule"}), string_at(*network, {"subnet"}),
                                   string_at(*network, {"subnetUID"})};
    }
  }
  return record;
}

std::optional<BindingRecord> BindingRecord::of(const ObjectMeta& meta) {
  const auto text = meta.annotation(kBindingAnnotation);
  return text ? parse(*text) : std::nullopt;
}

std::string BindingRecord::to_string() const {
  JsonObject object;
  if (!pod_uid.empty()) object["podUID"] = pod_uid;
  if (!networks.empty()) {
    JsonObject all;
    for (const auto& [provider, n] : networks)
      all[provider] = {{"rule", n.rule}, {"subnet", n.subnet}, {"subnetUID", n.subnet_uid}};
    object["networks"] = std::move(all);
  }
  object["wrote"] = to_json(wrote);
  if (!user.empty()) object["user"] = to_json(user);
  return boost::json::serialize(object);
}

namespace {

// Of a pod that Kube-OVN put into its default subnet: its own word, which it writes where the user writes his.
bool is_word_of_kube_ovn(const ObjectMeta& meta, std::string_view key) {
  const auto slash = key.find(".kubernetes.io/");
  if (slash == std::string_view::npos) return false;
  const std::string_view provider = key.substr(0, slash);
  const std::string_view suffix = key.substr(slash + std::string_view(".kubernetes.io/").size());
  if (suffix != suffix::kLogicalSwitch && suffix != suffix::kIpAddress && suffix != suffix::kMacAddress) return false;
  return meta.annotation(annotation_key(provider, suffix::kAllocated)) == "true" &&
         meta.annotation(annotation_key(provider, suffix::kLogicalSwitch)) == kDefaultSubnet;
}

}  // namespace

std::optional<std::string> user_annotation(const ObjectMeta& meta, std::string_view key) {
  auto value = meta.annotation(key);
  if (!value) return std::nullopt;
  if (const auto record = BindingRecord::of(meta)) {
    const auto it = record->wrote.find(std::string(key));
    if (it != record->wrote.end() && it->second == *value) {
      const auto said = record->user.find(std::string(key));
      return said == record->user.end() ? std::nullopt : std::optional(said->second);
    }
  } else if (is_word_of_kube_ovn(meta, key)) {
    return std::nullopt;
  }
  return value;
}

std::optional<BindingRecord> own_record(const ObjectMeta& pod) {
  auto record = BindingRecord::of(pod);
  if (!record || record->pod_uid.empty() || record->pod_uid != pod.uid) return std::nullopt;
  return record;
}

}  // namespace berth::api
