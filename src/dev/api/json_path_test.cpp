#include "dev/api/json_path.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace berth::dev {
namespace {

namespace json = boost::json;

const json::value kObject = json::parse(R"({
  "metadata": {"name": "s", "annotations": {"example.com/a": "x"}},
  "spec": {"list": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3, "t": "b"}], "flag": true, "empty": {}},
  "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Odd]", "status": "False"}]}
})");

std::string find(std::string_view path) {
  const auto parsed = JsonPath::parse(path);
  if (!parsed) return "error";
  std::string out;
  for (const json::value* value : parsed->find(kObject)) out += (out.empty() ? "" : " ") + json::serialize(*value);
  return out;
}

TEST(JsonPath, FollowsKeysIndexesAndFilters) {
  const std::pair<const char*, const char*> cases[] = {
      {".metadata.name", "\"s\""},
      {"{.metadata.name}", "\"s\""},
      {R"(.metadata.annotations.example\.com/a)", "\"x\""},
      {".metadata.annotations['example.com/a']", "\"x\""},
      {".spec.list[0].n", "1"},
      {".spec.list[-1].n", "3"},
      {".spec.list[*].n", "1 2 3"},
      {R"(.spec.list[?(@.t=="b")].n)", "2 3"},
      {".spec.list[?(@.n != 2)].t", "\"a\" \"b\""},
      {R"(.status.conditions[?(@.type=="Ready")].status)", "\"True\""},
      {".status.conditions[?(@.type=='Odd]')].status", "\"False\""},
      {".spec.flag", "true"},
      {".spec.empty", "{}"},
  };
  for (const auto& [path, expected] : cases) EXPECT_EQ(find(path), expected) << path;
}

TEST(JsonPath, WhatIsMissingSelectsNothing) {
  for (const char* path : {".a", ".spec.list[7]", ".spec.list.n", ".metadata.name.x", ".spec.flag[*]"}) {
    EXPECT_EQ(find(path), "") << path;
  }
}

TEST(JsonPath, RefusesWhatItDoesNotKnow) {
  for (const char* path : {"", "spec", ".spec[", ".spec[x]", ".spec[?(n==1)]", ".spec[?(@.n)]", "..name", ".spec\\"}) {
    EXPECT_EQ(find(path), "error") << path;
  }
}

}  // namespace
}  // namespace berth::dev
