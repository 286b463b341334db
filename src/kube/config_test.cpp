#include "kube/config.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/base64.h"
#include "http/certificates.h"

namespace berth::kube {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct KubeconfigTest : ::testing::Test {
  fs::path folder = fs::temp_directory_path() / fmt::format("berth-config-test-{}", ::getpid());
  fs::path file = folder / "config";
  http::KeyPair authority;
  http::KeyPair person;

  void SetUp() override {
    fs::create_directories(folder);
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    authority = *http::make_authority("ca", {now - 1h, now + 1h});
    person = *http::issue_client(authority, {"jane", {}}, {now - 1h, now + 1h});
  }
  void TearDown() override { fs::remove_all(folder); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }

  [[nodiscard]] std::string text(const std::string& cluster = {}, const std::string& user = {},
                                 const std::string& context = {}) const {
    return fmt::format(R"(apiVersion: v1
kind: Config
current-context: main
clusters:
- name: c1
  cluster: {{{}}}
users:
- name: u1
  user: {{{}}}
contexts:
- name: main
  context: {{{}}}
)",
                       cluster.empty() ? "server: 'https://10.0.0.1:6443'" : cluster, user,
                       context.empty() ? "cluster: c1, user: u1" : context);
  }
  [[nodiscard]] std::string error_of(const std::string& config, const std::string& context = {}) const {
    const auto result = parse_kubeconfig(config, file, context);
    if (result) return "no error";
    EXPECT_EQ(result.error().code, ErrorCode::invalid);
    EXPECT_TRUE(result.error().message.starts_with(file.string() + ": ")) << result.error().message;
    return result.error().message.substr(file.string().size() + 2);
  }
};

TEST_F(KubeconfigTest, DataAndFilesMeanTheSame) {
  write("ca.pem", authority.certificate);
  write("jane.pem", person.certificate);
  write("jane.key", person.key);
  const auto by_file = parse_kubeconfig(
      text("server: https://10.0.0.1:6443/, certificate-authority: ca.pem, tls-server-name: api",
           "client-certificate: jane.pem, client-key: jane.key, token: t0ken", "cluster: c1, user: u1, namespace: web"),
      file);
  ASSERT_TRUE(by_file) << by_file.error().message;
  const auto by_data = parse_kubeconfig(
      text(fmt::format("server: https://10.0.0.1:6443, certificate-authority: not-read, certificate-authority-data: {}",
                       base64_encode(authority.certificate)),
           fmt::format("client-certificate-data: {}, client-key-data: {}", base64_encode(person.certificate),
                       base64_encode(person.key))),
      file);
  ASSERT_TRUE(by_data) << by_data.error().message;
  for (const auto& config : {*by_file, *by_data}) {
    EXPECT_EQ(config.server, "https://10.0.0.1:6443");
    EXPECT_EQ(config.tls.authority, authority.certificate);
    EXPECT_EQ(config.tls.certificate, person.certificate);
    EXPECT_EQ(config.tls.key, person.key);
    EXPECT_TRUE(config.tls.verify);
  }
  EXPECT_EQ(by_file->ns, "web");
  EXPECT_EQ(by_data->ns, "default");
  EXPECT_EQ(by_file->tls.server_name, "api");
  EXPECT_EQ(by_file->token, "t0ken");
  EXPECT_EQ(by_file->origin, file.string() + ", context main");
}

TEST_F(KubeconfigTest, OtherWaysIn) {
  const auto insecure =
      parse_kubeconfig(text("server: https://h, insecure-skip-tls-verify: true, proxy-url: http://p:3128"), file);
  ASSERT_TRUE(insecure) << insecure.error().message;
  EXPECT_FALSE(insecure->tls.verify);
  EXPECT_EQ(insecure->proxy, "http://p:3128");
  write("token", "rotated\n");
  const auto token_file = parse_kubeconfig(text("", "tokenFile: token, token: old"), file);
  ASSERT_TRUE(token_file) << token_file.error().message;
  EXPECT_EQ(token_file->token_file, (folder / "token").string());
  EXPECT_EQ(token_file->token, "");
  EXPECT_TRUE(parse_kubeconfig(text("", "", "cluster: c1"), file)) << "a context may go without a user";
  const auto json =
      parse_kubeconfig(R"({"current-context":"x","clusters":[{"name":"c","cluster":{"server":"http://h:80"}}],
    "contexts":[{"name":"x","context":{"cluster":"c"}}],"users":null})",
                       file);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(json->server, "http://h:80");
}

TEST_F(KubeconfigTest, NamesTheFieldAndTheRemedy) {
  EXPECT_EQ(error_of(""), "not a kubeconfig: the file is empty");
  EXPECT_EQ(error_of("a: b\n---\nc: d\n"), "not a kubeconfig: it holds more than one YAML document");
  EXPECT_EQ(error_of("[1, 2]"), "not a kubeconfig: it is not a map with clusters, users and contexts");
  EXPECT_EQ(error_of("kind: Pod"), "not a kubeconfig: its kind is \"Pod\", not \"Config\"");
  EXPECT_TRUE(error_of("clusters: [").starts_with("not valid YAML: ")) << error_of("clusters: [");
  EXPECT_EQ(error_of("clusters: 5"), "clusters: must be a list of names and clusters");
  EXPECT_EQ(error_of("users: [{user: {}}]"), "users[0].name: is missing; every entry needs one");
  EXPECT_EQ(error_of("users: [{name: u, user: 7}]"), "users[u].user: must be a map");
  EXPECT_EQ(error_of("contexts: [{name: a}, {name: b}]"),
            "current-context: is not set; set it, or name one of the contexts (a, b)");
  EXPECT_EQ(error_of("current-context: x"), "current-context: \"x\" is not among the contexts (none)");
  EXPECT_EQ(error_of(text(), "other"), "context: \"other\" is not among the contexts (main)");
  EXPECT_EQ(error_of(text("", "", "user: u1")), "contexts[main].cluster: is missing; name one of the clusters (c1)");
  EXPECT_EQ(error_of(text("", "", "cluster: c2")), "contexts[main].cluster: \"c2\" is not among the clusters (c1)");
  EXPECT_EQ(error_of(text("", "", "cluster: c1, user: u2")), "contexts[main].user: \"u2\" is not among the users (u1)");
  EXPECT_EQ(error_of(text("", "", "cluster: c1, namespace: 5")),
            "contexts[main].namespace: must be a text; put it in quotes");
}

