#include "http/url.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace berth::http {
namespace {

TEST(Url, TakesTargetApart) {
  const auto target = parse_target("/api/v1/pods?labelSelector=a%3Db%2Cc+in+%28d%29&watch&x=1=2");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/api/v1/pods");
  const std::vector<std::pair<std::string, std::string>> query = {
      {"labelSelector", "a=b,c in (d)"}, {"watch", ""}, {"x", "1=2"}};
  EXPECT_EQ(target->query, query);
}

TEST(Url, AcceptsAbsoluteForm) {
  const auto target = parse_target("https://host:6443/healthz?verbose");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/healthz");
  ASSERT_TRUE(parse_target("http://host"));
  EXPECT_EQ(parse_target("http://host")->path, "/");
}

TEST(Url, PlusIsASpaceOnlyInTheQuery) { EXPECT_EQ(parse_target("/a+b")->path, "/a+b"); }

TEST(Url, RefusesBrokenEscapes) {
  for (const char* text : {"/%", "/%4", "/%zz", "/a?b=%4", "pods", ""}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

RC_GTEST_PROP(Url, DecodingUndoesEncoding, (const std::string& text)) {
  const auto decoded = percent_decode(percent_encode(text));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == text);
}

}  // namespace
}  // namespace berth::http
