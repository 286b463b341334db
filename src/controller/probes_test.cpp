#include "controller/probes.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>

#include "http/client.h"

namespace berth::controller {
namespace {

using testing::HasSubstr;

class ProbesTest : public testing::Test {
 protected:
  void SetUp() override {
    Probes::Sources sources;
    sources.alive = [this]() -> Status {
      if (alive_) return {};
      return fail(ErrorCode::internal, "stands still");
    };
    sources.in_contact = [this] { return in_contact_.load(); };
    sources.take_snapshot = [this](const std::function<void(Metrics)>& done) {
      if (!stalled_) return done(metrics_);
      const std::lock_guard lock(mutex_);
      unanswered_.push_back(done);
    };
    sources.patience = std::chrono::milliseconds(200);
    auto probes = Probes::start({*net::Address::parse("127.0.0.1"), 0}, std::move(sources));
    ASSERT_TRUE(probes) << probes.error().message;
    probes_ = std::move(*probes);
  }

  http::ClientResponse get(const std::string& path, const std::string& method = "GET") {
    std::promise<Result<http::ClientResponse>> answer;
    http::ClientRequest request;
    request.method = method;
    request.url = fmt::format("http://127.0.0.1:{}{}", probes_->port(), path);
    client_.send(std::move(request), [&](Result<http::ClientResponse> reply) { answer.set_value(std::move(reply)); });
    auto reply = answer.get_future().get();
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? *reply : http::ClientResponse();
  }

  std::atomic<bool> alive_{true};
  std::atomic<bool> in_contact_{false};
  std::atomic<bool> stalled_{false};
  Metrics metrics_;  // changed only between requests
  std::mutex mutex_;
  std::vector<std::function<void(Metrics)>> unanswered_;  // guarded by mutex_
  std::unique_ptr<Probes> probes_;
  http::Client client_{{}};
};

TEST_F(ProbesTest, HealthIsThatOfTheDecidingThread) {
  EXPECT_EQ(get("/healthz").status, 200);
  alive_ = false;
  const auto sick = get("/healthz");
  EXPECT_EQ(sick.status, 503);
  EXPECT_EQ(sick.body, "stands still\n");
}

TEST_F(ProbesTest, ReadyIsWhoDecidesOrStandsBy) {
  EXPECT_EQ(get("/readyz").status, 503) << "the API server has not answered yet";
  in_contact_ = true;
  EXPECT_EQ(get("/readyz").status, 200) << "stands by";
  metrics_.leader = true;
  EXPECT_EQ(get("/readyz").status, 503) << "leads, but is not in sync";
  metrics_.running = true;
  EXPECT_EQ(get("/readyz").status, 200);
}

TEST_F(ProbesTest, MetricsAreServedAsPrometheusReadsThem) {
  metrics_.counters.bound = 42;
  const auto reply = get("/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(std::string(reply.header("content-type")), HasSubstr("version=0.0.4"));
  EXPECT_THAT(reply.body, HasSubstr("berth_pods_bound_total 42\n"));
}

TEST_F(ProbesTest, AStalledDecidingThreadIsNotWaitedForLong) {
  stalled_ = true;
  const auto reply = get("/metrics");
  EXPECT_EQ(reply.status, 503);
  std::vector<std::function<void(Metrics)>> late;
  {
    const std::lock_guard lock(mutex_);
    late.swap(unanswered_);
  }
  ASSERT_EQ(late.size(), 1U);
  late.front()({});  // too late; harmless
  stalled_ = false;
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST_F(ProbesTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(get("/").status, 404);
  EXPECT_EQ(get("/metrics", "DELETE").status, 405);
}

TEST_F(ProbesTest, AnAddressThatIsTakenIsAnError) {
  const auto second = Probes::start({*net::Address::parse("127.0.0.1"), probes_->port()}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace berth::controller
