#pragma once

// A connection to a MemoryStore: ovsdb::Database without a socket, for the simulator and for tests. Several may share
// one store. Messages travel through the Scheduler in order, each way; the notification of a transaction arrives before
// its reply.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "base/scheduler.h"
#include "ovsdb/database.h"
#include "ovsdb/memory_store.h"

namespace berth::ovsdb {

class MemoryDatabase final : public Database {
 public:
  // What becomes of a transaction that reaches the server.
  enum class Fate {
    deliver,             // it is executed, and the reply arrives
    refuse,              // it is not executed; replied to with ErrorCode::unavailable; the connection stays
    drop_before_commit,  // it is not executed; the connection breaks
    drop_after_commit,   // it is executed, and the connection breaks before this client hears of it
  };

  struct Faults {
    std::function<Fate(const boost::json::array& operations)> fate;  // absent: deliver
    std::function<Duration()> delay;  // of one message, either way; absent: the next turn
    Duration reconnect_after = std::chrono::seconds(1);
  };

  // Both references must outlive this object. Destroying it is a crash of the client: what it had sent and the server
  // has not seen yet is lost, and no callback runs any more.
  MemoryDatabase(Scheduler& scheduler, MemoryStore& store) : MemoryDatabase(scheduler, store, Faults{}) {}
  MemoryDatabase(Scheduler& scheduler, MemoryStore& store, Faults faults);
  ~MemoryDatabase() override;
  MemoryDatabase(const MemoryDatabase&) = delete;
  MemoryDatabase& operator=(const MemoryDatabase&) = delete;

  void start(Observer observer) override;
  void transact(boost::json::array operations, Reply done) override;
  [[nodiscard]] bool has_column(const std::string& table, const std::string& column) const override;

  // Breaks the connection now: messages under way are lost, everything pending fails as unavailable, then on_disconnect
  // runs. Reconnects after Faults::reconnect_after.
  void disconnect();

  // While unreachable, connecting fails and is tried again after Faults::reconnect_after. Going unreachable
  // disconnects.
  void set_reachable(bool reachable);

  [[nodiscard]] bool connected() const { return connected_; }

 private:
  using Message = std::function<void()>;

  void travel(std::deque<Message>& queue, Message message);
  void guarded(Duration delay, Message fn);
  void connect();
  void serve(const boost::json::array& operations, std::uint64_t id);
  void answer(std::uint64_t id, Result<boost::json::array> reply);

  Scheduler& scheduler_;
  MemoryStore& store_;
  Faults faults_;
  Observer observer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::uint64_t session_ = 0;  // counts connections: what was sent on an earlier one is void
  bool connected_ = false;     // the snapshot has arrived
  bool reachable_ = true;
  std::uint64_t subscription_ = 0;  // 0: the server does not know us
  std::deque<Message> to_server_;
  std::deque<Message> to_client_;
  std::map<std::uint64_t, Reply> pending_;
  std::uint64_t next_id_ = 1;
};

}  // namespace berth::ovsdb
