#pragma once

// Objects as the text that goes over the wire, in the form that the client asked for.

#include <string>
#include <string_view>

#include "base/scheduler.h"
#include "dev/api/negotiation.h"
#include "dev/api/tables.h"
#include "sim/api_store.h"

namespace berth::dev {

// For one request or watch: form and type do not change.
class Renderer {
 public:
  // include_object: the query parameter of tables: "", "Metadata", "Object" or "None".
  Renderer(Form form, sim::TypePtr type, std::string include_object);

  [[nodiscard]] std::string object(const boost::json::object& object, WallTime now) const;
  [[nodiscard]] std::string list(const sim::ObjectList& list, WallTime now) const;

  // A line of a watch stream. Only the first one of a table carries the columns.
  [[nodiscard]] std::string event(const sim::WatchEvent& event, WallTime now);

 private:
  [[nodiscard]] boost::json::object partial(const boost::json::object& object) const;
  [[nodiscard]] boost::json::object row(const boost::json::object& object, WallTime now) const;
  [[nodiscard]] boost::json::object table(boost::json::array rows, boost::json::object metadata, bool columns) const;

  Form form_;
  sim::TypePtr type_;
  std::string include_object_;
  std::optional<TablePrinter> printer_;
  bool columns_sent_ = false;
};

// A Status as the body of an answer.
[[nodiscard]] http::ServerResponse error_response(const sim::ApiError& error);
[[nodiscard]] http::ServerResponse json_response(int status, std::string body,
                                                 std::string_view content_type = "application/json");

}  // namespace berth::dev
