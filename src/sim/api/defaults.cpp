#include "sim/api/defaults.h"

#include <cstdint>
#include <string>

#include "sim/api/object.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

void default_probe(json::object& container, const char* key) {
  json::value* v = container.if_contains(key);
  if (!v || !v->is_object()) return;
  json::object& probe = v->get_object();
  set_default(probe, "timeoutSeconds", 1);
  set_default(probe, "periodSeconds", 10);
  set_default(probe, "successThreshold", 1);
  set_default(probe, "failureThreshold", 3);
  if (json::value* http = probe.if_contains("httpGet"); http && http->is_object()) {
    set_default(http->get_object(), "path", "/");
    set_default(http->get_object(), "scheme", "HTTP");
  }
}

// A limit without a request is also the request.
void default_requests(json::object& container) {
  json::object& resources = ensure_object(container, "resources");
  const json::object* limits = object_at(resources, {"limits"});
  if (!limits) return;
  const json::object copy = *limits;
  for (const auto& [name, amount] : copy) set_default(ensure_object(resources, "requests"), name, amount);
}

void default_container(json::object& container) {
  set_default(container, "terminationMessagePath", "/dev/termination-log");
  set_default(container, "terminationMessagePolicy", "File");
  const std::string_view image = string_at(container, {"image"});
  const std::size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const bool latest = last.find('@') == std::string_view::npos &&
                      (last.find(':') == std::string_view::npos || last.ends_with(":latest"));
  set_default(container, "imagePullPolicy", latest ? "Always" : "IfNotPresent");
  default_requests(container);
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) default_probe(container, probe);
  if (json::value* ports = container.if_contains("ports"); ports && ports->is_array()) {
    for (json::value& p : ports->get_array()) {
      if (p.is_object()) set_default(p.get_object(), "protocol", "TCP");
    }
  }
  if (json::value* env = container.if_contains("env"); env && env->is_array()) {
    for (json::value& e : env->get_array()) {
      if (!e.is_object()) continue;
      json::value* from = e.get_object().if_contains("valueFrom");
      json::value* field = from && from->is_object() ? from->get_object().if_contains("fieldRef") : nullptr;
      if (field && field->is_object()) set_default(field->get_object(), "apiVersion", "v1");
    }
  }
}

void default_volume(json::object& volume) {
  if (volume.size() == 1) volume["emptyDir"] = json::object();
  for (const char* key : {"secret", "configMap", "projected", "downwardAPI"}) {
    json::value* source = volume.if_contains(key);
    if (source && source->is_object()) set_default(source->get_object(), "defaultMode", 420);
  }
  if (json::value* path = volume.if_contains("hostPath"); path && path->is_object()) {
    set_default(path->get_object(), "type", "");
  }
}

