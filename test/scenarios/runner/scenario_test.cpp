// Mistakes in scenario files are found when they are read, not by a scenario that waits for nothing.

#include "scenarios/runner/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::scenarios {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGood = R"(
scenario: one
claim: Something is so.
steps:
- apply: {kind: Namespace, metadata: {name: <id>}}
- see:
  - object: Namespace/<id>
    annotations: {a: b}
  within: 5s
)";

std::string problem(const std::string& from, const std::string& to) {
  std::string text(kGood);
  text.replace(text.find(from), from.size(), to);
  const auto scenarios = parse_scenarios(text, "x.yaml");
  return scenarios ? "" : scenarios.error().message;
}

TEST(ScenarioFile, IsRead) {
  const auto scenarios = parse_scenarios(kGood, "x.yaml");
  ASSERT_TRUE(scenarios) << scenarios.error().message;
  ASSERT_EQ(scenarios->size(), 1U);
  EXPECT_EQ(scenarios->front().name, "one");
  EXPECT_EQ(scenarios->front().claim, "Something is so.");
  EXPECT_EQ(scenarios->front().steps.size(), 2U);
  EXPECT_FALSE(scenarios->front().alone);
}

TEST(ScenarioFile, MistakesAreNamed) {
  EXPECT_THAT(problem("scenario: one", "scenario: One"), HasSubstr("x.yaml"));
  EXPECT_THAT(problem("claim:", "clam:"), HasSubstr("one"));
  EXPECT_THAT(problem("- apply:", "- aply:"), HasSubstr("step 1: unknown verb aply"));
  EXPECT_THAT(problem("within: 5s", "patch: {}"), HasSubstr("a step has one verb"));
  EXPECT_THAT(problem("- see:", "- apply: {}\n  times: x\n- see:"), HasSubstr("times: needs a number"));
  EXPECT_THAT(problem("- see:", "- patch: {}\n  times: 2\n- see:"), HasSubstr("unknown verb times"));
  EXPECT_THAT(problem("- object:", "- objekt:"), HasSubstr("unknown expectation"));
  EXPECT_THAT(problem("annotations:", "anotations:"), HasSubstr("object: unknown key anotations"));
  EXPECT_THAT(problem("{a: b}", "{a: {$contain: b}}"), HasSubstr("$contain"));
  EXPECT_THAT(problem("- see:", "- stays:"), HasSubstr("nothing is to be seen"));
  EXPECT_THAT(problem("- see:", "- controller: stop\n- see:"), HasSubstr("needs `alone: true`"));
  EXPECT_THAT(problem("steps:", "steps: ["), HasSubstr("x.yaml"));
}

TEST(ScenarioFile, ObjectsAreNamedByKind) {
  EXPECT_EQ(parse_object_name("Pod/web/a")->ns, "web");
  EXPECT_EQ(parse_object_name("Subnet/blue")->name, "blue");
  EXPECT_FALSE(parse_object_name("Pod/a"));
  EXPECT_FALSE(parse_object_name("Subnet/web/blue"));
  EXPECT_FALSE(parse_object_name("Submet/blue"));
  EXPECT_FALSE(parse_object_name(""));
}

}  // namespace
}  // namespace berth::scenarios
