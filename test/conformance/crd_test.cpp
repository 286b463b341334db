// Custom resources: the life of their definition, schemas, subresources, columns.

#include <fmt/format.h>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

constexpr std::string_view kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

// %G stands for the group.
constexpr std::string_view kDefinition = R"j({
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "gadgets.%G"},
  "spec": {
    "group": "%G", "scope": "Cluster",
    "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
    "versions": [{
      "name": "v1", "served": true, "storage": true,
      "subresources": {"status": {}},
      "additionalPrinterColumns": [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
        {"name": "Detail", "type": "string", "priority": 1, "jsonPath": ".spec.detail"}
      ],
      "schema": {"openAPIV3Schema": {
        "type": "object", "required": ["spec"],
        "properties": {
          "spec": {
            "type": "object", "required": ["size"],
            "properties": {
              "size": {"type": "integer", "minimum": 1, "maximum": 10},
              "mode": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
              "detail": {"type": "string", "pattern": "^[a-z]*$", "maxLength": 5},
              "list": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
              "nested": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}},
              "port": {"x-kubernetes-int-or-string": true},
              "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
              "maybe": {"type": "string", "nullable": true}
            }
          },
          "status": {
            "type": "object",
            "properties": {
              "used": {"type": "number"},
              "conditions": {"type": "array", "items": {"type": "object", "properties": {
                "type": {"type": "string"}, "status": {"type": "string"}}}}
            }
          }
        }
      }}
    }]
  }
})j";

class CustomResources : public testing::Test {
 protected:
  CustomResources() : group_(api.fresh("g") + ".example.com"), path_("/apis/" + group_ + "/v1/gadgets") {
    std::string text(kDefinition);
    for (auto at = text.find("%G"); at != std::string::npos; at = text.find("%G")) text.replace(at, 2, group_);
    const Reply made = api.post(std::string(kDefinitions), parse(text));
    EXPECT_EQ(made.status, 201) << made.text;
    const Reply ready = api.get_until(definition(), [](const Reply& r) { return is_established(r); });
    EXPECT_TRUE(is_established(ready)) << ready.text;
    // A real server serves it a moment after it says so.
    (void)api.get_until(path_, [](const Reply& r) { return r.status == 200; });
  }
  ~CustomResources() override { (void)api.remove(definition()); }

