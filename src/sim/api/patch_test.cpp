#include "sim/api/patch.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "sim/api/registry.h"

namespace berth::sim {
namespace {

namespace json = boost::json;

struct Row {
  const char* name;
  const char* document;
  const char* patch;
  const char* result;  // null: refused with this code
  int code = 0;
};

std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

class JsonPatchTest : public ::testing::TestWithParam<Row> {};

TEST_P(JsonPatchTest, Applies) {
  const Row& row = GetParam();
  const auto result = json_patch(json::parse(row.document), json::parse(row.patch));
  if (!row.result) {
    ASSERT_FALSE(result) << json::serialize(*result);
    EXPECT_EQ(result.error().code, row.code);
    return;
  }
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, json::parse(row.result)) << json::serialize(*result);
}

// The examples of RFC 6902, appendix A, and the corners that it leaves to prose.
constexpr Row kJsonPatches[] = {
    {"AddMember", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"baz":"qux","foo":"bar"})"},
    {"AddElement", R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])",
     R"({"foo":["bar","qux","baz"]})"},
    {"RemoveMember", R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
    {"RemoveElement", R"({"foo":["a","b","c"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["a","c"]})"},
    {"Replace", R"({"baz":"qux","foo":"bar"})", R"([{"op":"replace","path":"/baz","value":"boo"}])",
     R"({"baz":"boo","foo":"bar"})"},
    {"MoveMember", R"({"a":{"x":1,"y":2},"b":{"z":3}})", R"([{"op":"move","from":"/a/y","path":"/b/t"}])",
     R"({"a":{"x":1},"b":{"z":3,"t":2}})"},
    {"MoveElement", R"({"l":["a","b","c","d"]})", R"([{"op":"move","from":"/l/1","path":"/l/3"}])",
     R"({"l":["a","c","d","b"]})"},
    {"Copy", R"({"a":[1]})", R"([{"op":"copy","from":"/a","path":"/b"}])", R"({"a":[1],"b":[1]})"},
    {"TestHolds", R"({"a":"q","l":["x",2]})",
     R"([{"op":"test","path":"/a","value":"q"},{"op":"test","path":"/l/1","value":2}])", R"({"a":"q","l":["x",2]})"},
    {"TestFails", R"({"a":"q"})", R"([{"op":"test","path":"/a","value":"p"}])", nullptr, 422},
    {"TestOfAbsentForNull", R"({"a":1})", R"([{"op":"test","path":"/b","value":null}])", R"({"a":1})"},
    {"AddNested", R"({"foo":"bar"})", R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
     R"({"foo":"bar","child":{"grandchild":{}}})"},
    {"AddToMissingParent", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz/bat","value":"q"}])", nullptr, 422},
    {"Append", R"({"l":["a"]})", R"([{"op":"add","path":"/l/-","value":["b"]}])", R"({"l":["a",["b"]]})"},
    {"EscapedPath", R"({"/":9,"~1":10})",
     R"([{"op":"replace","path":"/~1","value":1},{"op":"replace","path":"/~01","value":2}])", R"({"/":1,"~1":2})"},
    {"AddReplaces", R"({"a":1})", R"([{"op":"add","path":"/a","value":null}])", R"({"a":null})"},
    {"WholeDocument", R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":2}}])", R"({"b":2})"},
    {"IndexBeyondEnd", R"({"l":[1]})", R"([{"op":"add","path":"/l/3","value":1}])", nullptr, 422},
    {"LeadingZeroIndex", R"({"l":[1,2]})", R"([{"op":"remove","path":"/l/01"}])", nullptr, 422},
    {"RemoveMissing", R"({"a":1})", R"([{"op":"remove","path":"/b"}])", nullptr, 422},
    {"ReplaceMissing", R"({"a":1})", R"([{"op":"replace","path":"/b","value":1}])", nullptr, 422},
    {"MoveIntoItself", R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":"/a/b"}])", nullptr, 422},
    {"NoList", R"({"a":1})", R"({"op":"remove","path":"/a"})", nullptr, 400},
    {"UnknownOperation", R"({"a":1})", R"([{"op":"invert","path":"/a"}])", nullptr, 422},
};
INSTANTIATE_TEST_SUITE_P(Table, JsonPatchTest, ::testing::ValuesIn(kJsonPatches),
                         [](const auto& row) { return std::string(row.param.name); });

class MergePatchTest : public ::testing::TestWithParam<Row> {};

TEST_P(MergePatchTest, Applies) {
  const Row& row = GetParam();
  json::value document = json::parse(row.document);
  merge_patch(document, json::parse(row.patch));
  EXPECT_EQ(document, json::parse(row.result)) << json::serialize(document);
}

