#include "ovn/northbound.h"

#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <utility>

#include "base/log.h"
#include "ovn/feed.h"
#include "ovn/model.h"
#include "ovn/planner.h"
#include "ovn/transaction.h"

namespace berth::ovn {

namespace json = boost::json;
using world::OvnChange;

namespace {

constexpr const char* kEpochKey = "berth-epoch";
constexpr std::size_t kRowsPerTransaction = 200;
constexpr int kEpochAttempts = 20;
constexpr Duration kEpochRetry = std::chrono::milliseconds(100);

// `wait` until a row matches. As a transaction's first operation it fails as fenced, later as conflict.
json::object exists(std::string_view table, json::array where) {
  return {{"op", "wait"},
          {"table", table},
          {"timeout", 0},
          {"where", std::move(where)},
          {"columns", json::array{"_uuid"}},
          {"until", "!="},
          {"rows", json::array()}};
}

json::array epoch_is(const std::string& value) {
  json::array where;
  where.push_back(json::array{"external_ids", "includes", map_json({{kEpochKey, value}})});
  return where;
}

// 0 if it is not a number.
std::uint64_t parse_epoch(const std::string& text) {
  std::uint64_t out = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size() ? out : 0;
}

}  // namespace

const std::map<std::string, std::vector<std::string>>& monitored_columns() {
  static const std::map<std::string, std::vector<std::string>> kColumns{
      {"NB_Global", {"external_ids"}},
      {"Logical_Switch", {"name", "ports", "acls", "external_ids"}},
      {"Logical_Switch_Port",
       {"name", "type", "addresses", "options", "dhcpv4_options", "dhcpv6_options", "external_ids"}},
      {"Logical_Router", {"name", "ports", "static_routes", "policies", "external_ids"}},
      {"Logical_Router_Port", {"name", "mac", "networks", "peer", "options", "ipv6_ra_configs", "external_ids"}},
      {"Logical_Router_Static_Route", {"route_table", "ip_prefix", "policy", "nexthop", "external_ids"}},
      {"Address_Set", {"name", "addresses", "external_ids"}},
      {"Logical_Router_Policy", {"priority", "match", "action", "nexthop", "nexthops", "external_ids"}},
      {"ACL", {"direction", "priority", "match", "action", "log", "name", "external_ids"}},
      {"DHCP_Options", {"cidr", "options", "external_ids"}},
      {"Port_Group", {"name", "ports", "external_ids"}},
  };
  return kColumns;
}

// Invariants: at most one transaction of commits is under way, so the replica holds the effect of all earlier ones
// whenever a difference is taken; the model differs from the replica only while a batch is being planned.
class Northbound::Impl {
 public:
  Impl(Scheduler& scheduler, ovsdb::Database& database) : scheduler_(scheduler), database_(database) {}

  void start(Observer observer);
  void raise_epoch(std::uint64_t epoch, std::function<void(Status)> done, int attempt);
  void commit(std::vector<OvnChange> changes, std::function<void(Status)> done);
  std::uint64_t stored_epoch() const;

 private:
  using Done = std::function<void(Status)>;
  struct Call {
    std::vector<OvnChange> changes;
    Done done;
    bool alone = false;  // a batch with it failed: tried again by itself
  };
  using Results = std::vector<std::pair<Done, Status>>;

  // Wraps a callback so that it does nothing once this object is gone.
  template <typename Fn>
  auto guarded(Fn fn) {
    return [this, alive = std::weak_ptr(alive_), fn = std::move(fn)](auto&&... args) mutable {
      if (!alive.expired()) fn(std::forward<decltype(args)>(args)...);
    };
  }
  // False if a callback destroyed this object.
  bool finish(Results results);

  void on_snapshot(const std::vector<ovsdb::RowChange>& all);
  void on_change(const std::vector<ovsdb::RowChange>& changes);
  void on_disconnect(const Error& error);
  bool report(const Touched& touched);
  template <typename Object, typename Observe, typename Notify>
  bool report(const Strings& names, std::map<std::string, Object>& reported, Observe observe, const Notify& notify);

