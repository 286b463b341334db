#include "ovn/transaction.h"

#include <fmt/format.h>

namespace berth::ovn {

namespace json = boost::json;

json::value id_json(const Id& id) {
  if (id.starts_with('@')) return json::array{"named-uuid", id.substr(1)};
  return json::array{"uuid", id};
}

json::array set_json(const Strings& strings) {
  json::array members;
  for (const auto& s : strings) members.emplace_back(s);
  return json::array{"set", std::move(members)};
}

json::array map_json(const StringMap& map) {
  json::array pairs;
  for (const auto& [key, value] : map) pairs.push_back(json::array{key, value});
  return json::array{"map", std::move(pairs)};
}

namespace {

json::array by_id(const Id& id) {
  json::array where;
  where.push_back(json::array{"_uuid", "==", id_json(id)});
  return where;
}

json::array id_set(const std::vector<Id>& ids) {
  json::array members;
  for (const auto& id : ids) members.push_back(id_json(id));
  return json::array{"set", std::move(members)};
}

}  // namespace

void Transaction::push(std::vector<Operation>& list, json::object op, bool must_match) {
  list.push_back({std::move(op), call_, must_match});
  journal_.add([&list] { list.pop_back(); });
}

json::object Transaction::known_columns(const std::string& table, json::object row) const {
  for (auto it = row.begin(); it != row.end();) {
    if (has_column_(table, it->key())) {
      ++it;
    } else {
      it = row.erase(it);
    }
  }
  return row;
}

Id Transaction::insert(const std::string& table, json::object row) {
  const std::string name = fmt::format("row{}", next_name_++);
  push(operations_,
       {{"op", "insert"}, {"table", table}, {"uuid-name", name}, {"row", known_columns(table, std::move(row))}}, false);
  return "@" + name;
}

void Transaction::update(const std::string& table, const Id& id, json::object row) {
  row = known_columns(table, std::move(row));
  if (row.empty()) return;
  push(operations_, {{"op", "update"}, {"table", table}, {"where", by_id(id)}, {"row", std::move(row)}}, true);
}

void Transaction::remove(const std::string& table, const Id& id) {
  push(operations_, {{"op", "delete"}, {"table", table}, {"where", by_id(id)}}, false);
  if (removed_.emplace(table, id).second) {
    journal_.add([this, key = std::pair(table, id)] { removed_.erase(key); });
  }
}

void Transaction::add_child(const std::string& table, const Id& owner, const std::string& column, const Id& child) {
  change_child(table, owner, column, child, true);
}

void Transaction::drop_child(const std::string& table, const Id& owner, const std::string& column, const Id& child) {
  change_child(table, owner, column, child, false);
}

void Transaction::change_child(const std::string& table, const Id& owner, const std::string& column, const Id& child,
                               bool added) {
  const ColumnKey key{{table, owner}, column};
  const auto [it, is_new] = children_.try_emplace(key);
  Children& c = it->second;
  const auto existing = c.changes.find(child);
  const std::optional<bool> before = existing == c.changes.end() ? std::nullopt : std::optional(existing->second);
  const bool new_call = c.calls.insert(call_).second;
  if (before && *before != added) {
    c.changes.erase(existing);
  } else {
    c.changes[child] = added;
  }
  if (!journal_.recording) return;
  journal_.add([this, key, child, before, new_call, call = call_] {
    const auto at = children_.find(key);
    if (before) {
      at->second.changes[child] = *before;
    } else {
      at->second.changes.erase(child);
    }
    if (new_call) at->second.calls.erase(call);
    if (at->second.calls.empty()) children_.erase(at);
  });
}

void Transaction::guard(const std::string& key, const std::string& table, json::array where,
                        const std::set<Id>& expected) {
  if (guarded_.contains(key)) return;
  do_not_guard(key);
  json::array rows;
  for (const auto& id : expected) rows.push_back(json::object{{"_uuid", id_json(id)}});
  push(guards_,
       {{"op", "wait"},
        {"table", table},
        {"timeout", 0},
        {"where", std::move(where)},
        {"columns", json::array{"_uuid"}},
        {"until", "=="},
        {"rows", std::move(rows)}},
       false);
}

void Transaction::do_not_guard(const std::string& key) {
  if (guarded_.insert(key).second) {
    journal_.add([this, key] { guarded_.erase(key); });
  }
}

Transaction::Built Transaction::build(json::array prefix) const {
  Built out;
  out.operations = std::move(prefix);
  out.calls.resize(out.operations.size());
  out.must_match.resize(out.operations.size(), false);
  const auto append = [&out](json::object op, std::set<std::size_t> calls, bool must_match) {
    out.operations.push_back(std::move(op));
    out.calls.push_back(std::move(calls));
    out.must_match.push_back(must_match);
  };
  for (const auto* list : {&guards_, &operations_}) {
    for (const auto& op : *list) append(op.json, {op.call}, op.must_match);
  }
  for (const auto& [key, children] : children_) {
    const auto& [row, column] = key;
    if (removed_.contains(row)) continue;
    std::vector<Id> added;
    std::vector<Id> dropped;
    for (const auto& [child, is_added] : children.changes) (is_added ? added : dropped).push_back(child);
    json::array mutations;
    if (!dropped.empty()) mutations.push_back(json::array{column, "delete", id_set(dropped)});
    if (!added.empty()) mutations.push_back(json::array{column, "insert", id_set(added)});
    if (mutations.empty()) continue;
    append({{"op", "mutate"}, {"table", row.first}, {"where", by_id(row.second)}, {"mutations", std::move(mutations)}},
           children.calls, true);
  }
  return out;
}

}  // namespace berth::ovn
