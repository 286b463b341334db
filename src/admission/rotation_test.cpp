#include "admission/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "admission/configuration.h"
#include "base/base64.h"

namespace berth::admission {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const WallTime kStart = std::chrono::sys_days{std::chrono::year{2030} / 1 / 2};
const ServedNames kNames{{"berth-webhook.berth-system.svc"}, {"127.0.0.1"}};

class RotationTest : public testing::Test {
 protected:
  // One look at this time; what clients trust is what was stored before, unless told otherwise.
  void look(std::optional<std::string> published) {
    const auto made = rotate(is_, kNames, published, now_, policy_);
    ASSERT_TRUE(made) << made.error().message;
    const auto again = parse_secret(api::JsonObject{{"data", secret_data(*made)}});
    ASSERT_TRUE(again) << again.error().message;
    is_ = *again;
  }
  void look() { look(is_ ? std::optional(is_->bundle()) : std::nullopt); }
  [[nodiscard]] bool bundle_has(const std::string& pem) const { return is_->bundle().find(pem) != std::string::npos; }

  RotationPolicy policy_;
  WallTime now_ = kStart;
  std::optional<Certificates> is_;
};

TEST_F(RotationTest, BeginsWithBoth) {
  look();
  ASSERT_TRUE(is_);
  EXPECT_EQ(is_->bundle(), is_->authority.certificate);
  const auto validity = http::validity_of(is_->serving.certificate);
  ASSERT_TRUE(validity);
  EXPECT_EQ(validity->from, kStart - minutes(5));
  EXPECT_EQ(validity->until, kStart + hours(24 * 90));
  EXPECT_EQ(is_->dns_names, kNames.dns_names);
}

TEST_F(RotationTest, IsQuietWhileNothingIsDue) {
  look();
  const Certificates before = *is_;
  now_ += hours(24 * 59);
  look();
  EXPECT_EQ(is_->serving.certificate, before.serving.certificate);
  EXPECT_EQ(is_->bundle(), before.bundle());
}

TEST_F(RotationTest, RenewsTheServingCertificateInTime) {
  look();
  const Certificates before = *is_;
  now_ += hours(24 * 61);
  look();
  EXPECT_NE(is_->serving.certificate, before.serving.certificate);
  EXPECT_EQ(is_->authority.certificate, before.authority.certificate);
}

TEST_F(RotationTest, FollowsItsNames) {
  look();
  const std::string before = is_->serving.certificate;
  const auto renamed = rotate(is_, {{"other.ns.svc"}, {}}, is_->bundle(), now_, policy_);
  ASSERT_TRUE(renamed);
  EXPECT_NE(renamed->serving.certificate, before);
  EXPECT_EQ(renamed->dns_names, std::vector<std::string>{"other.ns.svc"});
}

TEST_F(RotationTest, ANewAuthorityIsTrustedBeforeItSigns) {
  look();
  const std::string old = is_->authority.certificate;
  now_ += hours(24 * 500);  // two thirds of its life have passed
  look();
  ASSERT_TRUE(is_->next);
  EXPECT_EQ(is_->authority.certificate, old);
  EXPECT_TRUE(bundle_has(is_->next->certificate));
  const std::string coming = is_->next->certificate;
  const std::string published = is_->bundle();

  now_ += minutes(9);
  look(published);
  EXPECT_EQ(is_->authority.certificate, old) << "the overlap has not passed";

  now_ += minutes(2);
  look(old);
  EXPECT_EQ(is_->authority.certificate, old) << "nobody trusts the new one yet";
  look(std::string());
  EXPECT_EQ(is_->authority.certificate, old) << "what is published cannot be seen";

  const std::string serving = is_->serving.certificate;
  look(published);
  EXPECT_EQ(is_->authority.certificate, coming);
  EXPECT_NE(is_->serving.certificate, serving);
  EXPECT_FALSE(is_->next);
  EXPECT_TRUE(bundle_has(old)) << "others still serve with what it signed";
  EXPECT_EQ(http::validity_of(is_->serving.certificate)->until, now_ + hours(24 * 90));
}

TEST_F(RotationTest, TheOldAuthorityGoesWhenItHasEnded) {
  look();
  const std::string old = is_->authority.certificate;
  now_ += hours(24 * 500);
  look();
  now_ += hours(1);
  look();
  ASSERT_NE(is_->authority.certificate, old);
  while (now_ + hours(24 * 7) < kStart + policy_.authority_life) {
    now_ += hours(24 * 7);
    look();
    ASSERT_TRUE(bundle_has(old));
  }
  now_ = kStart + std::chrono::duration_cast<WallTime::duration>(policy_.authority_life);
  look();
  EXPECT_FALSE(bundle_has(old));
}

// Whatever is served is signed by an authority that clients were told of before, for ten years, with looks at odd
// times.
TEST_F(RotationTest, WhatIsServedIsAlwaysTrusted) {
  look();
  std::string published = is_->bundle();
  int renewals = 0;
  while (now_ < kStart + hours(24 * 3650)) {
    now_ += hours(31);
    const Certificates before = *is_;
    look(published);
    renewals += before.serving.certificate != is_->serving.certificate;
    EXPECT_NE(published.find(is_->authority.certificate), std::string::npos) << "signs before it is trusted";
    const auto serving = http::validity_of(is_->serving.certificate);
    ASSERT_TRUE(serving);
    EXPECT_LT(serving->from, now_);
    EXPECT_GT(serving->until, now_ + hours(24 * 7));
    published = is_->bundle();
  }
  EXPECT_GT(renewals, 50);
}

TEST_F(RotationTest, BeginsAnewAfterALongSleep) {
  look();
  const std::string old = is_->authority.certificate;
  now_ += hours(24 * 1000);
  look();
  EXPECT_NE(is_->authority.certificate, old);
  EXPECT_FALSE(bundle_has(old));
  EXPECT_GT(http::validity_of(is_->serving.certificate)->until, now_);
}

TEST_F(RotationTest, AForeignSecretIsSaidToBeOne) {
  EXPECT_FALSE(parse_secret({}));
  look();
  api::JsonObject data = secret_data(*is_);
  data["authority.key"] = "";
  EXPECT_FALSE(parse_secret({{"data", data}}));
}

// ---- ValidatingWebhookConfiguration

const Target kService{"berth-system", "berth-webhook", ""};

TEST(WebhookConfiguration, FailsOpenAndLeavesSystemNamespacesAlone) {
  const auto object = configuration(kService, "berth-system", "PEM");
  const auto& hooks = object.at("webhooks").as_array();
  ASSERT_EQ(hooks.size(), 2U);
  for (const auto& item : hooks) {
    const auto& hook = item.as_object();
    EXPECT_EQ(api::string_at(hook, {"failurePolicy"}), "Ignore");
    EXPECT_EQ(api::int_at(hook, {"timeoutSeconds"}), 3);
    EXPECT_EQ(api::string_at(hook, {"clientConfig", "service", "name"}), "berth-webhook");
  }
  const auto& pods = hooks[1].as_object();
  const auto* out = api::find_array(pods, {"namespaceSelector", "matchExpressions"});
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(api::strings_at(out->front().as_object(), {"values"}),
            (std::vector<std::string>{"kube-system", "berth-system"}));
}

TEST(WebhookConfiguration, BundlesAreRenewedInAnybodysObject) {
  api::JsonObject stored = configuration(kService, "berth-system", "OLD");
  EXPECT_EQ(published_bundle(stored), "OLD");
  EXPECT_FALSE(renewed(stored, kService, "berth-system", "OLD"));
  auto next = renewed(stored, std::nullopt, "berth-system", "NEW");
  ASSERT_TRUE(next);
  EXPECT_EQ(published_bundle(*next), "NEW");

  stored["metadata"].as_object().erase("annotations");  // the chart's: its rules stay as they are
  stored["webhooks"].as_array()[0].as_object()["timeoutSeconds"] = 1;
  next = renewed(stored, kService, "berth-system", "NEW");
  ASSERT_TRUE(next);
  EXPECT_EQ(api::int_at(next->at("webhooks").as_array()[0].as_object(), {"timeoutSeconds"}), 1);
  EXPECT_EQ(published_bundle(*next), "NEW");
}

TEST(WebhookConfiguration, ItsOwnTextFollowsTheTarget) {
  api::JsonObject stored = configuration(kService, "berth-system", "PEM");
  stored["metadata"].as_object()["resourceVersion"] = "7";
  const auto next = renewed(stored, Target{"", "", "https://10.0.0.5:9443/validate"}, "berth-system", "PEM");
  ASSERT_TRUE(next);
  EXPECT_EQ(api::string_at(next->at("webhooks").as_array()[0].as_object(), {"clientConfig", "url"}),
            "https://10.0.0.5:9443/validate");
  EXPECT_EQ(api::string_at(*next, {"metadata", "resourceVersion"}), "7");
}

TEST(WebhookConfiguration, OneWithoutABundleCountsAsUnpublished) {
  api::JsonObject stored = configuration(kService, "berth-system", "PEM");
  stored["webhooks"].as_array()[1].as_object()["clientConfig"].as_object().erase("caBundle");
  EXPECT_EQ(published_bundle(stored), "");
  const auto next = renewed(stored, std::nullopt, "berth-system", "PEM");
  ASSERT_TRUE(next);
  EXPECT_EQ(published_bundle(*next), "PEM");
}

}  // namespace
}  // namespace berth::admission
