#pragma once

// May this pod run on that node? The part of kube-scheduler's rules that the embedded cluster honours. Pure.

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "sim/api/object.h"

namespace berth::dev {

// Empty if it may; else why not, as kube-scheduler words it ("node(s) were unschedulable").
//
// Looked at: the condition Ready, spec.unschedulable, taints NoSchedule and NoExecute against tolerations,
// spec.nodeSelector, required node affinity (In, NotIn, Exists, DoesNotExist).
[[nodiscard]] std::string node_refuses(const boost::json::object& node, const boost::json::object& pod);

// Required pod anti-affinity, of this pod against those that run. others: all pods that are bound and not finished.
struct Placement {
  sim::Object pod;
  sim::Object node;
};
[[nodiscard]] bool keeps_apart(const boost::json::object& node, const boost::json::object& pod,
                               const std::vector<Placement>& others);

}  // namespace berth::dev
