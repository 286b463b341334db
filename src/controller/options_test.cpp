#include "controller/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace berth::controller {
namespace {

using testing::AllOf;
using testing::HasSubstr;

GivenOptions flags(std::map<std::string, std::string> values) {
  GivenOptions out;
  for (const auto& [name, value] : values) out.emplace(name, Given{value, "--" + name});
  return out;
}

// The least that is needed, and what else is given.
GivenOptions usable(std::map<std::string, std::string> values = {}) {
  values.emplace("ovn-nb", "unix:/run/ovn/nb.sock");
  return flags(std::move(values));
}

std::string refusal(const GivenOptions& given, const GivenOptions& file = {}) {
  const auto options = make_options(given, file);
  if (options) return "accepted";
  EXPECT_EQ(options.error().code, ErrorCode::invalid);
  EXPECT_EQ(options.error().message.find('\n'), std::string::npos) << "one line";
  return options.error().message;
}

std::string config_refusal(std::string_view text) {
  const auto given = parse_config_file(text, "berth.yaml");
  return given ? "accepted" : given.error().message;
}

TEST(OptionsTest, DefaultsAreSafeAndThoseOfKubeOvn) {
  const auto options = make_options(usable(), {});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->ovn_nb, "unix:/run/ovn/nb.sock");
  EXPECT_EQ(options->settings.default_cidr, net::Cidr::parse_list("10.16.0.0/16"));
  EXPECT_EQ(options->settings.join_cidr, net::Cidr::parse_list("100.64.0.0/16"));
  EXPECT_EQ(options->settings.service_cidr, net::Cidr::parse_list("10.96.0.0/12"));
  EXPECT_EQ(options->settings.settle, std::chrono::seconds(5));
  EXPECT_TRUE(options->leader_elect);
  EXPECT_FALSE(options->metrics);
  const binding::Safeguards& on = options->settings.safeguards;
  EXPECT_TRUE(on.late_binding && on.confirm && on.fresh_reads && on.settle);
}

TEST(OptionsTest, FlagsWinOverTheFile) {
  const auto file = parse_config_file("settle: 30s\nleader-elect: false\novn-nb: tcp:127.0.0.1:6641\n", "berth.yaml");
  ASSERT_TRUE(file) << file.error().message;
  const auto options = make_options(flags({{"settle", "500ms"}}), *file);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->settings.settle, std::chrono::milliseconds(500));
  EXPECT_FALSE(options->leader_elect);
  EXPECT_EQ(options->ovn_nb, "tcp:127.0.0.1:6641");
}

TEST(OptionsTest, EveryOptionCanBeSetInAFile) {
  const auto file = parse_config_file(R"(
kubeconfig: /etc/kube
ovn-nb: tcp:10.0.0.1:6641,tcp:10.0.0.2:6641
default-cidr: 10.1.0.0/16,fd00:1::/64
join-cidr: fd00:2::/64,10.2.0.0/16
service-cidr: 10.3.0.0/16
settle: 1m30s
leader-elect: true
identity: me
log-format: json
log-level: debug
metrics-addr: "[::1]:0"
webhook-addr: ":9443"
webhook-service: berth-system/berth-webhook
webhook-url: ""
unsafe-no-late-binding: true
unsafe-skip-confirmation: true
)",
                                      "berth.yaml");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->size(), option_infos().size());
  const auto options = make_options({}, *file);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->kubeconfig, "/etc/kube");
  ASSERT_TRUE(options->webhook && options->webhook->target);
  EXPECT_EQ(options->webhook->target->service, "berth-webhook");
  EXPECT_EQ(options->identity, "me");
  EXPECT_EQ(options->settings.join_cidr, net::Cidr::parse_list("10.2.0.0/16,fd00:2::/64")) << "IPv4 first";
  EXPECT_EQ(options->settings.settle, std::chrono::seconds(90));
  EXPECT_EQ(options->log.format, log::Format::json);
  EXPECT_EQ(options->log.level, log::Level::debug);
  ASSERT_TRUE(options->metrics);
  EXPECT_EQ(options->metrics->address.to_string(), "::1");
}

