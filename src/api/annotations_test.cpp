#include "api/annotations.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

ObjectMeta pod(const BindingRecord& record) {
  ObjectMeta meta;
  meta.uid = "this";
  meta.annotations[std::string(kBindingAnnotation)] = record.to_string();
  return meta;
}

TEST(BindingRecord, SurvivesItsText) {
  BindingRecord record;
  record.pod_uid = "u";
  record.networks["ovn"] = {"claimed", "web", "s"};
  record.wrote["ovn.kubernetes.io/cidr"] = "10.66.0.0/24";
  record.user["ovn.kubernetes.io/ip_address"] = "10.66.0.9";
  EXPECT_EQ(BindingRecord::parse(record.to_string()), record);
  EXPECT_EQ(BindingRecord::parse("nonsense"), std::nullopt);
  EXPECT_EQ(BindingRecord::parse("[]"), std::nullopt);
}

TEST(UserAnnotation, IsWhatBerthDidNotWrite) {
  BindingRecord record;
  record.pod_uid = "this";
  record.wrote["a"] = "1";
  record.wrote["b"] = "2";
  record.wrote["c"] = "10.0.0.5,fd00::5";
  record.user["c"] = "10.0.0.5";
  ObjectMeta meta = pod(record);
  meta.annotations["a"] = "1";
  meta.annotations["b"] = "changed since";
  meta.annotations["c"] = "10.0.0.5,fd00::5";
  meta.annotations["d"] = "never Berth's";
  EXPECT_EQ(user_annotation(meta, "a"), std::nullopt);
  EXPECT_EQ(user_annotation(meta, "b"), "changed since");
  EXPECT_EQ(user_annotation(meta, "c"), "10.0.0.5") << "what the user had said before Berth completed it";
  EXPECT_EQ(user_annotation(meta, "d"), "never Berth's");
  EXPECT_EQ(user_annotation(meta, "e"), std::nullopt);
}

TEST(OwnRecord, IsVoidOnAnotherPod) {
  BindingRecord record;
  record.pod_uid = "another";
  EXPECT_EQ(own_record(pod(record)), std::nullopt);
  record.pod_uid = "this";
  EXPECT_NE(own_record(pod(record)), std::nullopt);
  record.pod_uid.clear();
  EXPECT_EQ(own_record(pod(record)), std::nullopt);
}

TEST(Metadata, ParsesAndFormatsTimes) {
  const auto time = parse_time("2026-02-28T23:59:58Z");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(format_time(*time), "2026-02-28T23:59:58Z");
  EXPECT_EQ(format_micro_time(*parse_time("2026-02-28T23:59:58.25Z")), "2026-02-28T23:59:58.250000Z");
  for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-02-28", "yesterday", "2026-02-28T23:59:58"}) {
    EXPECT_EQ(parse_time(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_duration(std::chrono::milliseconds(12'340)), "12.3s");
  EXPECT_EQ(format_duration(std::chrono::seconds(125)), "2m5s");
}

}  // namespace
}  // namespace berth::api
