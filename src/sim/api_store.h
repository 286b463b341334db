#pragma once

// A Kubernetes-compatible object store in memory: what kube-apiserver does behind its HTTP front, without admission
// plugins, server-side apply or CEL. Plain, synchronous, single-threaded code without I/O; time and randomness are
// passed in, so a run is repeatable. It serves the simulator directly and the embedded API server under one mutex.
//
// What always holds: versions come from one counter and grow with each committed write; a stored object is never
// changed, only replaced; each write is in its resource's history before the call that made it returns.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/random.h"
#include "base/scheduler.h"
#include "sim/api/error.h"
#include "sim/api/object.h"
#include "sim/api/registry.h"
#include "sim/api/resource_type.h"
#include "sim/api/watch.h"

namespace berth::sim {

enum class PatchType { json, merge, strategic };

struct WriteOptions {
  bool dry_run = false;  // do everything but commit
};

// The query of a list, watch or deletecollection, as the query string has it.
struct ListOptions {
  std::string label_selector = {};
  std::string field_selector = {};
  std::size_t limit = 0;  // 0: no paging
  std::string continue_token = {};
};

struct ObjectList {
  std::vector<Object> items;
  std::uint64_t version = 0;        // metadata.resourceVersion of the list: a watch from here misses nothing
  std::string continue_token;       // empty on the last page
  std::size_t remaining_items = 0;  // after this page
};

enum class Propagation { background, foreground, orphan };

struct DeleteOptions {
  std::optional<std::int64_t> grace_period_seconds = {};  // pods only; 0 removes at once
  std::string uid = {};                                   // preconditions; empty: none
  std::string resource_version = {};
  std::optional<Propagation> propagation = {};
  bool dry_run = false;

  // From a DeleteOptions object; 400 if a field has a wrong type or value.
  [[nodiscard]] static ApiResult<DeleteOptions> from_object(const boost::json::object& body);
};

struct Deleted {
  bool removed = false;  // false: it waits for a grace period or for finalizers
  Object object;         // last state when removed, present state when not

  // What DELETE answers: the object, or a Status of success.
  [[nodiscard]] boost::json::object reply(const ResourceType& type) const;
};

struct WatchOptions {
  std::string label_selector = {};
  std::string field_selector = {};
  std::string resource_version = {};  // "" and "0": first an ADDED for each object there is now
  bool send_initial = false;  // ADDED for each object whatever the version, then a bookmark that says they are complete
  std::function<void()> wake = {};  // see Watch; may be empty
};

// Called for each committed write, inside it, in order. Must not call into the store.
using Observer = std::function<void(const ResourceType&, const Change&)>;

class ApiStore {
 public:
  struct Options {
    std::size_t history_limit = 8192;           // changes kept per resource for watches
    std::string service_cidr = "10.96.0.0/16";  // IPv4; Services get their clusterIP from it
    std::vector<std::string> initial_namespaces = {"default", "kube-system", "kube-public", "kube-node-lease"};
  };

  // random must outlive the store.
  ApiStore(std::function<WallTime()> now, Random& random);
  ApiStore(std::function<WallTime()> now, Random& random, Options options);
  ~ApiStore();
  ApiStore(const ApiStore&) = delete;
  ApiStore& operator=(const ApiStore&) = delete;

  // For those who share the store between threads; the store never locks it.
  [[nodiscard]] std::mutex& mutex() { return mutex_; }

  [[nodiscard]] const Registry& types() const { return registry_; }
  [[nodiscard]] std::uint64_t version() const { return version_; }

  // ns is "" for cluster-scoped types, and for "all namespaces" in list, watch and remove_collection.

  [[nodiscard]] ApiResult<Object> create(const ResourceType& type, std::string_view ns, boost::json::object body,
                                         const WriteOptions& options = {});
  [[nodiscard]] ApiResult<Object> get(const ResourceType& type, std::string_view ns, std::string_view name) const;
  [[nodiscard]] ApiResult<ObjectList> list(const ResourceType& type, std::string_view ns,
                                           const ListOptions& options = {});

  // subresource: "", "status", "finalize" (namespaces) or "scale" (body and answer are autoscaling/v1 Scale objects).
  [[nodiscard]] ApiResult<Object> update(const ResourceType& type, std::string_view ns, std::string_view name,
                                         boost::json::object body, std::string_view subresource = {},
                                         const WriteOptions& options = {});
  [[nodiscard]] ApiResult<Object> patch(const ResourceType& type, std::string_view ns, std::string_view name,
                                        PatchType kind, const boost::json::value& patch,
                                        std::string_view subresource = {}, const WriteOptions& options = {});

