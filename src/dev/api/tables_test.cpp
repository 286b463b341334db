#include "dev/api/tables.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "dev/api/pod_logs.h"
#include "sim/api/object.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

const WallTime kNow = *sim::parse_time("2026-01-02T03:04:05Z");

sim::ResourceType type_of(std::string group, std::string plural) {
  sim::ResourceType type;
  type.group = std::move(group);
  type.version = "v1";
  type.plural = std::move(plural);
  return type;
}

std::string row(const sim::ResourceType& type, std::string_view object) {
  return json::serialize(TablePrinter::for_type(type).cells(json::parse(object).as_object(), kNow));
}

std::string pod(std::string_view spec, std::string_view status, std::string_view meta = "") {
  const std::string text = std::string(R"({"metadata":{"name":"p","creationTimestamp":"2026-01-02T03:03:05Z")") +
                           std::string(meta) + R"(},"spec":)" + std::string(spec) + R"(,"status":)" +
                           std::string(status) + "}";
  return row(type_of("", "pods"), text);
}

TEST(Tables, DurationsReadAsInKubectl) {
  const std::pair<std::chrono::seconds, const char*> cases[] = {
      {-5s, "<invalid>"},  {-1s, "0s"},           {0s, "0s"},        {119s, "119s"},
      {120s, "2m"},        {125s, "2m5s"},        {600s, "10m"},     {10799s, "179m"},
      {3h, "3h"},          {3h + 1min, "3h1m"},   {8h + 1min, "8h"}, {47h, "47h"},
      {48h, "2d"},         {49h, "2d1h"},         {200h, "8d"},      {24h * 729, "729d"},
      {24h * 731, "2y1d"}, {24h * 365 * 9, "9y"},
  };
  for (const auto& [duration, text] : cases) EXPECT_EQ(human_duration(duration), text);
}

TEST(Tables, PodsTellTheirState) {
  const char* two = R"({"containers":[{},{}],"nodeName":"n1"})";
  EXPECT_EQ(pod(two, R"({"phase":"Pending"})"), R"(["p","0/2","Pending","0","60s","<none>","n1","<none>","<none>"])");
  EXPECT_EQ(
      pod(two,
          R"({"phase":"Running","podIP":"10.0.0.1","containerStatuses":[ {"ready":true,"state":{"running":{}},"restartCount":2, "lastState":{"terminated":{"finishedAt":"2026-01-02T03:04:00Z"}}}, {"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]})"),
      R"j(["p","1/2","CrashLoopBackOff","2 (5s ago)","60s","10.0.0.1","n1","<none>","<none>"])j");
  EXPECT_EQ(
      pod(R"({"containers":[{}],"initContainers":[{},{}]})",
          R"({"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}},{"state":{}}]})"),
      R"(["p","0/1","Init:1/2","0","60s","<none>","<none>","<none>","<none>"])");
  EXPECT_EQ(pod(two, R"({"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}]})"),
            R"(["p","0/2","Completed","0","60s","<none>","n1","<none>","<none>"])");
  EXPECT_EQ(pod(two, R"({"phase":"Running"})", R"(,"deletionTimestamp":"2026-01-02T03:04:00Z")"),
            R"(["p","0/2","Terminating","0","60s","<none>","n1","<none>","<none>"])");
  EXPECT_EQ(
      pod(two,
          R"({"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]})"),
      R"(["p","0/2","SchedulingGated","0","60s","<none>","n1","<none>","<none>"])");
}

TEST(Tables, WorkloadsCount) {
  const char* object =
      R"({"metadata":{"name":"w","creationTimestamp":"2026-01-02T03:04:00Z"}, "spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}}, "template":{"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"j"}]}}}, "status":{"replicas":2,"readyReplicas":1,"updatedReplicas":2,"availableReplicas":1}})";
  EXPECT_EQ(row(type_of("apps", "deployments"), object), R"(["w","1/3",2,1,"5s","c,d","i,j","a=b"])");
  EXPECT_EQ(row(type_of("apps", "statefulsets"), object), R"(["w","1/3","5s","c,d","i,j"])");
  EXPECT_EQ(row(type_of("apps", "replicasets"), object), R"(["w",3,2,1,"5s","c,d","i,j","a=b"])");
}

TEST(Tables, NodesAndEvents) {
  EXPECT_EQ(
      row(type_of("", "nodes"),
          R"({"metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":""}, "creationTimestamp":"2026-01-02T03:04:00Z"},"spec":{"unschedulable":true}, "status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1"}, "addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}})"),
      R"(["n","Ready,SchedulingDisabled","worker","5s","v1","10.0.0.1","<none>","<unknown>","<unknown>","<unknown>"])");
  EXPECT_EQ(
      row(type_of("", "events"),
          R"({"metadata":{"name":"e"},"type":"Normal","reason":"R","message":" text\n","count":3, "involvedObject":{"kind":"Pod","name":"p"},"source":{"component":"c"}, "firstTimestamp":"2026-01-02T03:03:05Z","lastTimestamp":"2026-01-02T03:04:00Z"})"),
      R"(["5s","Normal","R","pod/p","","c","text","60s",3,"e"])");
}

TEST(Tables, CustomColumnsKeepTheirTypes) {
  sim::ResourceType type = type_of("x.io", "things");
  type.custom = true;
  type.columns = {{"S", "string", "", "", ".spec.s", 0},  {"N", "integer", "", "", ".spec.n", 0},
                  {"B", "boolean", "", "", ".spec.b", 1}, {"D", "date", "", "", ".spec.d", 0},
                  {"L", "string", "", "", ".spec.l", 0},  {"M", "string", "", "", ".spec.missing", 0},
                  {"W", "integer", "", "", ".spec.s", 0}};
  EXPECT_EQ(
      row(type, R"({"metadata":{"name":"t"},"spec":{"s":"x","n":3.0,"b":false,"d":"2026-01-02T03:04:00Z","l":["a"]}})"),
      R"(["t","x",3,false,"5s","[\"a\"]",null,null])");
  const auto columns = TablePrinter::for_type(type).column_definitions();
  ASSERT_EQ(columns.size(), 8U);
  EXPECT_EQ(columns[3].at("name"), "B");
  EXPECT_EQ(columns[3].at("priority"), 1);
}

TEST(Tables, WithoutColumnsNameAndAge) {
  sim::ResourceType type = type_of("x.io", "things");
  type.custom = true;
  EXPECT_EQ(row(type, R"({"metadata":{"name":"t","creationTimestamp":"2026-01-02T03:04:00Z"}})"), R"(["t","5s"])");
  EXPECT_EQ(row(type, R"({"metadata":{"name":"t"}})"), R"(["t","<unknown>"])");
}

TEST(PodLogs, TailsWholeLines) {
  EXPECT_EQ(tail_of("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(tail_of("a\nb\nc", 1), "c");
  EXPECT_EQ(tail_of("a\nb\n", 5), "a\nb\n");
  EXPECT_EQ(tail_of("a\n", 0), "");
  EXPECT_EQ(tail_of("", 3), "");
}

}  // namespace
}  // namespace berth::dev
