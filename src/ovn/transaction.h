#pragma once

// Collects the operations of one northbound transaction, each with the call that asked for it. Guards (`wait`) go
// first, then rows in the order in which they were asked for, then the reference columns, one mutation per row however
// many children it gains and loses.

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "ovn/model.h"

namespace berth::ovn {

[[nodiscard]] boost::json::value id_json(const Id& id);
[[nodiscard]] boost::json::array set_json(const Strings& strings);
[[nodiscard]] boost::json::array map_json(const StringMap& map);

class Transaction {
 public:
  using HasColumn = std::function<bool(const std::string& table, const std::string& column)>;

  // `journal` undoes what is added while it records.
  Transaction(HasColumn has_column, Journal& journal) : has_column_(std::move(has_column)), journal_(journal) {}

  void set_call(std::size_t call) { call_ = call; }

  // Columns that the server's schema lacks are left out of the row.
  Id insert(const std::string& table, boost::json::object row);
  void update(const std::string& table, const Id& id, boost::json::object row);
  void remove(const std::string& table, const Id& id);
  void add_child(const std::string& table, const Id& owner, const std::string& column, const Id& child);
  void drop_child(const std::string& table, const Id& owner, const std::string& column, const Id& child);

  // The transaction fails (ErrorCode::conflict) unless exactly these rows match. Only the first guard of a key counts.
  void guard(const std::string& key, const std::string& table, boost::json::array where, const std::set<Id>& expected);
  // Excludes a key from guarding: this very transaction changes which rows match.
  void do_not_guard(const std::string& key);

  [[nodiscard]] std::size_t rows() const { return operations_.size() + children_.size(); }
  [[nodiscard]] bool empty() const { return rows() == 0; }

  struct Built {
    boost::json::array operations;
    std::vector<std::set<std::size_t>> calls;  // per operation: who asked for it
    std::vector<bool> must_match;              // per operation: a count of 0 means that the replica was behind
  };
  // `prefix`: operations that belong to no call. Must be called before the journal is rolled back.
  [[nodiscard]] Built build(boost::json::array prefix) const;

 private:
  struct Operation {
    boost::json::object json;
    std::size_t call;
    bool must_match;
  };
  struct Children {              // net change of one reference column
    std::map<Id, bool> changes;  // true: added
    std::set<std::size_t> calls;
  };
  using ColumnKey = std::pair<std::pair<std::string, Id>, std::string>;  // (table, row), column

  void change_child(const std::string& table, const Id& owner, const std::string& column, const Id& child, bool added);
  void push(std::vector<Operation>& list, boost::json::object json, bool must_match);
  boost::json::object known_columns(const std::string& table, boost::json::object row) const;

  HasColumn has_column_;
  Journal& journal_;
  std::size_t call_ = 0;
  std::size_t next_name_ = 1;
  std::vector<Operation> guards_;
  std::vector<Operation> operations_;
  std::map<ColumnKey, Children> children_;
  std::set<std::string> guarded_;
  std::set<std::pair<std::string, Id>> removed_;
};

}  // namespace berth::ovn
