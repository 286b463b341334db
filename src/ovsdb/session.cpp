#include "ovsdb/session.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ovsdb/reply.h"

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

// Identifiers of our requests; a transaction's is "t" and its number.
constexpr std::string_view kLeaderRequest = "leader";
constexpr std::string_view kSchemaRequest = "schema";
constexpr std::string_view kMonitorRequest = "monitor";
constexpr std::string_view kProbe = "echo";

// Names of our monitors.
constexpr std::string_view kServerMonitor = "server";
constexpr std::string_view kDataMonitor = "data";

constexpr std::string_view kNoTransaction = "00000000-0000-0000-0000-000000000000";

std::string_view string_or_empty(const json::value* v) {
  return v != nullptr && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

bool flag(const json::object& row, std::string_view column) {
  const auto* v = row.if_contains(column);
  return v != nullptr && v->is_bool() && v->get_bool();
}

}  // namespace

Session::Session(const Options& options, Events events, ReplicaState& state, TimePoint now)
    : options_(options), events_(std::move(events)), kept_(state), last_heard_(now) {
  // The plain `monitor`: its updates repeat all columns of a row that changes.
  json::object tables{{"Database", json::object{{"columns", json::array{"name", "model", "connected", "leader"}}}}};
  request("monitor", {"_Server", kServerMonitor, std::move(tables)}, kLeaderRequest);
}

std::optional<Error> Session::on_bytes(std::string_view bytes, TimePoint now) {
  last_heard_ = now;
  probing_ = false;
  const auto status = splitter_.feed(bytes, [this](std::string_view message) {
    if (!end_) on_message(message);
  });
  if (!status && !end_) end(status.error().code, status.error().message);
  return end_;
}

std::optional<Error> Session::on_deadline(TimePoint now) {
  if (now < deadline() || end_) return end_;
  if (probing_) {
    end(ErrorCode::timeout, "OVSDB: the server has fallen silent");
  } else {
    probing_ = true;
    request("echo", {}, kProbe);
  }
  return end_;
}

void Session::transact(std::uint64_t id, json::array operations) {
  json::array params{options_.database};
  params.insert(params.end(), operations.begin(), operations.end());
  sent_.emplace(id, std::move(operations));
  request("transact", std::move(params), fmt::format("t{}", id));
}

void Session::request(std::string_view method, json::array params, std::string_view id) {
  output_ += json::serialize(json::object{{"method", method}, {"params", std::move(params)}, {"id", id}});
}

void Session::on_message(std::string_view text) {
  boost::system::error_code ec;
  const json::value v = json::parse(text, ec);
  if (ec || !v.is_object()) return end(ErrorCode::internal, fmt::format("OVSDB: not JSON: {:.100}", text));
  const json::object& message = v.get_object();
  const std::string_view method = string_or_empty(message.if_contains("method"));
  if (method.empty()) {
    on_response(message);
  } else {
    on_request(method, message);
  }
}

void Session::on_request(std::string_view method, const json::object& message) {
  static const json::array kNone;
  const auto* p = message.if_contains("params");
  const json::array& params = p != nullptr && p->is_array() ? p->get_array() : kNone;
  if (method == "echo") {
    const auto* id = message.if_contains("id");
    output_ += json::serialize(
        json::object{{"result", params}, {"error", nullptr}, {"id", id == nullptr ? json::value() : *id}});
  } else if (method == "update" || method == "update2") {
    on_update(params, 1);
  } else if (method == "update3") {
    on_update(params, 2);
  } else if (method == "monitor_canceled") {
    end(ErrorCode::unavailable, "OVSDB: the server ended the monitor: the database changes its schema or goes away");
  }
}

// update, update2: [monitor, updates]. update3: [monitor, transaction, updates].
void Session::on_update(const json::array& params, std::size_t position) {
  if (params.size() <= position || !params[position].is_object())
    return end(ErrorCode::internal, "OVSDB: an update without updates");
  const std::string_view monitor = string_or_empty(&params[0]);
  if (monitor == kServerMonitor) return on_server_database(&params[position]);
  if (monitor != kDataMonitor || state_ != State::connected) return;
  auto changes = kept_.replica->apply(params[position].get_object());
  if (!changes) {
    kept_ = {};
    return end(changes.error().code, changes.error().message);
  }
  if (position == 2) kept_.last_transaction = string_or_empty(&params[1]);
  if (!changes->empty()) events_.on_change(std::move(*changes));
}

void Session::on_response(const json::object& message) {
  const std::string_view id = string_or_empty(message.if_contains("id"));
  if (id == kProbe) return;
  if (id.starts_with('t')) {
    std::uint64_t number = 0;
    const auto [end_of_number, ec] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
    if (ec == std::errc() && end_of_number == id.data() + id.size()) on_transacted(number, message);
    return;
  }
  if (id != kLeaderRequest && id != kSchemaRequest && id != kMonitorRequest) return;
  // A reply to a method that failed has no "result" at all.
  const auto* result = message.if_contains("result");
  const auto* error = message.if_contains("error");
  const bool failed = result == nullptr || (error != nullptr && !error->is_null());
  if (id == kLeaderRequest) {
    on_server_database(failed ? nullptr : result);
  } else if (id == kMonitorRequest && failed && since_ && error != nullptr &&
             string_or_empty(error) == "unknown method") {
    request_monitor(false);
  } else if (failed) {
    const Error e = read_rpc_error(error == nullptr ? json::value() : *error);
    end(e.code, fmt::format("{} ({})", e.message, id));
  } else if (id == kSchemaRequest) {
    on_schema(*result);
  } else {
    on_monitored(*result);
  }
}

