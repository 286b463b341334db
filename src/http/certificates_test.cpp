#include "http/certificates.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <memory>

namespace berth::http {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

const WallTime kNow = std::chrono::sys_days{std::chrono::year{2030} / 1 / 2};
const Validity kYear{kNow, kNow + std::chrono::hours(24 * 365)};

Certificate parse(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                     BIO_free);
  return {PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), X509_free};
}

// X509_V_OK or the reason why leaf is not trusted for the purpose at that time.
int verify(const KeyPair& authority, const KeyPair& leaf, int purpose, WallTime at) {
  const auto root = parse(authority.certificate);
  const auto end = parse(leaf.certificate);
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_add_cert(store.get(), root.get());
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(),
                                                                                X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), end.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()),
                             std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count());
  return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

TEST(Certificates, ServerCertificateNamesItsHosts) {
  const auto authority = make_authority("berth-dev", kYear);
  ASSERT_TRUE(authority) << authority.error().message;
  const auto server =
      issue_server(*authority, {"api", {"localhost", "kubernetes.default.svc"}, {"127.0.0.1", "fd00::1"}}, kYear);
  ASSERT_TRUE(server) << server.error().message;
  const auto certificate = parse(server->certificate);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(X509_check_host(certificate.get(), "kubernetes.default.svc", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "elsewhere", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "fd00::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.2", 0), 0);
  EXPECT_EQ(verify(*authority, *server, X509_PURPOSE_SSL_SERVER, kNow + std::chrono::hours(1)), X509_V_OK);
  EXPECT_NE(verify(*authority, *server, X509_PURPOSE_SSL_CLIENT, kNow + std::chrono::hours(1)), X509_V_OK);
}

TEST(Certificates, ValidityHoldsAtBothEnds) {
  const auto authority = make_authority("a", kYear);
  const auto client = issue_client(*authority, {"admin", {"system:masters"}}, {kNow, kNow + std::chrono::hours(2)});
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(verify(*authority, *client, X509_PURPOSE_SSL_CLIENT, kNow + std::chrono::hours(1)), X509_V_OK);
  EXPECT_EQ(verify(*authority, *client, X509_PURPOSE_SSL_CLIENT, kNow + std::chrono::hours(3)),
            X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(verify(*authority, *client, X509_PURPOSE_SSL_CLIENT, kNow - std::chrono::hours(1)),
            X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST(Certificates, AnotherAuthorityOfTheSameNameIsNotTrusted) {
  const auto ours = make_authority("a", kYear);
  const auto theirs = make_authority("a", kYear);
  const auto client = issue_client(*theirs, {"admin", {}}, kYear);
  EXPECT_NE(verify(*ours, *client, X509_PURPOSE_SSL_CLIENT, kNow + std::chrono::hours(1)), X509_V_OK);
}

TEST(Certificates, RefusesWhatItCannotUse) {
  const auto authority = make_authority("a", kYear);
  const auto named = issue_server(*authority, {"api", {}, {"300.1.1.1"}}, kYear);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, ErrorCode::invalid);
  EXPECT_NE(named.error().message.find("300.1.1.1"), std::string::npos);
  EXPECT_FALSE(issue_client({"not", "pem"}, {"admin", {}}, kYear));
}

TEST(Certificates, ValidityCanBeReadBack) {
  const auto authority = make_authority("a", kYear);
  ASSERT_TRUE(authority);
  const auto validity = validity_of(authority->certificate);
  ASSERT_TRUE(validity) << validity.error().message;
  EXPECT_EQ(validity->from, kYear.from);
  EXPECT_EQ(validity->until, kYear.until);
  EXPECT_FALSE(validity_of("not PEM"));
  EXPECT_FALSE(validity_of(authority->key));
}

}  // namespace
}  // namespace berth::http
