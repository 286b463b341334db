#pragma once

// Certificates made in memory: an authority, and what it signs (EC P-256, SHA-256). For the embedded API server, the
// admission webhook and tests. Pure: no file is read or written. Thread-safe.

#include <string>
#include <vector>

#include "base/result.h"
#include "base/scheduler.h"

namespace berth::http {

// Both in PEM; the key is PKCS#8.
struct KeyPair {
  std::string certificate;
  std::string key;
};

// Certificates are valid from `from` to `until`, both to the second.
struct Validity {
  WallTime from;
  WallTime until;
};

// Self-signed, may sign leaves only (pathlen 0).
[[nodiscard]] Result<KeyPair> make_authority(const std::string& common_name, const Validity& validity);

struct ServerSubject {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> addresses;  // IPv4 or IPv6 literals; anything else is ErrorCode::invalid
};

[[nodiscard]] Result<KeyPair> issue_server(const KeyPair& authority, const ServerSubject& subject,
                                           const Validity& validity);

// Kubernetes reads the common name as the user and each organization as a group.
struct ClientSubject {
  std::string common_name;
  std::vector<std::string> organizations;
};

[[nodiscard]] Result<KeyPair> issue_client(const KeyPair& authority, const ClientSubject& subject,
                                           const Validity& validity);

// When the first certificate of a PEM text is valid. Errors: invalid (it is none).
[[nodiscard]] Result<Validity> validity_of(const std::string& certificate);

}  // namespace berth::http