// nullptr: the server is too old to have a _Server database, and so to be clustered.
void Session::on_server_database(const json::value* tables) {
  const auto* by_table = tables == nullptr ? nullptr : tables->if_object();
  const auto* database = by_table == nullptr ? nullptr : by_table->if_contains("Database");
  bool found = tables == nullptr;
  if (database != nullptr && database->is_object()) {
    for (const auto& [_, update] : database->get_object()) {
      const auto* u = update.if_object();
      const auto* fresh = u == nullptr ? nullptr : u->if_contains("new");
      const auto* stale = u == nullptr ? nullptr : u->if_contains("old");
      const auto* row = fresh != nullptr ? fresh->if_object() : nullptr;
      const auto* old = stale != nullptr ? stale->if_object() : nullptr;
      if (row == nullptr) {
        if (old != nullptr && string_or_empty(old->if_contains("name")) == options_.database) {
          return end(ErrorCode::unavailable, fmt::format("OVSDB: the server has dropped {}", options_.database));
        }
        continue;
      }
      if (string_or_empty(row->if_contains("name")) != options_.database) continue;
      found = true;
      const std::string_view model = string_or_empty(row->if_contains("model"));
      if (model == "standalone") continue;
      if (!flag(*row, "connected"))
        return end(ErrorCode::unavailable, "OVSDB: the server is not connected to its cluster");
      if (options_.leader_only && model == "clustered" && !flag(*row, "leader")) {
        return end(ErrorCode::unavailable, "OVSDB: the server is not the leader of its cluster");
      }
    }
  }
  if (state_ != State::checking_leader) return;
  if (!found)
    return end(ErrorCode::unavailable, fmt::format("OVSDB: the server has no database {}", options_.database));
  state_ = State::reading_schema;
  request("get_schema", {options_.database}, kSchemaRequest);
}

void Session::on_schema(const json::value& result) {
  if (state_ != State::reading_schema || !result.is_object())
    return end(ErrorCode::internal, "OVSDB: get_schema returned no schema");
  auto schema = Schema::parse(result.get_object());
  if (!schema) return end(ErrorCode::internal, schema.error().message);
  // With another schema the rows held are of no use.
  if (!kept_.replica || kept_.replica->schema().version != schema->version || kept_.last_transaction.empty()) {
    kept_.replica.emplace(std::move(*schema), options_.monitored);
    kept_.last_transaction = kNoTransaction;
  }
  state_ = State::monitoring;
  request_monitor(true);
}

void Session::request_monitor(bool since) {
  since_ = since;
  json::array params{options_.database, kDataMonitor, kept_.replica->monitor_requests()};
  if (since) params.emplace_back(kept_.last_transaction);
  request(since ? "monitor_cond_since" : "monitor_cond", std::move(params), kMonitorRequest);
}

// monitor_cond_since: [found, last transaction, updates]; found: the updates are to be applied to what was held.
void Session::on_monitored(const json::value& result) {
  if (state_ != State::monitoring) return end(ErrorCode::internal, "OVSDB: a reply to no request");
  const json::value* updates = &result;
  bool found = false;
  if (since_) {
    const auto* parts = result.if_array();
    if (parts == nullptr || parts->size() != 3 || !(*parts)[0].is_bool())
      return end(ErrorCode::internal, "OVSDB: monitor_cond_since returned no triple");
    found = (*parts)[0].get_bool();
    kept_.last_transaction = string_or_empty(&(*parts)[1]);
    updates = &(*parts)[2];
  }
  if (!updates->is_object()) return end(ErrorCode::internal, "OVSDB: the monitor returned no tables");
  if (!found) kept_.replica->clear();
  if (auto changes = kept_.replica->apply(updates->get_object()); !changes) {
    kept_ = {};
    return end(changes.error().code, changes.error().message);
  }
  state_ = State::connected;
  events_.on_connected(kept_.replica->snapshot(), std::make_shared<const Schema>(kept_.replica->schema()));
}

void Session::on_transacted(std::uint64_t id, const json::object& message) {
  auto sent = sent_.extract(id);
  if (sent.empty()) return;
  const auto* result = message.if_contains("result");
  if (result != nullptr && result->is_array()) {
    events_.on_reply(id, read_results(sent.mapped(), result->get_array()));
  } else {
    const auto* error = message.if_contains("error");
    events_.on_reply(id, fail(read_rpc_error(error == nullptr ? json::value() : *error)));
  }
}

std::string_view to_string(Session::State state) {
  switch (state) {
    case Session::State::checking_leader:
      return "checking leader";
    case Session::State::reading_schema:
      return "reading schema";
    case Session::State::monitoring:
      return "monitoring";
    case Session::State::connected:
      return "connected";
  }
  return "unknown";
}

}  // namespace berth::ovsdb
