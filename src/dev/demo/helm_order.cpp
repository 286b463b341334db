#include "dev/demo/helm_order.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "api/json.h"

namespace berth::dev {

namespace {

// Both as of Helm 3.19; the second is not quite the first one backwards.
constexpr auto kInstall = std::to_array<std::string_view>({"PriorityClass",
                                                           "Namespace",
                                                           "NetworkPolicy",
                                                           "ResourceQuota",
                                                           "LimitRange",
                                                           "PodSecurityPolicy",
                                                           "PodDisruptionBudget",
                                                           "ServiceAccount",
                                                           "Secret",
                                                           "SecretList",
                                                           "ConfigMap",
                                                           "StorageClass",
                                                           "PersistentVolume",
                                                           "PersistentVolumeClaim",
                                                           "CustomResourceDefinition",
                                                           "ClusterRole",
                                                           "ClusterRoleList",
                                                           "ClusterRoleBinding",
                                                           "ClusterRoleBindingList",
                                                           "Role",
                                                           "RoleList",
                                                           "RoleBinding",
                                                           "RoleBindingList",
                                                           "Service",
                                                           "DaemonSet",
                                                           "Pod",
                                                           "ReplicationController",
                                                           "ReplicaSet",
                                                           "Deployment",
                                                           "HorizontalPodAutoscaler",
                                                           "StatefulSet",
                                                           "Job",
                                                           "CronJob",
                                                           "IngressClass",
                                                           "Ingress",
                                                           "APIService"});

constexpr auto kUninstall = std::to_array<std::string_view>({"APIService",
                                                             "Ingress",
                                                             "IngressClass",
                                                             "Service",
                                                             "CronJob",
                                                             "Job",
                                                             "StatefulSet",
                                                             "HorizontalPodAutoscaler",
                                                             "Deployment",
                                                             "ReplicaSet",
                                                             "ReplicationController",
                                                             "Pod",
                                                             "DaemonSet",
                                                             "RoleBindingList",
                                                             "RoleBinding",
                                                             "RoleList",
                                                             "Role",
                                                             "ClusterRoleBindingList",
                                                             "ClusterRoleBinding",
                                                             "ClusterRoleList",
                                                             "ClusterRole",
                                                             "CustomResourceDefinition",
                                                             "PersistentVolumeClaim",
                                                             "PersistentVolume",
                                                             "StorageClass",
                                                             "ConfigMap",
                                                             "SecretList",
                                                             "Secret",
                                                             "ServiceAccount",
                                                             "PodDisruptionBudget",
                                                             "PodSecurityPolicy",
                                                             "LimitRange",
                                                             "ResourceQuota",
                                                             "NetworkPolicy",
                                                             "Namespace",
                                                             "PriorityClass"});

std::string kind_of(const boost::json::value& object) {
  return object.is_object() ? api::string_at(object.get_object(), {"kind"}) : std::string();
}

Objects sorted(Objects objects, std::span<const std::string_view> order) {
  const auto rank = [&](const std::string& kind) { return std::ranges::find(order, kind) - order.begin(); };
  const auto unknown = static_cast<std::ptrdiff_t>(order.size());
  std::ranges::stable_sort(objects, [&](const boost::json::value& a, const boost::json::value& b) {
    const std::string kind_a = kind_of(a);
    const std::string kind_b = kind_of(b);
    const std::ptrdiff_t rank_a = rank(kind_a);
    const std::ptrdiff_t rank_b = rank(kind_b);
    if (rank_a != rank_b) return rank_a < rank_b;
    return rank_a == unknown && kind_a < kind_b;
  });
  return objects;
}

}  // namespace

Objects install_order(Objects objects) { return sorted(std::move(objects), kInstall); }

Objects uninstall_order(Objects objects) { return sorted(std::move(objects), kUninstall); }

}  // namespace berth::dev
