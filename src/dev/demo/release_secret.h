#pragma once

// The Secret by which Helm 3 keeps a release. It is stored before the first object of the release is sent.

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "dev/demo/helm_order.h"

namespace berth::dev {

// sh.helm.release.v1.<name>.v<revision> in Namespace `ns`; status is "pending-install", "pending-upgrade" or
// "deployed". What it holds is the release as JSON (name, namespace, version, info.status, manifest with the objects as
// JSON documents), gzipped, in base64 as Helm does, and once more in base64 as every Secret.
[[nodiscard]] boost::json::object release_secret(std::string_view ns, std::string_view name, int revision,
                                                 std::string_view status, const Objects& objects);

[[nodiscard]] std::string release_secret_name(std::string_view name, int revision);

}  // namespace berth::dev
