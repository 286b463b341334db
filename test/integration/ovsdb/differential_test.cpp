// MemoryStore beside a real ovsdb-server: random transactions on OVN's northbound schema must end alike on both, result
// by result and row by row. Row UUIDs differ, so each side has its own for a row that both inserted.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "integration/ovsdb/raw_connection.h"
#include "integration/ovsdb/servers.h"
#include "ovsdb/memory_store.h"

namespace berth::test {
namespace {

namespace json = boost::json;
using namespace ovsdb;

constexpr const char* kNowhere = "00000000-0000-0000-0000-00000000dead";  // no row has it

// Replaces every string that the map knows, wherever it stands.
json::value translate(const json::value& v, const std::map<std::string, std::string>& strings) {
  if (v.is_string()) {
    const auto it = strings.find(std::string(v.get_string()));
    return it == strings.end() ? v : json::value(it->second);
  }
  if (v.is_array()) {
    json::array out;
    for (const auto& e : v.get_array()) out.push_back(translate(e, strings));
    return out;
  }
  if (v.is_object()) {
    json::object out;
    for (const auto& [key, e] : v.get_object()) out.emplace(key, translate(e, strings));
    return out;
  }
  return v;
}

// Random operations. Rows of earlier transactions are written "#<number>", to be translated for either side.
class Generator {
 public:
  Generator(const Schema& schema, unsigned seed) : schema_(schema), random_(seed) {}

  json::array transaction() {
    json::array out;
    named_.clear();
    may_be_wrong_ = chance(25);  // one wrong thing at most: which of two a server finds first is its own affair
    const auto planned = 1 + pick(6);
    for (std::size_t i = 0; i < planned; ++i) {
      if (chance(60)) named_[table()].push_back("n" + std::to_string(i));
    }
    for (const auto& [name, rows] : named_) {
      for (const auto& row : rows)
        out.push_back(json::object{{"op", "insert"}, {"table", name}, {"uuid-name", row}, {"row", row_of(name)}});
    }
    while (out.size() < planned) out.push_back(operation());
    std::ranges::shuffle(out, random_);
    return out;
  }
  void remember(const std::string& table, std::string row) { rows_[table].push_back(std::move(row)); }

  static const std::vector<std::string>& tables() {
    static const std::vector<std::string> names{"NB_Global",
                                                "Logical_Switch",
                                                "Logical_Switch_Port",
                                                "Logical_Router",
                                                "Logical_Router_Port",
                                                "Logical_Router_Policy",
                                                "Logical_Router_Static_Route",
                                                "Load_Balancer",
                                                "DHCP_Options",
                                                "ACL",
                                                "BFD"};
    return names;
  }

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  bool wrong() { return may_be_wrong_ && chance(5) && std::exchange(may_be_wrong_, false); }
  template <typename T>
  const T& one_of(const std::vector<T>& from) {
    return from[pick(from.size())];
  }
  std::string table() {
    return chance(40) ? std::vector<std::string>{"Logical_Switch", "Logical_Switch_Port"}[pick(2)] : one_of(tables());
  }