  [[nodiscard]] ApiResult<Deleted> remove(const ResourceType& type, std::string_view ns, std::string_view name,
                                          const DeleteOptions& options = {});
  // The objects as they were when deletion was asked for.
  [[nodiscard]] ApiResult<std::vector<Object>> remove_collection(const ResourceType& type, std::string_view ns,
                                                                 const ListOptions& selection,
                                                                 const DeleteOptions& options);

  // GET of a subresource: the object itself for status, a Scale for scale.
  [[nodiscard]] ApiResult<Object> get_subresource(const ResourceType& type, std::string_view ns, std::string_view name,
                                                  std::string_view subresource) const;

  // POST to a pod's subresource: "binding" (body is a v1 Binding) or "eviction" (policy/v1 Eviction;
  // PodDisruptionBudgets are not consulted). The answer is a Status of success.
  [[nodiscard]] ApiResult<boost::json::object> create_subresource(const ResourceType& type, std::string_view ns,
                                                                  std::string_view name, std::string_view subresource,
                                                                  const boost::json::object& body);

  [[nodiscard]] ApiResult<std::unique_ptr<Watch>> watch(const ResourceType& type, std::string_view ns,
                                                        WatchOptions options);

  // Forgets all history: every watch that has not yet read it ends with 410, and so do watches from older versions.
  void forget_history();

  using ObserverId = std::uint64_t;
  ObserverId observe(Observer observer);
  void stop_observing(ObserverId id);

 private:
  struct Table;
  struct Page;

  // Null if the type is not served any more.
  [[nodiscard]] Table* table_of(const ResourceType& type) const;
  [[nodiscard]] Object find(const ResourceType& type, std::string_view ns,
                            std::string_view name) const;  // null if absent
  [[nodiscard]] std::vector<Object> select(const Table& table, const Selection& selection) const;
  [[nodiscard]] ApiResult<ObjectList> next_page(const ResourceType& type, std::string_view token, std::size_t limit);

  [[nodiscard]] ApiResult<void> check_namespace(const ResourceType& type, std::string_view ns,
                                                const boost::json::object& body) const;
  [[nodiscard]] ApiResult<void> complete_new(const ResourceType& type, std::string_view ns, boost::json::object& body);
  [[nodiscard]] ApiResult<void> assign_service_addresses(boost::json::object& service,
                                                         const boost::json::object* old) const;
  [[nodiscard]] std::string new_uid();
  [[nodiscard]] std::string random_suffix();

  // The write that update and patch have in common: next is the whole object asked for.
  [[nodiscard]] ApiResult<Object> replace(const ResourceType& type, const Object& old, boost::json::object next,
                                          std::string_view subresource, const WriteOptions& options);
  [[nodiscard]] ApiResult<Object> replace_scale(const ResourceType& type, const Object& old,
                                                const boost::json::object& scale, const WriteOptions& options);
  [[nodiscard]] ApiResult<boost::json::object> bind(const ResourceType& type, const Object& pod,
                                                    const boost::json::object& binding);

  [[nodiscard]] ApiResult<Deleted> remove_object(const ResourceType& type, const Object& object,
                                                 const DeleteOptions& options);
  [[nodiscard]] bool ready_to_vanish(const ResourceType& type, const boost::json::object& object) const;

  // Commits. object is what is stored, with the next version; drop() takes it away.
  Object store(const ResourceType& type, boost::json::object object, const Object& previous);
  Object drop(const ResourceType& type, const Object& object);
  void publish(const ResourceType& type, Change change);
  void crd_stored(const boost::json::object& crd);
  void crd_dropped(const boost::json::object& crd);
  void remove_instances(const boost::json::object& crd);
  void finish_crd_of(const ResourceType& type);

  std::mutex mutex_;
  std::function<WallTime()> now_;
  Random& random_;
  Options options_;
  Registry registry_;
  std::uint64_t version_ = 0;
  std::map<std::string, std::unique_ptr<Table>, std::less<>> tables_;  // by group_resource()
  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;               // snapshots that continue tokens point into
  std::uint64_t next_page_ = 1;
  std::map<ObserverId, Observer> observers_;
  ObserverId next_observer_ = 1;
  bool notifying_ = false;
};

}  // namespace berth::sim
