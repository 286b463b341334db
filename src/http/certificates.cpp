#include "http/certificates.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>

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
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

tl::unexpected<Error> openssl_failure(std::string_view what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return fail(ErrorCode::internal, fmt::format("{}: {}", what, text.data()));
}

std::string take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<KeyPair> to_pem(X509* certificate, EVP_PKEY* key) {
  const Bio certificate_out(BIO_new(BIO_s_mem()));
  const Bio key_out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_out.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_failure("cannot write a certificate as PEM");
  }
  return KeyPair{take(certificate_out.get()), take(key_out.get())};
}

Result<Certificate> read_certificate(const std::string& pem) {
  const Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  if (!certificate) return openssl_failure("the authority's certificate is not PEM");
  return certificate;
}

Result<Key> read_key(const std::string& pem) {
  const Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  if (!key) return openssl_failure("the authority's key is not PEM");
  return key;
}

bool add_name(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool set_time(ASN1_TIME* out, WallTime time) {
  return ASN1_TIME_set(out, std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count()) !=
         nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Serial, key, validity and names: what every certificate has.
bool fill(X509* certificate, EVP_PKEY* key, const ClientSubject& subject, const Validity& validity) {
  const Number serial(BN_new());
  X509_NAME* name = X509_get_subject_name(certificate);
  bool ok = X509_set_version(certificate, X509_VERSION_3) == 1 &&
            BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
            BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr &&
            set_time(X509_getm_notBefore(certificate), validity.from) &&
            set_time(X509_getm_notAfter(certificate), validity.until) && X509_set_pubkey(certificate, key) == 1;
  for (const std::string& organization : subject.organizations) ok = ok && add_name(name, "O", organization);
  return ok && add_name(name, "CN", subject.common_name);
}

Status add_subject_names(X509* certificate, const ServerSubject& subject) {
  const Names names(GENERAL_NAMES_new());
  const auto push = [&names](int type, ASN1_STRING* value) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, type, value);
    sk_GENERAL_NAME_push(names.get(), name);
  };
  for (const std::string& dns : subject.dns_names) {
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size()));
    push(GEN_DNS, value);
  }
  for (const std::string& address : subject.addresses) {
    ASN1_OCTET_STRING* value = a2i_IPADDRESS(address.c_str());
    if (value == nullptr) {
      return fail(ErrorCode::invalid, fmt::format("certificate address \"{}\" is not an IP address", address));
    }
    push(GEN_IPADD, value);
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return {};
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) != 1) {
    return openssl_failure("cannot add the subject's names");
  }
  return {};
}

struct Leaf {
  Certificate certificate;
  Key key;
  Certificate issuer;
  Key issuer_key;
};

Result<Leaf> begin_leaf(const KeyPair& authority, const ClientSubject& subject, const Validity& validity,
                        const char* usage) {
  Leaf leaf;
  auto issuer = read_certificate(authority.certificate);
  if (!issuer) return fail(issuer.error());
  auto issuer_key = read_key(authority.key);
  if (!issuer_key) return fail(issuer_key.error());
  leaf.issuer = std::move(*issuer);
  leaf.issuer_key = std::move(*issuer_key);
  leaf.key.reset(EVP_EC_gen("P-256"));
  leaf.certificate.reset(X509_new());
  X509* certificate = leaf.certificate.get();
  if (!leaf.key || !fill(certificate, leaf.key.get(), subject, validity) ||
      X509_set_issuer_name(certificate, X509_get_subject_name(leaf.issuer.get())) != 1 ||
      !add_extension(certificate, leaf.issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate, leaf.issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(certificate, leaf.issuer.get(), NID_ext_key_usage, usage) ||
      !add_extension(certificate, leaf.issuer.get(), NID_authority_key_identifier, "keyid")) {
    return openssl_failure("cannot make a certificate for " + subject.common_name);
  }
  return leaf;
}

Result<KeyPair> sign(const Leaf& leaf) {
  if (X509_sign(leaf.certificate.get(), leaf.issuer_key.get(), EVP_sha256()) == 0) {
    return openssl_failure("cannot sign a certificate");
  }
  return to_pem(leaf.certificate.get(), leaf.key.get());
}

}  // namespace

Result<KeyPair> make_authority(const std::string& common_name, const Validity& validity) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (!key || !certificate || !fill(certificate.get(), key.get(), {common_name, {}}, validity) ||
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) != 1 ||
      !add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
    return openssl_failure("cannot make the authority " + common_name);
  }
  return to_pem(certificate.get(), key.get());
}

Result<KeyPair> issue_server(const KeyPair& authority, const ServerSubject& subject, const Validity& validity) {
  auto leaf = begin_leaf(authority, {subject.common_name, {}}, validity, "serverAuth");
  if (!leaf) return fail(leaf.error());
  if (auto named = add_subject_names(leaf->certificate.get(), subject); !named) return fail(named.error());
  return sign(*leaf);
}

Result<KeyPair> issue_client(const KeyPair& authority, const ClientSubject& subject, const Validity& validity) {
  auto leaf = begin_leaf(authority, subject, validity, "clientAuth");
  if (!leaf) return fail(leaf.error());
  return sign(*leaf);
}

Result<Validity> validity_of(const std::string& certificate) {
  const auto read = read_certificate(certificate);
  if (!read) return fail(ErrorCode::invalid, "not a certificate in PEM");
  const auto time = [](const ASN1_TIME* from) -> std::optional<WallTime> {
    std::tm parts{};
    if (ASN1_TIME_to_tm(from, &parts) != 1) return std::nullopt;
    return WallTime(std::chrono::seconds(::timegm(&parts)));
  };
  const auto from = time(X509_get0_notBefore(read->get()));
  const auto until = time(X509_get0_notAfter(read->get()));
  if (!from || !until) return fail(ErrorCode::invalid, "a certificate without times");
  return Validity{*from, *until};
}

}  // namespace berth::http
