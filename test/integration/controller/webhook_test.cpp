// The webhook of berth-controller on the embedded API server, which knows the objects but calls nobody: here the test
// does the API server's part.

#include <fmt/core.h>
#include <gmock/gmock.h>

#include "admission/configuration.h"
#include "admission/rotation.h"
#include "http/client.h"
#include "integration/controller/fixture.h"

namespace berth::test {
namespace {

using testing::HasSubstr;

class WebhookTest : public ControllerTest {
 protected:
  // As the API server would, trusting `authority`. The body, or the error.
  std::string ask(const Program& of, const std::string& authority, const std::string& spec) {
    const std::string log = of.log();
    const std::string said = "the admission webhook is served port=";
    const auto at = log.rfind(said);
    if (at == std::string::npos) return "it does not listen";
    http::ClientOptions options;
    options.tls.authority = authority;
    options.tls.server_name = "berth-webhook.kube-system.svc";
    http::Client client(std::move(options));
    http::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("https://127.0.0.1:{}/validate", std::stoi(log.substr(at + said.size())));
    request.body = fmt::format(R"({{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
        {{"uid": "u", "kind": {{"group": "kubeovn.io", "version": "v1", "kind": "Subnet"}}, "operation": "CREATE",
          "name": "b", "object": {{"metadata": {{"name": "b"}}, "spec": {}}}}}}})",
                               spec);
    std::promise<Result<http::ClientResponse>> answer;
    client.send(std::move(request), [&](Result<http::ClientResponse> reply) { answer.set_value(std::move(reply)); });
    const auto reply = answer.get_future().get();
    return reply ? reply->body : reply.error().message;
  }

  std::string authority() {
    const auto known = admission::parse_secret(api_->get("secrets", "kube-system", "berth-webhook-tls"));
    return known ? known->bundle() : std::string();
  }
};

TEST_F(WebhookTest, EveryReplicaAnswersAndOnlyTheLeaderKnowsTheCluster) {
  api_->open();
  start_northbound();
  Program follower(supervisor_, folder_, "follower");
  const std::vector<std::string> more{"--webhook-addr", "127.0.0.1:0", "--webhook-service",
                                      "kube-system/berth-webhook"};
  controller_->start(flags("leader", more));
  ASSERT_TRUE(eventually([&] { return subnet_is_ready("ovn-default"); })) << controller_->log();
  follower.start(flags("follower", more));
  const std::string serves = "the webhook serves with the certificate of the Secret";
  ASSERT_TRUE(eventually([&] { return controller_->logged(serves) && follower.logged(serves); }))
      << controller_->log() << follower.log();

  const std::string trusted = authority();
  ASSERT_FALSE(trusted.empty());
  const std::string held = R"({"cidrBlock": "10.16.4.0/24"})";
  EXPECT_THAT(ask(*controller_, trusted, held), HasSubstr("overlaps Subnet ovn-default"));
  EXPECT_THAT(ask(follower, trusted, held), HasSubstr(R"("allowed":true)"));
  const std::string wrong = R"({"cidrBlock": "10.1.0.0/99"})";
  EXPECT_THAT(ask(*controller_, trusted, wrong), HasSubstr(R"("allowed":false)"));
  EXPECT_THAT(ask(follower, trusted, wrong), HasSubstr(R"("allowed":false)"));
  const auto stranger = http::make_authority(
      "x", {std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now()),
            std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now()) + std::chrono::hours(1)});
  ASSERT_TRUE(stranger);
  EXPECT_THAT(ask(*controller_, stranger->certificate, wrong), testing::Not(HasSubstr("allowed")));

  ASSERT_TRUE(eventually([&] {
    return admission::published_bundle(api_->get("validatingwebhookconfigurations", "", "berth")) == trusted;
  })) << controller_->log();
}

TEST_F(WebhookTest, ASpoiltSecretIsMadeAnew) {
  api_->open();
  start_northbound();
  api_->create("secrets", R"({"metadata": {"name": "berth-webhook-tls", "namespace": "kube-system"},
      "type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": "eA=="}})");
  controller_->start(flags("leader", {"--webhook-addr", "127.0.0.1:0"}));
  ASSERT_TRUE(eventually([&] { return !authority().empty(); })) << controller_->log();
  ASSERT_TRUE(eventually([&] {
    return ask(*controller_, authority(), R"({"cidrBlock": "10.1.0.0/24"})").find(R"("allowed":true)") !=
           std::string::npos;
  })) << controller_->log();
  EXPECT_TRUE(api_->get("validatingwebhookconfigurations", "", "berth").empty()) << "nobody said how it is reached";
}

TEST_F(WebhookTest, AnAddressThatCannotBeHadIsSaidAtOnce) {
  api_->open();
  controller_->start(flags("leader", {"--webhook-addr", "192.0.2.1:1"}));
  EXPECT_EQ(controller_->exit_status(), 2);
  EXPECT_TRUE(controller_->logged("--webhook-addr")) << controller_->log();
}

}  // namespace
}  // namespace berth::test
