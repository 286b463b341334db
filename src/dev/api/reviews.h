#pragma once

// The resources that are only asked, never stored: may I do this, who am I. There is no RBAC: whoever is known may do
// all.

#include <vector>

#include <boost/json/object.hpp>

#include "http/server.h"
#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::dev {

// authorization.k8s.io/v1 and authentication.k8s.io/v1.
[[nodiscard]] const std::vector<sim::TypePtr>& review_types();

[[nodiscard]] bool is_review(const sim::ResourceType& type);

// The review with its status filled in.
[[nodiscard]] boost::json::object answer_review(const sim::ResourceType& type, boost::json::object review,
                                                const http::Peer& peer);

}  // namespace berth::dev
