#pragma once

// The rules that kube-apiserver holds built-in objects and all metadata to, as far as they matter here. Each broken one
// is a Cause.

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "sim/api/error.h"
#include "sim/api/resource_type.h"

namespace berth::sim {

[[nodiscard]] bool is_dns_label(std::string_view text);       // RFC 1123, at most 63
[[nodiscard]] bool is_dns_subdomain(std::string_view text);   // RFC 1123, at most 253
[[nodiscard]] bool is_qualified_name(std::string_view text);  // a label's key: "[prefix/]name"
[[nodiscard]] bool is_label_value(std::string_view text);

// What decoding into Go's types does, as far as clients notice: 400 where a field of metadata has another type; empty
// maps and lists of metadata are dropped, and so are all nulls of a built-in kind (but for what is stored as it came:
// schemas of CRDs, data of ControllerRevisions).
[[nodiscard]] ApiResult<void> decode_object(const ResourceType& type, boost::json::object& object);

// metadata: name, labels, annotations, owner references, finalizers.
[[nodiscard]] Causes validate_metadata(const ResourceType& type, const boost::json::object& object);

// A built-in object as a whole. Custom resources have their schema.
[[nodiscard]] Causes validate_new(const ResourceType& type, const boost::json::object& object);

// What may not change from old to next (both complete and defaulted).
[[nodiscard]] Causes validate_change(const ResourceType& type, const boost::json::object& old,
                                     const boost::json::object& next);

}  // namespace berth::sim