void default_tolerations(json::object& spec) {
  json::array& tolerations = ensure_array(spec, "tolerations");
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool there = false;
    for (const json::value& v : tolerations) {
      if (!v.is_object()) continue;
      const std::string_view k = string_at(v.get_object(), {"key"});
      const std::string_view effect = string_at(v.get_object(), {"effect"});
      if ((k == key || k.empty()) && (effect.empty() || effect == "NoExecute")) there = true;
    }
    if (there) continue;
    tolerations.emplace_back(
        json::object{{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
  }
}

void default_pod(json::object& pod) {
  json::object& spec = ensure_object(pod, "spec");
  default_pod_spec(spec);
  set_default(spec, "serviceAccountName", "default");
  set_default(spec, "serviceAccount", spec["serviceAccountName"]);
  set_default(spec, "enableServiceLinks", true);
  set_default(spec, "priority", 0);
  set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
  default_tolerations(spec);
}

void default_template(json::object& spec) {
  json::object& tmpl = ensure_object(spec, "template");
  ensure_object(tmpl, "metadata");
  default_pod_spec(ensure_object(tmpl, "spec"));
}

void default_deployment(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  set_default(spec, "replicas", 1);
  set_default(spec, "revisionHistoryLimit", 10);
  set_default(spec, "progressDeadlineSeconds", 600);
  json::object& strategy = ensure_object(spec, "strategy");
  set_default(strategy, "type", "RollingUpdate");
  if (string_at(strategy, {"type"}) == "RollingUpdate") {
    json::object& rolling = ensure_object(strategy, "rollingUpdate");
    set_default(rolling, "maxUnavailable", "25%");
    set_default(rolling, "maxSurge", "25%");
  }
  default_template(spec);
}

void default_stateful_set(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  set_default(spec, "replicas", 1);
  set_default(spec, "revisionHistoryLimit", 10);
  set_default(spec, "podManagementPolicy", "OrderedReady");
  json::object& strategy = ensure_object(spec, "updateStrategy");
  set_default(strategy, "type", "RollingUpdate");
  if (string_at(strategy, {"type"}) == "RollingUpdate")
    set_default(ensure_object(strategy, "rollingUpdate"), "partition", 0);
  json::object& retention = ensure_object(spec, "persistentVolumeClaimRetentionPolicy");
  set_default(retention, "whenDeleted", "Retain");
  set_default(retention, "whenScaled", "Retain");
  default_template(spec);
}

void default_job(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  if (!spec.if_contains("completions") && !spec.if_contains("parallelism")) spec["completions"] = 1;
  set_default(spec, "parallelism", 1);
  set_default(spec, "backoffLimit", 6);
  set_default(spec, "completionMode", "NonIndexed");
  set_default(spec, "suspend", false);
  set_default(spec, "podReplacementPolicy", "TerminatingOrFailed");
  set_default(spec, "manualSelector", false);
  default_template(spec);
  if (bool_at(spec, {"manualSelector"})) return;
  // Pods are told apart by the Job's UID; the labels are those of batch/v1.
  const std::string uid(uid_of(object));
  const std::string name(name_of(object));
  json::object& labels = ensure_object(ensure_object(spec["template"].get_object(), "metadata"), "labels");
  for (const char* key : {"controller-uid", "batch.kubernetes.io/controller-uid"}) labels[key] = uid;
  for (const char* key : {"job-name", "batch.kubernetes.io/job-name"}) labels[key] = name;
  spec["selector"] = json::object{{"matchLabels", {{"batch.kubernetes.io/controller-uid", uid}}}};
  set_default(metadata_of(object), "labels", json::object(labels));
}

void default_daemon_set(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  set_default(spec, "revisionHistoryLimit", 10);
  json::object& strategy = ensure_object(spec, "updateStrategy");
  set_default(strategy, "type", "RollingUpdate");
  if (string_at(strategy, {"type"}) == "RollingUpdate") {
    json::object& rolling = ensure_object(strategy, "rollingUpdate");
    set_default(rolling, "maxUnavailable", 1);
    set_default(rolling, "maxSurge", 0);
  }
  default_template(spec);
}

void default_service(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  set_default(spec, "type", "ClusterIP");
  set_default(spec, "sessionAffinity", "None");
  const std::string kind(string_at(spec, {"type"}));
  if (kind != "ExternalName") {
    set_default(spec, "internalTrafficPolicy", "Cluster");
    set_default(spec, "ipFamilies", json::array{"IPv4"});
    set_default(spec, "ipFamilyPolicy", "SingleStack");
  }
  if (kind == "NodePort" || kind == "LoadBalancer") set_default(spec, "externalTrafficPolicy", "Cluster");
  if (kind == "LoadBalancer") set_default(spec, "allocateLoadBalancerNodePorts", true);
  json::value* ports = spec.if_contains("ports");
  if (!ports || !ports->is_array()) return;
  for (json::value& v : ports->get_array()) {
    if (!v.is_object()) continue;
    json::object& port = v.get_object();
    set_default(port, "protocol", "TCP");
    if (const json::value* number = port.if_contains("port")) set_default(port, "targetPort", json::value(*number));
  }
}

void default_namespace(json::object& object) {
  ensure_object(object, "spec");
  // Set by the server, so that selectors can name a namespace. The name is copied: a new key may move what it refers
  // to.
  const std::string name(name_of(object));
  ensure_object(metadata_of(object), "labels")["kubernetes.io/metadata.name"] = name;
}

std::string base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > text.size() ? '=' : kAlphabet[bits >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

void default_secret(json::object& object) {
  set_default(object, "type", "Opaque");
  const json::value* plain = object.if_contains("stringData");
  if (plain && plain->is_object()) {
    const json::object copy = plain->get_object();
    for (const auto& [key, value] : copy) {
      if (value.is_string()) ensure_object(object, "data")[key] = base64(value.get_string());
    }
  }
  object.erase("stringData");
}

void default_event(json::object& object) {
  set_default(object, "type", "Normal");
  ensure_object(object, "source");
  for (const char* time : {"firstTimestamp", "lastTimestamp", "eventTime"}) {
    if (!object.if_contains(time)) object[time] = nullptr;
  }
  set_default(object, "reportingComponent", string_at(object, {"source", "component"}));
  set_default(object, "reportingInstance", string_at(object, {"source", "host"}));
}

void default_replica_set(json::object& object) {
  json::object& spec = ensure_object(object, "spec");
  set_default(spec, "replicas", 1);
  default_template(spec);
}

void default_node(json::object& object) { ensure_object(object, "spec"); }

void default_claim(json::object& object) { set_default(ensure_object(object, "spec"), "volumeMode", "Filesystem"); }

struct Defaulter {
  const char* group_resource;
  void (*run)(json::object&);
};

constexpr Defaulter kDefaulters[] = {
    {"pods", default_pod},
    {"deployments.apps", default_deployment},
    {"replicasets.apps", default_replica_set},
    {"statefulsets.apps", default_stateful_set},
    {"daemonsets.apps", default_daemon_set},
    {"jobs.batch", default_job},
    {"services", default_service},
    {"namespaces", default_namespace},
    {"secrets", default_secret},
    {"events", default_event},
    {"nodes", default_node},
    {"persistentvolumeclaims", default_claim},
};

}  // namespace

void default_pod_spec(json::object& spec) {
  set_default(spec, "restartPolicy", "Always");
  set_default(spec, "terminationGracePeriodSeconds", 30);
  set_default(spec, "dnsPolicy", "ClusterFirst");
  ensure_object(spec, "securityContext");
  set_default(spec, "schedulerName", "default-scheduler");
  if (const std::string account(string_at(spec, {"serviceAccountName"})); !account.empty()) {
    set_default(spec, "serviceAccount", account);
  } else if (const std::string old(string_at(spec, {"serviceAccount"})); !old.empty()) {
    spec["serviceAccountName"] = old;
  }
  for (const char* list : {"initContainers", "containers"}) {
    json::value* containers = spec.if_contains(list);
    if (!containers || !containers->is_array()) continue;
    for (json::value& c : containers->get_array()) {
      if (c.is_object()) default_container(c.get_object());
    }
  }
  if (json::value* volumes = spec.if_contains("volumes"); volumes && volumes->is_array()) {
    for (json::value& v : volumes->get_array()) {
      if (v.is_object()) default_volume(v.get_object());
    }
  }
}

std::string_view qos_class(const json::object& spec) {
  bool any = false;
  bool guaranteed = true;
  for (const char* list : {"initContainers", "containers"}) {
    const json::array* containers = array_at(spec, {list});
    if (!containers) continue;
    for (const json::value& v : *containers) {
      if (!v.is_object()) continue;
      for (const char* resource : {"cpu", "memory"}) {
        const json::value* request = find_at(v.get_object(), {"resources", "requests", resource});
        const json::value* limit = find_at(v.get_object(), {"resources", "limits", resource});
        any = any || request || limit;
        guaranteed = guaranteed && limit && (!request || *request == *limit);
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

void apply_defaults(const ResourceType& type, json::object& object) {
  const std::string name = type.group_resource();
  for (const Defaulter& d : kDefaulters) {
    if (name == d.group_resource) d.run(object);
  }
}

void prepare_new(const ResourceType& type, json::object& object, WallTime now) {
  const std::string name = type.group_resource();
  // Nodes and volumes come with the status that their creator saw.
  const bool keeps_status = name == "nodes" || name == "persistentvolumes";
  if (type.has_status && !keeps_status) object["status"] = json::object();
  if (name == "pods") {
    object["status"] = json::object{{"phase", "Pending"}, {"qosClass", qos_class(ensure_object(object, "spec"))}};
    const json::array* gates = array_at(object, {"spec", "schedulingGates"});
    if (gates && !gates->empty()) {
      set_condition(
          ensure_array(object["status"].get_object(), "conditions"),
          {"PodScheduled", false, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"}, now);
    }
  } else if (name == "namespaces") {
    ensure_object(object, "spec")["finalizers"] = json::array{"kubernetes"};
    object["status"] = json::object{{"phase", "Active"}};
  } else if (name == "services") {
    object["status"] = json::object{{"loadBalancer", json::object()}};
  } else if (name == "persistentvolumeclaims") {
    object["status"] = json::object{{"phase", "Pending"}};
  } else if (name == "replicasets.apps") {
    object["status"] = json::object{{"replicas", 0}};
  } else if (name == "statefulsets.apps") {
    object["status"] = json::object{{"replicas", 0}, {"availableReplicas", 0}};
  } else if (name == "poddisruptionbudgets.policy") {
    object["status"] =
        json::object{{"disruptionsAllowed", 0}, {"currentHealthy", 0}, {"desiredHealthy", 0}, {"expectedPods", 0}};
  } else if (name == "daemonsets.apps") {
    object["status"] = json::object{
        {"currentNumberScheduled", 0}, {"numberMisscheduled", 0}, {"desiredNumberScheduled", 0}, {"numberReady", 0}};
  }
}

}  // namespace berth::sim
