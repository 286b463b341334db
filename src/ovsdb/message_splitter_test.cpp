#include "ovsdb/message_splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace berth::ovsdb {
namespace {

std::vector<std::string> split(MessageSplitter& splitter, std::string_view bytes) {
  std::vector<std::string> out;
  const auto status = splitter.feed(bytes, [&](std::string_view m) { out.emplace_back(m); });
  EXPECT_TRUE(status) << status.error().message;
  return out;
}

TEST(MessageSplitterTest, CutsWhereTheBracesClose) {
  MessageSplitter splitter;
  EXPECT_EQ(split(splitter, R"({"a":[1,{"b":2}]}{"c":"}{"}  {"d":"\"}"})"),
            (std::vector<std::string>{R"({"a":[1,{"b":2}]})", R"({"c":"}{"})", R"({"d":"\"}"})"}));
  EXPECT_EQ(splitter.buffered(), 0U);
}

TEST(MessageSplitterTest, HowTheStreamIsCutIntoReadsDoesNotMatter) {
  const std::vector<std::string> messages{R"({})", R"({"id":1,"x":"\\\"{[\u007d"})", R"({"a":[[],[{"b":"]"}]]})",
                                          R"({"c":"\\"})"};
  std::string stream;
  for (const auto& m : messages) stream += m + "\n \t";
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    MessageSplitter splitter;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size();) {
      const auto n = std::min<std::size_t>(1 + random() % (1 + random() % 12), stream.size() - at);
      for (auto& m : split(splitter, std::string_view(stream).substr(at, n))) got.push_back(std::move(m));
      at += n;
    }
    ASSERT_EQ(got, messages);
    ASSERT_EQ(splitter.buffered(), 0U);
  }
}

TEST(MessageSplitterTest, AnIncompleteMessageIsKept) {
  MessageSplitter splitter;
  EXPECT_TRUE(split(splitter, R"({"a":"{)").empty());
  EXPECT_EQ(splitter.buffered(), 7U);
  EXPECT_EQ(split(splitter, R"("}{)"), (std::vector<std::string>{R"({"a":"{"})"}));
  EXPECT_EQ(splitter.buffered(), 1U);
}

TEST(MessageSplitterTest, RefusesWhatIsNoObject) {
  for (const char* bytes : {"x", "[1]", "{} 5", "\"a\"", "}", "{}]"}) {
    MessageSplitter splitter;
    const auto status = splitter.feed(bytes, [](std::string_view) {});
    ASSERT_FALSE(status) << bytes;
    EXPECT_EQ(status.error().code, ErrorCode::internal);
  }
}

TEST(MessageSplitterTest, RefusesWhatIsTooLong) {
  const std::string message = R"({"a":"0123456789"})";
  const auto feed = [&](std::size_t limit, std::size_t step) {
    MessageSplitter splitter(limit);
    for (std::size_t at = 0; at < message.size(); at += step) {
      if (!splitter.feed(std::string_view(message).substr(at, step), [](std::string_view) {})) return false;
    }
    return true;
  };
  for (const std::size_t step : {1UL, 7UL, 100UL}) {
    EXPECT_TRUE(feed(message.size(), step)) << step;
    EXPECT_FALSE(feed(message.size() - 1, step)) << step;
  }
}

}  // namespace
}  // namespace berth::ovsdb
