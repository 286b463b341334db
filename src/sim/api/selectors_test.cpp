#include "sim/api/selectors.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "sim/api/registry.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

struct Row {
  const char* selector;
  const char* labels;
  bool matches;
};

TEST(LabelSelectorTest, Matches) {
  constexpr Row kRows[] = {
      {"", R"({})", true},
      {"a=b", R"({"a":"b"})", true},
      {"a==b", R"({"a":"b"})", true},
      {"a=b", R"({"a":"c"})", false},
      {"a=b", R"({})", false},
      {"a!=b", R"({"a":"c"})", true},
      {"a!=b", R"({})", true},
      {"a!=b", R"({"a":"b"})", false},
      {"a in (b, c)", R"({"a":"c"})", true},
      {"a in (b,c)", R"({"a":"d"})", false},
      {"a notin (b,c)", R"({"a":"d"})", true},
      {"a notin (b,c)", R"({})", true},
      {"a notin (b,c)", R"({"a":"b"})", false},
      {"a", R"({"a":""})", true},
      {"a", R"({})", false},
      {"!a", R"({})", true},
      {"!a", R"({"a":"x"})", false},
      {"a=b,c in (d),!e", R"({"a":"b","c":"d"})", true},
      {"a=b,c in (d),!e", R"({"a":"b","c":"d","e":""})", false},
      {" a = b , app.io/x != y ", R"({"a":"b","app.io/x":"z"})", true},
      {"a=", R"({"a":""})", true},
      {"in=x", R"({"in":"x"})", true},
  };
  for (const Row& row : kRows) {
    const auto selector = LabelSelector::parse(row.selector);
    ASSERT_TRUE(selector) << row.selector;
    const json::value labels = json::parse(row.labels);
    EXPECT_EQ(selector->matches(&labels.get_object()), row.matches) << row.selector << " on " << row.labels;
    EXPECT_EQ(LabelSelector::parse(selector->to_string())->matches(&labels.get_object()), row.matches)
        << selector->to_string();
  }
}

TEST(LabelSelectorTest, RefusesWhatItCannotRead) {
  for (const char* text : {"a b", "a in b", "a in (b", "=b", ",", "a=b,", "a=b c", "!", "a,,b"}) {
    const auto selector = LabelSelector::parse(text);
    ASSERT_FALSE(selector) << text;
    EXPECT_EQ(selector.error().code, 400);
  }
}

TEST(LabelSelectorTest, ReadsSelectorObjects) {
  const auto selector = LabelSelector::from_object(
      json::parse(R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["d"]},
                      {"key":"e","operator":"Exists"},{"key":"f","operator":"DoesNotExist"}]})")
          .as_object());
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->to_string(), "a=b,c!=d,e,!f");
  EXPECT_FALSE(
      LabelSelector::from_object(json::parse(R"({"matchExpressions":[{"key":"c","operator":"Near"}]})").as_object()));
}

TEST(FieldSelectorTest, MatchesFieldsOfTheKind) {
  const Registry registry;
  const TypePtr pods = registry.find("", "v1", "pods");
  const json::object pod =
      json::parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})")
          .as_object();
  for (const char* text : {"", "metadata.name=p", "spec.nodeName=n1,status.phase!=Failed", "metadata.namespace==n",
                           "spec.hostNetwork=false"}) {
    const auto selector = FieldSelector::parse(text, *pods);
    ASSERT_TRUE(selector) << text;
    EXPECT_TRUE(selector->matches(pod)) << text;
  }
  EXPECT_FALSE(FieldSelector::parse("spec.nodeName=", *pods)->matches(pod));
  EXPECT_TRUE(FieldSelector::parse("spec.nodeName=", *pods)->matches({}));
}

TEST(FieldSelectorTest, RefusesFieldsThatCannotBeSelected) {
  const Registry registry;
  const auto of_pods = FieldSelector::parse("spec.x=1", *registry.find("", "v1", "pods"));
  ASSERT_FALSE(of_pods);
  EXPECT_EQ(of_pods.error().message, "field label not supported: spec.x");
  const auto of_maps = FieldSelector::parse("data.x=1", *registry.find("", "v1", "configmaps"));
  ASSERT_FALSE(of_maps);
  EXPECT_EQ(of_maps.error().message,
            "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
  EXPECT_FALSE(FieldSelector::parse("spec", *registry.find("", "v1", "pods")));
}

}  // namespace
}  // namespace berth::sim