  json::value atom(const BaseType& type) {
    if (wrong()) return json::value(chance(50) ? json::value(-7) : json::value("zzz"));
    switch (type.type) {
      case AtomType::integer: {
        const auto low = std::max<std::int64_t>(type.min_integer, 0);
        return low + static_cast<std::int64_t>(pick(4));
      }
      case AtomType::real:
        return 0.5 * static_cast<double>(pick(4));
      case AtomType::boolean:
        return chance(50);
      case AtomType::string:
        if (!type.allowed.empty()) return json::value(std::get<std::string>(one_of(type.allowed)));
        return json::value(one_of<std::string>({"a", "b", "c", "d", "e\"{}", ""}));
      case AtomType::uuid:
        break;
    }
    if (chance(3) && std::exchange(may_be_wrong_, false)) return json::array{"uuid", kNowhere};
    const auto named = named_.find(type.ref_table);
    if (named != named_.end() && chance(60)) return json::array{"named-uuid", one_of(named->second)};
    const auto known = rows_.find(type.ref_table);
    if (known == rows_.end() || known->second.empty()) return nullptr;
    const auto& list = known->second;
    return json::array{"uuid", list[list.size() - 1 - pick(std::min<std::size_t>(list.size(), 8))]};
  }
  // nullptr if no value can be made up.
  json::value value(const ColumnType& type) {
    const auto n = type.is_scalar() ? 1 : type.min + pick(std::min<std::uint64_t>(type.max, 3) - type.min + 1);
    json::array members;
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < n; ++i) {
      auto key = atom(type.key);
      if (key.is_null()) continue;
      if (!seen.insert(json::serialize(key)).second) continue;
      if (type.is_map()) {
        members.push_back(json::array{std::move(key), atom(*type.value)});
      } else {
        members.push_back(std::move(key));
      }
    }
    if (members.size() < type.min) return nullptr;
    if (!type.is_map() && members.size() == 1) return members[0];
    return json::array{type.is_map() ? "map" : "set", std::move(members)};
  }
  const std::pair<const std::string, ColumnSchema>& column(const std::string& name) {
    const auto& columns = schema_.table(name)->columns;
    return *std::next(columns.begin(), static_cast<std::ptrdiff_t>(pick(columns.size())));
  }
  static bool known(const ColumnType& type) {
    return type.key.ref_table.empty() || std::ranges::find(tables(), type.key.ref_table) != tables().end();
  }
  json::object row_of(const std::string& name) {
    json::object out;
    for (const auto& [key, c] : schema_.table(name)->columns) {
      if (!known(c.type) || !c.is_mutable || chance(key == "name" || !c.type.key.ref_table.empty() ? 20 : 70)) continue;
      auto v = value(c.type);
      if (!v.is_null()) out.emplace(key, std::move(v));
    }
    return out;
  }
  json::array where(const std::string& name) {
    json::array out;
    if (chance(15)) return out;
    const auto& rows = rows_[name];
    if (!rows.empty() && chance(50)) {
      out.push_back(
          json::array{"_uuid", chance(95) ? "==" : "!=",
                      json::array{"uuid", rows[rows.size() - 1 - pick(std::min<std::size_t>(rows.size(), 6))]}});
      return out;
    }
    for (auto n = 1 + pick(2); n > 0; --n) {
      const auto& [key, c] = column(name);
      if (!known(c.type)) continue;
      auto v = value(c.type);
      if (v.is_null()) continue;
      out.push_back(json::array{key, one_of<std::string>({"==", "!=", "includes", "excludes"}), std::move(v)});
    }
    return out;
  }
  json::object operation() {
    const std::string name = table();
    switch (pick(6)) {
      case 0:
        return {{"op", "select"}, {"table", name}, {"where", where(name)}};
      case 1:
        return {{"op", "update"}, {"table", name}, {"where", where(name)}, {"row", row_of(name)}};
      case 2:
        return {{"op", "delete"}, {"table", name}, {"where", where(name)}};
      case 3:
        if (chance(50)) return {{"op", "comment"}, {"comment", "x"}};
        return {{"op", "wait"},
                {"table", name},
                {"timeout", 0},
                {"where", where(name)},
                {"columns", json::array{"external_ids"}},
                {"until", chance(50) ? "==" : "!="},
                {"rows", json::array()}};
      default:
        return {{"op", "mutate"}, {"table", name}, {"where", where(name)}, {"mutations", mutations(name)}};
    }
  }
  json::array mutations(const std::string& name) {
    json::array out;
    for (auto n = 1 + pick(2); n > 0; --n) {
      const auto& [key, c] = column(name);
      if (!known(c.type) || !c.is_mutable) continue;
      if (c.type.is_scalar()) {
        if (c.type.key.type != AtomType::integer) continue;
        out.push_back(json::array{key, one_of<std::string>({"+=", "-=", "*=", "/=", "%="}), 1 + pick(3)});
        continue;
      }
      auto v = value(c.type);
      if (v.is_null()) continue;
      out.push_back(json::array{key, chance(60) ? "insert" : "delete", std::move(v)});
    }
    return out;
  }

  const Schema& schema_;
  std::mt19937 random_;
  std::map<std::string, std::vector<std::string>> named_;
  std::map<std::string, std::vector<std::string>> rows_;
  bool may_be_wrong_ = false;
};

class DifferentialTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = missing_programs(); !missing.empty()) GTEST_SKIP() << missing;
    ASSERT_TRUE(run_program({"ovsdb-tool", "create", folder_ / "nb.db", kNorthboundSchema}));
    server_.start();
    std::ifstream file(kNorthboundSchema);
    std::stringstream text;
    text << file.rdbuf();
    auto schema = Schema::parse(text.str());
    ASSERT_TRUE(schema) << schema.error().message;
    schema_ = std::move(*schema);
  }

  // Rows in one form and order, with the memory side's UUIDs.
  std::string canonical_rows(const std::string& table, const json::array& rows, bool real) {
    std::vector<std::string> out;
    for (const auto& row : rows) {
      json::object o = (real ? translate(row, to_memory_) : row).get_object();
      std::map<std::string, std::string> columns{{"_uuid", json::serialize(o.at("_uuid"))}};
      for (const auto& [name, c] : schema_.table(table)->columns) {
        auto datum = parse_datum(o.at(name), c.type);
        if (!datum) return "unreadable " + name;
        columns[name] = json::serialize(to_json(*datum, c.type));
      }
      std::string line;
      for (const auto& [name, v] : columns) line += name + "=" + v + " ";
      out.push_back(std::move(line));
    }
    std::ranges::sort(out);
    std::string all;
    for (const auto& line : out) all += line + "\n";
    return all;
  }

  std::string describe(const json::value& operation, const json::value& result, bool real) {
    if (result.is_null()) return "null";
    const auto& o = result.get_object();
    if (const auto* error = o.if_contains("error")) return "error " + std::string(error->get_string());
    if (const auto* rows = o.if_contains("rows")) {
      return canonical_rows(std::string(operation.at("table").get_string()), rows->get_array(), real);
    }
    if (o.contains("uuid")) return "inserted";
    return json::serialize(o);
  }

  // What both sides hold.
  std::string dump(bool real, RawConnection& connection, MemoryStore& store) {
    json::array operations;
    for (const auto& [name, _] : schema_.tables)
      operations.push_back(json::object{{"op", "select"}, {"table", name}, {"where", json::array()}});
    const auto results = real ? connection.transact("OVN_Northbound", operations) : store.execute(operations);
    std::string out;
    for (std::size_t i = 0; i < results.size() && i < operations.size(); ++i)
      out += describe(operations[i], results[i], real);
    return out;
  }

  void compare(unsigned seed, RawConnection& connection);

  TempFolder folder_;
  Server server_{folder_, "nb"};
  Schema schema_;
  std::map<std::string, std::string> to_memory_;  // the server's UUID -> ours
  std::size_t committed_ = 0;
  std::map<std::string, std::size_t> errors_;
};

