#include "world/table.h"

#include <gtest/gtest.h>

#include "api/workload.h"

namespace berth::world {
namespace {

class TableTest : public testing::Test {
 protected:
  static api::Node node(const std::string& name, std::uint64_t version, const std::string& uid = "u") {
    api::Node n;
    n.meta.name = name;
    n.meta.version = version;
    n.meta.uid = uid;
    return n;
  }
  std::string take() { return std::exchange(log_, {}); }

  std::string log_;
  Table<api::Node> table_{[this](const std::optional<api::Node>& before, const api::Node* after, bool proven) {
    log_ += after == nullptr ? (proven ? "-" : "?") : before ? "~" : "+";
    log_ += (after == nullptr ? before->meta.name : after->meta.name);
  }};
};

TEST_F(TableTest, NewerWinsWhateverTheOrder) {
  table_.upsert(node("a", 5));
  table_.upsert(node("a", 3));
  table_.upsert(node("a", 5));
  EXPECT_EQ(take(), "+a");
  table_.upsert(node("a", 7));
  EXPECT_EQ(take(), "~a");
  EXPECT_EQ(table_.find("a")->meta.version, 7u);
}

TEST_F(TableTest, ADeletionIsNotUndoneByOldNews) {
  table_.upsert(node("a", 5));
  table_.remove(node("a", 8));
  table_.upsert(node("a", 6));
  table_.affirm(node("a", 6));
  EXPECT_EQ(take(), "+a-a");
  table_.upsert(node("a", 9, "v"));
  EXPECT_EQ(take(), "+a");
}

TEST_F(TableTest, AListReplacesOnlyWhatItIsNewerThan) {
  table_.upsert(node("old", 5));
  table_.upsert(node("ours", 12));  // our own write, after the list was made
  table_.replace({node("listed", 7)}, 10);
  EXPECT_EQ(take(), "+old+ours+listed?old");
  table_.upsert(node("old", 6));  // an event that the list has overtaken
  EXPECT_EQ(take(), "");
  EXPECT_EQ(table_.find("old"), nullptr);
}

TEST_F(TableTest, AGetOverrulesAbsenceFromAList) {
  table_.upsert(node("a", 5));
  table_.replace({}, 10);
  EXPECT_EQ(take(), "+a?a");
  table_.affirm(node("a", 5));
  EXPECT_EQ(take(), "+a");
}

TEST_F(TableTest, ANewUidIsADeletionAndAnAddition) {
  table_.upsert(node("a", 5, "first"));
  table_.upsert(node("a", 9, "second"));
  EXPECT_EQ(take(), "+a-a+a");
  table_.remove(node("a", 7, "first"));  // late news of the first one
  EXPECT_EQ(take(), "");
  EXPECT_NE(table_.find("a"), nullptr);
}

TEST_F(TableTest, AFilteredListSpeaksOnlyOfItsPart) {
  table_.upsert(node("a", 5));
  table_.upsert(node("b", 5));
  table_.replace({}, 10, [](const api::Node& n) { return n.meta.name == "a"; });
  EXPECT_EQ(take(), "+a+b?a");
  table_.upsert(node("c", 8));  // newer than nothing that was said about c
  EXPECT_EQ(take(), "+c");
  table_.upsert(node("a", 8));
  EXPECT_EQ(take(), "") << "a was absent at version 10";
}

}  // namespace
}  // namespace berth::world
