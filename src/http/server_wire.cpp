#include "http/server_wire.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>

namespace berth::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

void describe_socket(Socket& socket, Peer& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return;
  if (storage.ss_family == AF_UNIX) {
    peer.address = "unix";
    ucred credentials{};
    size = sizeof credentials;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.process = Peer::Process{credentials.pid, credentials.uid, credentials.gid};
    }
    return;
  }
  asio::ip::tcp::endpoint endpoint;
  if (size > endpoint.capacity()) return;
  std::memcpy(endpoint.data(), &storage, size);
  endpoint.resize(size);
  peer.address = endpoint.address().is_v6() ? fmt::format("[{}]:{}", endpoint.address().to_string(), endpoint.port())
                                            : fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
}

class PlainWire final : public Wire {
 public:
  explicit PlainWire(Socket socket) : socket_(std::move(socket)) {}

  void handshake(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  void read(asio::mutable_buffer into, Transferred done) override { socket_.async_read_some(into, std::move(done)); }
  void write(asio::const_buffer bytes, Transferred done) override { socket_.async_write_some(bytes, std::move(done)); }
  void shutdown(Done done) override {
    error_code ec;
    socket_.shutdown(Socket::shutdown_send, ec);
    asio::post(socket_.get_executor(), [done = std::move(done), ec] { done(ec); });
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  void describe(Peer& peer) override { describe_socket(socket_, peer); }

 private:
  Socket socket_;
};

std::vector<std::string> entries(X509_NAME* name, int nid) {
  std::vector<std::string> found;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size >= 0) found.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
  }
  return found;
}

class TlsWire final : public Wire {
 public:
  TlsWire(Socket socket, SSL_CTX* context) : stream_(std::move(socket), SSL_new(context)) {}

  void handshake(Done done) override { stream_.async_handshake(asio::ssl::stream_base::server, std::move(done)); }
  void read(asio::mutable_buffer into, Transferred done) override { stream_.async_read_some(into, std::move(done)); }
  void write(asio::const_buffer bytes, Transferred done) override { stream_.async_write_some(bytes, std::move(done)); }
  void shutdown(Done done) override { stream_.async_shutdown(std::move(done)); }
  void close() override {
    error_code ignored;
    stream_.next_layer().close(ignored);
  }
  void describe(Peer& peer) override {
    describe_socket(stream_.next_layer(), peer);
    SSL* ssl = stream_.native_handle();
    X509* certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) return;
    if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK) {
      peer.refused = fmt::format("client certificate: {}", X509_verify_cert_error_string(verdict));
      return;
    }
    X509_NAME* name = X509_get_subject_name(certificate);
    const auto common_names = entries(name, NID_commonName);
    if (common_names.empty()) {
      peer.refused = "client certificate: no common name";
      return;
    }
    peer.user = common_names.back();
    peer.groups = entries(name, NID_organizationName);
  }

 private:
  asio::ssl::stream<Socket> stream_;
};

tl::unexpected<Error> tls_failure(std::string_view what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return fail(ErrorCode::invalid, fmt::format("{}: {}", what, text.data()));
}

// The server speaks HTTP/1.1 only; a client that offers h2 as well must hear so.
int select_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                  void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool use_chain(SSL_CTX* context, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         BIO_free_all);
  X509* leaf = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr);
  if (leaf == nullptr) return false;
  const bool used = SSL_CTX_use_certificate(context, leaf) == 1;
  X509_free(leaf);
  if (!used) return false;
  while (X509* next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return false;
    }
  }
  ERR_clear_error();  // the end of the file is reported as an error
  return true;
}

bool use_key(SSL_CTX* context, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         BIO_free_all);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) return false;
  const bool used = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  return used;
}

bool trust_clients(SSL_CTX* context, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         BIO_free_all);
  bool any = false;
  while (X509* authority = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    any = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1 &&
          SSL_CTX_add_client_CA(context, authority) == 1;
    X509_free(authority);
    if (!any) return false;
  }
  ERR_clear_error();
  return any;
}

}  // namespace

std::unique_ptr<Wire> plain_wire(Socket socket) { return std::make_unique<PlainWire>(std::move(socket)); }

Result<std::shared_ptr<TlsContext>> TlsContext::make(const ServerTls& options) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return tls_failure("cannot set TLS up");
  auto owner = std::make_shared<TlsContext>(context);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_alpn_select_cb(context, select_http11, nullptr);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (!use_chain(context, options.identity.certificate)) return tls_failure("the server's certificate is not usable");
  if (!use_key(context, options.identity.key)) return tls_failure("the server's key is not usable");
  if (!options.client_authority.empty()) {
    if (!trust_clients(context, options.client_authority)) return tls_failure("the client authority is not usable");
    static constexpr unsigned char kSessions[] = "berth";  // without it resumption with client certificates fails
    SSL_CTX_set_session_id_context(context, kSessions, sizeof kSessions - 1);
    // Every certificate passes the handshake; describe() reports the verdict, so that the answer can be a 401 that says
    // why.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  }
  return owner;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::unique_ptr<Wire> TlsContext::wire(Socket socket) const {
  return std::make_unique<TlsWire>(std::move(socket), context_);
}

}  // namespace berth::http