void DifferentialTest::compare(unsigned seed, RawConnection& connection) {
  MemoryStore store(schema_, seed);
  Generator generator(schema_, seed);
  std::map<std::string, std::string> real_of;
  std::map<std::string, std::string> memory_of;
  to_memory_.clear();
  json::array clear;
  for (const auto& [name, table] : schema_.tables) {
    if (table.is_root) clear.push_back(json::object{{"op", "delete"}, {"table", name}, {"where", json::array()}});
  }
  (void)connection.transact("OVN_Northbound", clear);

  for (int step = 0; step < 60; ++step) {
    const auto operations = generator.transaction();
    SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step) + ": " + json::serialize(operations));
    const auto real = connection.transact("OVN_Northbound", translate(operations, real_of).get_array());
    const auto memory = store.execute(translate(operations, memory_of).get_array());
    ASSERT_EQ(real.size(), memory.size()) << json::serialize(real) << "\n" << json::serialize(memory);
    bool failed = false;
    for (std::size_t i = 0; i < real.size(); ++i) {
      failed = failed || (real[i].is_object() && real[i].get_object().contains("error"));
      const auto uuid_of = [i](const json::array& results) {
        return results[i].is_object() ? results[i].get_object().if_contains("uuid") : nullptr;
      };
      if (uuid_of(real) == nullptr || uuid_of(memory) == nullptr) continue;
      to_memory_.emplace(uuid_of(real)->at(1).get_string(), uuid_of(memory)->at(1).get_string());
    }
    for (std::size_t i = 0; i < real.size(); ++i) {
      const auto operation = i < operations.size() ? operations[i] : json::value();
      // Rows may refer to others that a failed transaction did not get to insert, under UUIDs that nobody learns.
      const bool is_select = operation.is_object() && operation.at("op") == "select";
      if (failed && is_select && real[i].is_object() && memory[i].is_object()) continue;
      const auto real_text = describe(operation, real[i], true);
      ASSERT_EQ(real_text, describe(operation, memory[i], false)) << json::serialize(real) << "\n"
                                                                  << json::serialize(memory);
      if (real_text.starts_with("error")) {
        ++errors_[real_text + (i < operations.size() ? "" : " at commit")];
      }
    }
    for (std::size_t i = 0; !failed && i < operations.size(); ++i) {
      if (operations[i].at("op") != "insert") continue;
      const std::string here(memory[i].at("uuid").at(1).get_string());
      const std::string there(real[i].at("uuid").at(1).get_string());
      const std::string name = "#" + std::to_string(real_of.size());
      real_of.emplace(name, there);
      memory_of.emplace(name, here);
      generator.remember(std::string(operations[i].at("table").get_string()), name);
    }
    if (!failed) ++committed_;
    ASSERT_EQ(dump(true, connection, store), dump(false, connection, store));
  }
}

// A thousand seeds agree, but for one thing that these 60 do not meet: ovsdb-server 3.1 may keep a weak reference to a
// row that is deleted by a transaction which also changes another column of the referring row (seed 590).
TEST_F(DifferentialTest, RandomTransactionsEndAlikeOnBoth) {
  RawConnection connection(server_.socket());
  for (unsigned seed = 1; seed <= 60 && !HasFatalFailure(); ++seed) compare(seed, connection);
  std::string seen;
  for (const auto& [error, n] : errors_) seen += error + ": " + std::to_string(n) + "\n";
  RecordProperty("committed", static_cast<int>(committed_));
  EXPECT_GT(committed_, 1000U) << seen;
  for (const char* error :
       {"error timed out", "error referential integrity violation at commit", "error constraint violation at commit",
        "error constraint violation", "error syntax error"}) {
    EXPECT_GT(errors_[error], 0U) << "never seen: " << error << "; seen:\n" << seen;
  }
}

}  // namespace
}  // namespace berth::test
