#include "dev/kubelet/kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "api/json.h"
#include "api/metadata.h"
#include "base/log.h"

namespace berth::dev {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

// What a pod that vanished from the API without a grace period gets.
constexpr Duration kForcedGrace = std::chrono::seconds(2);

api::Request request(api::Verb verb, api::Kind kind, std::string ns, std::string name, value body,
                     std::string subresource = {}) {
  api::Request out;
  out.verb = verb;
  out.kind = kind;
  out.ns = std::move(ns);
  out.name = std::move(name);
  out.subresource = std::move(subresource);
  out.body = std::move(body);
  return out;
}

object node_object(const KubeletOptions& options) {
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", object{{"name", options.node},
                              {"labels", object{{"kubernetes.io/hostname", options.node},
                                                {"kubernetes.io/os", "linux"},
                                                {"kubernetes.io/arch", "amd64"}}}}},
          {"spec", object{}}};
}

object node_status(const KubeletOptions& options, WallTime now) {
  const std::string time = api::format_time(now);
  const object amounts{{"cpu", "8"}, {"memory", "16Gi"}, {"pods", "250"}, {"ephemeral-storage", "100Gi"}};
  const auto condition = [&](const char* type, const char* status, const char* reason, const char* message) {
    return object{{"type", type},       {"status", status},          {"reason", reason},
                  {"message", message}, {"lastHeartbeatTime", time}, {"lastTransitionTime", time}};
  };
  return {{"addresses", array{object{{"type", "InternalIP"}, {"address", options.node_address}},
                              object{{"type", "Hostname"}, {"address", options.node}}}},
          {"capacity", amounts},
          {"allocatable", amounts},
          {"conditions",
           array{condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                           "kubelet has sufficient memory available"),
                 condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                 condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                 condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")}},
          {"nodeInfo", object{{"kubeletVersion", "v1.34.0-berth-dev"},
                              {"containerRuntimeVersion", "processes://1"},
                              {"operatingSystem", "linux"},
                              {"architecture", "amd64"},
                              {"osImage", "Berth embedded cluster"},
                              {"kernelVersion", ""},
                              {"kubeProxyVersion", ""},
                              {"machineID", options.node},
                              {"systemUUID", options.node},
                              {"bootID", ""}}}};
}

const array& conditions_of(const object& pod) {
  static const array none;
  const auto* conditions = api::find_array(pod, {"status", "conditions"});
  return conditions == nullptr ? none : *conditions;
}

bool finished(const object& pod) {
  const std::string phase = api::string_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

Kubelet::Kubelet(Scheduler& scheduler, kube::Transport& transport, Random& random, Host& host, PodNetwork& network,
                 ContainerLogs* logs, KubeletOptions options)
    : scheduler_(scheduler),
      transport_(transport),
      random_(random),
      host_(host),
      network_(network),
      logs_(logs),
      options_(std::move(options)) {}

Kubelet::~Kubelet() { *alive_ = false; }

void Kubelet::send(api::Request request, std::function<void(Result<value>)> done) {
  transport_.send(std::move(request), [alive = alive_, done = std::move(done)](Result<value> reply) {
    if (*alive) done(std::move(reply));
  });
}

void Kubelet::after(Duration delay, std::function<void()> fn) {
  scheduler_.after(delay, [alive = alive_, fn = std::move(fn)] {
    if (*alive) fn();
  });
}

void Kubelet::start() { register_node(); }

void Kubelet::register_node() {
  send(request(api::Verb::create, api::Kind::node, {}, {}, node_object(options_)), [this](const Result<value>& reply) {
    if (reply || reply.error().code == ErrorCode::already_exists) return write_node_status();
    log::warn("cannot register the node", {{"node", options_.node}, {"error", reply.error().message}});
    after(options_.api_retry, [this] { register_node(); });
  });
}

void Kubelet::write_node_status() {
  send(request(api::Verb::merge_patch, api::Kind::node, {}, options_.node,
               object{{"status", node_status(options_, scheduler_.wall_now())}}, "status"),
       [this](const Result<value>& reply) {
         if (!reply) {
           log::warn("cannot write the node's status", {{"node", options_.node}, {"error", reply.error().message}});
           return after(options_.api_retry, [this] { register_node(); });
         }
         registered_ = true;
         kube::Reflector::Options options;
         options.kind = api::Kind::pod;
         options.field_selector = "spec.nodeName=" + options_.node;
         options.backoff_first = std::chrono::milliseconds(200);
         options.backoff_cap = std::chrono::seconds(5);
         reflector_ = std::make_unique<kube::Reflector>(
             transport_, scheduler_, random_, std::move(options),
             kube::Reflector::Sink{.on_event = [this](kube::ReflectorEvent event) { on_pods(std::move(event)); },
                                   .on_error =
                                       [this](const Error& error) {
                                         log::warn("cannot follow the pods",
                                                   {{"node", options_.node}, {"error", error.message}});
                                       },
                                   .on_recovered = {}});
         reflector_->start();
       });
}

void Kubelet::on_pods(kube::ReflectorEvent event) {
  if (auto* upsert = std::get_if<kube::Upsert>(&event)) {
    if (upsert->object.is_object()) on_pod(upsert->object.get_object());
  } else if (auto* gone = std::get_if<kube::Delete>(&event)) {
    if (gone->object.is_object()) on_pod_gone(api::string_at(gone->object.get_object(), {"metadata", "uid"}));
  } else if (auto* all = std::get_if<kube::Replace>(&event)) {
    std::set<Uid> present;
    for (const auto& item : all->items) {
      if (!item.is_object()) continue;
      present.insert(api::string_at(item.get_object(), {"metadata", "uid"}));
      on_pod(item.get_object());
    }
    std::vector<Uid> absent;
    for (const auto& [uid, pod] : pods_) {
      if (!present.contains(uid)) absent.push_back(uid);
    }
    for (const auto& uid : absent) on_pod_gone(uid);
  }
}

void Kubelet::on_pod(const object& pod_object) {
  const Uid uid = api::string_at(pod_object, {"metadata", "uid"});
  const bool known = pods_.contains(uid);
  // Over before it was ours: an earlier kubelet ran it, or somebody failed it by hand.
  const bool over = !known && finished(pod_object);
  network_.pod_changed(pod_object);
  if (!known && !over) adopt(uid, pod_object);
  const auto found = pods_.find(uid);
  const bool deleting = !api::string_at(pod_object, {"metadata", "deletionTimestamp"}).empty();
  if (found == pods_.end()) {
    if (!deleting) return;
    adopt(uid, pod_object);
    pods_.at(uid).deleting = true;
    pods_.at(uid).ended = true;
    return finish(uid);
  }
  found->second.object = pod_object;
  found->second.deleting |= deleting;
  if (deleting) {
    const Duration grace =
        std::chrono::seconds(api::int_at(pod_object, {"metadata", "deletionGracePeriodSeconds"}, 30));
    found->second.worker->remove(grace);
  }
  found->second.dirty = true;
  write_status(uid);
}

void Kubelet::on_pod_gone(const Uid& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  found->second.in_api = false;
  if (found->second.ended) return forget(uid);
  found->second.worker->remove(kForcedGrace);
}

void Kubelet::adopt(const Uid& uid, const object& pod_object) {
  PodWorkerHooks hooks;
  hooks.log_file = [this](const PodSpec& pod, const std::string& container, int run) {
    return log_file(pod, container, run);
  };
  hooks.event = [this, uid](bool warning, const std::string& reason, const std::string& message) {
    record_event(uid, warning, reason, message);
  };
  hooks.status_changed = [this, uid] {
    const auto found = pods_.find(uid);
    if (found == pods_.end()) return;
    found->second.dirty = true;
    write_status(uid);
  };
  hooks.network_status = [this, uid](const std::string& text) {
    annotate(uid, "k8s.v1.cni.cncf.io/network-status", text);
  };
  hooks.ended = [this, uid] {
    const auto found = pods_.find(uid);
    if (found == pods_.end()) return;
    found->second.ended = true;
    if (logs_ != nullptr) logs_->end(found->second.worker->spec());
    // The worker must not be destroyed inside its own call.
    after(Duration::zero(), [this, uid] { finish(uid); });
  };
  Pod& pod = pods_[uid];
  pod.object = pod_object;
  pod.worker = std::make_unique<PodWorker>(scheduler_, host_, network_,
                                           PodWorkerOptions{.node_address = options_.node_address,
                                                            .node_netns = options_.node_netns,
                                                            .namespace_prefix = options_.namespace_prefix,
                                                            .timings = options_.timings},
                                           std::move(hooks), pod_object);
  if (!finished(pod_object)) pod.worker->start();
}

void Kubelet::write_status(const Uid& uid) {
  Pod& pod = pods_.at(uid);
  if (!pod.dirty || pod.writing || !pod.in_api) return;
  pod.dirty = false;
  if (finished(pod.object) && pod.written.empty()) return;  // not ours to say
  object status = pod.worker->status(conditions_of(pod.object));
  if (status == pod.written) return;
  pod.writing = true;
  const auto& spec = pod.worker->spec();
  send(request(api::Verb::merge_patch, api::Kind::pod, spec.ns, spec.name,
               object{{"metadata", object{{"uid", uid}}}, {"status", status}}, "status"),
       [this, uid, status](Result<value> reply) {
         const auto found = pods_.find(uid);
         if (found == pods_.end()) return;
         Pod& written = found->second;
         written.writing = false;
         if (reply) {
           written.written = status;
           if (reply->is_object()) written.object = std::move(reply->get_object());
         } else if (reply.error().code == ErrorCode::not_found || reply.error().code == ErrorCode::conflict) {
           written.in_api = false;  // gone, or another incarnation: the watch will say so as well
         } else {
           written.dirty = true;
           return after(options_.api_retry, [this, uid] {
             if (pods_.contains(uid)) write_status(uid);
           });
         }
         write_status(uid);
         if (written.ended) finish(uid);
       });
}

void Kubelet::finish(const Uid& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  Pod& pod = found->second;
  if (pod.writing || (pod.dirty && pod.in_api)) return;  // the answer calls again
  if (!pod.in_api) return forget(uid);
  if (!pod.deleting) return;
  if (std::exchange(pod.removing, true)) return;
  const auto& spec = pod.worker->spec();
  send(request(api::Verb::remove, api::Kind::pod, spec.ns, spec.name,
               object{{"kind", "DeleteOptions"},
                      {"apiVersion", "v1"},
                      {"gracePeriodSeconds", 0},
                      {"preconditions", object{{"uid", uid}}}}),
       [this, uid](const Result<value>& reply) {
         const auto removed = pods_.find(uid);
         if (removed == pods_.end()) return;
         removed->second.removing = false;
         // With finalizers it stays for a while: the watch tells when it has gone.
         if (reply) return;
         if (reply.error().code == ErrorCode::not_found || reply.error().code == ErrorCode::conflict)
           return forget(uid);
         after(options_.api_retry, [this, uid] { finish(uid); });
       });
}

void Kubelet::forget(const Uid& uid) {
  const auto found = pods_.find(uid);
  if (logs_ != nullptr) logs_->forget(found->second.worker->spec());
  network_.pod_gone(uid);
  pods_.erase(found);
}

void Kubelet::record_event(const Uid& uid, bool warning, const std::string& reason, const std::string& message) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const auto& spec = found->second.worker->spec();
  const std::string now = api::format_time(scheduler_.wall_now());
  auto& [name, count] = found->second.events[reason + "\n" + message];
  ++count;
  if (count > 1) {
    send(request(api::Verb::merge_patch, api::Kind::event, spec.ns, name,
                 object{{"count", count}, {"lastTimestamp", now}}),
         [](const Result<value>&) {});
    return;
  }
  name = fmt::format("{}.{:016x}", spec.name, random_());
  send(request(
           api::Verb::create, api::Kind::event, spec.ns, {},
           object{
               {"apiVersion", "v1"},
               {"kind", "Event"},
               {"metadata", object{{"name", name}, {"namespace", spec.ns}}},
               {"involvedObject",
                object{
                    {"apiVersion", "v1"}, {"kind", "Pod"}, {"namespace", spec.ns}, {"name", spec.name}, {"uid", uid}}},
               {"type", warning ? "Warning" : "Normal"},
               {"reason", reason},
               {"message", message.substr(0, 1024)},
               {"source", object{{"component", "kubelet"}, {"host", options_.node}}},
               {"reportingComponent", "kubelet"},
               {"reportingInstance", options_.node},
               {"firstTimestamp", now},
               {"lastTimestamp", now},
               {"count", 1}}),
       [reason](const Result<value>& reply) {
         // A namespace that is going takes no events: nothing to worry about.
         if (!reply) log::debug("cannot record an event", {{"reason", reason}, {"error", reply.error().message}});
       });
}

void Kubelet::annotate(const Uid& uid, const std::string& key, const std::string& text) {
  const auto& spec = pods_.at(uid).worker->spec();
  send(request(api::Verb::merge_patch, api::Kind::pod, spec.ns, spec.name,
               object{{"metadata", object{{"uid", uid}, {"annotations", object{{key, text}}}}}}),
       [key](const Result<value>& reply) {
         if (!reply) log::warn("cannot annotate a pod", {{"key", key}, {"error", reply.error().message}});
       });
}

std::string Kubelet::log_file(const PodSpec& pod, const std::string& container, int run) {
  if (options_.log_dir.empty()) return {};
  const std::string folder = fmt::format("{}/{}_{}_{}", options_.log_dir, pod.ns, pod.name, pod.uid);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return {};
  std::string file = fmt::format("{}/{}.{}.log", folder, container, run);
  if (logs_ != nullptr) logs_->begin(pod, container, run, file);
  return file;
}

}  // namespace berth::dev
