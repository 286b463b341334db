#pragma once

// CNI's JSON, as far as the agent writes and reads it. Pure.

#include <set>
#include <string>

#include <boost/json/object.hpp>

#include "agent/pod_network.h"
#include "agent/wiring.h"

namespace berth::agent {

// What ADD answers, in the shape of CNI 1.1.0. config's "dns" is passed on.
[[nodiscard]] boost::json::object add_result(const AttachmentKey& key, const std::string& netns,
                                             const PodNetwork& network, const Wired& wired,
                                             const boost::json::object& config);

// What CHECK has to find, from config's prevResult: the addresses and routes of the interface key.ifname in netns.
// Results of other plugins in it are left out. Error: invalid.
[[nodiscard]] Result<CheckSpec> check_spec(const AttachmentKey& key, const std::string& netns,
                                           const boost::json::object& config);

// GC's list, config["cni.dev/valid-attachments"]. Error: invalid; never an empty set by mistake.
[[nodiscard]] Result<std::set<AttachmentKey>> valid_attachments(const boost::json::object& config);

}  // namespace berth::agent
