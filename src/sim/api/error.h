#pragma once

// What the Kubernetes API says when it refuses: the fields of a `Status` object (apimachinery meta/v1). Messages and
// reasons are those of kube-apiserver, because clients (kubectl, Helm, controllers) match on them.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <tl/expected.hpp>

namespace berth::sim {

struct ResourceType;

struct ApiError {
  int code = 500;
  std::string reason;  // "NotFound", "Conflict", ...
  std::string message;
  boost::json::object details;  // name, group, kind (the plural), uid, causes[{reason,message,field}]

  // The Status object as it goes over the wire.
  [[nodiscard]] boost::json::object to_status() const;
};

template <typename T>
using ApiResult = tl::expected<T, ApiError>;

// One broken rule of a 422: the field's path, the reason's code ("FieldValueInvalid"), and its text without the path
// ("Invalid value: \"x\": must be ...").
struct Cause {
  std::string field;
  std::string reason;
  std::string message;
};

using Causes = std::vector<Cause>;

// The usual kinds of cause. value is printed as JSON; detail may be empty.
[[nodiscard]] Cause required(std::string field, std::string_view detail);
[[nodiscard]] Cause invalid_value(std::string field, const boost::json::value& value, std::string_view detail);
[[nodiscard]] Cause forbidden_field(std::string field, std::string_view detail);
[[nodiscard]] Cause not_supported(std::string field, const boost::json::value& value,
                                  const boost::json::array& allowed);

[[nodiscard]] ApiError not_found(const ResourceType& type, std::string_view name);
[[nodiscard]] ApiError already_exists(const ResourceType& type, std::string_view name);
[[nodiscard]] ApiError conflict(const ResourceType& type, std::string_view name, std::string_view why);
[[nodiscard]] ApiError modified(const ResourceType& type,
                                std::string_view name);  // conflict: resourceVersion is not the stored one
[[nodiscard]] ApiError forbidden(const ResourceType& type, std::string_view name, std::string_view why);
[[nodiscard]] ApiError invalid(const ResourceType& type, std::string_view name, const Causes& causes);
[[nodiscard]] ApiError bad_request(std::string message);
[[nodiscard]] ApiError unprocessable(std::string message);  // 422 without causes: a patch that cannot be applied
[[nodiscard]] ApiError internal(std::string message);       // 500 without a reason, as some malformed requests get
[[nodiscard]] ApiError expired(std::string message);        // 410: the resourceVersion or continue token is too old
[[nodiscard]] ApiError method_not_allowed(std::string message);
[[nodiscard]] ApiError no_such_resource();  // 404 for a path that no type serves

}  // namespace berth::sim
