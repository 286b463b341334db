#include "agent/node_view.h"

#include <set>
#include <utility>
#include <variant>

namespace berth::agent {
namespace {

template <typename Object>
const Object* find_in(const std::map<std::string, Object>& objects, const std::string& key) {
  const auto it = objects.find(key);
  return it == objects.end() ? nullptr : &it->second;
}

}  // namespace

template <typename Object>
void NodeView::apply(kube::ReflectorEvent event, std::map<std::string, Object>& objects, bool& listed,
                     const std::function<void(const std::string&)>& changed) {
  std::set<std::string> touched;
  const auto put = [&](const boost::json::value& value) {
    if (!value.is_object()) return;
    auto object = Object::parse(value.get_object());
    auto key = object.meta.key();
    touched.insert(key);
    objects.insert_or_assign(std::move(key), std::move(object));
  };
  bool first_list = false;
  if (const auto* replace = std::get_if<kube::Replace>(&event)) {
    for (const auto& [key, object] : objects) touched.insert(key);
    objects.clear();
    for (const auto& item : replace->items) put(item);
    first_list = !std::exchange(listed, true);
  } else if (const auto* upsert = std::get_if<kube::Upsert>(&event)) {
    put(upsert->object);
  } else if (const auto& gone = std::get<kube::Delete>(event).object; gone.is_object()) {
    auto key = api::ObjectMeta::parse(gone.get_object()).key();
    objects.erase(key);
    touched.insert(std::move(key));
  }
  if (changed) {
    for (const auto& key : touched) changed(key);
  }
  if (first_list && !missing() && observer_.on_synced) observer_.on_synced();
}

void NodeView::on_pods(kube::ReflectorEvent event) { apply(std::move(event), pods_, pods_listed_, observer_.on_pod); }

void NodeView::on_subnets(kube::ReflectorEvent event) {
  apply(std::move(event), subnets_, subnets_listed_, observer_.on_subnet);
}

void NodeView::on_nodes(kube::ReflectorEvent event) { apply(std::move(event), nodes_, nodes_listed_, {}); }

const api::Pod* NodeView::pod(const std::string& key) const { return find_in(pods_, key); }

const api::Subnet* NodeView::subnet(const std::string& name) const { return find_in(subnets_, name); }

std::optional<std::string> NodeView::missing() const {
  if (!pods_listed_) return "pods";
  if (!subnets_listed_) return "subnets";
  if (!nodes_listed_) return "node";
  return std::nullopt;
}

}  // namespace berth::agent
