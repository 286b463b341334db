#include "dev/controllers/garbage_collector.h"

#include <boost/json/array.hpp>

#include "sim/api/object.h"

namespace berth::dev {

namespace json = boost::json;
using sim::string_at;

namespace {

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

template <typename Fn>
void each_owner(const json::object& object, Fn fn) {
  const json::array* owners = sim::array_at(object, {"metadata", "ownerReferences"});
  if (!owners) return;
  for (const json::value& v : *owners) {
    if (v.is_object()) fn(v.get_object());
  }
}

bool ends_dependents_first(const json::object& object) {
  return sim::is_terminating(object) && sim::has_finalizer(object, kForeground);
}

bool blocks(const json::object& dependent, std::string_view owner_uid) {
  bool blocking = false;
  each_owner(dependent, [&](const json::object& owner) {
    blocking = blocking || (string_at(owner, {"uid"}) == owner_uid && sim::bool_at(owner, {"blockOwnerDeletion"}));
  });
  return blocking;
}

}  // namespace

struct GarbageCollector::Owners {
  bool any = false;
  bool solid = false;              // one is there and is not waiting for its dependents
  std::set<std::string> dangling;  // UIDs of those that are gone
  std::set<std::string> waiting;   // UIDs of those that wait for their dependents to end
};

void GarbageCollector::index(const Key& key, const sim::Change& change) {
  const auto forget = [&](const json::object& object) {
    each_owner(object, [&](const json::object& owner) {
      const auto found = dependents_.find(string_at(owner, {"uid"}));
      if (found == dependents_.end()) return;
      found->second.erase(key);
      if (found->second.empty()) dependents_.erase(found);
    });
    const auto node = pods_on_node_.find(string_at(object, {"spec", "nodeName"}));
    if (key.resource == "pods" && node != pods_on_node_.end()) node->second.erase(key);
  };
  if (change.previous) forget(*change.previous);
  if (change.type == sim::Change::Type::deleted) {
    by_uid_.erase(std::string(sim::uid_of(*change.object)));
    return;
  }
  by_uid_.insert_or_assign(std::string(sim::uid_of(*change.object)), key);
  each_owner(*change.object,
             [&](const json::object& owner) { dependents_[std::string(string_at(owner, {"uid"}))].insert(key); });
  if (key.resource == "pods") {
    if (const std::string node(string_at(*change.object, {"spec", "nodeName"})); !node.empty())
      pods_on_node_[node].insert(key);
  }
}

void GarbageCollector::on_change(const sim::ResourceType& type, const sim::Change& change, std::vector<Key>& dirty) {
  const Key key = key_of(type, *change.object);
  index(key, change);
  const auto mark_all = [&](const std::map<std::string, std::set<Key>, std::less<>>& sets, std::string_view name) {
    if (const auto found = sets.find(name); found != sets.end())
      dirty.insert(dirty.end(), found->second.begin(), found->second.end());
  };
  if (change.type == sim::Change::Type::deleted) {
    mark_all(dependents_, sim::uid_of(*change.object));
    // An owner that waits for its dependents has one less to wait for.
    each_owner(*change.object, [&](const json::object& owner) {
      if (const auto found = by_uid_.find(string_at(owner, {"uid"})); found != by_uid_.end())
        dirty.push_back(found->second);
    });
    if (key.resource == "nodes") {
      lost_nodes_.insert(key.name);
      mark_all(pods_on_node_, key.name);
    }
    return;
  }
  if (key.resource == "nodes") lost_nodes_.erase(key.name);
  bool owned = false;
  each_owner(*change.object, [&](const json::object&) { owned = true; });
  if (owned || sim::is_terminating(*change.object)) dirty.push_back(key);
  // A dependent that was let go of, or no longer blocks, may free its owner.
  if (change.previous && sim::array_at(*change.previous, {"metadata", "ownerReferences"})) {
    each_owner(*change.previous, [&](const json::object& owner) {
      if (const auto found = by_uid_.find(string_at(owner, {"uid"})); found != by_uid_.end())
        dirty.push_back(found->second);
    });
  }
}

std::optional<Duration> GarbageCollector::reconcile(const Key& key) {
  const sim::TypePtr type = cluster_.type_of(key.resource);
  const sim::Object object = type ? cluster_.get(*type, key.ns, key.name) : nullptr;
  if (!object) return std::nullopt;
  if (sim::is_terminating(*object) && sim::has_finalizer(*object, kOrphan)) {
    orphan_dependents(*type, *object);
  } else if (ends_dependents_first(*object)) {
    end_dependents(*type, *object);
  } else if (!sim::is_terminating(*object)) {
    collect(*type, *object);
  }
  if (key.resource == "pods") {
    const std::string_view node = string_at(*object, {"spec", "nodeName"});
    // No kubelet will ever say that such a pod has ended.
    const bool lost = lost_nodes_.contains(node) ||
                      (!node.empty() && sim::is_terminating(*object) && !cluster_.get(cluster_.nodes(), "", node));
    if (lost) cluster_.remove(*type, *object, {.grace_period_seconds = 0});
  }
  return std::nullopt;
}

std::vector<std::pair<sim::TypePtr, sim::Object>> GarbageCollector::dependents_of(std::string_view uid) const {
  std::vector<std::pair<sim::TypePtr, sim::Object>> out;
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return out;
  for (const Key& key : found->second) {
    const sim::TypePtr type = cluster_.type_of(key.resource);
    if (const sim::Object object = cluster_.get(key)) out.emplace_back(type, object);
  }
  return out;
}

GarbageCollector::Owners GarbageCollector::sort_owners(const json::object& object) const {
  Owners owners;
  each_owner(object, [&](const json::object& reference) {
    owners.any = true;
    const std::string uid(string_at(reference, {"uid"}));
    const auto found = by_uid_.find(uid);
    const sim::Object owner = found == by_uid_.end() ? nullptr : cluster_.get(found->second);
    // An owner of another namespace is none.
    if (!owner || (!found->second.ns.empty() && found->second.ns != sim::namespace_of(object))) {
      owners.dangling.insert(uid);
    } else if (ends_dependents_first(*owner)) {
      owners.waiting.insert(uid);
    } else {
      owners.solid = true;
    }
  });
  return owners;
}

void GarbageCollector::collect(const sim::ResourceType& type, const json::object& object) {
  const Owners owners = sort_owners(object);
  if (!owners.any) return;
  if (owners.solid) {
    std::set<std::string> gone = owners.dangling;
    gone.insert(owners.waiting.begin(), owners.waiting.end());
    if (!gone.empty()) drop_references(type, object, gone);
    return;
  }
  // The last owner is gone or waits: this one ends too, and its own dependents first if the owner waits.
  const bool has_dependents = dependents_.contains(sim::uid_of(object));
  const bool foreground = sim::has_finalizer(object, kForeground) || (!owners.waiting.empty() && has_dependents);
  const auto policy = sim::has_finalizer(object, kOrphan) ? sim::Propagation::orphan
                      : foreground                        ? sim::Propagation::foreground
                                                          : sim::Propagation::background;
  cluster_.remove(type, object, {.propagation = policy});
}

void GarbageCollector::drop_references(const sim::ResourceType& type, const json::object& object,
                                       const std::set<std::string>& uids) {
  json::array kept;
  each_owner(object, [&](const json::object& owner) {
    if (!uids.contains(std::string(string_at(owner, {"uid"})))) kept.emplace_back(owner);
  });
  json::value references = kept.empty() ? json::value() : json::value(std::move(kept));
  cluster_.patch(type, object, {{"metadata", {{"ownerReferences", std::move(references)}}}});
}

void GarbageCollector::orphan_dependents(const sim::ResourceType& type, const json::object& owner) {
  const std::string uid(sim::uid_of(owner));
  for (const auto& [dependent_type, dependent] : dependents_of(uid))
    drop_references(*dependent_type, *dependent, {uid});
  json::object next = owner;
  sim::remove_finalizer(next, kOrphan);
  const json::array* left = sim::array_at(next, {"metadata", "finalizers"});
  cluster_.patch(type, owner, {{"metadata", {{"finalizers", left ? json::value(*left) : json::value()}}}});
}

void GarbageCollector::end_dependents(const sim::ResourceType& type, const json::object& owner) {
  const std::string_view uid = sim::uid_of(owner);
  bool blocked = false;
  for (const auto& [dependent_type, dependent] : dependents_of(uid)) {
    if (!sim::is_terminating(*dependent)) collect(*dependent_type, *dependent);
    const sim::Object left = cluster_.get(key_of(*dependent_type, *dependent));
    blocked = blocked || (left && sim::uid_of(*left) == sim::uid_of(*dependent) && blocks(*left, uid));
  }
  if (blocked) return;
  json::object next = owner;
  sim::remove_finalizer(next, kForeground);
  const json::array* left = sim::array_at(next, {"metadata", "finalizers"});
  cluster_.patch(type, owner, {{"metadata", {{"finalizers", left ? json::value(*left) : json::value()}}}});
}

}  // namespace berth::dev
