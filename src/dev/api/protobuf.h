#pragma once

// Kubernetes' protobuf encoding of built-in kinds, turned into JSON. Typed Go clients (kubectl create, Helm's release
// storage) send it and do not fall back to JSON when it is refused. Answers are always JSON: those clients accept both.

#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace berth::dev {

// A body of type application/vnd.kubernetes.protobuf: the envelope (runtime.Unknown) and the object in it. As in the
// JSON that a Go client would send, fields that are zero and not pointers are absent. Error invalid: malformed, or a
// kind that is not in protobuf_schema.inc; unknown fields are left out.
[[nodiscard]] Result<boost::json::object> decode_protobuf(std::string_view body);

}  // namespace berth::dev
