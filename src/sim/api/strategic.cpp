// Follows apimachinery/pkg/util/strategicpatch, including the places that it gives to new items of a merged list.

#include <fmt/core.h>

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "sim/api/object.h"
#include "sim/api/patch.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeleteFromList = "$deleteFromPrimitiveList/";
constexpr std::string_view kSetOrder = "$setElementOrder/";

// The lists that are merged (patchStrategy and patchMergeKey in the Kubernetes API); every other list is replaced.
struct MergedList {
  std::string_view type;    // group_resource, or empty: any
  std::string_view parent;  // the field that the list's object stands under, or empty: any
  std::string_view field;
  std::string_view key;  // empty: a list of scalars
};

constexpr MergedList kMergedLists[] = {
    {"", "metadata", "ownerReferences", "uid"},
    {"", "metadata", "finalizers", ""},
    {"", "status", "conditions", "type"},
    {"", "spec", "containers", "name"},
    {"", "spec", "initContainers", "name"},
    {"", "spec", "ephemeralContainers", "name"},
    {"", "spec", "volumes", "name"},
    {"", "spec", "imagePullSecrets", "name"},
    {"", "spec", "hostAliases", "ip"},
    {"", "spec", "topologySpreadConstraints", "topologyKey"},
    {"", "spec", "schedulingGates", "name"},
    {"", "spec", "resourceClaims", "name"},
    {"", "containers", "env", "name"},
    {"", "containers", "ports", "containerPort"},
    {"", "containers", "volumeMounts", "mountPath"},
    {"", "containers", "volumeDevices", "devicePath"},
    {"", "initContainers", "env", "name"},
    {"", "initContainers", "ports", "containerPort"},
    {"", "initContainers", "volumeMounts", "mountPath"},
    {"", "initContainers", "volumeDevices", "devicePath"},
    {"pods", "status", "podIPs", "ip"},
    {"pods", "status", "hostIPs", "ip"},
    {"pods", "status", "resourceClaimStatuses", "name"},
    {"nodes", "status", "addresses", "type"},
    {"nodes", "spec", "podCIDRs", ""},
    {"services", "spec", "ports", "port"},
    {"serviceaccounts", "", "secrets", "name"},
    {"serviceaccounts", "", "imagePullSecrets", "name"},
    {"validatingwebhookconfigurations.admissionregistration.k8s.io", "", "webhooks", "name"},
    {"mutatingwebhookconfigurations.admissionregistration.k8s.io", "", "webhooks", "name"},
};

template <typename T = void>
using Outcome = ApiResult<T>;

// kube-apiserver answers most malformed strategic patches with 500.
tl::unexpected<ApiError> malformed(std::string message) { return tl::unexpected(internal(std::move(message))); }

class Merger {
 public:
  explicit Merger(const ResourceType& type) : type_(type.group_resource()) {}

  // Puts patch onto object; field is the name that both stand under ("" at the top).
  Outcome<> merge(json::object& object, json::object patch, std::string_view field) const {
    if (const json::value* directive = patch.if_contains(kPatch)) {
      const std::string_view what = directive->is_string() ? std::string_view(directive->get_string()) : "";
      if (what == "replace") {
        patch.erase(kPatch);
        object = std::move(patch);
        return {};
      }
      if (what == "delete") {
        object.clear();
        return {};
      }
      if (what != "merge") return malformed(fmt::format("unknown patch type: {}", json::serialize(*directive)));
      patch.erase(kPatch);
    }
    if (auto ok = retain_keys(object, patch); !ok) return ok;
    if (auto ok = merge_ordered_lists(object, patch, field); !ok) return ok;
    for (const auto& [key, value] : patch) {
      if (auto ok = merge_field(object, key, value, field); !ok) return ok;
    }
    return {};
  }

 private:
  [[nodiscard]] const MergedList* merged_list(std::string_view field, std::string_view parent) const {
    for (const MergedList& m : kMergedLists) {
      if (m.field == field && (m.type.empty() || m.type == type_) && (m.parent.empty() || m.parent == parent))
        return &m;
    }
    return nullptr;
  }