  static bool is_established(const Reply& definition) {
    if (!definition.at("/status/conditions").is_array()) return false;
    for (const auto& condition : definition.at("/status/conditions").as_array()) {
      if (string_at(condition, "/type") == "Established") return string_at(condition, "/status") == "True";
    }
    return false;
  }
  [[nodiscard]] std::string definition() const { return fmt::format("{}/gadgets.{}", kDefinitions, group_); }
  [[nodiscard]] std::string gadget(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

  Reply post(std::string_view name, std::string_view spec, std::string_view extra = "") {
    return api.post(
        path_, parse(fmt::format(R"({{"apiVersion":"{}/v1","kind":"Gadget","metadata":{{"name":"{}"}},"spec":{}{}{}}})",
                                 group_, name, spec, extra.empty() ? "" : ",", extra)));
  }
  Reply make(std::string_view name, std::string_view spec = R"({"size":1})", std::string_view extra = "") {
    const Reply made = post(name, spec, extra);
    EXPECT_EQ(made.status, 201) << made.text;
    return made;
  }

  Cluster& api = Cluster::instance();
  const std::string group_;
  const std::string path_;
};

TEST_F(CustomResources, AppearInDiscovery) {
  const Reply list = api.get_until("/apis/" + group_ + "/v1", [](const Reply& r) { return r.status == 200; });
  ASSERT_EQ(list.status, 200) << list.text;
  EXPECT_EQ(list.string("/groupVersion"), group_ + "/v1");
  bool found = false;
  bool status = false;
  for (const auto& resource : list.at("/resources").as_array()) {
    found = found || (string_at(resource, "/name") == "gadgets" && string_at(resource, "/kind") == "Gadget" &&
                      string_at(resource, "/shortNames/0") == "gd" && at(resource, "/namespaced") == false);
    status = status || string_at(resource, "/name") == "gadgets/status";
  }
  EXPECT_TRUE(found) << list.text;
  EXPECT_TRUE(status) << list.text;
}

TEST_F(CustomResources, AreDefaultedOnCreateAndUpdate) {
  const Reply made = make("a", R"({"size":3,"nested":{}})");
  EXPECT_EQ(made.string("/spec/mode"), "slow");
  EXPECT_EQ(made.at("/spec/nested/on"), true);
  EXPECT_EQ(made.at("/metadata/generation"), 1);
  const Reply patched = api.merge_patch(gadget("a"), R"({"spec":{"mode":null}})");
  EXPECT_EQ(patched.string("/spec/mode"), "slow");
}

TEST_F(CustomResources, UnknownFieldsArePruned) {
  const Reply made = make("a", R"({"size":1,"unheard":1,"nested":{"x":1},"free":{"x":{"y":1}}})", R"("extra":{"z":1})");
  EXPECT_TRUE(made.at("/spec/unheard").is_null());
  EXPECT_TRUE(made.at("/spec/nested/x").is_null());
  EXPECT_TRUE(made.at("/extra").is_null());
  EXPECT_EQ(made.at("/spec/free/x/y"), 1);
}

TEST_F(CustomResources, AreValidated) {
  struct Case {
    const char* spec;
    const char* field;
    const char* reason;
  };
  const Case cases[] = {
      {R"({})", "spec.size", "FieldValueRequired"},
      {R"({"size":"x"})", "spec.size", "FieldValueTypeInvalid"},
      {R"({"size":0})", "spec.size", "FieldValueInvalid"},
      {R"({"size":11})", "spec.size", "FieldValueInvalid"},
      {R"({"size":1,"mode":"odd"})", "spec.mode", "FieldValueNotSupported"},
      {R"({"size":1,"detail":"ABC"})", "spec.detail", "FieldValueInvalid"},
      {R"({"size":1,"detail":"abcdef"})", "spec.detail", "FieldValueTooLong"},
      {R"({"size":1,"list":["a","b","c"]})", "spec.list", "FieldValueTooMany"},
      {R"({"size":1,"list":[1]})", "spec.list[0]", "FieldValueTypeInvalid"},
      {R"({"size":1,"port":1.5})", "spec.port", "FieldValueTypeInvalid"},
  };
  for (const Case& c : cases) {
    const Reply reply = post("bad", c.spec);
    expect_failure(reply, 422, "Invalid");
    EXPECT_EQ(reply.string("/details/causes/0/field"), c.field) << reply.text;
    EXPECT_EQ(reply.string("/details/causes/0/reason"), c.reason) << c.spec << reply.text;
    EXPECT_EQ(reply.string("/details/kind"), "Gadget");
    EXPECT_EQ(reply.string("/details/group"), group_);
  }
  const Reply nothing = api.post(
      path_, parse(fmt::format(R"({{"apiVersion":"{}/v1","kind":"Gadget","metadata":{{"name":"x"}}}})", group_)));
  expect_failure(nothing, 422, "Invalid");
  EXPECT_EQ(nothing.string("/details/causes/0/field"), "spec");
  make("good", R"({"size":1,"port":"http","maybe":null,"list":[]})");
  expect_failure(api.merge_patch(gadget("good"), R"({"spec":{"size":99}})"), 422, "Invalid");
}

TEST_F(CustomResources, SayTheirKind) {
  const Reply untyped = api.post(path_, parse(R"({"metadata":{"name":"a"},"spec":{"size":1}})"));
  expect_failure(untyped, 400, "BadRequest");
  const Reply other = api.post(
      path_, parse(fmt::format(
                 R"({{"apiVersion":"{}/v1","kind":"Widget","metadata":{{"name":"a"}},"spec":{{"size":1}}}})", group_)));
  expect_failure(other, 422, "Invalid");
  EXPECT_EQ(other.string("/details/causes/0/field"), "kind");
}

TEST_F(CustomResources, StatusIsApartAndDoesNotCountAsAGeneration) {
  const Reply made = make("a", R"({"size":1})", R"("status":{"used":1})");
  EXPECT_TRUE(made.at("/status").is_null()) << made.text;
  const Reply status = api.merge_patch(gadget("a") + "/status", R"({"status":{"used":2},"spec":{"size":5}})");
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(status.at("/status/used"), 2);
  EXPECT_EQ(status.at("/spec/size"), 1);
  EXPECT_EQ(status.at("/metadata/generation"), 1);
  const Reply spec = api.merge_patch(gadget("a"), R"({"status":{"used":3},"spec":{"size":5}})");
  EXPECT_EQ(spec.at("/status/used"), 2);
  EXPECT_EQ(spec.at("/spec/size"), 5);
  EXPECT_EQ(spec.at("/metadata/generation"), 2);
  EXPECT_EQ(api.merge_patch(gadget("a"), R"({"metadata":{"labels":{"x":"y"}}})").at("/metadata/generation"), 2);
}

TEST_F(CustomResources, UpdateNeedsAVersion) {
  Reply made = make("a");
  made.body.at("metadata").as_object().erase("resourceVersion");
  const Reply blind = api.put(gadget("a"), made.body);
  expect_failure(blind, 422, "Invalid");
  EXPECT_EQ(blind.string("/details/causes/0/field"), "metadata.resourceVersion");
}

TEST_F(CustomResources, TakeNoStrategicPatch) {
  make("a");
  const Reply patched = api.strategic_patch(gadget("a"), R"({"spec":{"size":2}})");
  expect_failure(patched, 415, "UnsupportedMediaType");
}

TEST_F(CustomResources, StrictValidationNamesUnknownFields) {
  const Reply strict =
      api.post(path_ + "?fieldValidation=Strict",
               parse(fmt::format(
                   R"({{"apiVersion":"{}/v1","kind":"Gadget","metadata":{{"name":"a"}},"spec":{{"size":1,"sise":2}}}})",
                   group_)));
  expect_failure(strict, 400, "BadRequest");
  EXPECT_NE(strict.string("/message").find("strict decoding error: unknown field \"spec.sise\""), std::string::npos)
      << strict.text;
  make("a");
  const Reply patched = api.call("PATCH", gadget("a") + "?fieldValidation=Strict", R"({"spec":{"sise":2}})",
                                 "application/merge-patch+json");
  EXPECT_EQ(patched.status, 422) << patched.text;
  EXPECT_NE(patched.string("/message").find("unknown field \"spec.sise\""), std::string::npos) << patched.text;
}

TEST_F(CustomResources, HaveFinalizersAndWatches) {
  const auto events = api.watch(path_ + "?watch=true&resourceVersion=" + api.get(path_).version());
  make("a");
  EXPECT_EQ(api.merge_patch(gadget("a"), R"({"metadata":{"finalizers":["conf.io/one"]}})").status, 200);
  EXPECT_EQ(api.remove(gadget("a")).status, 200);
  EXPECT_EQ(api.get(gadget("a")).at("/metadata/generation"), 2);
  EXPECT_EQ(api.merge_patch(gadget("a"), R"({"metadata":{"finalizers":[]}})").status, 200);
  EXPECT_EQ(events->next_text(), "ADDED a");
  EXPECT_EQ(events->next_text(), "MODIFIED a");
  EXPECT_EQ(events->next_text(), "MODIFIED a");
  EXPECT_EQ(events->next_text(), "DELETED a");
}

TEST_F(CustomResources, TablesHaveTheColumnsOfTheDefinition) {
  make("a", R"({"size":3,"detail":"abc"})");
  ASSERT_EQ(api.merge_patch(gadget("a") + "/status", R"({"status":{"conditions":[{"type":"Other","status":"False"},
                                                          {"type":"Ready","status":"True"}]}})")
                .status,
            200);
  const Reply table = api.get_table(path_);
  ASSERT_EQ(table.string("/kind"), "Table") << table.text;
  EXPECT_EQ(table.string("/apiVersion"), "meta.k8s.io/v1");
  std::string columns;
  for (const auto& column : table.at("/columnDefinitions").as_array()) columns += string_at(column, "/name") + " ";
  EXPECT_EQ(columns, "Name Size Mode Ready Detail ");
  EXPECT_EQ(table.at("/columnDefinitions/4/priority"), 1);
  EXPECT_EQ(table.at("/rows/0/cells"), parse(R"(["a",3,"slow","True","abc"])")) << table.text;
  EXPECT_EQ(table.string("/rows/0/object/kind"), "PartialObjectMetadata");
  make("b");
  EXPECT_EQ(api.get_table(gadget("b")).at("/rows/0/cells"), parse(R"(["b",1,"slow",null,null])"));
}