  void schedule_flush();
  void flush();
  void fail_queue(Results& results);
  Transaction::Built plan_batch(std::vector<Call>& batch, Results& results);
  Status plan(Transaction& transaction, const Call& call);
  void on_reply(std::vector<Call> batch, const Transaction::Built& built, const Result<json::array>& reply);
  void on_committed(std::vector<Call> batch, const Transaction::Built& built, const json::array& reply);
  void on_refused(std::vector<Call> batch, Error error);
  json::array epoch_operations(std::uint64_t epoch) const;

  Scheduler& scheduler_;
  ovsdb::Database& database_;
  Observer observer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Model model_;
  bool synced_ = false;
  std::map<std::string, world::LogicalRouter> routers_;  // as last reported
  std::map<std::string, world::LogicalSwitch> switches_;
  std::map<std::string, world::LogicalPort> ports_;
  std::map<std::string, world::AddressSet> address_sets_;

  std::optional<std::uint64_t> epoch_;
  std::deque<Call> queue_;
  bool flush_scheduled_ = false;
  bool in_flight_ = false;
};

void Northbound::Impl::start(Observer observer) {
  observer_ = std::move(observer);
  database_.start({
      .on_snapshot = guarded([this](const std::vector<ovsdb::RowChange>& all) { on_snapshot(all); }),
      .on_change = guarded([this](const std::vector<ovsdb::RowChange>& changes) { on_change(changes); }),
      .on_disconnect = guarded([this](const Error& error) { on_disconnect(error); }),
  });
}

// --- what is observed

void Northbound::Impl::on_snapshot(const std::vector<ovsdb::RowChange>& all) {
  model_.clear();
  Touched touched;
  for (const auto& [name, _] : routers_) touched.routers.insert(name);
  for (const auto& [name, _] : switches_) touched.switches.insert(name);
  for (const auto& [name, _] : ports_) touched.ports.insert(name);
  for (const auto& [name, _] : address_sets_) touched.address_sets.insert(name);
  feed(model_, all, touched);
  synced_ = true;
  if (!report(touched)) return;
  if (observer_.on_synced) observer_.on_synced();
}

void Northbound::Impl::on_change(const std::vector<ovsdb::RowChange>& changes) {
  Touched touched;
  feed(model_, changes, touched);
  (void)report(touched);
}

void Northbound::Impl::on_disconnect(const Error& error) {
  synced_ = false;
  if (observer_.on_lost) observer_.on_lost(error);
}

bool Northbound::Impl::report(const Touched& touched) {
  return report(
             touched.routers, routers_, [this](const auto& name) { return observe_router(model_, name); },
             observer_.on_router) &&
         report(
             touched.switches, switches_, [this](const auto& name) { return observe_switch(model_, name); },
             observer_.on_switch) &&
         report(
             touched.ports, ports_, [this](const auto& name) { return observe_port(model_, name); },
             observer_.on_port) &&
         report(
             touched.address_sets, address_sets_,
             [this](const auto& name) { return observe_address_set(model_, name); }, observer_.on_address_set);
}

template <typename Object, typename Observe, typename Notify>
bool Northbound::Impl::report(const Strings& names, std::map<std::string, Object>& reported, Observe observe,
                              const Notify& notify) {
  const std::weak_ptr alive(alive_);
  for (const auto& name : names) {
    std::optional<Object> now = observe(name);
    const auto last = reported.find(name);
    if (now ? last != reported.end() && last->second == *now : last == reported.end()) continue;
    if (now) {
      reported.insert_or_assign(name, *now);
    } else {
      reported.erase(last);
    }
    if (notify) notify(name, std::move(now));
    if (alive.expired()) return false;
  }
  return true;
}

// --- what is wanted

void Northbound::Impl::commit(std::vector<OvnChange> changes, Done done) {
  queue_.push_back({std::move(changes), std::move(done)});
  schedule_flush();
}

void Northbound::Impl::schedule_flush() {
  if (std::exchange(flush_scheduled_, true)) return;
  scheduler_.post(guarded([this] {
    flush_scheduled_ = false;
    flush();
  }));
}

void Northbound::Impl::flush() {
  if (in_flight_) return;
  Results results;
  std::vector<Call> batch;
  Transaction::Built built;
  if (synced_) {
    built = plan_batch(batch, results);
  } else {
    fail_queue(results);
  }
  if (!batch.empty()) {
    in_flight_ = true;
    auto operations = built.operations;
    database_.transact(
        std::move(operations),
        guarded([this, batch = std::move(batch), built = std::move(built)](const Result<json::array>& reply) mutable {
          on_reply(std::move(batch), built, reply);
        }));
  }
  (void)finish(std::move(results));
}

bool Northbound::Impl::finish(Results results) {
  const std::weak_ptr alive(alive_);
  for (auto& [done, status] : results) {
    if (done) done(std::move(status));
    if (alive.expired()) return false;
  }
  return true;
}

void Northbound::Impl::fail_queue(Results& results) {
  for (auto& call : queue_)
    results.emplace_back(std::move(call.done), fail(ErrorCode::unavailable, "OVN northbound: not connected"));
  queue_.clear();
}

// Takes calls off the queue until one would make the transaction too large. Calls that fail here, or that find nothing
// to do, are answered at once; the others are left in `batch`.
Transaction::Built Northbound::Impl::plan_batch(std::vector<Call>& batch, Results& results) {
  Transaction transaction(
      [this](const std::string& table, const std::string& column) { return database_.has_column(table, column); },
      model_.journal);
  model_.journal.recording = true;
  while (!queue_.empty() && (batch.empty() || !queue_.front().alone)) {
    const auto mark = model_.journal.mark();
    transaction.set_call(batch.size());
    Status status = plan(transaction, queue_.front());
    if (!status) {
      model_.journal.roll_back(mark);
    } else if (transaction.rows() > kRowsPerTransaction && !batch.empty()) {
      model_.journal.roll_back(mark);
      break;
    }
    Call call = std::move(queue_.front());
    queue_.pop_front();
    if (!status || model_.journal.mark() == mark) {
      results.emplace_back(std::move(call.done), std::move(status));
      continue;
    }
    const bool alone = call.alone;
    batch.push_back(std::move(call));
    if (alone) break;
  }
  json::array prefix;
  if (epoch_) prefix.push_back(exists("NB_Global", epoch_is(std::to_string(*epoch_))));
  auto built = transaction.build(std::move(prefix));
  model_.journal.roll_back(0);
  model_.journal.recording = false;
  return built;
}

Status Northbound::Impl::plan(Transaction& transaction, const Call& call) {
  Planner planner(model_, transaction);
  for (const auto& change : call.changes) {
    if (auto status = planner.apply(change); !status) return status;
  }
  return {};
}

void Northbound::Impl::on_reply(std::vector<Call> batch, const Transaction::Built& built,
                                const Result<json::array>& reply) {
  in_flight_ = false;
  const std::weak_ptr alive(alive_);
  if (reply) {
    on_committed(std::move(batch), built, *reply);
  } else {
    on_refused(std::move(batch), reply.error());
  }
  if (!alive.expired() && !queue_.empty()) schedule_flush();
}

// An update that met no row: somebody removed it before the replica heard. The rest of the transaction stands.
void Northbound::Impl::on_committed(std::vector<Call> batch, const Transaction::Built& built,
                                    const json::array& reply) {
  std::set<std::size_t> missed;
  for (std::size_t i = 0; i < reply.size() && i < built.calls.size(); ++i) {
    const auto* result = reply[i].if_object();
    const auto* count = result == nullptr ? nullptr : result->if_contains("count");
    const bool none = count != nullptr && count->is_number() && count->to_number<std::int64_t>() == 0;
    if (none && built.must_match[i]) missed.insert(built.calls[i].begin(), built.calls[i].end());
  }
  Results results;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    results.emplace_back(std::move(batch[i].done),
                         missed.contains(i)
                             ? fail(ErrorCode::conflict, "OVN northbound: a row to change is gone; try again")
                             : Status());
  }
  (void)finish(std::move(results));
}

