#pragma once

// Which form of answer a client accepts, and what it sent.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "http/server.h"
#include "sim/api/error.h"

namespace berth::dev {

enum class Form {
  object,                // application/json
  table,                 // ...;as=Table;g=meta.k8s.io;v=v1
  partial,               // ...;as=PartialObjectMetadata(List);g=meta.k8s.io;v=v1
  aggregated_discovery,  // ...;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2
};

// The first form in the Accept header that is in `offered` (Form::object always is); 406 if none fits, so that a client
// that prefers protobuf falls back to JSON.
[[nodiscard]] sim::ApiResult<Form> negotiate(std::string_view accept, const std::vector<Form>& offered);

// The body as JSON; a YAML body (application/yaml) is turned into it. 415 for protobuf and others, 400 for what does
// not parse.
[[nodiscard]] sim::ApiResult<boost::json::value> decode_body(const http::ServerRequest& request);

// The same where an object is wanted.
[[nodiscard]] sim::ApiResult<boost::json::object> decode_object(const http::ServerRequest& request);

// "application/json" of "application/json; charset=utf-8", in lower case.
[[nodiscard]] std::string media_type(std::string_view header);

[[nodiscard]] sim::ApiError unsupported_media_type(std::string_view sent, std::string_view supported);

}  // namespace berth::dev
