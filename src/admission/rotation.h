#pragma once

// The webhook's certificates: an authority of our own, what it signs, and when which is replaced, so that at every
// moment the API server trusts what is served. Pure; the clock is passed in. One process (the leader) takes the steps
// and stores the result in a Secret; all read it.
//
// An authority lives for `authority_life`, a serving certificate for `serving_life`; each is replaced when a third of
// its life is left. A new authority is first only trusted: it stands in the bundle beside the old one for `overlap`,
// and until somebody has seen the bundle published; then it signs. The old one stays in the bundle until it has ended.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "http/certificates.h"

namespace berth::admission {

struct RotationPolicy {
  Duration authority_life = std::chrono::hours(24 * 365 * 2);
  Duration serving_life = std::chrono::hours(24 * 90);
  Duration overlap = std::chrono::minutes(10);
  Duration backdated = std::chrono::minutes(5);  // clocks of other machines may be behind
};

struct Certificates {
  http::KeyPair authority;               // signs
  http::KeyPair serving;                 // signed by it
  std::optional<http::KeyPair> next;     // authority to come: trusted, but signs nothing yet
  std::vector<std::string> previous{};   // PEM of authorities that signed before and have not ended
  std::vector<std::string> dns_names{};  // that `serving` was issued for, sorted
  std::vector<std::string> addresses{};  // likewise

  // What clients must trust: authority, next, previous.
  [[nodiscard]] std::string bundle() const;
};

// What the serving certificate must be good for. Sorted.
struct ServedNames {
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;
};

// The certificates as they should be now: `is` (none: there are none yet) taken one step or several further. Equal
// bundle and serving certificate: nothing to do. published: the bundle that clients are known to trust; none: nobody
// publishes it, time alone decides. Errors: internal (OpenSSL).
[[nodiscard]] Result<Certificates> rotate(const std::optional<Certificates>& is, const ServedNames& names,
                                          const std::optional<std::string>& published, WallTime now,
                                          const RotationPolicy& policy);

// The data of the Secret (type kubernetes.io/tls), base64: tls.crt, tls.key, ca.crt (the bundle), ca.key, and more.
[[nodiscard]] api::JsonObject secret_data(const Certificates& certificates);

// Errors: invalid (not what secret_data() wrote); the remedy is to make new ones.
[[nodiscard]] Result<Certificates> parse_secret(const api::JsonObject& secret);

}  // namespace berth::admission
