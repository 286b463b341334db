#pragma once

// The object by which the API server learns of the webhook: ValidatingWebhookConfiguration "berth". Pure texts.

#include <optional>
#include <string>

#include "api/json.h"

namespace berth::admission {

inline constexpr std::string_view kConfigurationName = "berth";
inline constexpr std::string_view kPath = "/validate";

// How the API server reaches the webhook: a Service, or a URL.
struct Target {
  std::string service_ns;
  std::string service;
  std::string url;  // "https://host:port/validate"; empty: the Service
  [[nodiscard]] std::string to_string() const;
};

// The whole object. own_ns: Berth's; its pods and what its service accounts write are never asked about.
[[nodiscard]] api::JsonObject configuration(const Target& target, const std::string& own_ns, const std::string& bundle);

// What to PUT in place of the stored object, so that its webhooks trust `bundle`: of one that configuration() made the
// text is renewed too, of anybody else's only the bundles. None: nothing to do. target: none if this process was not
// told how it is reached.
[[nodiscard]] std::optional<api::JsonObject> renewed(const api::JsonObject& stored, const std::optional<Target>& target,
                                                     const std::string& own_ns, const std::string& bundle);

// The bundle that all webhooks of the stored object trust; empty if they differ, or one has none.
[[nodiscard]] std::string published_bundle(const api::JsonObject& stored);

}  // namespace berth::admission
