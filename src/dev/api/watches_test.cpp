#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "dev/api/api_server.h"
#include "http/client.h"
#include "kube/config.h"

namespace berth::dev {
namespace {

// A watch is known to the store a moment before it can be served, and a write may come in between.
TEST(WatchesTest, WritesMayWakeAWatchWhileItBegins) {
  auto server = ApiServer::start({});
  ASSERT_TRUE(server) << server.error().message;
  const auto config = kube::parse_kubeconfig((*server)->kubeconfig(), "kubeconfig");
  ASSERT_TRUE(config) << config.error().message;

  std::atomic<bool> ending{false};
  std::thread writer([&] {
    for (int i = 0; !ending; ++i) {
      (*server)->with_store([&](sim::ApiStore& store) {
        const auto type = store.types().find_stored("", "namespaces");
        const boost::json::value patch{{"metadata", {{"annotations", {{"n", std::to_string(i)}}}}}};
        ASSERT_TRUE(store.patch(*type, "", "default", sim::PatchType::merge, patch));
      });
    }
  });

  constexpr int kWatches = 400;
  std::mutex mutex;
  std::condition_variable changed;
  int served = 0;
  {
    http::ClientOptions options;
    options.tls = config->tls;
    http::Client client(std::move(options));
    for (int i = 0; i < kWatches; ++i) {
      http::ClientRequest request;
      request.url = config->server + "/api/v1/namespaces?watch=true&timeoutSeconds=30";
      http::StreamHandler handler;
      handler.on_data = [&, seen = false](std::string_view) mutable {
        if (std::exchange(seen, true)) return;
        const std::lock_guard lock(mutex);
        ++served;
        changed.notify_all();
      };
      client.stream(std::move(request), std::move(handler));
    }
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return served == kWatches; })) << served;
  }
  ending = true;
  writer.join();
}

}  // namespace
}  // namespace berth::dev
