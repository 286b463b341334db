#pragma once

// Objects as rows of a table (meta.k8s.io/v1 Table): what `kubectl get` shows. Columns and cells are those of
// kube-apiserver.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/scheduler.h"
#include "sim/api/resource_type.h"

namespace berth::dev {

struct TableColumn {
  std::string name;
  std::string type = "string";
  std::string format;
  std::string description;
  int priority = 0;  // above 0: only with -o wide
};

class TablePrinter {
 public:
  // For a built-in kind without columns of its own: name and age. For a custom one: the columns of its CRD.
  [[nodiscard]] static TablePrinter for_type(const sim::ResourceType& type);

  [[nodiscard]] boost::json::array column_definitions() const;
  [[nodiscard]] boost::json::array cells(const boost::json::object& object, WallTime now) const;

 private:
  using Printer = std::function<boost::json::array(const boost::json::object&, WallTime)>;
  std::vector<TableColumn> columns_;
  Printer print_;
};

// How long ago, as kubectl writes it: "42s", "3m4s", "5d2h"; "<unknown>" for what is no time.
[[nodiscard]] std::string age_since(std::string_view time, WallTime now);
[[nodiscard]] std::string human_duration(std::chrono::seconds duration);

}  // namespace berth::dev
