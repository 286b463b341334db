#include "admission/rotation.h"

#include <algorithm>

#include "base/base64.h"

namespace berth::admission {
namespace {

// Keys of the Secret's data.
constexpr const char* kServing = "tls.crt";
constexpr const char* kServingKey = "tls.key";
constexpr const char* kBundle = "ca.crt";
constexpr const char* kAuthority = "authority.crt";
constexpr const char* kAuthorityKey = "authority.key";
constexpr const char* kNext = "next-authority.crt";
constexpr const char* kNextKey = "next-authority.key";
constexpr const char* kPrevious = "previous-authorities.crt";
constexpr const char* kNames = "names";

constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";

std::vector<std::string> split_pem(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find(kEnd, at);
    if (end == std::string::npos) break;
    out.push_back(text.substr(at, end + kEnd.size() - at));
    at = end + kEnd.size();
  }
  return out;
}

// Less than a third of its life is left. What cannot be read is due.
bool is_due(const std::string& certificate, WallTime now) {
  const auto validity = http::validity_of(certificate);
  return !validity || now >= validity->until - (validity->until - validity->from) / 3;
}

bool has_ended(const std::string& certificate, WallTime now) {
  const auto validity = http::validity_of(certificate);
  return !validity || now >= validity->until;
}

http::Validity life(WallTime now, Duration length, const RotationPolicy& policy) {
  using Micro = WallTime::duration;
  return {now - std::chrono::duration_cast<Micro>(policy.backdated), now + std::chrono::duration_cast<Micro>(length)};
}

Result<http::KeyPair> new_authority(WallTime now, const RotationPolicy& policy) {
  return http::make_authority("berth-webhook", life(now, policy.authority_life, policy));
}

Status issue(Certificates& out, const ServedNames& names, WallTime now, const RotationPolicy& policy) {
  http::Validity validity = life(now, policy.serving_life, policy);
  const auto authority = http::validity_of(out.authority.certificate);
  if (!authority) return fail(authority.error());
  validity.until = std::min(validity.until, authority->until);  // nobody trusts it afterwards
  validity.from = std::max(validity.from, authority->from);
  const std::string name = names.dns_names.empty() ? "berth-webhook" : names.dns_names.front();
  auto serving = http::issue_server(out.authority, {name.substr(0, 64), names.dns_names, names.addresses}, validity);
  if (!serving) return fail(serving.error());
  out.serving = std::move(*serving);
  out.dns_names = names.dns_names;
  out.addresses = names.addresses;
  return {};
}

Result<Certificates> begin(const ServedNames& names, WallTime now, const RotationPolicy& policy) {
  auto authority = new_authority(now, policy);
  if (!authority) return fail(authority.error());
  Certificates out;
  out.authority = std::move(*authority);
  if (auto ok = issue(out, names, now, policy); !ok) return fail(ok.error());
  return out;
}

// Whether the next authority is trusted by everybody: published, and long enough ago.
bool may_sign(const Certificates& is, const std::optional<std::string>& published, WallTime now,
              const RotationPolicy& policy) {
  const auto validity = http::validity_of(is.next->certificate);
  if (!validity || now < validity->from + policy.backdated + policy.overlap) return false;
  return !published || published->find(is.next->certificate) != std::string::npos;
}

}  // namespace

std::string Certificates::bundle() const {
  std::string out = authority.certificate;
  if (next) out += next->certificate;
  for (const std::string& pem : previous) out += pem;
  return out;
}

Result<Certificates> rotate(const std::optional<Certificates>& is, const ServedNames& names,
                            const std::optional<std::string>& published, WallTime now, const RotationPolicy& policy) {
  // Without an authority that lives there is nothing that could overlap.
  if (!is || has_ended(is->authority.certificate, now)) return begin(names, now, policy);
  Certificates out = *is;
  std::erase_if(out.previous, [&](const std::string& pem) { return has_ended(pem, now); });
  if (!out.next && is_due(out.authority.certificate, now)) {
    auto next = new_authority(now, policy);
    if (!next) return fail(next.error());
    out.next = std::move(*next);
  }
  bool reissue =
      out.dns_names != names.dns_names || out.addresses != names.addresses || is_due(out.serving.certificate, now);
  if (out.next && may_sign(out, published, now, policy)) {
    out.previous.push_back(out.authority.certificate);
    out.authority = std::move(*out.next);
    out.next.reset();
    reissue = true;
  } else if (out.next && reissue && out.dns_names == names.dns_names && out.addresses == names.addresses) {
    // A certificate of the old authority would end with it: it is worth it only if it lives longer than what is served.
    const auto serving = http::validity_of(out.serving.certificate);
    const auto authority = http::validity_of(out.authority.certificate);
    reissue = !serving || !authority || serving->until < authority->until;
  }
  if (reissue) {
    if (auto ok = issue(out, names, now, policy); !ok) return fail(ok.error());
  }
  return out;
}

api::JsonObject secret_data(const Certificates& c) {
  std::string previous;
  for (const std::string& pem : c.previous) previous += pem;
  api::JsonObject out{{kServing, base64_encode(c.serving.certificate)},
                      {kServingKey, base64_encode(c.serving.key)},
                      {kBundle, base64_encode(c.bundle())},
                      {kAuthority, base64_encode(c.authority.certificate)},
                      {kAuthorityKey, base64_encode(c.authority.key)},
                      {kPrevious, base64_encode(previous)},
                      {kNames, base64_encode(api::join(c.dns_names, ",") + ";" + api::join(c.addresses, ","))}};
  out[kNext] = base64_encode(c.next ? c.next->certificate : "");
  out[kNextKey] = base64_encode(c.next ? c.next->key : "");
  return out;
}

Result<Certificates> parse_secret(const api::JsonObject& secret) {
  const auto text = [&](const char* key) {
    return base64_decode(api::string_at(secret, {"data", key})).value_or(std::string());
  };
  Certificates out;
  out.authority = {text(kAuthority), text(kAuthorityKey)};
  out.serving = {text(kServing), text(kServingKey)};
  out.previous = split_pem(text(kPrevious));
  if (http::KeyPair next{text(kNext), text(kNextKey)}; http::validity_of(next.certificate) && !next.key.empty())
    out.next = std::move(next);
  const std::string names = text(kNames);
  const auto semicolon = names.find(';');
  out.dns_names = api::split_list(names.substr(0, semicolon));
  if (semicolon != std::string::npos) out.addresses = api::split_list(names.substr(semicolon + 1));
  if (!http::validity_of(out.authority.certificate) || !http::validity_of(out.serving.certificate) ||
      out.authority.key.empty() || out.serving.key.empty()) {
    return fail(ErrorCode::invalid, "the Secret does not hold the webhook's certificates");
  }
  return out;
}

}  // namespace berth::admission
