#pragma once

// Vip (kubeovn.io/v1): an address of a Subnet that belongs to no pod, or to several.

#include <string>
#include <vector>

#include "api/condition.h"
#include "api/metadata.h"
#include "net/address.h"
#include "net/mac.h"

namespace berth::api {

inline constexpr std::string_view kSwitchLbVip = "switch_lb_vip";
inline constexpr std::string_view kHostVmVip = "kube_host_vm_vip";

struct Vip {
  ObjectMeta meta;

  // spec, as written
  std::string ns;  // of the pods that use it
  std::string subnet;
  std::string type;  // "": an allowed address pair; kSwitchLbVip; kHostVmVip
  std::string v4ip;
  std::string v6ip;
  std::string mac;
  std::vector<std::string> selector;  // "key:value"

  // status: what was given
  std::string given_type;
  std::vector<net::Address> given;  // IPv4 first
  net::Mac given_mac;
  std::vector<Condition> conditions;
  JsonObject status;

  [[nodiscard]] static Vip parse(const JsonObject& object);

  // Berth, or Kube-OVN, has given it its addresses: status and finalizer are written together.
  [[nodiscard]] bool allocated() const;
  // The Subnet that they were given from: its label, since spec.subnet may be edited.
  [[nodiscard]] std::string held_in() const;
  // Whether the selector names a pod with these labels; an empty one names none.
  [[nodiscard]] bool selects(const std::map<std::string, std::string>& labels) const;
};

struct VipPlan {
  std::vector<net::Address> wanted;  // at most one per family; the others are drawn
  net::Mac mac;                      // none: any
};

// What the text asks for, checked by itself. The error names field, value and remedy.
[[nodiscard]] Result<VipPlan> plan_vip(const Vip& vip);

// What an edit of the text asks for that cannot be given after allocation; empty: nothing.
[[nodiscard]] std::string frozen_edit(const Vip& vip);

}  // namespace berth::api
