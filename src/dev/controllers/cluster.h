#pragma once

// The store as controllers use it: types at hand, nulls for what is absent, status writes and events made short.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "dev/controllers/controller.h"
#include "sim/api_store.h"

namespace berth::dev {

class Cluster {
 public:
  // Both must outlive it. Used only under the store's serialisation.
  Cluster(sim::ApiStore& store, const Scheduler& scheduler);

  [[nodiscard]] WallTime now() const { return scheduler_.wall_now(); }
  [[nodiscard]] const sim::Registry& types() const { return store_.types(); }

  [[nodiscard]] const sim::ResourceType& pods() const { return *pods_; }
  [[nodiscard]] const sim::ResourceType& nodes() const { return *nodes_; }
  [[nodiscard]] const sim::ResourceType& namespaces() const { return *namespaces_; }
  [[nodiscard]] const sim::ResourceType& replica_sets() const { return *replica_sets_; }
  [[nodiscard]] const sim::ResourceType& deployments() const { return *deployments_; }
  [[nodiscard]] const sim::ResourceType& stateful_sets() const { return *stateful_sets_; }
  [[nodiscard]] const sim::ResourceType& controller_revisions() const { return *controller_revisions_; }
  [[nodiscard]] const sim::ResourceType& jobs() const { return *jobs_; }

  // The type behind Key::resource; null if it is not served any more.
  [[nodiscard]] sim::TypePtr type_of(std::string_view resource) const;

  [[nodiscard]] sim::Object get(const sim::ResourceType& type, std::string_view ns,
                                std::string_view name) const;  // or null
  [[nodiscard]] sim::Object get(const Key& key) const;         // or null
  [[nodiscard]] std::vector<sim::Object> list(const sim::ResourceType& type, std::string_view ns) const;

  sim::ApiResult<sim::Object> create(const sim::ResourceType& type, std::string_view ns, boost::json::object body);

  // Merge patch; the object as it is then, null if it failed (it is gone).
  sim::Object patch(const sim::ResourceType& type, const boost::json::object& object, const boost::json::object& patch);

  // Puts the whole status in place; no write if it is the same.
  void set_status(const sim::ResourceType& type, const boost::json::object& object, boost::json::object status);

  // Preconditioned on the object's UID. True if it is deleted or being deleted.
  bool remove(const sim::ResourceType& type, const boost::json::object& object, sim::DeleteOptions options = {});

  // POST to a subresource of a pod.
  bool bind(const boost::json::object& pod, std::string_view node);
  void finalize_namespace(const boost::json::object& ns);

  // A v1 Event about the object; one that says the same of the same object is counted up instead.
  void event(const boost::json::object& about, std::string_view type, std::string_view reason, std::string_view message,
             std::string_view component);

 private:
  sim::ApiStore& store_;
  const Scheduler& scheduler_;
  sim::TypePtr pods_, nodes_, namespaces_, events_, replica_sets_, deployments_, stateful_sets_, controller_revisions_,
      jobs_;
};

// "Created pod: x" and the like.
inline constexpr std::string_view kNormal = "Normal";
inline constexpr std::string_view kWarning = "Warning";

}  // namespace berth::dev
