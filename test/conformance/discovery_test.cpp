// What the server says about itself, and tables of built-in kinds.

#include <fmt/format.h>

#include <algorithm>

#include "conformance/cluster.h"

namespace berth::conformance {
namespace {

class Discovery : public ConformanceTest {
 protected:
  static const json::value* find(const json::value& list, std::string_view key, std::string_view value) {
    if (!list.is_array()) return nullptr;
    for (const auto& item : list.as_array()) {
      if (string_at(item, fmt::format("/{}", key)) == value) return &item;
    }
    return nullptr;
  }
  static std::string columns(const Reply& table) {
    std::string text;
    if (!table.at("/columnDefinitions").is_array()) return table.text;
    for (const auto& column : table.at("/columnDefinitions").as_array()) {
      if (at(column, "/priority") == 0) text += string_at(column, "/name") + " ";
    }
    return text;
  }
};

TEST_F(Discovery, VersionAndHealth) {
  EXPECT_TRUE(api.get("/version").string("/gitVersion").starts_with("v1."));
  for (const char* path : {"/healthz", "/readyz", "/livez"}) EXPECT_EQ(api.get(path).text, "ok") << path;
}

TEST_F(Discovery, GroupsAndVersions) {
  const Reply core = api.get("/api");
  EXPECT_EQ(core.string("/kind"), "APIVersions");
  EXPECT_EQ(core.string("/versions/0"), "v1");
  const Reply groups = api.get("/apis");
  EXPECT_EQ(groups.string("/kind"), "APIGroupList");
  const json::value* apps = find(groups.at("/groups"), "name", "apps");
  ASSERT_NE(apps, nullptr) << groups.text;
  EXPECT_EQ(string_at(*apps, "/preferredVersion/groupVersion"), "apps/v1");
  EXPECT_EQ(api.get("/apis/apps").string("/kind"), "APIGroup");
  EXPECT_EQ(api.get("/apis/unheard.io").status, 404);
  EXPECT_EQ(api.get("/apis/apps/v9").status, 404);
}

TEST_F(Discovery, Resources) {
  const Reply core = api.get("/api/v1");
  EXPECT_EQ(core.string("/kind"), "APIResourceList");
  EXPECT_EQ(core.string("/groupVersion"), "v1");
  const json::value* pods_entry = find(core.at("/resources"), "name", "pods");
  ASSERT_NE(pods_entry, nullptr);
  EXPECT_EQ(string_at(*pods_entry, "/kind"), "Pod");
  EXPECT_EQ(string_at(*pods_entry, "/singularName"), "pod");
  EXPECT_EQ(string_at(*pods_entry, "/shortNames/0"), "po");
  EXPECT_EQ(at(*pods_entry, "/namespaced"), true);
  for (const char* verb : {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}) {
    const auto& verbs = at(*pods_entry, "/verbs").as_array();
    EXPECT_NE(std::find(verbs.begin(), verbs.end(), json::value(verb)), verbs.end()) << verb;
  }
  for (const char* name :
       {"pods/status", "pods/binding", "pods/eviction", "pods/log", "namespaces/finalize", "nodes/status"}) {
    EXPECT_NE(find(core.at("/resources"), "name", name), nullptr) << name;
  }
  const Reply apps = api.get("/apis/apps/v1");
  const json::value* scale = find(apps.at("/resources"), "name", "deployments/scale");
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(string_at(*scale, "/group"), "autoscaling");
  EXPECT_EQ(string_at(*scale, "/version"), "v1");
  EXPECT_EQ(string_at(*scale, "/kind"), "Scale");
}

TEST_F(Discovery, AllInOne) {
  const Reply all = api.call("GET", "/apis", {}, {},
                             "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
  EXPECT_EQ(all.string("/kind"), "APIGroupDiscoveryList") << all.text.substr(0, 200);
  EXPECT_EQ(all.string("/apiVersion"), "apidiscovery.k8s.io/v2");
  bool found = false;
  for (const auto& group : all.at("/items").as_array()) {
    if (string_at(group, "/metadata/name") != "apps") continue;
    const json::value* deployment = find(at(group, "/versions/0/resources"), "resource", "deployments");
    ASSERT_NE(deployment, nullptr);
    EXPECT_EQ(string_at(*deployment, "/responseKind/kind"), "Deployment");
    EXPECT_EQ(string_at(*deployment, "/scope"), "Namespaced");
    EXPECT_NE(find(at(*deployment, "/subresources"), "subresource", "scale"), nullptr);
    found = true;
  }
  EXPECT_TRUE(found);
}

TEST_F(Discovery, OpenApiSaysThatFieldsAreValidated) {
  const Reply index = api.get("/openapi/v3");
  const std::string url = index.string("/paths/apis~1apps~1v1/serverRelativeURL");
  ASSERT_FALSE(url.empty()) << index.text.substr(0, 300);
  const Reply document = api.get(url);
  const auto& patch = document.at("/paths/~1apis~1apps~1v1~1namespaces~1{namespace}~1deployments~1{name}/patch");
  EXPECT_EQ(string_at(patch, "/x-kubernetes-group-version-kind/kind"), "Deployment");
  EXPECT_NE(find(at(patch, "/parameters"), "name", "fieldValidation"), nullptr);
}

TEST_F(Discovery, AccessIsGrantedToAdministrators) {
  const Reply review = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", parse(R"({
      "apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview",
      "spec":{"resourceAttributes":{"verb":"delete","resource":"pods"}}})"));
  EXPECT_EQ(review.status, 201) << review.text;
  EXPECT_EQ(review.at("/status/allowed"), true);
}

TEST_F(Discovery, BuiltInKindsHaveColumns) {
  EXPECT_EQ(columns(api.get_table(pods())), "Name Ready Status Restarts Age ");
  EXPECT_EQ(columns(api.get_table(deployments())), "Name Ready Up-to-date Available Age ");
  const std::string apps = fmt::format("/apis/apps/v1/namespaces/{}/", ns);
  EXPECT_EQ(columns(api.get_table(apps + "statefulsets")), "Name Ready Age ");
  EXPECT_EQ(columns(api.get_table(apps + "replicasets")), "Name Desired Current Ready Age ");
  EXPECT_EQ(columns(api.get_table(fmt::format("/apis/batch/v1/namespaces/{}/jobs", ns))),
            "Name Status Completions Duration Age ");
  EXPECT_EQ(columns(api.get_table("/api/v1/namespaces")), "Name Status Age ");
  EXPECT_EQ(columns(api.get_table("/api/v1/nodes")), "Name Status Roles Age Version ");
  EXPECT_EQ(columns(api.get_table(core("events", ""))), "Last Seen Type Reason Object Message ");
  EXPECT_EQ(columns(api.get_table(core("secrets", ""))), "Name Type Data Age ");
  EXPECT_EQ(columns(api.get_table(config_maps())), "Name Data Age ");
  EXPECT_EQ(columns(api.get_table(core("services", ""))), "Name Type Cluster-IP External-IP Port(s) Age ");
  EXPECT_EQ(columns(api.get_table(fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases", ns))),
            "Name Holder Age ");
}

TEST_F(Discovery, RowsOfPods) {
  make_pod("p", R"("nodeName":"conf-node")");
  ASSERT_EQ(api.merge_patch(pods("p") + "/status",
                            R"({"status":{"phase":"Running","podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"}],
      "containerStatuses":[{"name":"c","ready":true,"restartCount":0,"image":"i","imageID":"",
      "state":{"running":{"startedAt":"2026-01-02T03:04:05Z"}}}]}})")
                .status,
            200);
  const Reply table = api.get_table(pods("p"));
  ASSERT_EQ(table.string("/kind"), "Table") << table.text;
  const auto& cells = table.at("/rows/0/cells").as_array();
  ASSERT_EQ(cells.size(), 9U);
  EXPECT_EQ(cells[0], "p");
  EXPECT_EQ(cells[1], "1/1");
  EXPECT_EQ(cells[2], "Running");
  EXPECT_EQ(cells[3], "0");
  EXPECT_EQ(cells[5], "10.1.2.3");
  EXPECT_EQ(cells[6], "conf-node");
  EXPECT_EQ(cells[7], "<none>");
  EXPECT_EQ(cells[8], "<none>");
  EXPECT_TRUE(api.call("GET", pods("p") + "?includeObject=None", {}, {}, "application/json;as=Table;v=v1;g=meta.k8s.io")
                  .at("/rows/0/object")
                  .is_null());
  (void)api.remove(pods("p"), R"({"gracePeriodSeconds":0})");
}

TEST_F(Discovery, RowsOfServicesAndEvents) {
  const Reply service = api.post(core("services", ""), parse(R"({"metadata":{"name":"s"},"spec":{"ports":[
      {"name":"a","port":80},{"name":"b","port":53,"protocol":"UDP"}]}})"));
  ASSERT_EQ(service.status, 201) << service.text;
  const auto cells = api.get_table(core("services", "s")).at("/rows/0/cells").as_array();
  EXPECT_EQ(cells[1], "ClusterIP");
  EXPECT_EQ(cells[2], service.at("/spec/clusterIP"));
  EXPECT_EQ(cells[3], "<none>");
  EXPECT_EQ(cells[4], "80/TCP,53/UDP");
  ASSERT_EQ(
      api.post(core("events", ""), parse(fmt::format(R"({{"metadata":{{"name":"e"}},"type":"Normal","reason":"Why",
      "message":"text","involvedObject":{{"kind":"Pod","name":"p","namespace":"{}"}},"firstTimestamp":"2026-01-02T03:04:05Z",
      "lastTimestamp":"2026-01-02T03:04:05Z","count":2}})",
                                                     ns)))
          .status,
      201);
  const Reply events = api.get_table(core("events", "e"));
  EXPECT_EQ(events.string("/rows/0/cells/3"), "pod/p") << events.text;
  EXPECT_EQ(events.at("/rows/0/cells/8"), 2) << events.text;
}

}  // namespace
}  // namespace berth::conformance
