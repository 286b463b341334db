#pragma once

// The production Transport: the Kubernetes API over HTTPS.
//
// Sending, receiving and parsing happen on one I/O thread (http::Client); callbacks on the Scheduler's.

#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/random.h"
#include "base/scheduler.h"
#include "http/client.h"
#include "kube/config.h"
#include "kube/transport.h"

namespace berth::kube {

// Lists are read in pages and given as one value, as of one moment, without metadata.continue; objects without
// metadata.managedFields, but always with apiVersion and kind. Watches ask for bookmarks and end by themselves after 5
// to 10 minutes, as `unavailable`. Error messages begin with what was called ("list pods in web: …").
//
// All functions on the Scheduler's thread, the destructor too; no callback runs after it.
class Client final : public Transport {
 public:
  struct Options {
    std::string user_agent = "berth";
    std::chrono::milliseconds timeout{30'000};  // of each request, each page of a list
    std::size_t page = 500;                     // items; 0: lists come in one piece
    // Asked for each write (everything but get and list) when a connection is ready, right before its first byte is
    // sent: the place to compare the lease's deadline with the clock. Runs on the I/O thread; an error fails the
    // request, unsent. May be empty.
    std::function<Status(const api::Request&)> before_write;
    // How long the server shall keep a watch, drawn anew for each from this range, so that they do not end together.
    std::chrono::seconds watch_at_least{300};
    std::chrono::seconds watch_at_most{600};
  };

  // The Scheduler must outlive the client.
  Client(Scheduler& scheduler, const Config& config, Options options);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(api::Request request, Reply done) override;
  WatchId watch(WatchRequest request, WatchHandler handler) override;
  void stop_watch(WatchId id) override;

 private:
  struct Watch;
  struct List;
  class Mailbox;

  [[nodiscard]] http::ClientRequest http_request(const api::Request& request, std::string target) const;
  void next_page(const std::shared_ptr<List>& list);
  void on_page(const std::shared_ptr<List>& list, Result<http::ClientResponse> reply);
  void on_watch_data(const std::shared_ptr<Watch>& watch, std::string_view bytes);
  void end_watch(const std::shared_ptr<Watch>& watch, Error error);

  const Options options_;
  const std::string server_;
  const std::string origin_;
  Random random_;
  std::shared_ptr<Mailbox> mailbox_;
  WatchId next_watch_ = 1;
  std::unordered_map<WatchId, std::shared_ptr<Watch>> watches_;
  http::Client http_;  // last: its thread ends before the rest goes
};

}  // namespace berth::kube