// RFC 7396, appendix A.
constexpr Row kMergePatches[] = {
    {"Replace", R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
    {"Add", R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
    {"Remove", R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
    {"ListForScalar", R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
    {"ScalarForList", R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
    {"Nested", R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
    {"ListsReplace", R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
    {"NullInTheTarget", R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
    {"ListOverObject", R"({"a":"foo"})", R"(["c"])", R"(["c"])"},
    {"ObjectOverList", R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
    {"NullsBelowSomethingNew", R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
};
INSTANTIATE_TEST_SUITE_P(Table, MergePatchTest, ::testing::ValuesIn(kMergePatches),
                         [](const auto& row) { return std::string(row.param.name); });

class StrategicPatchTest : public ::testing::TestWithParam<Row> {};

TEST_P(StrategicPatchTest, Applies) {
  const Row& row = GetParam();
  const Registry registry;
  const auto result = strategic_merge_patch(json::parse(row.document).as_object(), json::parse(row.patch).as_object(),
                                            *registry.find("", "v1", "pods"));
  if (!row.result) {
    ASSERT_FALSE(result) << json::serialize(*result);
    EXPECT_EQ(result.error().code, row.code);
    return;
  }
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, json::parse(row.result).as_object()) << json::serialize(*result);
}

constexpr Row kStrategicPatches[] = {
    {"MapsMerge", R"({"metadata":{"labels":{"a":"1","b":"2"}}})", R"({"metadata":{"labels":{"b":null,"c":"3"}}})",
     R"({"metadata":{"labels":{"a":"1","c":"3"}}})"},
    {"ContainerByName", R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}})",
     R"({"spec":{"containers":[{"name":"b","image":"2"}]}})",
     R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})"},
    {"NewContainerComesFirst", R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"},
    {"SetElementOrderPlacesNewContainer", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})"},
    {"SetElementOrderAlone", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})",
     R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"},
    {"SetElementOrderKeepsServerOnly", R"({"spec":{"containers":[{"name":"a"},{"name":"injected"},{"name":"c"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"c"},{"name":"d"}],"containers":[{"name":"d"}]}})",
     R"({"spec":{"containers":[{"name":"a"},{"name":"injected"},{"name":"c"},{"name":"d"}]}})"},
    {"DeleteItem", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})", R"({"spec":{"containers":[{"name":"b"}]}})"},
    {"ReplaceList", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"c"},{"$patch":"replace"}]}})", R"({"spec":{"containers":[{"name":"c"}]}})"},
    {"ReplaceMap", R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{"labels":{"b":"2","$patch":"replace"}}})",
     R"({"metadata":{"labels":{"b":"2"}}})"},
    {"EnvByName", R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"3"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"3"}]}]}})"},
    {"PortByNumber", R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"x"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"y"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"y"}]}]}})"},
    {"VolumeRetainKeys", R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
     R"({"spec":{"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/x"}}]}})",
     R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})"},
    {"ConditionByType", R"({"status":{"conditions":[{"type":"A","status":"True"},{"type":"B","status":"True"}]}})",
     R"({"status":{"conditions":[{"type":"B","status":"False"}]}})",
     R"({"status":{"conditions":[{"type":"A","status":"True"},{"type":"B","status":"False"}]}})"},
    {"OwnerByUid", R"({"metadata":{"ownerReferences":[{"uid":"1","name":"a"},{"uid":"2","name":"b"}]}})",
     R"({"metadata":{"ownerReferences":[{"uid":"1","$patch":"delete"}]}})",
     R"({"metadata":{"ownerReferences":[{"uid":"2","name":"b"}]}})"},
    {"FinalizersUnite", R"({"metadata":{"finalizers":["a"]}})", R"({"metadata":{"finalizers":["b","a"]}})",
     R"({"metadata":{"finalizers":["b","a"]}})"},
    {"DeleteFromPrimitiveList", R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})", R"({"metadata":{"finalizers":["b"]}})"},
    {"FinalizersWithOrder", R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["b","c"],"finalizers":["c"]}})",
     R"({"metadata":{"finalizers":["b","c"]}})"},
    {"TolerationsAreReplaced", R"({"spec":{"tolerations":[{"key":"a"}]}})", R"({"spec":{"tolerations":[{"key":"b"}]}})",
     R"({"spec":{"tolerations":[{"key":"b"}]}})"},
    {"NullsInSomethingNewAreDropped", R"({})", R"({"metadata":{"labels":{"a":null,"b":"1"}}})",
     R"({"metadata":{"labels":{"b":"1"}}})"},
    {"MissingMergeKey", R"({"spec":{"containers":[{"name":"a"}]}})", R"({"spec":{"containers":[{"image":"x"}]}})",
     nullptr, 500},
    {"UnknownDirective", R"({"spec":{}})", R"({"spec":{"$patch":"frobnicate"}})", nullptr, 500},
};
INSTANTIATE_TEST_SUITE_P(Table, StrategicPatchTest, ::testing::ValuesIn(kStrategicPatches),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace berth::sim
