#include <fmt/core.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "http/client.h"

namespace berth::http {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;

Bio reader(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

Certificate next_certificate(BIO* in) {
  Certificate certificate(PEM_read_bio_X509(in, nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

std::string time_text(const ASN1_TIME* time) {
  const Bio out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print(out.get(), time);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Status check_dates(const X509* certificate, std::string_view what) {
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return fail(ErrorCode::invalid, fmt::format("{} expired at {}", what, time_text(X509_get0_notAfter(certificate))));
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return fail(ErrorCode::invalid,
                fmt::format("{} is valid only from {}", what, time_text(X509_get0_notBefore(certificate))));
  }
  return {};
}

Status check_identity(const ClientTls& tls) {
  if (tls.certificate.empty() != tls.key.empty()) {
    return fail(ErrorCode::invalid,
                tls.key.empty() ? "the client certificate has no key" : "the client key has no certificate");
  }
  if (tls.certificate.empty()) return {};
  const Certificate certificate = next_certificate(reader(tls.certificate).get());
  if (!certificate) return fail(ErrorCode::invalid, "the client certificate is not a PEM certificate");
  // Without a pass phrase: an encrypted key must not ask on the terminal.
  const auto no_phrase = [](char*, int, int, void*) { return 0; };
  const Key key(PEM_read_bio_PrivateKey(reader(tls.key).get(), nullptr, no_phrase, nullptr));
  ERR_clear_error();
  if (!key) return fail(ErrorCode::invalid, "the client key is not a PEM private key without a pass phrase");
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return fail(ErrorCode::invalid, "the client key does not belong to the client certificate");
  return check_dates(certificate.get(), "the client certificate");
}

}  // namespace

Status check_tls(const ClientTls& tls) {
  if (!tls.authority.empty()) {
    const Bio in = reader(tls.authority);
    std::size_t usable = 0;
    Status last;
    while (const Certificate certificate = next_certificate(in.get())) {
      last = check_dates(certificate.get(), "the certificate authority");
      usable += last ? 1 : 0;
    }
    if (!last) {
      if (usable == 0) return last;
    } else if (usable == 0) {
      return fail(ErrorCode::invalid, "the certificate authority is not a PEM certificate");
    }
  }
  return check_identity(tls);
}

}  // namespace berth::http