void Northbound::Impl::on_refused(std::vector<Call> batch, Error error) {
  if (error.code == ErrorCode::fenced && !epoch_) error.code = ErrorCode::conflict;  // the first operation was no fence
  if (error.code == ErrorCode::fenced)
    error = error.with_context(fmt::format("OVN northbound: epoch {} is over", *epoch_));
  const bool concerns_all = error.code == ErrorCode::fenced || error.code == ErrorCode::unavailable;
  if (!concerns_all && batch.size() > 1) {
    log::debug("OVN northbound: a batch was refused, its calls are tried one by one",
               {{"calls", std::to_string(batch.size())}, {"error", error.message}});
    for (auto it = batch.rbegin(); it != batch.rend(); ++it) {
      it->alone = true;
      queue_.push_front(std::move(*it));
    }
    return;
  }
  Results results;
  for (auto& call : batch) results.emplace_back(std::move(call.done), fail(error));
  (void)finish(std::move(results));
}

// --- the epoch

std::uint64_t Northbound::Impl::stored_epoch() const {
  if (model_.globals.rows().empty()) return 0;
  const auto& ids = model_.globals.rows().begin()->second.external_ids;
  const auto it = ids.find(kEpochKey);
  return it == ids.end() ? 0 : parse_epoch(it->second);
}