TEST(OptionsTest, UnsafeSwitchesTakeAwayExactlyTheirSafeguards) {
  const auto late = make_options(usable({{"unsafe-no-late-binding", "true"}}), {});
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->settings.safeguards.late_binding);
  EXPECT_FALSE(late->settings.safeguards.fresh_reads);
  EXPECT_FALSE(late->settings.safeguards.settle);
  EXPECT_TRUE(late->settings.safeguards.confirm);
  EXPECT_TRUE(late->settings.safeguards.check_pod_uid);

  const auto skip = make_options(usable({{"unsafe-skip-confirmation", "true"}}), {});
  ASSERT_TRUE(skip);
  EXPECT_FALSE(skip->settings.safeguards.confirm);
  EXPECT_TRUE(skip->settings.safeguards.late_binding);
}

TEST(OptionsTest, WrongValuesAreNamedWithTheirPlace) {
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("--ovn-nb"), HasSubstr("is missing"), HasSubstr("unix:")));
  EXPECT_THAT(refusal(flags({{"ovn-nb", "udp:1.2.3.4:1"}})), AllOf(HasSubstr("--ovn-nb"), HasSubstr("udp:1.2.3.4:1")));
  EXPECT_THAT(refusal(usable({{"default-cidr", "10.1.0.0"}})),
              AllOf(HasSubstr("--default-cidr"), HasSubstr("10.1.0.0")));
  EXPECT_THAT(refusal(usable({{"join-cidr", "10.1.0.0/16,10.2.0.0/16"}})),
              AllOf(HasSubstr("--join-cidr"), HasSubstr("both are IPv4")));
  EXPECT_THAT(refusal(usable({{"settle", "5"}})), AllOf(HasSubstr("--settle"), HasSubstr("\"5\""), HasSubstr("5s")));
  EXPECT_THAT(refusal(usable({{"leader-elect", "maybe"}})), AllOf(HasSubstr("--leader-elect"), HasSubstr("maybe")));
  EXPECT_THAT(refusal(usable({{"log-format", "xml"}})), AllOf(HasSubstr("--log-format"), HasSubstr("text or json")));
  EXPECT_THAT(refusal(usable({{"log-level", "loud"}})), AllOf(HasSubstr("--log-level"), HasSubstr("debug, info")));
  EXPECT_THAT(refusal(usable({{"metrics-addr", "9090"}})), AllOf(HasSubstr("--metrics-addr"), HasSubstr("9090")));
  EXPECT_THAT(refusal(usable({{"unsafe-no-late-binding", "yes"}})), HasSubstr("true or false"));

  const auto file = parse_config_file("settle: soon\n", "berth.yaml");
  ASSERT_TRUE(file);
  EXPECT_THAT(refusal(usable(), *file), AllOf(HasSubstr("berth.yaml: settle"), HasSubstr("\"soon\"")));
}

TEST(OptionsTest, RangesOfTheSystemMustNotOverlap) {
  EXPECT_THAT(
      refusal(usable({{"default-cidr", "10.100.0.0/16"}})),
      AllOf(HasSubstr("--default-cidr 10.100.0.0/16 overlaps"), HasSubstr("--service-cidr (default) 10.96.0.0/12")));
  EXPECT_THAT(refusal(usable({{"join-cidr", "10.0.0.0/8"}})), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(usable({{"join-cidr", "10.97.0.0/16"}})), HasSubstr("overlaps"));
  EXPECT_THAT(
      refusal(usable({{"default-cidr", "10.16.0.0/16,fd00::/48"}, {"join-cidr", "100.64.0.0/16,fd00:0:0:1::/64"}})),
      HasSubstr("fd00::/48 overlaps"));
  EXPECT_EQ(refusal(usable({{"default-cidr", "10.112.0.0/16"}, {"join-cidr", "10.113.0.0/16"}})), "accepted");
}

TEST(OptionsTest, NodesNeedEveryFamilyOfPods) {
  EXPECT_THAT(refusal(usable({{"default-cidr", "10.16.0.0/16,fd00::/64"}})),
              AllOf(HasSubstr("--join-cidr"), HasSubstr("no IPv6 range"), HasSubstr("fd00::/64")));
  EXPECT_EQ(refusal(usable({{"join-cidr", "100.64.0.0/16,fd01::/64"}})), "accepted");
}

