#pragma once

// The keys that manifests, Kube-OVN and Berth use, and the record by which Berth tells its own word from the user's.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/metadata.h"

namespace berth::api {

inline constexpr std::string_view kFinalizer = "kubeovn.io/kube-ovn-controller";
inline constexpr std::string_view kLegacyFinalizer = "kube-ovn-controller";  // of Kube-OVN before 1.13
inline constexpr std::string_view kDefaultProvider = "ovn";
inline constexpr std::string_view kDefaultVpc = "ovn-cluster";
inline constexpr std::string_view kDefaultSubnet = "ovn-default";
inline constexpr std::string_view kJoinSubnet = "join";

// Suffixes of "<provider>.kubernetes.io/<suffix>".
namespace suffix {
inline constexpr std::string_view kLogicalSwitch = "logical_switch";
inline constexpr std::string_view kIpAddress = "ip_address";
inline constexpr std::string_view kMacAddress = "mac_address";
inline constexpr std::string_view kIpPool = "ip_pool";
inline constexpr std::string_view kVip = "vip";             // a Vip whose addresses the pod takes over
inline constexpr std::string_view kAaps = "aaps";           // Vips that the pod may answer for
inline constexpr std::string_view kPortVips = "port_vips";  // of the Subnet's vips, those that the pod may answer for
inline constexpr std::string_view kIpFamily = "ip_family";
inline constexpr std::string_view kCidr = "cidr";
inline constexpr std::string_view kGateway = "gateway";
inline constexpr std::string_view kExcludeIps = "exclude_ips";
inline constexpr std::string_view kAllocated = "allocated";
inline constexpr std::string_view kRouted = "routed";
inline constexpr std::string_view kLogicalRouter = "logical_router";
inline constexpr std::string_view kPodNicType = "pod_nic_type";
inline constexpr std::string_view kPortName = "port_name";
// Bandwidth, in Mbit/s and Mbit.
inline constexpr std::string_view kIngressRate = "ingress_rate";
inline constexpr std::string_view kIngressBurst = "ingress_burst";
inline constexpr std::string_view kEgressRate = "egress_rate";
inline constexpr std::string_view kEgressBurst = "egress_burst";
}  // namespace suffix

inline constexpr std::string_view kNetworksAnnotation = "k8s.v1.cni.cncf.io/networks";
inline constexpr std::string_view kDefaultNetworkAnnotation = "v1.multus-cni.io/default-network";

// Labels of an IP object.
inline constexpr std::string_view kSubnetLabel = "ovn.kubernetes.io/subnet";
inline constexpr std::string_view kNodeNameLabel = "ovn.kubernetes.io/node-name";
inline constexpr std::string_view kIpReservedLabel = "ovn.kubernetes.io/ip_reserved";

// Berth's own.
inline constexpr std::string_view kAddressedCondition = "berth.io/Addressed";  // of a Pod
inline constexpr std::string_view kBindingAnnotation = "berth.io/binding";     // Pod, Namespace: BindingRecord
inline constexpr std::string_view kExpectsSubnetAnnotation =
    "berth.io/expects-subnet";                                          // Namespace: "a,b", "any" or "none"
inline constexpr std::string_view kOwnerAnnotation = "berth.io/owner";  // IP: see ip.h
inline constexpr std::string_view kEpochAnnotation = "berth.io/epoch";  // IP: the writer's epoch, decimal
inline constexpr std::string_view kRuleAnnotation = "berth.io/rule";    // IP: the rule it was bound by
inline constexpr std::string_view kPodUidAnnotation =
    "berth.io/pod-uid";  // IP: the pod incarnation that it was bound for
inline constexpr std::string_view kSubnetUidAnnotation = "berth.io/subnet-uid";  // IP: UID of spec.subnet when bound

inline constexpr std::string_view kCidrInForceAnnotation =
    "berth.io/cidr-in-force";  // Subnet: set while it differs from spec.cidrBlock

inline constexpr std::string_view kIpsInForceAnnotation =
    "berth.io/ips-in-force";  // IPPool: set while it differs from spec.ips

// "ovn.kubernetes.io/cidr", "net1.ns1.ovn.kubernetes.io/cidr".
[[nodiscard]] std::string annotation_key(std::string_view provider, std::string_view suffix);

// What Berth wrote on a Pod or Namespace. JSON in kBindingAnnotation:
//   {"podUID":"…","networks":{"ovn":{"rule":"claimed","subnet":"web","subnetUID":"…"}},"wrote":{"ovn.kubernetes.io/cidr":"…"},"user":{}}
// On Namespaces only "wrote" is set.
struct BindingRecord {
  struct Network {
    std::string rule;
    std::string subnet;
    std::string subnet_uid;
    bool operator==(const Network&) const = default;
  };
  std::string pod_uid;
  std::map<std::string, Network> networks;   // by provider
  std::map<std::string, std::string> wrote;  // annotation -> value, without those that the user had set to the same
  std::map<std::string, std::string> user;   // what the user had said in an annotation that Berth overwrote

  [[nodiscard]] static std::optional<BindingRecord> parse(std::string_view text);  // none: not such a record
  [[nodiscard]] static std::optional<BindingRecord> of(const ObjectMeta& meta);
  [[nodiscard]] std::string to_string() const;
  bool operator==(const BindingRecord&) const = default;
};

// The value of an annotation if the user said it: present, and not what the record on the same object says that Berth
// wrote (if Berth wrote over the user's value, the record keeps that). A record copied along with a manifest still
// tells which keys came from Berth; it proves nothing else (see own_record).
// Without any record, what Kube-OVN wrote on a pod that it put into ovn-default is not the user's either.
[[nodiscard]] std::optional<std::string> user_annotation(const ObjectMeta& meta, std::string_view key);

// The record, if it speaks of this very pod (UID); a copied or restored manifest has none.
[[nodiscard]] std::optional<BindingRecord> own_record(const ObjectMeta& pod);

}  // namespace berth::api
