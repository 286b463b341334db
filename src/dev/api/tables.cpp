#include "dev/api/tables.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "dev/api/json_path.h"
#include "dev/api/tables_builtin.h"
#include "sim/api/object.h"

namespace berth::dev {
namespace {

namespace json = boost::json;
using sim::string_at;

const TableColumn kName{"Name", "string", "name", "Name must be unique within a namespace", 0};
const TableColumn kAge{"Age", "date", "", "Time since the object was created", 0};

// A cell of an integer, number, boolean or date column; null if the value is of another type.
json::value typed_cell(const std::string& type, const json::value& value, WallTime now) {
  if (type == "integer") {
    if (value.is_int64() || value.is_uint64()) return value;
    if (value.is_double()) return static_cast<std::int64_t>(value.get_double());
    return nullptr;
  }
  if (type == "number") return value.is_number() ? value : json::value(nullptr);
  if (type == "boolean") return value.is_bool() ? value : json::value(nullptr);
  if (!value.is_string()) return nullptr;
  return sim::parse_time(value.get_string()) ? json::value(age_since(value.get_string(), now))
                                             : json::value("<invalid>");
}

struct CustomColumn {
  JsonPath path;
  std::string type;
};

json::array custom_cells(const std::vector<CustomColumn>& columns, const json::object& object, WallTime now) {
  const json::value whole = object;  // the paths start at a value
  json::array cells{sim::name_of(object)};
  for (const CustomColumn& column : columns) {
    const auto found = column.path.find(whole);
    if (found.empty()) {
      cells.push_back(nullptr);
    } else if (column.type != "string") {
      cells.push_back(typed_cell(column.type, *found.front(), now));
    } else if (found.front()->is_string()) {
      cells.push_back(*found.front());
    } else {
      cells.push_back(json::value(json::serialize(*found.front())));
    }
  }
  return cells;
}

}  // namespace

std::string human_duration(std::chrono::seconds duration) {
  const std::int64_t seconds = duration.count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  const auto two = [](std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
    return small == 0 ? fmt::format("{}{}", large, large_unit)
                      : fmt::format("{}{}{}{}", large, large_unit, small, small_unit);
  };
  const std::int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  const std::int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  const std::int64_t days = hours / 24;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return fmt::format("{}d", days);
  if (days < 365 * 8) return two(days / 365, 'y', days % 365, 'd');
  return fmt::format("{}y", days / 365);
}

std::string age_since(std::string_view time, WallTime now) {
  const auto then = sim::parse_time(time);
  if (!then) return "<unknown>";
  return human_duration(std::chrono::floor<std::chrono::seconds>(now - *then));
}

TablePrinter TablePrinter::for_type(const sim::ResourceType& type) {
  TablePrinter printer;
  if (const BuiltinTable* table = type.custom ? nullptr : find_builtin_table(type)) {
    printer.columns_ = table->columns;
    printer.print_ = table->print;
    return printer;
  }
  printer.columns_ = {kName};
  if (type.custom && !type.columns.empty()) {
    std::vector<CustomColumn> custom;
    for (const sim::PrinterColumn& column : type.columns) {
      auto path = JsonPath::parse(column.json_path);
      if (!path) continue;
      printer.columns_.push_back({column.name, column.type, column.format, column.description, column.priority});
      custom.push_back({std::move(*path), column.type});
    }
    printer.print_ = [custom = std::move(custom)](const json::object& object, WallTime now) {
      return custom_cells(custom, object, now);
    };
    return printer;
  }
  printer.columns_.push_back(kAge);
  printer.print_ = [](const json::object& object, WallTime now) {
    return json::array{sim::name_of(object), age_since(string_at(object, {"metadata", "creationTimestamp"}), now)};
  };
  return printer;
}

json::array TablePrinter::column_definitions() const {
  json::array definitions;
  for (const TableColumn& column : columns_) {
    definitions.push_back(json::object{{"name", column.name},
                                       {"type", column.type},
                                       {"format", column.format},
                                       {"description", column.description},
                                       {"priority", column.priority}});
  }
  return definitions;
}

json::array TablePrinter::cells(const json::object& object, WallTime now) const { return print_(object, now); }

}  // namespace berth::dev