TEST(OptionsTest, ConfigurationFilesAreRefusedWithFileAndKey) {
  EXPECT_THAT(config_refusal("setle: 5s\n"), AllOf(HasSubstr("berth.yaml: setle"), HasSubstr("settle")));
  EXPECT_THAT(config_refusal("settle: [5s]\n"), AllOf(HasSubstr("berth.yaml: settle"), HasSubstr("[\"5s\"]")));
  EXPECT_THAT(config_refusal("config: other.yaml\n"), HasSubstr("is not a setting"));
  EXPECT_THAT(config_refusal("- settle\n"), HasSubstr("must be a map"));
  EXPECT_THAT(config_refusal("a: b\n---\nc: d\n"), HasSubstr("more than one"));
  EXPECT_THAT(config_refusal("settle: 5s: 6s\n"), HasSubstr("berth.yaml"));
  EXPECT_EQ(config_refusal(""), "accepted");
  EXPECT_EQ(config_refusal("# nothing\n"), "accepted");
}

TEST(OptionsTest, ConfigurationFilesAreRead) {
  const auto missing = load_config_file("/nonexistent/berth.yaml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr("--config"), HasSubstr("/nonexistent/berth.yaml")));
  EXPECT_FALSE(load_config_file("/")) << "a folder";

  const auto path = std::filesystem::path(testing::TempDir()) / "berth-options-test.yaml";
  std::ofstream(path) << "settle: 7s\n";
  const auto given = load_config_file(path.string());
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->at("settle").value, "7s");
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_TRUE(load_config_file(path.string())) << "an empty file";
  std::filesystem::remove(path);
}

TEST(OptionsTest, DurationsReadAsInGo) {
  EXPECT_EQ(parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(parse_duration("5s"), std::chrono::seconds(5));
  EXPECT_EQ(parse_duration("1h2m3s4ms"), std::chrono::milliseconds(3'723'004));
  EXPECT_EQ(parse_duration("0.25s"), std::chrono::milliseconds(250));
  EXPECT_EQ(parse_duration("0"), Duration::zero());
  EXPECT_EQ(parse_duration("0s"), Duration::zero());
  for (const auto* wrong :
       {"", "5", "s", "-5s", "5 s", ".5s", "1e3s", "nans", "5sec", "99999999999999999999s", "4294967295h", "5s5"}) {
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
  }
}

TEST(OptionsTest, TheWebhookIsReachedByAServiceOrAUrl) {
  EXPECT_FALSE(make_options(usable(), {})->webhook) << "off by default";
  const auto url =
      make_options(usable({{"webhook-addr", "127.0.0.1:0"}, {"webhook-url", "https://[fd00::5]:9443/validate"}}), {});
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->webhook->url_host, "fd00::5");
  EXPECT_EQ(make_options(usable({{"webhook-addr", ":1"}, {"webhook-url", "https://host.example:9/validate"}}), {})
                ->webhook->url_host,
            "host.example");
  for (const auto* wrong : {"http://10.0.0.5/validate", "https://10.0.0.5", "https:///validate", "10.0.0.5"}) {
    EXPECT_THAT(refusal(usable({{"webhook-addr", ":1"}, {"webhook-url", wrong}})), HasSubstr("--webhook-url")) << wrong;
  }
  EXPECT_THAT(refusal(usable({{"webhook-addr", ":1"}, {"webhook-service", "just-a-name"}})),
              HasSubstr("berth-system/berth-webhook"));
  EXPECT_THAT(refusal(usable({{"webhook-service", "a/b"}})), HasSubstr("needs --webhook-addr"));
  EXPECT_THAT(
      refusal(usable({{"webhook-addr", ":1"}, {"webhook-service", "a/b"}, {"webhook-url", "https://h/validate"}})),
      HasSubstr("excludes"));
}

TEST(OptionsTest, EndpointsReadAsAddressAndPort) {
  const auto v4 = parse_endpoint("127.0.0.1:9090");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->address.to_string(), "127.0.0.1");
  EXPECT_EQ(v4->port, 9090);
  EXPECT_EQ(parse_endpoint("[::1]:0")->address.to_string(), "::1");
  EXPECT_EQ(parse_endpoint(":80")->address.to_string(), "0.0.0.0");
  for (const auto* wrong : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]",
                            "[127.0.0.1]:80", "[]:80", "host:80", "127.0.0.1:80x"}) {
    EXPECT_FALSE(parse_endpoint(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace berth::controller