  // What a patch value is when there is nothing to merge it into: no nulls, no directives. Items that ask for a
  // deletion are left out, except inside an item that is new to its list: there kube-apiserver keeps what is left of
  // them.
  enum class Deletions { drop, keep };

  static json::value plain(const json::value& value, Deletions deletions = Deletions::drop) {
    if (const json::object* object = value.if_object()) {
      json::object out;
      for (const auto& [key, v] : *object) {
        if (!v.is_null() && !std::string_view(key).starts_with('$')) out.emplace(key, plain(v, deletions));
      }
      return out;
    }
    if (const json::array* list = value.if_array()) {
      json::array out;
      for (const json::value& v : *list) {
        const json::object* item = v.if_object();
        const bool removes = deletions == Deletions::drop && item && string_at(*item, {kPatch}) == "delete";
        const bool only_directive = item && item->size() == 1 && item->contains(kPatch);
        if (!removes && !only_directive) out.push_back(plain(v, deletions));
      }
      return out;
    }
    return value;
  }

  static Outcome<> retain_keys(json::object& object, json::object& patch) {
    const json::value* keep = patch.if_contains(kRetainKeys);
    if (!keep) return {};
    const json::array* names = keep->if_array();
    if (!names) return malformed("invalid patch format of retainKeys");
    const auto kept = [&](std::string_view key) {
      return std::any_of(names->begin(), names->end(),
                         [&](const json::value& n) { return n.is_string() && n.get_string() == key; });
    };
    json::object out;
    for (auto& [key, value] : object) {
      if (kept(key)) out.emplace(key, std::move(value));
    }
    object = std::move(out);
    patch.erase(kRetainKeys);
    return {};
  }

  Outcome<> merge_field(json::object& object, std::string_view key, const json::value& value,
                        std::string_view parent) const {
    if (key.starts_with(kDeleteFromList)) return delete_from_list(object, key.substr(kDeleteFromList.size()), value);
    if (value.is_null()) {
      object.erase(key);
      return {};
    }
    json::value* target = object.if_contains(key);
    if (!target || target->kind() != value.kind()) {
      object[key] = plain(value);
      return {};
    }
    if (value.is_object()) return merge(target->get_object(), value.get_object(), key);
    const MergedList* list = value.is_array() ? merged_list(key, parent) : nullptr;
    if (!list) {
      *target = value;
      return {};
    }
    auto merged = merge_list(target->get_array(), value.get_array(), *list);
    if (!merged) return tl::unexpected(merged.error());
    *target = std::move(*merged);
    return {};
  }

  static Outcome<> delete_from_list(json::object& object, std::string_view field, const json::value& value) {
    const json::array* gone = value.if_array();
    if (!gone) return malformed("invalid patch format of primitive list");
    json::value* target = object.if_contains(field);
    if (!target || !target->is_array()) return {};
    json::array kept;
    for (const json::value& v : target->get_array()) {
      if (std::find(gone->begin(), gone->end(), v) == gone->end()) kept.push_back(v);
    }
    *target = std::move(kept);
    return {};
  }

  // Lists with a $setElementOrder are merged first, put in that order, and taken out of the patch.
  Outcome<> merge_ordered_lists(json::object& object, json::object& patch, std::string_view parent) const {
    std::vector<std::string> directives;
    for (const auto& [key, value] : patch) {
      if (std::string_view(key).starts_with(kSetOrder)) directives.emplace_back(key);
    }
    for (const std::string& directive : directives) {
      const json::value order = patch[directive];
      patch.erase(directive);
      if (!order.is_array()) return malformed("invalid patch format of setElementOrder list");
      const std::string field = directive.substr(kSetOrder.size());
      const json::value* there = object.if_contains(field);
      const json::value* change = patch.if_contains(field);
      if (change && change->is_null()) continue;  // the whole list goes
      const json::array original = there && there->is_array() ? there->get_array() : json::array();
      const MergedList* list = merged_list(field, parent);
      if (!list) continue;
      json::array merged = original;
      if (change && change->is_array()) {
        if (there && there->is_array()) {
          auto result = merge_list(original, change->get_array(), *list);
          if (!result) return tl::unexpected(result.error());
          merged = std::move(*result);
        } else {
          merged = plain(*change).get_array();
        }
      } else if (!there) {
        continue;
      }
      patch.erase(field);
      object[field] = arrange(merged, order.get_array(), original, list->key);
    }
    return {};
  }

