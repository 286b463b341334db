#include "ovsdb/memory_database.h"

#include <utility>

#include "ovsdb/reply.h"

namespace berth::ovsdb {

MemoryDatabase::MemoryDatabase(Scheduler& scheduler, MemoryStore& store, Faults faults)
    : scheduler_(scheduler), store_(store), faults_(std::move(faults)) {}

MemoryDatabase::~MemoryDatabase() { store_.unsubscribe(subscription_); }

void MemoryDatabase::start(Observer observer) {
  observer_ = std::move(observer);
  guarded(Duration::zero(), [this] { connect(); });
}

void MemoryDatabase::transact(boost::json::array operations, Reply done) {
  if (!connected_) {
    guarded(Duration::zero(), [done = std::move(done)] { done(fail(ErrorCode::unavailable, "OVSDB: not connected")); });
    return;
  }
  const auto id = next_id_++;
  pending_.emplace(id, std::move(done));
  travel(to_server_, [this, id, operations = std::move(operations)] { serve(operations, id); });
}

bool MemoryDatabase::has_column(const std::string& table, const std::string& column) const {
  return column.empty() ? store_.schema().table(table) != nullptr : store_.schema().column(table, column) != nullptr;
}

void MemoryDatabase::disconnect() {
  if (subscription_ == 0) return;
  store_.unsubscribe(std::exchange(subscription_, 0));
  ++session_;
  const bool was_connected = std::exchange(connected_, false);
  to_server_.clear();
  to_client_.clear();
  guarded(Duration::zero(), [this, was_connected, pending = std::exchange(pending_, {})] {
    const Error error{ErrorCode::unavailable, "OVSDB: the connection broke"};
    for (const auto& [_, done] : pending) done(fail(error));
    if (was_connected && observer_.on_disconnect) observer_.on_disconnect(error);
  });
  guarded(faults_.reconnect_after, [this] { connect(); });
}

void MemoryDatabase::set_reachable(bool reachable) {
  reachable_ = reachable;
  if (!reachable) disconnect();
}

void MemoryDatabase::guarded(Duration delay, Message fn) {
  auto run = [alive = std::weak_ptr(alive_), fn = std::move(fn)] {
    if (!alive.expired()) fn();
  };
  if (delay <= Duration::zero()) {
    scheduler_.post(std::move(run));
  } else {
    scheduler_.after(delay, std::move(run));
  }
}

// Whichever timer fires first takes the oldest message, so that delays never reorder a connection.
void MemoryDatabase::travel(std::deque<Message>& queue, Message message) {
  queue.push_back(std::move(message));
  guarded(faults_.delay ? faults_.delay() : Duration::zero(), [this, &queue, session = session_] {
    if (session != session_ || queue.empty()) return;
    const Message next = std::move(queue.front());
    queue.pop_front();
    next();
  });
}

void MemoryDatabase::connect() {
  if (subscription_ != 0) return;
  if (!reachable_) {
    guarded(faults_.reconnect_after, [this] { connect(); });
    return;
  }
  subscription_ = store_.subscribe([this](const std::vector<RowChange>& changes) {
    travel(to_client_, [this, changes] {
      if (observer_.on_change) observer_.on_change(changes);
    });
  });
  travel(to_client_, [this, all = store_.snapshot()] {
    connected_ = true;
    if (observer_.on_snapshot) observer_.on_snapshot(all);
  });
}

void MemoryDatabase::serve(const boost::json::array& operations, std::uint64_t id) {
  switch (faults_.fate ? faults_.fate(operations) : Fate::deliver) {
    case Fate::deliver: {
      auto results = store_.execute(operations);
      travel(to_client_, [this, id, reply = read_results(operations, std::move(results))] { answer(id, reply); });
      return;
    }
    case Fate::refuse:
      travel(to_client_, [this, id] { answer(id, fail(ErrorCode::unavailable, "OVSDB: resources exhausted")); });
      return;
    case Fate::drop_before_commit:
      disconnect();
      return;
    case Fate::drop_after_commit:
      store_.execute(operations);
      disconnect();
      return;
  }
}

void MemoryDatabase::answer(std::uint64_t id, Result<boost::json::array> reply) {
  auto pending = pending_.extract(id);
  if (!pending.empty()) pending.mapped()(std::move(reply));
}

}  // namespace berth::ovsdb