TEST_F(CustomResources, GoWithTheirDefinition) {
  make("a");
  const auto events = api.watch(path_ + "?watch=true&resourceVersion=" + api.get(path_).version());
  ASSERT_EQ(events->status(), 200);
  ASSERT_EQ(api.remove(definition()).status, 200);
  EXPECT_EQ(events->next_text(), "DELETED a");
  EXPECT_EQ(api.get_until(definition(), [](const Reply& r) { return r.status == 404; }).status, 404);
  EXPECT_EQ(api.get_until(path_, [](const Reply& r) { return r.status == 404; }).status, 404);
  EXPECT_TRUE(events->ended());
}

TEST_F(CustomResources, DefinitionsAreChecked) {
  const Reply unnamed = api.post(std::string(kDefinitions), parse(R"({"apiVersion":"apiextensions.k8s.io/v1",
      "kind":"CustomResourceDefinition","metadata":{"name":"wrong.example.com"},"spec":{"group":"example.com",
      "scope":"Cluster","names":{"plural":"rights","kind":"Right"},"versions":[{"name":"v1","served":true,"storage":true,
      "schema":{"openAPIV3Schema":{"type":"object"}}}]}})"));
  expect_failure(unnamed, 422, "Invalid");
  EXPECT_EQ(unnamed.string("/details/causes/0/field"), "metadata.name") << unnamed.text;
}

}  // namespace
}  // namespace berth::conformance
