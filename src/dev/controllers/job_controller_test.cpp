#include "dev/controllers/cluster_fixture.h"

namespace berth::dev {
namespace {

using sim::int_at;
using sim::string_at;

class JobTest : public ClusterTest {
 protected:
  void SetUp() override { add_node("n1"); }
  void run(std::string_view more) {
    create("jobs.batch",
           fmt::format(R"({{"metadata":{{"name":"j"}},"spec":{{{}"template":{{"spec":{{"restartPolicy":"Never",
        "containers":[{{"name":"c","image":"i"}}]}}}}}}}})",
                       more));
    scheduler.run_until_idle();
  }
  void end_all(std::string_view phase) {
    for (const sim::Object& pod : live_pods()) set_pod(sim::name_of(*pod), phase, false);
    scheduler.run_until_idle();
  }
  sim::Object job() const { return get("jobs.batch", "j"); }
  bool has(std::string_view condition) const { return sim::find_condition(*job(), condition) != nullptr; }
};

TEST_F(JobTest, CompletesWhenItsPodSucceeds) {
  run("");
  ASSERT_EQ(live_pods().size(), 1u);
  EXPECT_EQ(int_at(*job(), {"status", "active"}), 1);
  EXPECT_FALSE(string_at(*job(), {"status", "startTime"}).empty());
  end_all("Succeeded");
  EXPECT_TRUE(has("Complete"));
  EXPECT_EQ(int_at(*job(), {"status", "succeeded"}), 1);
  EXPECT_FALSE(string_at(*job(), {"status", "completionTime"}).empty());
  EXPECT_EQ(list("pods").size(), 1u) << "its pod stays, for its log";
}

TEST_F(JobTest, RunsNoMorePodsAtOnceThanParallelism) {
  run(R"("completions":5,"parallelism":2,)");
  EXPECT_EQ(live_pods().size(), 2u);
  end_all("Succeeded");
  EXPECT_EQ(live_pods().size(), 2u);
  end_all("Succeeded");
  EXPECT_EQ(live_pods().size(), 1u);
  EXPECT_FALSE(has("Complete"));
  end_all("Succeeded");
  EXPECT_TRUE(has("Complete"));
  EXPECT_EQ(int_at(*job(), {"status", "succeeded"}), 5);
}

TEST_F(JobTest, TriesAgainLaterAndGivesUpAtTheLimit) {
  run(R"("backoffLimit":1,)");
  end_all("Failed");
  EXPECT_TRUE(live_pods().empty()) << "not at once";
  scheduler.advance(std::chrono::seconds(11));
  ASSERT_EQ(live_pods().size(), 1u);
  end_all("Failed");
  ASSERT_TRUE(has("Failed"));
  EXPECT_EQ(string_at(*sim::find_condition(*job(), "Failed"), {"reason"}), "BackoffLimitExceeded");
  scheduler.advance(std::chrono::hours(1));
  EXPECT_TRUE(live_pods().empty());
}

TEST_F(JobTest, EndsAtItsDeadline) {
  run(R"("activeDeadlineSeconds":30,)");
  scheduler.advance(std::chrono::seconds(31));
  ASSERT_TRUE(has("Failed"));
  EXPECT_EQ(string_at(*sim::find_condition(*job(), "Failed"), {"reason"}), "DeadlineExceeded");
  EXPECT_TRUE(live_pods().empty());
}

TEST_F(JobTest, IsRemovedAfterItsTimeToLive) {
  run(R"("ttlSecondsAfterFinished":20,)");
  end_all("Succeeded");
  ASSERT_NE(job(), nullptr);
  scheduler.advance(std::chrono::seconds(21));
  settle();
  EXPECT_EQ(job(), nullptr);
  EXPECT_TRUE(list("pods").empty());
}

TEST_F(JobTest, ASuspendedJobHasNoPods) {
  run(R"("suspend":true,)");
  EXPECT_TRUE(list("pods").empty());
  merge("jobs.batch", "j", R"({"spec":{"suspend":false}})");
  scheduler.run_until_idle();
  EXPECT_EQ(live_pods().size(), 1u);
}

}  // namespace
}  // namespace berth::dev