  // The item's identity in a merged list.
  static const json::value* identity(const json::value& item, std::string_view key) {
    if (key.empty()) return &item;
    const json::object* object = item.if_object();
    return object ? object->if_contains(key) : nullptr;
  }

  static std::ptrdiff_t index_in(const json::array& list, const json::value& item, std::string_view key) {
    const json::value* id = identity(item, key);
    const auto at = std::find_if(list.begin(), list.end(), [&](const json::value& v) {
      const json::value* other = identity(v, key);
      return id && other && *id == *other;
    });
    return at == list.end() ? -1 : at - list.begin();
  }

  // Items that `order` names come in that order; the others keep their order in `original`, and go before the first
  // named item that stood behind them there.
  static json::array arrange(const json::array& merged, const json::array& order, const json::array& original,
                             std::string_view key) {
    std::vector<json::value> named;
    std::vector<json::value> others;
    for (const json::value& v : merged) (index_in(order, v, key) >= 0 ? named : others).push_back(v);
    const auto by = [&](const json::array& list) {
      return [&list, key](const json::value& a, const json::value& b) {
        return index_in(list, a, key) < index_in(list, b, key);
      };
    };
    std::stable_sort(named.begin(), named.end(), by(order));
    std::stable_sort(others.begin(), others.end(), by(original));
    json::array out;
    auto left = others.begin();
    auto right = named.begin();
    while (left != others.end() && right != named.end()) {
      const std::ptrdiff_t l = index_in(original, *left, key);
      const std::ptrdiff_t r = index_in(original, *right, key);
      out.push_back(l >= 0 && r >= 0 && l < r ? *left++ : *right++);
    }
    out.insert(out.end(), left, others.end());
    out.insert(out.end(), right, named.end());
    return out;
  }

  Outcome<json::array> merge_list(const json::array& original, const json::array& patch, const MergedList& list) const {
    json::array merged = original;
    json::array items;  // of the patch, less directives
    bool replace = false;
    for (const json::value& v : patch) {
      if (list.key.empty()) {
        if (index_in(merged, v, "") < 0) merged.push_back(v);
        items.push_back(v);
        continue;
      }
      const json::object* item = v.if_object();
      if (!item)
        return malformed(fmt::format("delete patch type with no merge key defined: {} is no object", list.field));
      const std::string_view directive = string_at(*item, {kPatch});
      if (directive == "replace") {
        replace = true;
        if (item->contains(list.key)) items.push_back(plain(v));
        continue;
      }
      if (!item->contains(list.key)) {
        return malformed(fmt::format("map: {} does not contain declared merge key: {}", json::serialize(v), list.key));
      }
      if (directive == "delete") {
        if (const auto at = index_in(merged, v, list.key); at >= 0) merged.erase(merged.begin() + at);
        continue;
      }
      if (!directive.empty() && directive != "merge")
        return malformed(fmt::format("unknown patch type: {}", directive));
      items.push_back(v);
    }
    if (replace) return plain(items, Deletions::keep).get_array();
    if (!list.key.empty()) {
      for (const json::value& v : items) {
        const auto at = index_in(merged, v, list.key);
        if (at < 0) {
          merged.push_back(plain(v, Deletions::keep));
        } else if (auto ok = merge(merged[static_cast<std::size_t>(at)].get_object(), v.get_object(), list.field);
                   !ok) {
          return tl::unexpected(ok.error());
        }
      }
    }
    return arrange(merged, items, original, list.key);
  }

  std::string type_;
};

}  // namespace

ApiResult<json::object> strategic_merge_patch(json::object document, const json::object& patch,
                                              const ResourceType& type) {
  if (auto ok = Merger(type).merge(document, patch, ""); !ok) return tl::unexpected(ok.error());
  return document;
}

}  // namespace berth::sim