TEST_F(KubeconfigTest, NamesWhatIsWrongWithTheCluster) {
  EXPECT_EQ(error_of(text("proxy-url: x")), "clusters[c1].server: is missing; give the URL of the API server");
  for (const auto* server : {"10.0.0.1:6443", "https://", "ftp://h", "'https://a b'", "https:///"}) {
    EXPECT_NE(error_of(text(fmt::format("server: {}", server))).find("is not a URL such as https://10.0.0.1:6443"),
              std::string::npos)
        << server;
  }
  EXPECT_EQ(error_of(text("server: https://h, certificate-authority-data: '%%%'")),
            "clusters[c1].certificate-authority-data: is not base64; encode the PEM file with `base64 -w0`");
  EXPECT_EQ(error_of(text("server: https://h, certificate-authority: nope.pem")),
            fmt::format("clusters[c1].certificate-authority: {}: no such file; correct the path, or give "
                        "certificate-authority-data",
                        (folder / "nope.pem").string()));
  EXPECT_EQ(error_of(text("server: https://h, certificate-authority-data: aGVsbG8=")),
            "clusters[c1].certificate-authority: the certificate authority is not a PEM certificate");
  EXPECT_EQ(
      error_of(text(fmt::format("server: https://h, insecure-skip-tls-verify: true, certificate-authority-data: {}",
                                base64_encode(authority.certificate)))),
      "clusters[c1].insecure-skip-tls-verify: contradicts certificate-authority; remove one of them");
  EXPECT_EQ(error_of(text("server: https://h, insecure-skip-tls-verify: 'yes'")),
            "clusters[c1].insecure-skip-tls-verify: must be true or false");
}

TEST_F(KubeconfigTest, NamesWhatIsWrongWithTheUser) {
  const auto certificate = base64_encode(person.certificate);
  EXPECT_EQ(error_of(text("", fmt::format("client-certificate-data: {}", certificate))),
            "users[u1].client-certificate: the client certificate has no key");
  EXPECT_EQ(error_of(text("", fmt::format("client-certificate-data: {}, client-key-data: {}", certificate,
                                          base64_encode(authority.key)))),
            "users[u1].client-certificate: the client key does not belong to the client certificate");
  EXPECT_EQ(error_of(text("", "token: 'a b'")), "users[u1].token: holds white space; a bearer token is one word");
  EXPECT_NE(error_of(text("", "tokenFile: nope")).find("no such file; correct the path"), std::string::npos);
  EXPECT_EQ(
      error_of(text("", "exec: {command: aws}")),
      "users[u1].exec: is not supported; use a client certificate, a token (`kubectl create token`) or tokenFile");
  EXPECT_NE(error_of(text("", "username: admin, password: x")).find("users[u1].username: is not supported"),
            std::string::npos);
}

TEST_F(KubeconfigTest, SeveralFilesAreMergedAndTheFirstCounts) {
  write("a", "current-context: m\nclusters: [{name: c, cluster: {server: 'https://a'}}]\n");
  write("b",
        "current-context: n\nclusters: [{name: c, cluster: {server: 'https://b'}}]\n"
        "contexts: [{name: m, context: {cluster: c}}, {name: n, context: {cluster: c, namespace: q}}]\n");
  const auto merged = load_kubeconfig({folder / "missing", folder / "a", folder / "b"});
  ASSERT_TRUE(merged) << merged.error().message;
  EXPECT_EQ(merged->server, "https://a");
  EXPECT_EQ(merged->ns, "default");
  EXPECT_EQ(load_kubeconfig({folder / "a", folder / "b"}, "n")->ns, "q");

  const auto none = load_kubeconfig({folder / "missing"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_EQ(none.error().message, fmt::format("kubeconfig: {}: no such file; give the path of one with --kubeconfig",
                                              (folder / "missing").string()));
  EXPECT_FALSE(load_kubeconfig({folder}));  // a folder
}

TEST_F(KubeconfigTest, APodUsesItsServiceAccount) {
  PodEnvironment pod{folder, "10.96.0.1", "443"};
  const auto no_token = in_cluster_config(pod);
  ASSERT_FALSE(no_token);
  EXPECT_NE(no_token.error().message.find("automountServiceAccountToken"), std::string::npos);
  write("token", "abc\n");
  EXPECT_NE(in_cluster_config(pod).error().message.find("ca.crt: no such file"), std::string::npos);
  write("ca.crt", "junk");
  EXPECT_NE(in_cluster_config(pod).error().message.find("ca.crt: the certificate authority is not"), std::string::npos);
  write("ca.crt", authority.certificate);
  write("namespace", "kube-system\n");
  const auto config = in_cluster_config(pod);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server, "https://10.96.0.1:443");
  EXPECT_EQ(config->ns, "kube-system");
  EXPECT_EQ(config->token_file, (folder / "token").string());
  pod.host = "fd00::1";
  EXPECT_EQ(in_cluster_config(pod)->server, "https://[fd00::1]:443");
  pod.host.clear();
  EXPECT_EQ(in_cluster_config(pod).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace berth::kube