// Holds only if what the replica says of the epoch is still so.
json::array Northbound::Impl::epoch_operations(std::uint64_t epoch) const {
  const std::string wanted = std::to_string(epoch);
  json::array out;
  if (model_.globals.rows().empty()) {
    out.push_back(json::object{{"op", "insert"},
                               {"table", "NB_Global"},
                               {"row", json::object{{"external_ids", map_json({{kEpochKey, wanted}})}}}});
    return out;
  }
  const auto& [id, row] = *model_.globals.rows().begin();
  const auto stored = row.external_ids.find(kEpochKey);
  const bool same = stored != row.external_ids.end() && stored->second == wanted;
  json::array mutations;
  if (stored != row.external_ids.end()) {
    out.push_back(exists("NB_Global", epoch_is(stored->second)));
    if (same) return out;
    mutations.push_back(json::array{"external_ids", "delete", set_json({kEpochKey})});
  }
  // A key that somebody else wrote meanwhile is not overwritten by "insert"; the wait behind it finds that out.
  mutations.push_back(json::array{"external_ids", "insert", map_json({{kEpochKey, wanted}})});
  json::array where;
  where.push_back(json::array{"_uuid", "==", id_json(id)});
  out.push_back(json::object{
      {"op", "mutate"}, {"table", "NB_Global"}, {"where", std::move(where)}, {"mutations", std::move(mutations)}});
  out.push_back(exists("NB_Global", epoch_is(wanted)));
  return out;
}

void Northbound::Impl::raise_epoch(std::uint64_t epoch, Done done, int attempt) {
  if (!synced_) {
    scheduler_.post(
        guarded([done = std::move(done)] { done(fail(ErrorCode::unavailable, "OVN northbound: not connected")); }));
    return;
  }
  if (const auto stored = stored_epoch(); stored > epoch) {
    scheduler_.post(guarded([done = std::move(done), stored, epoch] {
      done(fail(ErrorCode::fenced, fmt::format("OVN northbound: epoch {} is over, {} has begun", epoch, stored)));
    }));
    return;
  }
  database_.transact(
      epoch_operations(epoch),
      guarded([this, epoch, done = std::move(done), attempt](const Result<json::array>& reply) {
        if (reply) {
          epoch_ = epoch;
          done({});
          return;
        }
        const bool overtaken = reply.error().code == ErrorCode::fenced || reply.error().code == ErrorCode::conflict;
        if (!overtaken || attempt >= kEpochAttempts) {
          done(fail(overtaken ? Error{ErrorCode::conflict, reply.error().message} : reply.error()));
          return;
        }
        scheduler_.after(kEpochRetry, guarded([this, epoch, done, attempt] { raise_epoch(epoch, done, attempt + 1); }));
      }));
}

Northbound::Northbound(Scheduler& scheduler, ovsdb::Database& database)
    : impl_(std::make_unique<Impl>(scheduler, database)) {}
Northbound::~Northbound() = default;

void Northbound::start(Observer observer) { impl_->start(std::move(observer)); }

void Northbound::raise_epoch(std::uint64_t epoch, std::function<void(Status)> done) {
  impl_->raise_epoch(epoch, std::move(done), 1);
}

std::uint64_t Northbound::stored_epoch() const { return impl_->stored_epoch(); }

void Northbound::commit(std::vector<OvnChange> changes, std::function<void(Status)> done) {
  impl_->commit(std::move(changes), std::move(done));
}

}  // namespace berth::ovn
